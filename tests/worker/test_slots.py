"""Who waits, who begins, and on how many threads. Without Redis."""

from __future__ import annotations

import asyncio
import random
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from queue_core.worker.executor import Executor
from queue_core.worker.thread_pool import ThreadPool
from tests.worker.runs import TestRun, run_of


class Bench:
    def __init__(self, slots: int) -> None:
        self.executor: Executor[TestRun] = Executor(asyncio.get_running_loop(), slots)
        self._ended: asyncio.Queue[TestRun] = asyncio.Queue()

    def submit(self, handler: Callable[[], Any]) -> TestRun:
        run = run_of(handler, self._ended.put_nowait)
        self.executor.submit(run)
        return run

    async def end(self, count: int = 1) -> list[TestRun]:
        """The next so many that end, each well."""
        async with asyncio.timeout(10):
            ended = [await self._ended.get() for _ in range(count)]
        assert [run.error for run in ended] == [None] * count
        return ended


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


def on_bench(slots: int, test: Callable[[Bench], Awaitable[None]]) -> None:
    async def main() -> None:
        await test(Bench(slots))

    asyncio.run(main())


@pytest.mark.parametrize("seed", range(20))
def test_no_run_waits_behind_a_handler_that_blocks_while_a_slot_is_free(seed: int) -> None:
    """Whatever came before: those that block come one after another, at random places among short ones."""
    chance = random.Random(seed)
    let_go = threading.Event()

    async def test(bench: Bench) -> None:
        for _ in range(10):
            let_go.clear()
            blocking = chance.randrange(1, 4)
            handlers: list[Callable[[], Any]] = [let_go.wait] * blocking + [lambda: None] * chance.choice([1, 10, 60])
            chance.shuffle(handlers)
            for handler in handlers:
                bench.submit(handler)
                if chance.random() < 0.1:
                    await asyncio.sleep(chance.choice([0, 0.001]))
            await bench.end(len(handlers) - blocking)  # while those still block
            let_go.set()
            await bench.end(blocking)

    on_bench(4, test)


def test_handlers_that_block_begin_at_once_when_slots_become_free_together() -> None:
    first, second = threading.Event(), threading.Barrier(5, timeout=10)

    async def test(bench: Bench) -> None:
        for _ in range(4):
            bench.submit(first.wait)
        for _ in range(4):
            bench.submit(second.wait)  # none of them ends before all four have begun
        await asyncio.sleep(0.01)
        first.set()
        await bench.end(4)
        await asyncio.to_thread(second.wait)
        await bench.end(4)

    on_bench(4, test)


def test_runs_begin_in_the_order_in_which_they_came() -> None:
    begun: list[int] = []
    chance = random.Random(1)

    async def test(bench: Bench) -> None:
        for number in range(300):

            async def asynchronous(number: int = number) -> None:
                begun.append(number)
                await asyncio.sleep(0)

            def synchronous(number: int = number) -> None:
                begun.append(number)

            bench.submit(chance.choice([asynchronous, synchronous]))
            if chance.random() < 0.1:
                await asyncio.sleep(0)
        await bench.end(300)

    on_bench(1, test)
    assert begun == list(range(300))


def test_never_more_run_than_there_are_slots() -> None:
    running, most, lock = 0, 0, threading.Lock()

    def count(by: int) -> None:
        nonlocal running, most
        with lock:
            running += by
            most = max(most, running)

    async def asynchronous() -> None:
        count(1)
        await asyncio.sleep(0.001)
        count(-1)

    def synchronous() -> None:
        count(1)
        time.sleep(0.001)
        count(-1)

    def wrapped() -> Awaitable[None]:
        return asynchronous()

    async def test(bench: Bench) -> None:
        chance = random.Random(2)
        for _ in range(300):
            bench.submit(chance.choice([asynchronous, synchronous, wrapped]))
            if chance.random() < 0.2:
                await asyncio.sleep(0.001)
        await bench.end(300)

    on_bench(3, test)
    assert most == 3


