"""Whether a fault fails more often than it did, or goes on, and since when: out of its attempts by time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from dashboard.charts import Count
from queue_core.snapshot import Fault, NameAttempts

MINUTE_MS = 60_000
HOUR = 60
WINDOW = 10
"""Minutes whose attempts are compared with those before."""
BEFORE = 360
"""Minutes with which they are compared, as far as the fault is that old."""
LEAST = 10
"""Attempts in the window; fewer tell nothing."""
TIMES = 3
KEPT = HOUR + BEFORE


@dataclass(frozen=True, slots=True)
class Pace:
    """Failed attempts: in each minute of the last hour, oldest first, the last is not over; in the last ten minutes;
    and on the average in ten minutes of the six hours before these."""

    minutes: tuple[int, ...]
    lately: int
    usually: float

    @property
    def counts(self) -> tuple[Count, ...]:
        """For charts: none of them completed."""
        return tuple((0, count) for count in self.minutes)


def pace(faults: Iterable[Fault], now_ms: int) -> Pace:
    """Of all of them together."""
    found = [(_minutes(fault, now_ms), _age(fault, now_ms)) for fault in faults]
    every = [sum(counts) for counts in zip(*(minutes for minutes, _ in found), strict=True)] or [0] * KEPT
    usually = sum(_mean(list(accumulate(minutes, initial=0)), age, KEPT) or 0.0 for minutes, age in found)
    return Pace(tuple(every[-HOUR:]), sum(every[-WINDOW:]), usually)


def rising_since(fault: Fault, now_ms: int) -> int | None:
    """When the first of the minutes began since which it has been rising; `None`: it is not."""
    if _lately(fault, now_ms) < LEAST:
        return None
    sums = list(accumulate(_minutes(fault, now_ms), initial=0))
    age = _age(fault, now_ms)
    end = KEPT
    while _is_above(sums, age, end):
        end -= 1
    return None if end == KEPT else (now_ms // MINUTE_MS - KEPT + 1 + end) * MINUTE_MS


def lasting_since(fault: Fault, attempts: NameAttempts | None, now_ms: int) -> int | None:
    """Since when it goes on and nothing of its task completes, for ten minutes at least; `None`: it does not, or nobody
    knows. `attempts`: the newest of its task."""
    if attempts is None or _lately(fault, now_ms) < LEAST:
        return None
    since = max(fault.first_seen_at, attempts.last_completed_at or attempts.since)
    return since if now_ms - since >= WINDOW * MINUTE_MS else None


def _lately(fault: Fault, now_ms: int) -> int:
    return sum(count for at, count in fault.recent or () if at > now_ms - (WINDOW + 1) * MINUTE_MS)


def _is_above(sums: Sequence[int], age: int, end: int) -> bool:
    """Whether the ten minutes that end there were that much more than those before. `end`: exclusive."""
    mean = _mean(sums, age, end)
    if mean is None:
        return False
    lately = sums[end] - sums[end - WINDOW]
    return lately >= LEAST and lately >= TIMES * mean


def _mean(sums: Sequence[int], age: int, end: int) -> float | None:
    """Of ten minutes before the ten that end there; `None` where less than ten minutes are known of it."""
    last = end - WINDOW
    first = max(0, last - BEFORE, KEPT - age)
    return (sums[last] - sums[first]) * WINDOW / (last - first) if last - first >= WINDOW else None


def _age(fault: Fault, now_ms: int) -> int:
    """Minutes since it was first seen, the running one included."""
    return now_ms // MINUTE_MS - fault.first_seen_at // MINUTE_MS + 1


def _minutes(fault: Fault, now_ms: int) -> list[int]:
    """Attempts in each minute of the last seven hours, oldest first."""
    found, first = [0] * KEPT, now_ms // MINUTE_MS - KEPT + 1
    for at, count in fault.recent or ():
        minute = at // MINUTE_MS - first
        if minute >= 0:
            found[min(minute, KEPT - 1)] += count
    return found
