"""Threads for `def` handlers.

A thread that has ended a run takes the next one itself, and sleeps when there is none: to wake one costs more than a
short handler does. So that no run waits behind a handler that blocks, a thread that is about to begin one calls another
when more waits, unless one is on its way already. That one gets the interpreter as soon as the handler lets go of it,
calls the next one, and so on: short handlers are run by one thread, handlers that block have one each.
"""

from __future__ import annotations

import contextvars
import inspect
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from queue_core.errors import SoftTimeout
from queue_core.worker.interruption import forget_raised, raise_in_thread
from queue_core.worker.run import Run, too_long

R = TypeVar("R", bound=Run)

log = logging.getLogger("taskyard.worker")


class ThreadPool(Generic[R]):
    """Runs what is added, oldest first, at most `capacity` at once. `on_ended` is called by a thread when there is
    something for `take_ended`, once until that is called."""

    def __init__(self, most: int, on_ended: Callable[[], None]) -> None:
        self._most = most
        self._capacity = most
        self._on_ended = on_ended
        self._lock = threading.Lock()
        self._waiting: deque[R] = deque()
        self._ended: list[R] = []
        self._running = 0
        self._threads = 0
        self._asleep: list[threading.Lock] = []  # the one that fell asleep last is woken first; by its lock
        self._is_one_coming = False  # woken or started, it has not looked yet
        self._raising = threading.Lock()  # held where something is raised in a thread, or what was is forgotten
        self._fresh = contextvars.copy_context()  # each run begins with a copy: none sees what another one has set

    # For the event loop.

    def add(self, run: R, capacity: int) -> None:
        """Raises `RuntimeError` where not one thread can be started."""
        with self._lock:
            self._capacity = capacity
            self._waiting.append(run)
            call = self._find_another()
        if call is not None:
            call()

    def resize(self, capacity: int) -> None:
        with self._lock:
            self._capacity = capacity
            call = self._find_another()
        if call is not None:
            call()

    def withdraw(self, run: R) -> bool:
        """Whether it had not begun, and will not."""
        with self._lock:
            if run not in self._waiting:
                return False
            self._waiting.remove(run)
            return True

    def withdraw_all(self) -> list[R]:
        with self._lock:
            waiting = list(self._waiting)
            self._waiting.clear()
            return waiting

    @property
    def is_anyone_waiting(self) -> bool:
        return bool(self._waiting)

    @property
    def first_waiting(self) -> R | None:
        with self._lock:
            return self._waiting[0] if self._waiting else None

    def take_ended(self) -> list[R]:
        """Runs that have ended since the last call. What one of them gave back may be to be awaited: it still counts as
        running, until `give_up` is called."""
        with self._lock:
            ended, self._ended = self._ended, []
            return ended

    def give_up(self, capacity: int) -> None:
        """A run goes on elsewhere."""
        with self._lock:
            self._running -= 1
            self._capacity = capacity

    def interrupt(self, run: Run) -> None:
        """Raise its interruption in its thread, if it still runs there."""
        with self._raising:
            if run.thread_id:
                raise_in_thread(run.thread_id, run.interruption)

    # On any thread.

    def _find_another(self) -> Callable[[], None] | None:
        """What calls a thread, where one is needed. The lock is held."""
        if self._is_one_coming or not self._waiting or self._running >= self._capacity:
            return None
        if self._asleep:
            self._is_one_coming = True
            return self._asleep.pop().release
        if self._threads < self._most:
            self._is_one_coming = True
            self._threads += 1
            return self._start_thread
        return None

    def _start_thread(self) -> None:
        """One more thread; where the system allows no more, those that there are must do."""
        try:
            threading.Thread(target=self._work, name=f"taskyard-{self._threads}", daemon=True).start()
        except RuntimeError:
            with self._lock:
                self._is_one_coming = False
                self._threads -= 1
                self._most = self._threads
            if not self._threads:
                raise
            log.warning("no more than %d threads can be started", self._threads)

    # On its threads.

    def _work(self) -> None:
        sleep = threading.Lock()
        sleep.acquire()
        thread_id = threading.get_ident()
        run: R | None = None
        while True:
            is_first, call = False, None
            with self._lock:
                if run is None:
                    self._is_one_coming = False
                else:
                    is_first = not self._ended
                    self._ended.append(run)
                    if not run.is_awaitable:
                        self._running -= 1
                    run = None
                if self._waiting and self._running < self._capacity:
                    run = self._waiting.popleft()
                    self._running += 1
                    call = self._find_another()
                else:
                    self._asleep.append(sleep)
            if is_first:
                try:
                    self._on_ended()
                except RuntimeError:  # the loop has closed: the process is about to end
                    return
            if run is None:
                sleep.acquire()
            else:
                if call is not None:
                    call()
                self._execute(run, thread_id)

    def _execute(self, run: Run, thread_id: int) -> None:
        # An interruption may come when the handler has just ended: it comes here, and must not reach the next one.
        # Nothing that is called here may stand outside of `try`: it comes at the end of a call.
        try:
            self._fresh.copy().run(_execute, run, thread_id)
        except BaseException as error:
            if run.thread_id or not run.began:
                run.error, run.thread_id = error, 0
        if run.is_interrupted:
            try:
                with self._raising:
                    forget_raised(thread_id)
            except BaseException:
                pass
        run.seconds = time.monotonic() - run.began


def _execute(run: Run, thread_id: int) -> None:
    run.thread_id = thread_id
    try:
        run.begin()
        result = run.result = run.call()
        if result is not None:
            run.is_awaitable = inspect.isawaitable(result)
    except BaseException as error:
        run.error = error
    run.thread_id = 0
    if run.is_interrupted and isinstance(run.error, SoftTimeout):
        run.error.args = (too_long(run.definition),)  # what is raised in a thread has no text