@pytest.fixture
def unhurried_interpreter() -> Iterator[None]:
    """On a busy machine a thread may be off the processor for long enough that another is given the interpreter."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(5)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("unhurried_interpreter")
def test_short_handlers_are_run_by_one_thread_and_come_back_together() -> None:
    """While it runs them nobody else gets the interpreter, so nobody needs to be woken for each."""
    calls, names = 0, list[str]()
    let_go, all_ended = threading.Event(), threading.Event()

    def on_ended() -> None:
        nonlocal calls
        calls += 1

    def handler() -> None:
        names.append(threading.current_thread().name)
        if len(names) == 200:
            all_ended.set()

    def ignore(run: TestRun) -> None: ...

    pool: ThreadPool[TestRun] = ThreadPool(8, on_ended)
    pool.add(run_of(let_go.wait, ignore), 1)  # the others wait meanwhile
    for _ in range(200):
        pool.add(run_of(handler, ignore), 1)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(5)  # on a busy machine 200 short handlers take longer than what each thread is given
    try:
        pool.resize(8)
        assert all_ended.wait(10)
    finally:
        sys.setswitchinterval(interval)
    let_go.set()
    assert calls == 1  # nobody has taken them yet
    assert len(set(names)) <= 4


def test_where_no_more_threads_can_be_started_the_others_wait_and_have_not_begun(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real, let_go = threading.Thread.start, threading.Event()

    def start(thread: threading.Thread) -> None:
        if thread.name.startswith("taskyard-") and thread.name != "taskyard-1":
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)

    async def asynchronous() -> None: ...

    async def test(bench: Bench) -> None:
        first = bench.submit(let_go.wait)
        others = [bench.submit(lambda: None) for _ in range(2)]
        on_loop = bench.submit(asynchronous)
        assert await bench.end() == [on_loop]  # the loop has slots for it
        assert first.begins
        assert [run.begins for run in others] == [[], []]
        assert bench.executor.first_waiting is others[0]
        let_go.set()
        assert await bench.end(3) == [first, *others]
        last = bench.submit(lambda: None)
        assert await bench.end() == [last]

    on_bench(4, test)
    assert [record.getMessage() for record in caplog.records] == ["no more than 1 threads can be started"]


def test_no_thread_is_started_that_would_find_no_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    real, started, let_go = threading.Thread.start, list[str](), threading.Event()

    def start(thread: threading.Thread) -> None:
        started.append(thread.name)
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)

    async def wait() -> None:
        while not let_go.is_set():
            await asyncio.sleep(0.001)

    async def test(bench: Bench) -> None:
        bench.submit(wait)
        for _ in range(10):
            bench.submit(let_go.wait)
        await until(lambda: len(started) > 1)
        await asyncio.sleep(0.01)
        assert started == ["taskyard-1", "taskyard-2"]
        let_go.set()
        await bench.end(11)

    on_bench(3, test)


def test_run_begins_only_once_and_when_its_handler_is_about_to_run() -> None:
    let_go = asyncio.Event()

    async def asynchronous() -> None:
        await let_go.wait()

    def wrapped() -> Awaitable[None]:
        return asynchronous()

    async def test(bench: Bench) -> None:
        for handler in (asynchronous, wrapped):
            let_go.clear()
            run, waiting = bench.submit(handler), bench.submit(lambda: None)
            await until(lambda run=run: run.began)  # type: ignore[misc]
            await asyncio.sleep(0.01)
            assert (run.begins, waiting.begins) == ([run.began], [])
            let_go.set()
            await bench.end(2)
            assert (run.begins, waiting.begins) == ([run.began], [waiting.began])

    on_bench(1, test)


def test_what_waits_can_be_withdrawn_and_what_runs_cannot() -> None:
    let_go = threading.Event()

    async def asynchronous() -> None: ...

    async def test(bench: Bench) -> None:
        executor = bench.executor

        def state() -> tuple[bool, TestRun | None]:
            return executor.is_full, executor.first_waiting

        running = bench.submit(let_go.wait)
        assert state() == (True, None)
        waiting = [bench.submit(handler) for handler in (let_go.wait, let_go.wait, asynchronous, let_go.wait)]
        assert state() == (True, waiting[0])
        assert [executor.withdraw(run) for run in (running, waiting[0], waiting[0])] == [False, True, False]
        assert state() == (True, waiting[1])
        assert executor.withdraw(waiting[2])
        assert executor.withdraw_all() == [waiting[1], waiting[3]]
        assert executor.withdraw_all() == []
        assert state() == (True, None)
        let_go.set()
        assert await bench.end() == [running]
        assert state() == (False, None)
        last = bench.submit(lambda: None)
        assert await bench.end() == [last]
        assert not any(run.began for run in waiting)

    on_bench(1, test)


def test_what_waits_for_a_slot_on_the_loop_lets_nobody_behind_it_begin() -> None:
    let_go = asyncio.Event()

    async def wait() -> None:
        await let_go.wait()

    async def asynchronous() -> None: ...

    async def test(bench: Bench) -> None:
        first, second, third = bench.submit(wait), bench.submit(asynchronous), bench.submit(lambda: None)
        await asyncio.sleep(0.01)
        assert [bool(run.began) for run in (first, second, third)] == [True, False, False]
        let_go.set()
        assert await bench.end(3) == [first, second, third]

    on_bench(1, test)


def test_slot_that_the_loop_frees_is_taken_by_a_thread() -> None:
    let_go = asyncio.Event()

    async def wait() -> None:
        await let_go.wait()

    async def test(bench: Bench) -> None:
        first, second = bench.submit(wait), bench.submit(lambda: None)
        await asyncio.sleep(0.01)
        assert not second.began
        let_go.set()
        assert await bench.end(2) == [first, second]

    on_bench(1, test)


def test_result_that_breaks_when_it_is_looked_at_is_its_own_runs_failure() -> None:
    class Broken:
        @property
        def __class__(self) -> Any:
            raise ValueError("no class")

        @__class__.setter
        def __class__(self, value: Any) -> None: ...

    async def test(bench: Bench) -> None:
        ended: asyncio.Queue[TestRun] = asyncio.Queue()
        bench.executor.submit(run_of(Broken, ended.put_nowait))
        assert isinstance((await ended.get()).error, ValueError)
        bench.submit(lambda: None)
        await bench.end()

    on_bench(1, test)
