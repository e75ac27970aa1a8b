"""`inline`: what is enqueued runs here and now."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from queue_core import (
    Context,
    DeadLetter,
    InvalidArgument,
    InvalidPayload,
    InvalidResult,
    State,
    Taskyard,
    testing,
)
from queue_core.testing import TooManyTasks

NOWHERE = "redis://127.0.0.1:1/0"


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
