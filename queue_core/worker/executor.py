"""Runs handlers: `async def` on the event loop, `def` on threads. Stops them when their time is over, or when they are
asked to. Knows nothing of Redis."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import CoroutineType
from typing import Any, Protocol, cast

from queue_core.context import Context
from queue_core.errors import Cancelled, LeaseLost, SoftTimeout, TaskyardError
from queue_core.protocol import FailedTask, Result
from queue_core.task import Definition
from queue_core.worker.interruption import Interruptible, forget_raised, raise_in_thread

log = logging.getLogger("taskyard.worker")

SWEEP_SECONDS = 0.1
"""So much later than its time a handler is stopped, at most: one timer looks after all of them."""
TOLD_SECONDS = 1.0
"""What a `def` handler gets to stop by itself, when its task was cancelled or its lease is lost."""


@dataclass(slots=True)
class Isolated:
    """What came of a run in a child process, told as the server is to be told. `crash`: the evidence."""

    kept: Result | None = None
    failed: FailedTask | None = None
    crash: Mapping[str, object] | None = None


class Isolation(Protocol):
    """What runs isolated tasks, and calls `Executor.end` with each when it has ended."""

    def start(self, run: Run) -> None: ...
    def tell(self, run: Run, error: type[TaskyardError]) -> None: ...
    def interrupt(self, run: Run) -> None: ...


@dataclass(slots=True, eq=False)
class Run:
    """One attempt. `error` is what the handler raised, `seconds` how long it took."""

    definition: Definition
    arguments: Sequence[Any]
    named: Mapping[str, Any]
    context: Context
    on_start: Callable[[], None]
    on_end: Callable[[Run], None]
    result: Any = None
    error: BaseException | None = None
    seconds: float = 0.0
    began: float = 0.0
    """By `time.monotonic`; 0: it has not."""
    interrupt_at: float = math.inf
    """On the same clock: when `interruption` is raised in it, unless it has been already."""
    interruption: type[TaskyardError] = SoftTimeout
    is_interrupted: bool = False
    task: asyncio.Task[None] | None = None
    coroutine: Interruptible | None = None
    """What runs it on the loop, and the task that drives that."""
    thread_id: int = 0
    """While its handler runs on a thread."""
    envelope: bytes = b""
    isolated: Isolated | None = None
    """Of one that runs in a child."""

    def begin(self) -> None:
        if not self.began:
            self.began = time.monotonic()
        signals = self.context.signals
        self.interrupt_at = signals.deadline = self.began + self.definition.soft_seconds
        if signals.is_cancelled or signals.is_lease_lost:
            raise Cancelled if signals.is_cancelled else LeaseLost


class Executor:
    """Starts runs as they come; its user sees to it that there are not too many. `on_end` is called on the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, max_threads: int) -> None:
        self._loop = loop
        self._max_threads = max_threads
        self._waiting: queue.SimpleQueue[Run | None] = queue.SimpleQueue()
        self._threads = 0
        self._with_threads = 0  # runs that a thread has, or waits for
        self._ended: deque[Run] = deque()
        self._lock = threading.Lock()
        self.isolation: Isolation | None = None
        self._runs: set[Run] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._fresh = contextvars.copy_context()  # each run begins with a copy: none sees what another one has set

    def start(self, run: Run) -> None:
        run.on_start()
        self._runs.add(run)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(SWEEP_SECONDS, self._sweep)
        if run.definition.isolation is not None and self.isolation is not None:
            self.isolation.start(run)
            return
        if run.definition.is_async:
            self._run_on_loop(run)
            return
        with self._lock:
            self._with_threads += 1
            needs_thread = self._threads < min(self._with_threads, self._max_threads)
        if needs_thread:
            self._start_thread()
        self._waiting.put(run)

    def cancel(self, run: Run) -> None:
        """Its task was cancelled. One that has not begun does not begin, `async def` is cancelled as asyncio does it; a
        thread is told by its context, and in TOLD_SECONDS by an exception."""
        run.context.signals.is_cancelled = True
        self._stop(run, Cancelled)

    def lose(self, run: Run) -> None:
        """Its lease is lost: it is stopped as a cancelled one is."""
        run.context.signals.is_lease_lost = True
        self._stop(run, LeaseLost)

    # On the event loop.

    def _run_on_loop(self, run: Run, result: Awaitable[Any] | None = None) -> None:
        run.coroutine = Interruptible(cast("CoroutineType[Any, Any, None]", self._await(run, result)))
        # A coroutine is all that asyncio asks for, and Interruptible is one by its methods.
        run.task = self._loop.create_task(run.coroutine, context=self._fresh.copy())  # type: ignore[arg-type]

    async def _await(self, run: Run, result: Awaitable[Any] | None) -> None:
        try:
            run.begin()
            run.result = await (_call(run) if result is None else result)
        except BaseException as error:  # a handler that raises SystemExit has failed, and nothing else
            run.error = error
            if inspect.iscoroutine(result):  # it may not have begun
                result.close()
        run.seconds = time.monotonic() - run.began
        run.task = run.coroutine = None
        self.end(run)

    def end(self, run: Run) -> None:
        self._runs.discard(run)
        run.on_end(run)

    # On threads.

    def _start_thread(self) -> None:
        """One more thread; where the system allows no more, those that there are must do."""
        try:
            threading.Thread(target=self._work, name=f"taskyard-{self._threads + 1}", daemon=True).start()
        except RuntimeError:
            if not self._threads:
                raise
            log.warning("no more than %d threads can be started", self._threads)
            self._max_threads = self._threads
        else:
            self._threads += 1

    def _work(self) -> None:
        while (run := self._waiting.get()) is not None:
            # An interruption may come when the handler has just ended: it comes here, and must not reach the next one.
            # Nothing that is called here may stand outside of `try`: it comes at the end of a call.
            try:
                self._fresh.copy().run(_run_in_thread, run)
            except BaseException as error:
                if run.thread_id or not run.began:
                    run.error, run.thread_id = error, 0
            if run.is_interrupted:
                try:
                    with self._lock:
                        forget_raised(threading.get_ident())
                except BaseException:
                    pass
            run.seconds = time.monotonic() - run.began
            with self._lock:
                self._with_threads -= 1
                is_first = not self._ended
                self._ended.append(run)
            if is_first:
                try:
                    self._loop.call_soon_threadsafe(self._hand_back)
                except RuntimeError:  # the loop has closed: the process is about to end
                    return

    def _hand_back(self) -> None:
        """Runs that threads have ended, as many as there are by now."""
        while True:
            with self._lock:
                if not self._ended:
                    return
                ended, self._ended = self._ended, deque()
            for run in ended:
                if run.error is None and inspect.isawaitable(run.result):  # an async function in a wrapper that is none
                    result, run.result, run.is_interrupted = run.result, None, False
                    self._run_on_loop(run, result)
                else:
                    self.end(run)

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
        run.is_interrupted = True
        if run.definition.isolation is not None and self.isolation is not None:
            self.isolation.interrupt(run)
            return
        if run.task is not None and run.coroutine is not None:
            run.coroutine.instead = SoftTimeout(too_long(run.definition))
            run.task.cancel()
            return
        with self._lock:  # held where a thread forgets what was raised in it
            if run.thread_id:
                raise_in_thread(run.thread_id, run.interruption)


def _run_in_thread(run: Run) -> None:
    run.thread_id = threading.get_ident()
    try:
        run.begin()
        run.result = _call(run)
    except BaseException as error:
        run.error = error
    run.thread_id = 0
    if run.is_interrupted and isinstance(run.error, SoftTimeout):
        run.error.args = (too_long(run.definition),)  # what is raised in a thread has no text


def _call(run: Run) -> Any:
    return run.definition.call(run.arguments, run.named, run.context)


def too_long(definition: Definition) -> str:
    return f"the handler has run for longer than its timeout, {definition.timeout:g} s"
