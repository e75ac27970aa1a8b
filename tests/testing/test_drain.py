"""`drain`: what is on a real server runs until nothing is left, as a worker runs it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from queue_core import (
    Context,
    InvalidArgument,
    InvalidResult,
    LeaseLost,
    State,
    Taskyard,
    testing,
)
from queue_core.testing import TooManyTasks


def test_order_is_that_of_a_worker(queued: Taskyard) -> None:
    @queued.task
    def note(text: str) -> str:
        return text

    for text, priority in (("low", -1), ("first", 0), ("second", 0), ("high", 1)):
        note.options(priority=priority).enqueue(text)
    assert [run.result for run in testing.drain(queued)] == ["high", "first", "second", "low"]
    assert testing.drain(queued) == []


def test_tasks_of_other_queues_and_of_what_runs_are_met(queued: Taskyard) -> None:
    @queued.task(queue="a")
    def last() -> None: ...

    @queued.task(queue="b")
    async def first() -> None:
        await last.aenqueue()
        await queued.aclose()

    first.enqueue()
    assert [run.name for run in testing.drain(queued)] == ["first", "last"]
    first.enqueue()
    assert [run.name for run in testing.drain(queued, ["b"])] == ["first"]


def test_delays_and_retries_follow_the_clock(queued: Taskyard, clock: testing.Clock) -> None:
    @queued.task(max_retries=2)
    def flaky(ctx: Context) -> None:
        if ctx.attempt < 3:
            raise ConnectionError(ctx.attempt)

    began = clock.now
    flaky.options(delay=3_600).enqueue()
    assert testing.drain(queued) == []
    runs = testing.drain(queued, advance=True)
    assert [(run.attempt, run.state) for run in runs] == [
        (1, State.RETRYING),
        (2, State.RETRYING),
        (3, State.COMPLETED),
    ]
    assert timedelta(seconds=3_605) <= clock.now - began < timedelta(seconds=3_610)


def test_eta_follows_the_clock(queued: Taskyard, clock: testing.Clock) -> None:
    @queued.task
    def fine() -> None: ...

    fine.options(eta=clock.now + timedelta(days=1)).enqueue()
    clock.advance(hours=23)
    assert testing.drain(queued) == []
    clock.advance(hours=1)
    assert len(testing.drain(queued)) == 1


def test_lease_that_ran_out_is_recovered(queued: Taskyard, clock: testing.Clock) -> None:
    @queued.task
    def fine() -> None: ...

    fine.enqueue()
    with queued.queue("default").claim() as (lease,):
        clock.advance(seconds=31)
        assert testing.drain(queued) == []
        (run,) = testing.drain(queued, advance=True)
        with pytest.raises(LeaseLost):
            lease.complete()
    assert (run.state, run.attempt) == (State.COMPLETED, 1)


def test_first_error_is_raised_once_its_task_is_settled(queued: Taskyard) -> None:
    @queued.task(max_retries=0)
    def fail() -> None:
        raise ValueError("no")

    handle = fail.enqueue()
    with pytest.raises(ValueError, match="no"):
        testing.drain(queued, raises=True)
    assert handle.status() is State.DEAD


def test_result_and_progress_are_kept_as_a_worker_keeps_them(queued: Taskyard) -> None:
    @queued.task(result_ttl=60)
    def give(ctx: Context, kind: str) -> Any:
        ctx.progress(1, 2, "half")
        progress = queued.task_status(ctx.task_id).progress
        assert progress is not None
        assert (progress.done, progress.total, progress.note) == (1, 2, "half")
        return (1, 2) if kind == "pair" else {1, 2}

    handle = give.enqueue("pair")
    (run,) = testing.drain(queued)
    assert (run.state, run.error, handle.result(timeout=0)) == (State.COMPLETED, None, [1, 2])
    give.enqueue("set")
    with pytest.raises(InvalidResult):
        testing.drain(queued)


def test_task_that_nobody_here_knows_is_held_for_one_who_does(queued: Taskyard) -> None:
    other = Taskyard(queued.url, namespace="test", clock=queued.clock)

    @other.task
    def theirs() -> None: ...

    @queued.task
    def ours() -> None: ...

    theirs.enqueue()
    ours.enqueue()
    assert [(run.name, run.state) for run in testing.drain(queued)] == [
        ("theirs", State.HELD),
        ("ours", State.COMPLETED),
    ]
    assert [(run.name, run.state) for run in testing.drain(other)] == [("theirs", State.COMPLETED)]
    other.close()


def test_arguments_that_do_not_fit_are_a_dead_letter(queued: Taskyard) -> None:
    older = Taskyard(queued.url, namespace="test", clock=queued.clock)

    @older.task(name="send")
    def old(to: str) -> None: ...

    @queued.task(name="send")
    def new(to: str, subject: str) -> None: ...

    old.enqueue("ada")
    (run,) = testing.drain(queued)
    assert run.state is State.DEAD
    assert "subject" in str(run.error)
    older.close()


def test_paused_queue_is_left_alone(queued: Taskyard) -> None:
    @queued.task
    def fine() -> None: ...

    fine.enqueue()
    fine.options(delay=1).enqueue()
    queued.control.pause("default", by="ada", action_id="a1")
    assert testing.drain(queued, advance=True) == []


def test_tasks_that_enqueue_themselves_for_ever_are_stopped_and_the_next_stays(queued: Taskyard) -> None:
    @queued.task
    def again() -> None:
        again.enqueue()

    again.enqueue()
    with pytest.raises(TooManyTasks, match="5 tasks have run and the next is again"):
        testing.drain(queued, most=5)
    assert queued.inspector.queue("default").counts.ready == 1


def test_time_is_not_moved_on_where_there_is_none_to_move(redis_url: str) -> None:
    with pytest.raises(InvalidArgument, match=r"testing\.Clock"):
        testing.drain(Taskyard(redis_url), advance=True)
