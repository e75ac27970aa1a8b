"""What a process has measured of one queue's tasks and not told yet: sums by task name. Knows nothing of Redis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from queue_core.histogram import BUCKETS, Histogram, bucket_of
from queue_core.protocol import CANCEL, DEAD, DISCARD, RETRY
from queue_core.settings import MAX_BATCH
from queue_core.snapshot import COUNTERS, Figures

COMPLETED = "completed"
COUNTED = {
    COMPLETED: ("completed",),
    RETRY: ("failed", "retried"),
    DEAD: ("failed", "died"),
    DISCARD: ("failed", "discarded"),
    CANCEL: ("cancelled",),
}
"""What an attempt came to, its failure's verdict for one, → the counters that it adds to."""

_PLACES = {outcome: tuple(map(COUNTERS.index, names)) for outcome, names in COUNTED.items()}


@dataclass(slots=True)
class _Sums:
    counters: list[int] = field(default_factory=lambda: [0] * len(COUNTERS))
    wait: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    run: list[int] = field(default_factory=lambda: [0] * BUCKETS)


class Measures:
    def __init__(self) -> None:
        self._sums: dict[str, _Sums] = {}

    def __bool__(self) -> bool:
        return bool(self._sums)

    def add(self, name: str, outcome: str, wait_ms: float, run_ms: float) -> None:
        """One attempt has ended."""
        sums = self._sums.get(name)
        if sums is None:
            sums = self._sums[name] = _Sums()
        for place in _PLACES.get(outcome, ()):
            sums.counters[place] += 1
        sums.wait[bucket_of(wait_ms)] += 1
        sums.run[bucket_of(run_ms)] += 1

    def take(self) -> dict[str, Figures]:
        """What has come together, of as many names as one call takes; it is for the caller to tell."""
        taken: dict[str, Figures] = {}
        for name in list(self._sums)[:MAX_BATCH]:
            sums = self._sums.pop(name)
            taken[name] = Figures.of(sums.counters, Histogram.of(sums.wait), Histogram.of(sums.run))
        return taken

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
