"""Runs handlers: `async def` on the event loop, `def` on threads. Knows nothing of Redis."""

from __future__ import annotations

import asyncio
import inspect
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from queue_core.errors import Cancelled
from queue_core.task import Context, Definition

log = logging.getLogger("taskyard.worker")


@dataclass(slots=True)
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
    stop: Callable[[], object] | None = None
    """Cancels it as asyncio does, once it has begun and where that can be done."""


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
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, run: Run) -> None:
        run.on_start()
        if run.definition.is_async:
            task = self._loop.create_task(self._run_async(run))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        with self._lock:
            self._with_threads += 1
            needs_thread = self._threads < min(self._with_threads, self._max_threads)
        if needs_thread:
            self._start_thread()
        self._waiting.put(run)

    def cancel(self, run: Run) -> None:
        """Have a run stop: one that has not begun does not begin, `async def` is cancelled, a thread can look at its
        context."""
        run.context.signals.is_cancelled = True
        if run.stop is not None:
            run.stop()

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

    async def _run_async(self, run: Run) -> None:
        began = time.perf_counter()
        try:
            _check_cancelled(run)
            run.stop = cast("asyncio.Task[None]", asyncio.current_task()).cancel
            run.result = await _call(run)
        except BaseException as error:  # a handler that raises SystemExit has failed, and nothing else
            run.error = error
        run.seconds = time.perf_counter() - began
        run.on_end(run)

    def _work(self) -> None:
        while (run := self._waiting.get()) is not None:
            began = time.perf_counter()
            try:
                _check_cancelled(run)
                run.result = _call(run)
                if inspect.isawaitable(run.result):  # an async function in a wrapper that is none
                    waiting = asyncio.run_coroutine_threadsafe(_wait_for(run.result), self._loop)
                    run.stop = waiting.cancel
                    _check_cancelled(run, waiting.cancel)
                    run.result = waiting.result()
            except BaseException as error:
                run.error = error
            run.seconds = time.perf_counter() - began
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
                run.on_end(run)


def _call(run: Run) -> Any:
    return run.definition.call(run.arguments, run.named, run.context)


async def _wait_for(result: Awaitable[Any]) -> Any:
    return await result


def _check_cancelled(run: Run, stop: Callable[[], object] = bool) -> None:
    if run.context.is_cancelled:
        stop()
        raise Cancelled
