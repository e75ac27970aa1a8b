"""SIGINT, SIGTERM and SIGHUP as a request that the demo looks at, never as an exception in the middle of something."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Protocol, Self


class HasFileno(Protocol):
    def fileno(self) -> int: ...


class Signals:
    """While entered, signals are noted and end `wait`. A second one calls `on_second`, and so does SIGALRM, which
    comes when what the first one asked for takes longer than `patience_seconds`."""

    def __init__(self, on_second: Callable[[int], None], patience_seconds: float) -> None:
        self._on_second = on_second
        self._patience_seconds = patience_seconds
        self._previous: dict[int, Any] = {}
        self._reading, self._writing = -1, -1
        self._previous_wakeup = -1
        self.received = 0
        """The number of the first signal; 0 while there is none."""

    def __enter__(self) -> Self:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self._writing, False)
        self._previous_wakeup = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # nohup: whoever started it wants it to go on
            self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._previous_wakeup)
        os.close(self._reading)
        os.close(self._writing)

    def wait(self, seconds: float, *others: HasFileno) -> bool:
        """Whether somebody asks for the end, as soon as that is so, else after this time, or when there is something
        to read from one of the others."""
        deadline = time.monotonic() + seconds
        while not self.received and (left := deadline - time.monotonic()) > 0:
            readable, _, _ = select.select([self._reading, *(other.fileno() for other in others)], [], [], left)
            self._drain()
            if set(readable) - {self._reading}:
                break
        return bool(self.received)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received or number == signal.SIGALRM:
            self._on_second(number)
        else:
            self.received = number
            signal.setitimer(signal.ITIMER_REAL, self._patience_seconds)

    def _drain(self) -> None:
        try:
            while os.read(self._reading, 512):
                pass
        except BlockingIOError:
            pass
