"""Handlers whose time is over, or that are to stop: told, then stopped. Without Redis."""

from __future__ import annotations

import asyncio
import random
import threading
import time
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from queue_core import Cancelled, Context, LeaseLost, SoftTimeout, Taskyard
from queue_core.worker import executor, thread_pool
from queue_core.worker.executor import Executor
from queue_core.worker.interruption import raise_in_thread
from queue_core.worker.outcome import STOPPED
from queue_core.worker.stacks import stack_of
from tests.worker.runs import TestRun

TIMEOUT = 0.05


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(executor, "TOLD_SECONDS", 0.05)


class Bench:
    def __init__(self, slots: int = 4) -> None:
        self.executor: Executor[TestRun] = Executor(asyncio.get_running_loop(), slots)
        self.ended: asyncio.Queue[TestRun] = asyncio.Queue()

    def start(self, handler: Callable[..., Any], *arguments: Any, timeout: float | None = TIMEOUT) -> TestRun:
        definition = Taskyard().task(name="handler", timeout=timeout)(handler).definition
        run = TestRun(definition, arguments, when_ended=self.ended.put_nowait)
        self.executor.submit(run)
        return run

    async def end(self, seconds: float = 10) -> TestRun:
        async with asyncio.timeout(seconds):
            return await self.ended.get()


