"""Histograms of durations in fixed buckets, and percentiles out of them. Pure.

The bounds are 1, 2, 5, 10, 20, 50 … ms up to 5.8 days: each at most 2.5 times the one before. They are part of what is
stored: others would need another format.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

BOUNDS_MS: tuple[int, ...] = tuple(step * 10**power for power in range(9) for step in (1, 2, 5))
"""Upper bound of each bucket but the last, which has none. A duration that equals a bound lies below it."""
BUCKETS = len(BOUNDS_MS) + 1


def bucket_of(ms: float) -> int:
    """The number of the bucket, from 0. What is below zero (a clock was wrong) took no time."""
    return bisect_left(BOUNDS_MS, ms)


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many durations lie in each bucket, up to the last one that has any."""

    counts: tuple[int, ...] = ()

    @classmethod
    def of(cls, counts: Iterable[int]) -> Histogram:
        """`counts` may end in zeros."""
        listed = list(counts)
        while listed and not listed[-1]:
            listed.pop()
        return cls(tuple(listed))

    @property
    def count(self) -> int:
        return sum(self.counts)

    @property
    def p50_ms(self) -> float | None:
        return percentile(self.counts, 0.50)

    @property
    def p95_ms(self) -> float | None:
        return percentile(self.counts, 0.95)

    @property
    def p99_ms(self) -> float | None:
        return percentile(self.counts, 0.99)

    def __add__(self, other: Histogram) -> Histogram:
        return self._combined(other, 1)

    def __sub__(self, other: Histogram) -> Histogram:
        return self._combined(other, -1)

    def _combined(self, other: Histogram, sign: int) -> Histogram:
        return Histogram.of(a + sign * b for a, b in zip_longest(self.counts, other.counts, fillvalue=0))


NO_DURATIONS = Histogram()


def percentile(counts: Sequence[int], share: float) -> float | None:
    """The duration in ms that a `share` of all does not exceed; `None` where there is none.

    Interpolated within its bucket as if durations were spread evenly there. The true value lies in the same bucket: the
    answer is at most 2.5 times too large or too small (below 1 ms: at most 1 ms off). In the last bucket, which has no
    upper bound, the answer is its lower one: at least so long.
    """
    total = sum(counts)
    if total <= 0:
        return None
    rank, below = share * total, 0
    for bucket, count in enumerate(counts[: len(BOUNDS_MS)]):
        if count > 0 and below + count >= rank:
            lower = BOUNDS_MS[bucket - 1] if bucket else 0
            return lower + (BOUNDS_MS[bucket] - lower) * (rank - below) / count
        below += count
    return float(BOUNDS_MS[-1])
