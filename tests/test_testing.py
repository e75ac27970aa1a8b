"""What users test with: the examples of its page as they stand there, and where it ends."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from queue_core import (
    Context,
    DeadLetter,
    Discard,
    InvalidArgument,
    InvalidPayload,
    InvalidResult,
    LeaseLost,
    Retry,
    State,
    Task,
    Taskyard,
    never,
    testing,
)
from queue_core.embedded import EmbeddedServer
from queue_core.testing import TooManyTasks

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/testing.md").read_text()
PROGRAMS = dict(re.findall(r"```python\n# (\S+\.py)\n(.+?)```", PAGE, re.DOTALL))
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def yard() -> Taskyard:
    """Its server does not answer."""
    return Taskyard(NOWHERE)


@pytest.fixture
def clock() -> testing.Clock:
    return testing.Clock(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def queued(redis_url: str, clock: testing.Clock) -> Iterator[Taskyard]:
    """A yard on a server that goes by the clock."""
    yard = Taskyard(redis_url, namespace="test", clock=clock)
    yield yard
    yard.close()


# The page.


def test_page_runs_as_it_stands(tmp_path: Path, server: EmbeddedServer) -> None:
    for name, text in PROGRAMS.items():
        (tmp_path / name).write_text(text)
    assert {"shop.py", "conftest.py", "by_hand.py"} <= PROGRAMS.keys()
    tests = [name for name in PROGRAMS if name.startswith("test_")]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), *tests]
    environ = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=environ)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    count = sum(text.count("\ndef test_") for text in PROGRAMS.values())
    assert f"{count} passed" in ran.stdout
    shown = subprocess.run(
        [sys.executable, "by_hand.py"], cwd=tmp_path, capture_output=True, text=True, check=True, env=environ
    ).stdout
    assert re.match(r"\[<Run send_email \w{22} attempt 1, completed>\]\n", shown)


def test_engine_and_its_testing_need_no_pytest() -> None:
    program = "import sys; sys.modules['pytest'] = None; import queue_core; from queue_core import testing"
    subprocess.run([sys.executable, "-c", program], check=True)
    program = "import sys; import queue_core; assert not [name for name in sys.modules if 'testing' in name]"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_without_a_server_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKYARD_SERVER_BINARY", "/nowhere")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CI", raising=False)
    from queue_core.testing import fixtures  # after pytest has made it a plugin

    with pytest.raises(pytest.skip.Exception, match="which is not a program"):
        fixtures._binary()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no test may be skipped"):
        fixtures._binary()


# inline


def test_every_way_to_enqueue_runs_the_handler(yard: Taskyard) -> None:
    @yard.task
    def double(number: int) -> int:
        return 2 * number

    with testing.inline(yard) as ran:
        double.enqueue(1)
        double.delay(2)
        yard.enqueue(double.message(3))
        yard.enqueue_many(double.message(number) for number in (4, 5))
        asyncio.run(_awaited(double.aenqueue(6)))
        asyncio.run(_awaited(yard.aenqueue_many([double.message(7)])))
        double.options(delay=3_600, priority=3).enqueue(8)
    assert [run.result for run in ran] == [2, 4, 6, 8, 10, 12, 14, 16]
    assert {(run.name, run.queue, run.state, run.attempt) for run in ran} == {("double", "default", State.COMPLETED, 1)}
    assert vars(yard).keys() == vars(Taskyard(NOWHERE)).keys()


def test_handle_is_that_of_the_task_that_ran(yard: Taskyard) -> None:
    @yard.task
    def greet(ctx: Context, name: str = "you") -> str:
        return f"{ctx.task_id} {ctx.attempt} {ctx.queue} {name}"

    with testing.inline(yard) as ran:
        handle = greet.options(task_id="order-1").enqueue("ada")
    assert isinstance(handle, testing.InlineHandle)
    assert (handle.id, handle.status(), handle.run) == ("order-1", State.COMPLETED, ran[0])
    assert ran[0].result == "order-1 1 default ada"


def test_arguments_come_back_as_json_has_them(yard: Taskyard) -> None:
    @yard.task
    def keep(value: Any) -> Any:
        return value

    with testing.inline(yard) as ran:
        keep.enqueue((1, 2))
        with pytest.raises(InvalidPayload):
            keep.enqueue(datetime.now(UTC))
    assert [run.result for run in ran] == [[1, 2]]


def test_async_handlers_run_where_there_is_a_loop_and_where_there_is_none(yard: Taskyard) -> None:
    @yard.task
    async def inner() -> str:
        await asyncio.sleep(0)
        return "inner"

    @yard.task
    async def outer() -> None:
        await inner.aenqueue()
        inner.enqueue()

    with testing.inline(yard) as ran:
        outer.enqueue()
        asyncio.run(_awaited(outer.aenqueue()))
    assert [run.name for run in ran] == ["inner", "inner", "outer"] * 2


def test_many_at_once_are_not_one_within_another(yard: Taskyard) -> None:
    @yard.task
    async def nap() -> None:
        await asyncio.sleep(0)

    async def enqueue_all() -> None:
        await asyncio.gather(*(nap.aenqueue() for _ in range(100)))

    with testing.inline(yard) as ran:
        asyncio.run(enqueue_all())
    assert len(ran) == 100


@pytest.mark.parametrize("error", [ValueError, SystemExit, DeadLetter])
def test_error_of_a_handler_is_raised_or_kept(yard: Taskyard, error: type[BaseException]) -> None:
    @yard.task
    def fail() -> None:
        raise error("no")

    with testing.inline(yard) as ran, pytest.raises(error, match="no"):
        fail.enqueue()
    with testing.inline(yard, raises=False) as kept:
        fail.enqueue()
    state = State.DEAD if error is DeadLetter else State.RETRYING
    assert [run.state for run in (*ran, *kept)] == [state] * 2
    assert isinstance(kept[0].error, error)


def test_what_stops_the_test_is_no_failure_of_the_handler(yard: Taskyard) -> None:
    @yard.task
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), testing.inline(yard, raises=False):
        interrupted.enqueue()


def test_result_that_is_kept_goes_through_json_and_what_cannot_be_kept_is_refused(yard: Taskyard) -> None:
    @yard.task(result_ttl=60)
    def give(kind: str) -> Any:
        return (1, 2) if kind == "pair" else {1, 2}

    with testing.inline(yard):
        assert give.enqueue("pair").result() == [1, 2]
        with pytest.raises(InvalidResult):
            give.enqueue("set")


def test_task_that_recovers_runs_as_often_as_it_needs(yard: Taskyard) -> None:
    @yard.task(max_retries=5)
    def third_time(ctx: Context) -> str:
        if ctx.attempt < 3:
            raise ConnectionError
        return "done"

    with testing.inline(yard, retries=True) as ran:
        third_time.enqueue()
    assert [run.state for run in ran] == [State.RETRYING, State.RETRYING, State.COMPLETED]


def test_task_gets_the_attempts_that_it_was_sent_with_not_those_declared(yard: Taskyard) -> None:
    @yard.task(max_retries=5)
    def flaky() -> None:
        raise ConnectionError

    with testing.inline(yard, retries=True, raises=False) as ran:
        flaky.options(max_retries=3).enqueue()  # as many as a declaration that says nothing allows
    assert [run.state for run in ran] == [State.RETRYING] * 3 + [State.DEAD]


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_tasks_that_enqueue_one_another_for_ever_are_stopped(yard: Taskyard, kind: str) -> None:
    if kind == "def":

        @yard.task
        def again() -> None:
            again.enqueue()
    else:

        @yard.task
        async def again() -> None:
            again.enqueue()

    with testing.inline(yard, raises=False), pytest.raises(TooManyTasks, match="50 tasks have enqueued one another"):
        again.enqueue()


def test_runs_have_an_end(yard: Taskyard) -> None:
    @yard.task
    def fine() -> None: ...

    with testing.inline(yard, most=3) as ran, pytest.raises(TooManyTasks, match="3 tasks have run"):
        yard.enqueue_many(fine.message() for _ in range(9))
    assert len(ran) == 3
    with pytest.raises(InvalidArgument, match="most 0"), testing.inline(yard, most=0):
        pass


def test_one_inline_within_another_keeps_its_own_list(yard: Taskyard) -> None:
    @yard.task
    def fine() -> None: ...

    with testing.inline(yard) as outer:
        with testing.inline(yard) as inner:
            fine.enqueue()
        fine.enqueue()
    assert (len(outer), len(inner)) == (1, 1)


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


# Clock


def test_clock_stands_still_until_time_passes(clock: testing.Clock) -> None:
    assert clock() == clock() == clock.now_ms == 1_767_225_600_000
    clock.advance(days=1, hours=1, minutes=1, seconds=1, milliseconds=1)
    assert clock.now == datetime(2026, 1, 2, 1, 1, 1, 1_000, tzinfo=UTC)
    clock.advance_to(datetime(2026, 1, 3, tzinfo=timezone(timedelta(hours=1))))
    assert clock.now == datetime(2026, 1, 2, 23, tzinfo=UTC)
    clock.advance_to(datetime(2026, 1, 1, tzinfo=UTC))
    assert clock.now == datetime(2026, 1, 2, 23, tzinfo=UTC)
    assert repr(clock) == "<Clock 2026-01-02T23:00:00.000+00:00>"
    assert abs(testing.Clock().now - datetime.now(UTC)) < timedelta(minutes=1)


def test_time_does_not_go_back_and_has_a_zone(clock: testing.Clock) -> None:
    with pytest.raises(InvalidArgument, match="time does not go back"):
        clock.advance(seconds=-1)
    with pytest.raises(InvalidArgument, match="with its time zone"):
        clock.advance_to(datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(InvalidArgument, match="with its time zone"):
        testing.Clock(datetime(2026, 1, 1))  # noqa: DTZ001


# drain


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


# connected


def test_yard_is_on_that_server_and_then_where_it_was(yard: Taskyard, redis_url: str, clock: testing.Clock) -> None:
    @yard.task
    def fine() -> None: ...

    before = dict(vars(yard))
    with testing.connected(yard, redis_url, namespace="mine", clock=clock) as connected:
        assert connected is yard
        fine.enqueue()
        assert len(testing.drain(yard)) == 1
        with testing.connected(yard, redis_url, namespace="inner"):
            assert testing.drain(yard) == []
        fine.enqueue()
        assert len(testing.drain(yard)) == 1
    assert vars(yard) == before


pytest_plugins = ["queue_core.testing.fixtures"]


def test_fixtures_put_a_yard_onto_a_server_of_their_own(
    yard: Taskyard,
    taskyard_connect: Callable[[Taskyard], Taskyard],
    taskyard_clock: testing.Clock,
    taskyard_namespace: str,
    taskyard_url: str,
) -> None:
    connected = taskyard_connect(yard)
    assert (connected.url, connected.namespace, connected.clock) == (taskyard_url, taskyard_namespace, taskyard_clock)
    assert taskyard_connect(Taskyard(NOWHERE)).inspector.snapshot().queues == ()


# What a handler says, and the rules of its task.


def _declare_sayer(yard: Taskyard, errors: list[BaseException]) -> Task[[], int]:
    """It raises each of the errors once, then it completes."""

    @yard.task(retry={ConnectionError: [30, 90], ValueError: never}, max_retries=3)
    def say() -> int:
        if errors:
            raise errors.pop(0)
        return 1

    return say


@pytest.mark.parametrize(
    ("errors", "states"),
    [
        ([ConnectionError(), ConnectionResetError()], [State.RETRYING, State.RETRYING, State.COMPLETED]),
        ([Retry(after=60), ValueError()], [State.RETRYING, State.DEAD]),
        ([KeyError(), Discard("too late")], [State.RETRYING, State.DISCARDED]),
        ([Retry(after=1)] * 4, [State.RETRYING] * 3 + [State.DEAD]),
        ([DeadLetter("no")], [State.DEAD]),
    ],
    ids=str,
)
def test_both_decide_as_a_worker_does(
    yard: Taskyard, queued: Taskyard, errors: list[BaseException], states: list[State]
) -> None:
    with testing.inline(yard, raises=False, retries=True) as ran:
        _declare_sayer(yard, [*errors]).enqueue()
    assert [run.state for run in ran] == states
    _declare_sayer(queued, [*errors]).enqueue()
    assert [run.state for run in testing.drain(queued, advance=True)] == states


def test_next_attempt_is_when_the_rule_or_the_handler_says(queued: Taskyard, clock: testing.Clock) -> None:
    handle = _declare_sayer(queued, [ConnectionError(), Retry("closed", after=3_600)]).enqueue()
    testing.drain(queued)
    now = clock()
    due = queued.inspector.task("default", handle.id).at
    assert due is not None
    assert 30_000 <= due - now <= 33_000
    assert re.search(r"The next one is due in 3[0-3] s", queued.explain(handle.id).sentence)
    clock.advance(milliseconds=due - now)
    testing.drain(queued)
    assert queued.inspector.task("default", handle.id).at == clock() + 3_600_000
    clock.advance(hours=1)
    assert [run.state for run in testing.drain(queued)] == [State.COMPLETED]