def hold_thread(seconds: float) -> None:
    """Python code that runs for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.001)


def handlers(what: list[str], seconds: float = 10) -> dict[str, Callable[[], Any]]:
    """Each kind of handler, doing nothing for `seconds`; what it sees of its end is put into the list."""

    async def asynchronous() -> None:
        try:
            await asyncio.sleep(seconds)
        except BaseException as error:
            what.append(type(error).__name__)
            raise

    def synchronous() -> None:
        try:
            hold_thread(seconds)
        except BaseException as error:
            what.append(type(error).__name__)
            raise

    def wrapped() -> Awaitable[None]:
        return asynchronous()

    return {"async": asynchronous, "thread": synchronous, "wrapped": wrapped}


KINDS = pytest.mark.parametrize("kind", ["async", "thread", "wrapped"])


@KINDS
def test_soft_timeout_is_raised_in_the_handler(kind: str) -> None:
    seen: list[str] = []

    async def test() -> None:
        bench = Bench()
        bench.start(handlers(seen)[kind])
        run = await bench.end()
        assert isinstance(run.error, SoftTimeout)
        assert str(run.error) == "the handler has run for longer than its timeout, 0.05 s"
        assert TIMEOUT <= run.seconds < 5

    asyncio.run(test())
    assert seen == ["SoftTimeout"]


@KINDS
@pytest.mark.parametrize("timeout", [None, 30])
def test_handler_within_its_time_is_left_alone(kind: str, timeout: float | None) -> None:
    seen: list[str] = []

    async def test() -> None:
        bench = Bench()
        bench.start(handlers(seen, seconds=0.1)[kind], timeout=timeout)
        assert (await bench.end()).error is None

    asyncio.run(test())
    assert seen == []


def test_handler_may_catch_the_timeout_tidy_up_and_complete() -> None:
    async def asynchronous() -> str:
        try:
            await asyncio.sleep(10)
        except SoftTimeout:
            async with asyncio.timeout(10), asyncio.TaskGroup() as group:  # these mind a cancellation that is under way
                group.create_task(asyncio.sleep(0.05))
            task = asyncio.current_task()
            return f"tidied up, {task.cancelling() if task else None} cancellations"
        return "slept"

    def synchronous() -> str:
        try:
            hold_thread(10)
        except SoftTimeout:
            hold_thread(0.05)
            return "tidied up, 0 cancellations"
        return "slept"

    async def test() -> None:
        bench = Bench()
        for handler in (asynchronous, synchronous):
            bench.start(handler)
            run = await bench.end()
            assert (run.result, run.error) == ("tidied up, 0 cancellations", None)

    asyncio.run(test())


def test_timeout_reaches_through_whatever_an_async_handler_awaits() -> None:
    async def sleep_in_a_task() -> None:
        await asyncio.create_task(asyncio.sleep(10))

    async def sleep_in_a_group() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(10))

    async def sleep_with_a_longer_timeout() -> None:
        async with asyncio.timeout(5):
            await asyncio.sleep(10)

    async def sleep_behind_gather() -> None:
        await asyncio.gather(asyncio.sleep(10), asyncio.sleep(10))

    async def sleep_and_shield() -> None:
        await asyncio.shield(asyncio.sleep(0.3))

    async def turn_a_cancellation_into_an_error() -> None:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            raise AssertionError("it was not cancelled") from None

    async def test() -> None:
        bench = Bench()
        for handler in (
            sleep_in_a_task,
            sleep_with_a_longer_timeout,
            sleep_behind_gather,
            sleep_and_shield,
            turn_a_cancellation_into_an_error,
        ):
            bench.start(handler)
            assert isinstance((await bench.end()).error, SoftTimeout), handler
        bench.start(sleep_in_a_group)
        error = (await bench.end()).error
        assert isinstance(error, asyncio.CancelledError | SoftTimeout | BaseExceptionGroup)
        assert not isinstance(error, asyncio.CancelledError)

    asyncio.run(test())


def test_own_timeout_of_a_handler_that_comes_first_is_its_own() -> None:
    async def handler() -> str:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(10)
        except TimeoutError:
            return "too slow"
        return ""

    async def test() -> None:
        bench = Bench()
        bench.start(handler)
        assert (await bench.end()).result == "too slow"

    asyncio.run(test())


@pytest.mark.parametrize("kind", ["async", "thread"])
def test_handler_that_swallows_it_goes_on_and_is_not_interrupted_again(kind: str) -> None:
    async def asynchronous() -> int:
        count = 0
        for _ in range(3):
            try:
                await asyncio.sleep(0.1)
            except SoftTimeout:
                count += 1
        return count

    def synchronous() -> int:
        count = 0
        for _ in range(3):
            try:
                hold_thread(0.1)
            except SoftTimeout:
                count += 1
        return count

    async def test() -> None:
        bench = Bench()
        bench.start(asynchronous if kind == "async" else synchronous)
        assert (await bench.end()).result == 1

    asyncio.run(test())


def test_run_that_has_ended_in_its_thread_is_not_interrupted_there() -> None:
    gate = threading.Event()

    def hold() -> None:
        gate.set()
        hold_thread(0.1)

    async def test() -> None:
        bench = Bench(slots=1)
        first, second = bench.start(lambda: None, timeout=5), bench.start(hold, timeout=None)
        gate.wait(10)  # the loop stands still: it has not heard that the first one has ended
        first.interrupt_at = 0
        bench.executor._sweep()
        assert first.is_interrupted
        assert [(await bench.end()).error for _ in (first, second)] == [None, None]

    asyncio.run(test())


def test_interruption_that_comes_when_its_handler_has_just_ended_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the event loop loses the interpreter just before it raises."""
    let_go, real = threading.Event(), raise_in_thread

    async def test() -> None:
        bench = Bench(slots=1)
        first, second = bench.start(let_go.wait, timeout=5), bench.start(hold_thread, 0.1, timeout=None)

        def raise_late(thread_id: int, error: type[BaseException]) -> None:
            let_go.set()
            while first.thread_id:
                time.sleep(0.001)
            real(thread_id, error)

        monkeypatch.setattr(thread_pool, "raise_in_thread", raise_late)
        while not first.began:
            await asyncio.sleep(0.001)
        first.interrupt_at = 0
        bench.executor._sweep()
        assert [(await bench.end()).error for _ in (first, second)] == [None, None]

    asyncio.run(test())


def test_timeout_never_hits_the_next_task_of_a_thread() -> None:
    """Handlers that end just when their time does: each either completes or has its own timeout; none has another's,
    and the thread stays."""
    chance = random.Random(1)
    threads, outcomes = set(), {"completed": 0, "timed out": 0}
    seconds = 0.003

    def about(seconds: float) -> str:
        threads.add(threading.get_ident())
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pass
        return "completed"

    def innocent() -> str:
        for _ in range(50):
            pass
        return "completed"

    async def test() -> None:
        nonlocal seconds
        bench = Bench(slots=1)
        for _ in range(150):
            timed = bench.start(about, seconds + chance.uniform(-0.0004, 0.0004), timeout=0.003)
            behind = [bench.start(innocent, timeout=None) for _ in range(3)]
            while not timed.began:
                await asyncio.sleep(0)
            while time.monotonic() < timed.interrupt_at and timed.thread_id:
                time.sleep(0.00005)  # nothing is handed back meanwhile
            bench.executor._sweep()
            for _ in range(4):
                run = await bench.end()
                if run is timed and run.error is not None:
                    assert isinstance(run.error, SoftTimeout)
                    outcomes["timed out"] += 1
                else:
                    assert (run.error, run.result) == (None, "completed"), run in behind
                    outcomes["completed"] += run is timed
            seconds += 0.0001 if timed.error is None else -0.0001  # it stays at the edge, however busy this machine is

    asyncio.run(test())
    assert len(threads) == 1
    print(outcomes)
    assert min(outcomes.values()) > 5


