"""What handlers say of their progress: of each task the newest, handed on at most once a second."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable

from queue_core.protocol import Report

EVERY_SECONDS = 1.0


class Reports:
    """`send` gets a queue and a report, on the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, send: Callable[[str, Report], None]) -> None:
        self._loop = loop
        self._send = send
        self._waiting: dict[tuple[str, str], Report] = {}
        self._lock = threading.Lock()
        self._last = float("-inf")
        self._asked_at = float("-inf")

    def note(self, queue: str, report: Report) -> None:
        """Called by any thread, as often as a handler likes."""
        now = time.monotonic()
        with self._lock:
            # Whoever was first may have been interrupted before it could ask: its timeout was over.
            is_to_ask = not self._waiting or now > self._asked_at + 2 * EVERY_SECONDS
            self._waiting[queue, report.id] = report
        if is_to_ask:
            self._asked_at = now
            with contextlib.suppress(RuntimeError):  # the loop has closed: the process is about to end
                self._loop.call_soon_threadsafe(self._send_in_time)

    def _send_in_time(self) -> None:
        self._loop.call_at(max(self._loop.time(), self._last + EVERY_SECONDS), self._hand_on)

    def _hand_on(self) -> None:
        self._last = self._loop.time()
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for (queue, _), report in waiting.items():
            self._send(queue, report)
