"""Time that stands still until a test lets it pass."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from queue_core.errors import InvalidArgument


class Clock:
    """The time by which a server goes in a test: delays, retries and leases follow it, as `Taskyard(clock=Clock())`.

    It begins at `start` (a time with its zone), else now. What the server itself lets expire (records, sessions)
    follows the server's own clock all the same.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self.now_ms = time.time_ns() // 1_000_000 if start is None else _milliseconds(start)

    def __call__(self) -> int:
        return self.now_ms

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.now_ms / 1000, UTC)

    def advance(
        self,
        *,
        milliseconds: float = 0,
        seconds: float = 0,
        minutes: float = 0,
        hours: float = 0,
        days: float = 0,
    ) -> None:
        """Let time pass. It does not go back."""
        passed = timedelta(milliseconds=milliseconds, seconds=seconds, minutes=minutes, hours=hours, days=days)
        if passed < timedelta():
            raise InvalidArgument(f"{passed.total_seconds():g} s are not accepted: time does not go back")
        self.now_ms += round(passed / timedelta(milliseconds=1))

    def advance_to(self, when: datetime) -> None:
        """Let time pass until then; a time that is over changes nothing."""
        self.now_ms = max(self.now_ms, _milliseconds(when))

    def __repr__(self) -> str:
        return f"<Clock {self.now.isoformat(timespec='milliseconds')}>"


def _milliseconds(when: datetime) -> int:
    if not isinstance(when, datetime) or when.tzinfo is None:
        raise InvalidArgument(f"time {when!r:.80} is not accepted: a datetime with its time zone")
    return round(when.timestamp() * 1000)