@KINDS
@pytest.mark.parametrize("why", ["cancelled", "lease lost"])
def test_handler_that_does_not_look_is_told_and_then_stopped(kind: str, why: str) -> None:
    seen: list[str] = []

    async def test() -> None:
        bench = Bench()
        run = bench.start(handlers(seen)[kind], timeout=None)
        while not run.began or (kind == "wrapped" and run.task is None):
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        (bench.executor.cancel if why == "cancelled" else bench.executor.lose)(run)
        assert (run.context.is_cancelled, run.context.is_lease_lost) == (why == "cancelled", why == "lease lost")
        ended = await bench.end(5)
        assert isinstance(ended.error, (*STOPPED, LeaseLost))

    asyncio.run(test())
    in_thread = {"cancelled": "Cancelled", "lease lost": "LeaseLost"}[why]
    assert seen == [in_thread if kind == "thread" else "CancelledError"]


@KINDS
@pytest.mark.parametrize("why", ["cancelled", "lease lost"])
def test_run_that_has_not_begun_when_it_is_to_stop_does_not_begin(kind: str, why: str) -> None:
    seen: list[str] = []

    async def test() -> None:
        bench = Bench(slots=1)
        gate = threading.Event()
        if kind != "async":
            bench.start(gate.wait, timeout=None)
        run = bench.start(handlers(seen, seconds=0)[kind], timeout=None)
        (bench.executor.cancel if why == "cancelled" else bench.executor.lose)(run)
        gate.set()
        ended = [await bench.end() for _ in range(1 if kind == "async" else 2)][-1]
        assert ended is run
        assert isinstance(run.error, Cancelled if why == "cancelled" else LeaseLost)

    asyncio.run(test())
    assert seen == []


def test_context_tells_the_time_that_is_left() -> None:
    told: list[Any] = []

    def handler(context: Context) -> None:
        told.extend((context.seconds_left, context.deadline))

    async def test() -> None:
        bench = Bench()
        bench.start(handler, timeout=20)
        assert (await bench.end()).error is None
        bench.start(handler, timeout=None)
        assert (await bench.end()).error is None

    began = datetime.now(UTC)
    asyncio.run(test())
    assert 15 < told[0] <= 20
    assert timedelta(seconds=15) < told[1] - began < timedelta(seconds=25)
    assert told[2:] == [None, None]
    assert Context("id", "name", "queue", 1, 7).deadline is None


def test_nothing_is_looked_after_while_nothing_runs() -> None:
    async def test() -> None:
        bench = Bench()
        bench.start(lambda: None)
        await bench.end()
        async with asyncio.timeout(5):
            while bench.executor._sweeper is not None:
                await asyncio.sleep(0.005)

    asyncio.run(test())


def test_stack_of_a_run_tells_where_its_handler_is() -> None:
    at_rest = threading.Event()

    def innermost_in_thread() -> None:
        at_rest.wait(10)

    def synchronous() -> None:
        innermost_in_thread()

    async def innermost_on_loop() -> None:
        await asyncio.sleep(10)

    async def asynchronous() -> None:
        await innermost_on_loop()

    async def test() -> None:
        bench = Bench()
        runs = [bench.start(handler, timeout=None) for handler in (synchronous, asynchronous)]
        while not all(run.began for run in runs):
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        stacks = [[frame.name for frame in traceback.extract_tb(stack_of(run))] for run in runs]
        assert stacks[0][-4:-1] == ["synchronous", "innermost_in_thread", "wait"]
        assert stacks[1] == ["asynchronous", "innermost_on_loop", "sleep"]
        at_rest.set()
        bench.executor.cancel(runs[1])
        for _ in runs:
            assert stack_of(await bench.end()) is None

    asyncio.run(test())
