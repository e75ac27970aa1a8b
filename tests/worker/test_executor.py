"""Running handlers, without Redis."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from queue_core import Cancelled, Context, Taskyard
from queue_core.worker.executor import Executor
from queue_core.worker.outcome import STOPPED
from tests.worker.runs import TestRun, run_of

CONTEXT = Context("id", "name", "queue", 1, 7)


class Bench:
    """Runs handlers on an executor and collects how they ended."""

    def __init__(self, executor: Executor[TestRun]) -> None:
        self.executor = executor
        self.ended: asyncio.Queue[TestRun] = asyncio.Queue()

    def start(self, handler: Callable[..., Any], *arguments: Any, **named: Any) -> None:
        definition = Taskyard().task(name="handler")(handler).definition
        run = TestRun(definition, arguments, named, when_ended=self.ended.put_nowait, context=CONTEXT)
        self.executor.submit(run)

    async def run(self, handler: Callable[..., Any], *arguments: Any, **named: Any) -> TestRun:
        self.start(handler, *arguments, **named)
        async with asyncio.timeout(10):
            return await self.ended.get()


def on_bench(test: Callable[[Bench], Awaitable[None]], max_threads: int = 4) -> None:
    async def main() -> None:
        await test(Bench(Executor(asyncio.get_running_loop(), max_threads)))

    asyncio.run(main())


def test_async_handler_runs_on_the_loop_and_another_one_on_a_thread() -> None:
    threads = []

    async def asynchronous() -> None:
        threads.append(threading.current_thread())

    def synchronous() -> None:
        threads.append(threading.current_thread())

    async def test(bench: Bench) -> None:
        assert (await bench.run(asynchronous)).error is None
        assert (await bench.run(synchronous)).error is None

    on_bench(test)
    assert threads[0] is threading.main_thread()
    assert threads[1].name.startswith("taskyard-")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        SystemExit(1),
        KeyboardInterrupt(),
        asyncio.CancelledError(),
        GeneratorExit(),
        StopIteration(),
        MemoryError(),
        RecursionError(),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("is_async", [True, False])
def test_whatever_a_handler_raises_is_its_failure_and_stops_nothing(error: BaseException, is_async: bool) -> None:
    async def asynchronous() -> None:
        raise error

    def synchronous() -> None:
        raise error

    async def test(bench: Bench) -> None:
        run = await bench.run(asynchronous if is_async else synchronous)
        assert run.error is error or (is_async and isinstance(run.error, RuntimeError))  # StopIteration in a coroutine
        assert (await bench.run(lambda: None)).error is None

    on_bench(test)


def test_handler_that_cancels_itself_has_failed() -> None:
    async def cancel() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(10)

    async def test(bench: Bench) -> None:
        assert isinstance((await bench.run(cancel)).error, asyncio.CancelledError)

    on_bench(test)


def test_async_handler_inside_a_wrapper_that_is_none_is_awaited() -> None:
    loops = []

    async def handler(value: int) -> None:
        await asyncio.sleep(0)
        loops.append(asyncio.get_running_loop())
        if value < 0:
            raise ValueError(value)

    @functools.wraps(handler)
    def wrapper(value: int) -> Any:
        return handler(value)

    async def test(bench: Bench) -> None:
        assert (await bench.run(wrapper, 1)).error is None
        assert isinstance((await bench.run(wrapper, -1)).error, ValueError)
        assert loops == [asyncio.get_running_loop()] * 2

    on_bench(test)


def test_threads_run_as_many_at_once_as_allowed() -> None:
    running, most, lock = 0, 0, threading.Lock()
    all_there = threading.Barrier(3, timeout=10)

    def handler() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        all_there.wait()
        with lock:
            running -= 1

    async def test(bench: Bench) -> None:
        for _ in range(9):
            bench.start(handler)
        async with asyncio.timeout(10):
            runs = [await bench.ended.get() for _ in range(9)]
        assert [run.error for run in runs] == [None] * 9

    on_bench(test, max_threads=3)
    assert most == 3


def test_threads_are_kept_and_no_more_are_made_than_needed() -> None:
    names = set()

    async def test(bench: Bench) -> None:
        for _ in range(50):
            await bench.run(lambda: names.add(threading.current_thread().name))

    on_bench(test)
    assert len(names) <= 2  # one may not have come back for more when the next run starts


def test_where_no_more_threads_can_be_started_those_that_there_are_do_the_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, started = threading.Thread.start, 0

    def start(thread: threading.Thread) -> None:
        nonlocal started
        if thread.name.startswith("taskyard-"):
            started += 1
            if started > 1:
                raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)

    async def test(bench: Bench) -> None:
        for _ in range(4):
            bench.start(lambda: time.sleep(0.01))
        async with asyncio.timeout(10):
            runs = [await bench.ended.get() for _ in range(4)]
        assert [run.error for run in runs] == [None] * 4

    on_bench(test)


def test_run_tells_how_long_it_took_and_when_it_began() -> None:
    async def test(bench: Bench) -> None:
        before = time.monotonic()
        run = await bench.run(lambda: time.sleep(0.02))
        assert run.seconds >= 0.02
        assert before <= run.began <= time.monotonic() - 0.02

    on_bench(test)


def test_many_runs_that_end_together_are_all_handed_back() -> None:
    async def test(bench: Bench) -> None:
        for _ in range(2_000):
            bench.start(lambda: None)
        async with asyncio.timeout(20):
            for _ in range(2_000):
                await bench.ended.get()

    on_bench(test)


def test_handler_gets_its_arguments_and_its_context() -> None:
    got: list[Any] = []

    def handler(first: int, context: Context, *rest: int, key: str = "") -> None:
        got.append((first, context, rest, key))

    async def test(bench: Bench) -> None:
        assert (await bench.run(handler, 1, 2, 3, key="k")).error is None

    on_bench(test)
    assert got == [(1, CONTEXT, (2, 3), "k")]


def test_result_is_handed_on_whatever_kind_of_handler_made_it() -> None:
    async def asynchronous() -> int:
        return 1

    def synchronous() -> int:
        return 2

    def wrapped() -> Awaitable[int]:
        return asynchronous()

    async def test(bench: Bench) -> None:
        assert [(await bench.run(handler)).result for handler in (asynchronous, synchronous, wrapped)] == [1, 2, 1]

    on_bench(test)


@pytest.mark.parametrize("kind", ["async", "thread", "wrapped"])
@pytest.mark.parametrize("has_begun", [True, False])
def test_cancelled_run_ends(kind: str, has_begun: bool) -> None:
    begun = threading.Event()

    async def asynchronous(context: Context) -> None:
        begun.set()
        await asyncio.sleep(60)

    def synchronous(context: Context) -> None:
        begun.set()
        while not context.is_cancelled:
            time.sleep(0.001)
        raise Cancelled

    def wrapped(context: Context) -> Awaitable[None]:
        return asynchronous(context)

    async def test(bench: Bench) -> None:
        handler = {"async": asynchronous, "thread": synchronous, "wrapped": wrapped}[kind]
        definition = Taskyard().task(name="handler")(handler).definition
        context = Context("id", "name", "queue", 1, 7)
        run = TestRun(definition, when_ended=bench.ended.put_nowait, context=context)
        if not has_begun:
            context.signals.is_cancelled = True
        bench.executor.submit(run)
        while has_begun and not begun.is_set():
            await asyncio.sleep(0.001)
        bench.executor.cancel(run)
        async with asyncio.timeout(10):
            ended = await bench.ended.get()
        assert isinstance(ended.error, STOPPED)
        assert begun.is_set() == has_begun

    on_bench(test)


def test_no_run_sees_what_another_one_has_set() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="fresh")
    seen = []

    async def asynchronous() -> None:
        seen.append(variable.get())
        variable.set("async")

    def synchronous() -> None:
        seen.append(variable.get())
        variable.set("thread")

    async def test(bench: Bench) -> None:
        ended: asyncio.Queue[TestRun] = asyncio.Queue()

        def start_another(run: TestRun) -> None:
            """As a worker does: at the end of one, in its context."""
            ended.put_nowait(run)
            if len(seen) < 4:
                bench.executor.submit(run_of(asynchronous, start_another))

        bench.executor.submit(run_of(asynchronous, start_another))
        for _ in range(4):
            await ended.get()
        for _ in range(4):
            await bench.run(synchronous)

    on_bench(test, max_threads=1)
    assert seen == ["fresh"] * 8
