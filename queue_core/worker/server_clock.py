"""The server's time between two of its answers."""

from __future__ import annotations

import time
from collections.abc import Sequence


class ServerClock:
    """The server's time as last heard, carried on by this host's monotonic clock."""

    def __init__(self) -> None:
        self._offset_ms = 0

    def note(self, answer: Sequence[int]) -> None:
        """`answer`: of TIME."""
        self._offset_ms = int(answer[0]) * 1000 + int(answer[1]) // 1000 - time.monotonic_ns() // 1_000_000

    def now_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000 + self._offset_ms
