"""What each queue did in the last hour: read for all of them at once, only while somebody looks, every few seconds.

A minute that is over does not change, so each look reads only those since the one before, and only of queues that have
changed since.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from dashboard.charts import Count
from queue_core.errors import TaskyardError
from queue_core.histogram import percentile
from queue_core.snapshot import Figures, Minutes
from queue_core.telemetry import MINUTE_MS, RATE_MINUTES, rates, seconds_to_drain

if TYPE_CHECKING:
    from queue_core.inspector import Inspector

log = logging.getLogger(__name__)

MINUTES = 60
LATELY_MINUTES = 10
LEAST_FAILED = 3
INTERVAL_SECONDS = 5.0
LEAST_SECONDS = 60.0
"""Of data, for a rate."""


@dataclass(frozen=True, slots=True)
class Trend:
    """The last hour of one queue. Rates are of the last five minutes; `None` below a minute of data.

    `counts`: completed and failed in each minute, oldest first; the last is not over. `arrival_rate`, `service_rate`:
    tasks a second.
    """

    counts: tuple[Count, ...] = (None,) * MINUTES
    completed: int = 0
    failed: int = 0
    p95_run_ms: float | None = None
    completed_per_minute: float | None = None
    arrival_rate: float | None = None
    service_rate: float | None = None

    @property
    def attempts(self) -> int:
        return self.completed + self.failed

    @property
    def mostly_fails(self) -> bool:
        """Whether in the last ten minutes more attempts failed than completed; fewer than three tell nothing."""
        lately = [count for count in self.counts[-LATELY_MINUTES:] if count]
        failed = sum(count[1] for count in lately)
        return failed >= LEAST_FAILED and failed > sum(count[0] for count in lately)

    def clears_in_seconds(self, ready: int) -> float | None:
        """Until nothing is ready; infinite: it grows; `None`: nothing is ready, or nobody can tell."""
        return seconds_to_drain(ready, self.arrival_rate, self.service_rate) if ready else None


UNKNOWN = Trend()


@dataclass(frozen=True, slots=True)
class Known:
    """What has been read of a queue: the minutes since `since`, as of the minute `read` (0: some are missing), and its
    `QueueSnapshot.changes` then."""

    since: int | None
    read: int
    counted: Mapping[int, Figures]
    changes: int | None = None


def minutes_to_read(known: Known | None, now_ms: int) -> int:
    """Those since the last look, with one more, as the server's clock may be a little ahead of what we think."""
    if known is None:
        return MINUTES
    count = now_ms // MINUTE_MS - known.read + 2
    return count if 1 < count < MINUTES else MINUTES


def merged(known: Known | None, fresh: Minutes, asked: int) -> Known:
    """With what was read now. Where the counting has begun anew, nothing older holds, and the next look reads all."""
    minute = fresh.taken_at // MINUTE_MS
    if known is None or asked >= MINUTES:
        return Known(fresh.since, minute, fresh.counted)
    if known.since != fresh.since or minute < known.read:
        return Known(fresh.since, 0, fresh.counted)
    older = {number: figures for number, figures in known.counted.items() if number > minute - MINUTES}
    return Known(fresh.since, minute, {**older, **fresh.counted})


def trend_of(known: Known, now_ms: int) -> Trend:
    newest = now_ms // MINUTE_MS
    begin = newest + 1 if known.since is None else known.since // MINUTE_MS
    hour = range(newest - MINUTES + 1, newest + 1)
    found = [known.counted.get(number) for number in hour]
    counts: list[Count] = [
        (figures.completed, failed_attempts(figures)) if figures else (0, 0) if number >= begin else None
        for number, figures in zip(hour, found, strict=True)
    ]
    there = [figures for figures in found if figures]
    arrival_rate, service_rate, seconds = rates(known.counted, known.since, now_ms, LEAST_SECONDS)
    completed = sum(figures.completed for figures in found[-RATE_MINUTES - 1 :] if figures)
    return Trend(
        counts=tuple(counts),
        completed=sum(count[0] for count in counts if count),
        failed=sum(count[1] for count in counts if count),
        p95_run_ms=percentile(_summed(figures.run.counts for figures in there), 0.95),
        completed_per_minute=completed / seconds * 60 if seconds >= LEAST_SECONDS else None,
        arrival_rate=arrival_rate,
        service_rate=service_rate,
    )


def failed_attempts(figures: Figures) -> int:
    """Attempts whose handler raised, and those whose worker died."""
    return figures.failed + figures.crashed


def _summed(histograms: Iterable[Sequence[int]]) -> list[int]:
    return [sum(counts) for counts in zip_longest(*histograms, fillvalue=0)]


class Trends:
    """Thread-safe. `clock` counts seconds and never goes back."""

    def __init__(self, inspector: Inspector, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._inspector = inspector
        self._clock = clock
        self._reading = threading.Lock()
        self._known: dict[str, Known] = {}
        self._read_at: float | None = None
        self._trends: Mapping[str, Trend] = {}

    def of(self, queues: Mapping[str, int | None], now_ms: int) -> Mapping[str, Trend]:
        """Of these queues (name → `QueueSnapshot.changes`), as far as they can be read; at most a few seconds old. What
        cannot be read now stays."""
        if self._is_due() and self._reading.acquire(blocking=self._read_at is None):
            try:
                if self._is_due():
                    self._read(queues, now_ms)
            finally:
                self._reading.release()
        return self._trends

    @property
    def last(self) -> Mapping[str, Trend]:
        """As they were read last."""
        return self._trends

    def _is_due(self) -> bool:
        return self._read_at is None or self._clock() - self._read_at >= INTERVAL_SECONDS

    def _read(self, queues: Mapping[str, int | None], now_ms: int) -> None:
        quiet = {
            name: known
            for name, known in self._known.items()
            if known.read and known.changes is not None and known.changes == queues.get(name)
        }
        asked = {name: minutes_to_read(self._known.get(name), now_ms) for name in queues if name not in quiet}
        try:
            fresh = self._inspector.minutes(asked) if asked else {}
        except TaskyardError as error:  # the page tells it by the snapshot, which is asked for more often
            log.warning("what the queues did in the last hour could not be read: %s", error)
        else:
            read = {name: merged(self._known.get(name), minutes, asked[name]) for name, minutes in fresh.items()}
            self._known = quiet | {name: replace(known, changes=queues[name]) for name, known in read.items()}
            times = {name: minutes.taken_at for name, minutes in fresh.items()}
            self._trends = {name: trend_of(known, times.get(name, now_ms)) for name, known in self._known.items()}
        self._read_at = self._clock()
