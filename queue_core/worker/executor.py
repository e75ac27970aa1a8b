"""Runs handlers: `async def` on the event loop, `def` on threads. Stops them when their time is over, or when they are
asked to. Knows nothing of Redis."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import time
from collections import deque
from collections.abc import Awaitable
from types import CoroutineType
from typing import Any, Generic, Protocol, TypeVar, cast

from queue_core.errors import Cancelled, LeaseLost, SoftTimeout, TaskyardError
from queue_core.worker.interruption import Interruptible
from queue_core.worker.run import Run, too_long
from queue_core.worker.thread_pool import ThreadPool

R = TypeVar("R", bound=Run)

SWEEP_SECONDS = 0.1
"""So much later than its time a handler is stopped, at most: one timer looks after all of them."""
TOLD_SECONDS = 1.0
"""What a `def` handler gets to stop by itself, when its task was cancelled or its lease is lost."""


class Isolation(Protocol):
    """What runs isolated tasks, and calls `Executor.end` with each when it has ended."""

    def start(self, run: Run) -> None: ...
    def tell(self, run: Run, error: type[TaskyardError]) -> None: ...
    def interrupt(self, run: Run) -> None: ...


class Executor(Generic[R]):
    """Runs what is submitted, oldest first, at most `slots` at once; the others wait.

    Those for threads wait at the thread pool, where nothing older waits for something else: there they begin without
    the loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, slots: int) -> None:
        self._loop = loop
        self._slots = slots
        self._pool: ThreadPool[R] = ThreadPool(slots, self._call_back)
        self.isolation: Isolation | None = None
        self._runs: set[Run] = set()  # those that wait, too
        self._waiting: deque[R] = deque()
        self._off_threads = 0  # runs on the loop, or in a child
        self._sweeper: asyncio.TimerHandle | None = None
        self._fresh = contextvars.copy_context()  # each run begins with a copy: none sees what another one has set

    def submit(self, run: R) -> None:
        self._runs.add(run)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(SWEEP_SECONDS, self._sweep)
        self._waiting.append(run)
        self._start_waiting()

    def withdraw(self, run: R) -> bool:
        """Whether it waited, and does not any more."""
        if run in self._waiting:
            self._waiting.remove(run)
        elif not self._pool.withdraw(run):
            return False
        self._runs.discard(run)
        return True

    def withdraw_all(self) -> list[R]:
        """All that waited, oldest first."""
        withdrawn = [*self._pool.withdraw_all(), *self._waiting]
        self._waiting.clear()
        self._runs.difference_update(withdrawn)
        return withdrawn

    @property
    def is_full(self) -> bool:
        """One more would wait."""
        return len(self._runs) >= self._slots

    @property
    def first_waiting(self) -> R | None:
        return self._pool.first_waiting or (self._waiting[0] if self._waiting else None)

    def cancel(self, run: Run) -> None:
        """Its task was cancelled. One that has not begun does not begin, `async def` is cancelled as asyncio does it; a
        thread is told by its context, and in TOLD_SECONDS by an exception."""
        run.signals.is_cancelled = True
        self._stop(run, Cancelled)

    def lose(self, run: Run) -> None:
        """Its lease is lost: it is stopped as a cancelled one is."""
        run.signals.is_lease_lost = True
        self._stop(run, LeaseLost)

    def _start_waiting(self) -> None:
        waiting = self._waiting
        while waiting:
            run = waiting[0]
            is_isolated = run.definition.isolation is not None and self.isolation is not None
            if not is_isolated and not run.definition.is_async:
                self._pool.add(waiting.popleft(), self._slots - self._off_threads)
                continue
            # What has not come back from the threads counts as if it ran there.
            if len(self._runs) - len(waiting) >= self._slots:
                return
            waiting.popleft()
            self._off_threads += 1
            if is_isolated and self.isolation is not None:
                self.isolation.start(run)
            else:
                self._run_on_loop(run)

    def end(self, run: Run) -> None:
        """Of a run that was on no thread."""
        self._off_threads -= 1
        self._runs.discard(run)
        run.on_end()
        if self._pool.is_anyone_waiting:
            self._pool.resize(self._slots - self._off_threads)
        self._start_waiting()

    # On the event loop.

    def _run_on_loop(self, run: Run, result: Awaitable[Any] | None = None) -> None:
        run.coroutine = Interruptible(cast("CoroutineType[Any, Any, None]", self._await(run, result)))
        # A coroutine is all that asyncio asks for, and Interruptible is one by its methods.
        run.task = self._loop.create_task(run.coroutine, context=self._fresh.copy())  # type: ignore[arg-type]

    async def _await(self, run: Run, result: Awaitable[Any] | None) -> None:
        try:
            run.begin()
            run.result = await (run.call() if result is None else result)
        except BaseException as error:  # a handler that raises SystemExit has failed, and nothing else
            run.error = error
            if inspect.iscoroutine(result):  # it may not have begun
                result.close()
        run.seconds = time.monotonic() - run.began
        run.task = run.coroutine = None
        self.end(run)

    # On threads.

    def _call_back(self) -> None:
        """Called by a thread. Raises `RuntimeError` when the loop has closed."""
        self._loop.call_soon_threadsafe(self._take_back)

    def _take_back(self) -> None:
        """Runs that threads have ended, as many as there are by now."""
        for run in self._pool.take_ended():
            if run.is_awaitable:
                result, run.result, run.is_interrupted = run.result, None, False
                self._off_threads += 1
                self._pool.give_up(self._slots - self._off_threads)
                self._run_on_loop(run, result)
            else:
                self._runs.discard(run)
                run.on_end()
        self._start_waiting()

    # Stopping.

    def _stop(self, run: Run, error: type[TaskyardError]) -> None:
        run.interruption = error
        if run.definition.isolation is not None and self.isolation is not None:
            self.isolation.tell(run, error)
        if run.task is None:
            run.interrupt_at = time.monotonic() + TOLD_SECONDS
        elif run.began:
            run.task.cancel()

    def _sweep(self) -> None:
        """Interrupt those whose time is over."""
        self._sweeper = self._loop.call_later(SWEEP_SECONDS, self._sweep) if self._runs else None
        now = time.monotonic()
        for run in list(self._runs):
            if run.interrupt_at <= now and not run.is_interrupted:
                self._interrupt(run)

    def _interrupt(self, run: Run) -> None:
        """Once in the life of a run: a second exception might hit what the first has left to do."""
        run.is_interrupted = True  # first: where a thread does not see this, its run is seen to have ended
        if run.definition.isolation is not None and self.isolation is not None:
            self.isolation.interrupt(run)
        elif run.task is not None and run.coroutine is not None:
            run.coroutine.instead = SoftTimeout(too_long(run.definition))
            run.task.cancel()
        else:
            self._pool.interrupt(run)
