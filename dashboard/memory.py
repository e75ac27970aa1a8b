"""What the server's memory does: when it will be full, and what each queue takes of it.

Both cost little: the forecast is made of what the shared snapshots tell anyway, the shares are counted in the
background and kept for a minute.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from queue_core.errors import ServerUnavailable, TaskyardError

if TYPE_CHECKING:
    from queue_core.inspector import Inspector
    from queue_core.snapshot import Snapshot

log = logging.getLogger(__name__)

MINUTE_MS = 60_000
HOURS = 6
LEAST_MS = 10 * MINUTE_MS
"""Between the first sample and the last, for a forecast."""
LEAST_SAMPLES = 5
LONGEST_MS = 365 * 86_400_000
"""Further ahead it is not worth telling."""
KEEP_SECONDS = 60.0

Sample = tuple[int, int]
"""The server's time in ms, and its used memory in bytes."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """`per_hour`: bytes by which it grows; `None`: too little is known yet. `full_in_ms`: until its limit is reached;
    `None` where it has none, does not grow, or not within a year. `span_ms`: from how long ago the samples are."""

    per_hour: float | None
    full_in_ms: int | None
    span_ms: int
    samples: int


@dataclass(frozen=True, slots=True)
class Shares:
    """`queues`: name → bytes, `None` until they were counted once. `error`: why they could not be."""

    queues: Mapping[str, int] | None = None
    counted_at: int | None = None
    error: str = ""
    is_counting: bool = False


@dataclass
class Memory:
    """Threads may share one. `clock` counts seconds and never goes back."""

    inspector: Inspector
    clock: Callable[[], float] = time.monotonic
    _samples: deque[Sample] = field(default_factory=lambda: deque(maxlen=HOURS * 60))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _shares: Shares = Shares()
    _counted: float | None = None
    _counting: threading.Thread | None = None

    def note(self, snapshot: Snapshot | None) -> None:
        """A sample a minute, while somebody looks."""
        if snapshot is None or snapshot.server.used_memory is None:
            return
        with self._lock:
            if not self._samples or snapshot.taken_at - self._samples[-1][0] >= MINUTE_MS:
                self._samples.append((snapshot.taken_at, snapshot.server.used_memory))

    def forecast(self, max_memory: int | None, used: int | None, now_ms: int) -> Forecast:
        with self._lock:
            samples = tuple(self._samples)
        return forecast(samples, max_memory, used, now_ms)

    def shares(self, queues: Sequence[str], now_ms: int) -> Shares:
        """As they were counted last; counted anew in the background where that is more than a minute ago."""
        with self._lock:
            is_old = self._counted is None or self.clock() - self._counted >= KEEP_SECONDS
            if is_old and (self._counting is None or not self._counting.is_alive()):
                self._counting = threading.Thread(
                    target=self._count, args=(tuple(queues), now_ms), name="memory", daemon=True
                )
                self._counting.start()
            found, is_counting = self._shares, self._counting is not None and self._counting.is_alive()
        return Shares(found.queues, found.counted_at, found.error, is_counting)

    @property
    def last(self) -> Shares:
        """As they were counted last; nothing is counted for it."""
        return self._shares

    def wait(self, seconds: float = 10.0) -> None:
        """Until what is being counted is counted."""
        if self._counting is not None:
            self._counting.join(seconds)

    def _count(self, queues: Sequence[str], now_ms: int) -> None:
        try:
            counted = Shares(self.inspector.memory(queues), now_ms)
        except ServerUnavailable:
            return  # what was counted before stays, and the next look counts again
        except TaskyardError as error:
            counted = Shares(error=str(error))
        except Exception as error:  # whatever it is: the next look counts again
            log.exception("memory of queues could not be counted")
            counted = Shares(error=type(error).__name__)
        with self._lock:
            self._shares, self._counted = counted, self.clock()


def forecast(samples: Sequence[Sample], max_memory: int | None, used: int | None, now_ms: int) -> Forecast:
    """By the straight line that is nearest to the samples of the last hours (least squares)."""
    recent = [(at, size) for at, size in samples if now_ms - at <= HOURS * 60 * MINUTE_MS]
    span = recent[-1][0] - recent[0][0] if recent else 0
    if len(recent) < LEAST_SAMPLES or span < LEAST_MS:
        return Forecast(None, None, span, len(recent))
    mean_at = sum(at for at, _ in recent) / len(recent)
    mean_size = sum(size for _, size in recent) / len(recent)
    spread = sum((at - mean_at) ** 2 for at, _ in recent)
    slope = sum((at - mean_at) * (size - mean_size) for at, size in recent) / spread
    full_in = None
    if max_memory and used is not None and slope > 0:
        full_in = int(max(0, max_memory - used) / slope)
    return Forecast(
        slope * 3_600_000, full_in if full_in is not None and full_in <= LONGEST_MS else None, span, len(recent)
    )
