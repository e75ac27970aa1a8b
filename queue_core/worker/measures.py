"""What a process has measured of one queue's tasks and not told yet: sums by task name. Knows nothing of Redis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from queue_core.histogram import BUCKETS, Histogram, bucket_of
from queue_core.protocol import CANCEL, DEAD, DISCARD, RETRY
from queue_core.settings import MAX_BATCH
from queue_core.snapshot import COUNTERS, Figures

COMPLETED, CRASHED = "completed", "crashed"
COUNTED = {
    COMPLETED: ("completed",),
    RETRY: ("failed", "retried"),
    DEAD: ("failed", "died"),
    DISCARD: ("failed", "discarded"),
    CANCEL: ("cancelled",),
    CRASHED: ("crashed",),
}
"""What an attempt came to, its failure's verdict for one, → the counters that it adds to. Of a crash it is told later
whether its task is retried or dies: that the books know alone."""

_PLACES = {outcome: tuple(map(COUNTERS.index, names)) for outcome, names in COUNTED.items()}


@dataclass(slots=True)
class _Sums:
    counters: list[int] = field(default_factory=lambda: [0] * len(COUNTERS))
    wait: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    run: list[int] = field(default_factory=lambda: [0] * BUCKETS)


class Measures:
    """`clock` counts seconds and never goes back."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sums: dict[str, _Sums] = {}
        self._completed: dict[str, float] = {}
        """When the last of each name did: stays true, whatever was told."""

    def __bool__(self) -> bool:
        return bool(self._sums)

    def add(self, name: str, outcome: str, wait_ms: float, run_ms: float, ended: float | None = None) -> None:
        """One attempt has ended: by the clock at `ended`, or now."""
        if outcome == COMPLETED:
            self._completed[name] = self._clock() if ended is None else ended
        sums = self._sums.get(name)
        if sums is None:
            sums = self._sums[name] = _Sums()
        for place in _PLACES.get(outcome, ()):
            sums.counters[place] += 1
        sums.wait[bucket_of(wait_ms)] += 1
        sums.run[bucket_of(run_ms)] += 1

    def count(self, name: str, outcome: str) -> None:
        """One attempt has ended of which nobody measured how long it waited and ran."""
        sums = self._sums.setdefault(name, _Sums())
        for place in _PLACES.get(outcome, ()):
            sums.counters[place] += 1

    def take(self) -> dict[str, Figures]:
        """What has come together, of as many names as one call takes; it is for the caller to tell."""
        taken: dict[str, Figures] = {}
        for name in list(self._sums)[:MAX_BATCH]:
            sums = self._sums.pop(name)
            taken[name] = Figures.of(sums.counters, Histogram.of(sums.wait), Histogram.of(sums.run))
        return taken

    def ages_ms(self, names: Iterable[str]) -> dict[str, int]:
        """How long ago the last of each completed, of those of which one did."""
        now = self._clock()
        return {name: max(0, round((now - self._completed[name]) * 1000)) for name in names if name in self._completed}

    def put_back(self, taken: Mapping[str, Figures]) -> None:
        """It could not be told yet."""
        for name, figures in taken.items():
            sums = self._sums.setdefault(name, _Sums())
            for list_, more in (
                (sums.counters, figures.counters),
                (sums.wait, figures.wait.counts),
                (sums.run, figures.run.counts),
            ):
                for place, number in enumerate(more):
                    list_[place] += number
