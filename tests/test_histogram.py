"""Buckets and percentiles."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest

from queue_core.histogram import BOUNDS_MS, BUCKETS, Histogram, bucket_of, percentile


def histogram_of(*durations_ms: float) -> Histogram:
    counted = Counter(map(bucket_of, durations_ms))
    return Histogram.of(counted[bucket] for bucket in range(BUCKETS))


def test_bounds_are_documented_ones() -> None:
    assert BOUNDS_MS[:7] == (1, 2, 5, 10, 20, 50, 100)
    assert (BOUNDS_MS[-1], BUCKETS) == (500_000_000, 28)
    assert all(upper / lower <= 2.5 for lower, upper in pairwise(BOUNDS_MS))


@pytest.mark.parametrize(
    ("ms", "bucket"),
    [
        (-600_000, 0),
        (0, 0),
        (0.4, 0),
        (1, 0),
        (1.01, 1),
        (2, 1),
        (3, 2),
        (1_000, 9),
        (1_001, 10),
        (500_000_000, 26),
        (500_000_001, 27),
        (10**15, 27),
    ],
)
def test_duration_falls_into_its_bucket(ms: float, bucket: int) -> None:
    assert bucket_of(ms) == bucket


@pytest.mark.parametrize(
    ("counts", "share", "expected"),
    [
        ((), 0.5, None),
        ((0, 0), 0.5, None),
        ((-3, 1), 0.5, None),  # what no queue has: its figures were damaged
        ((4,), 0.5, 0.5),
        ((0, 0, 10), 0.5, 3.5),
        ((0, 0, 10), 1.0, 5.0),
        ((1, 0, 1), 0.5, 1.0),
        ((1, 0, 1), 0.75, 3.5),
        ((90, 10), 0.95, 1.5),
        ((99, 0, 0, 1), 0.99, 1.0),
        ((0,) * 27 + (5,), 0.5, 500_000_000.0),
        ((1,) + (0,) * 26 + (5,), 0.99, 500_000_000.0),
    ],
)
def test_percentile_is_interpolated_within_its_bucket(
    counts: tuple[int, ...], share: float, expected: float | None
) -> None:
    assert percentile(counts, share) == expected


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_percentile_is_never_off_by_more_than_its_bucket(share: float) -> None:
    chance = random.Random(1)
    for _ in range(200):
        durations = sorted(chance.lognormvariate(6, 2) + 1 for _ in range(chance.randint(1, 300)))
        true = durations[max(0, -int(-share * len(durations) // 1) - 1)]
        found = percentile(histogram_of(*durations).counts, share)
        assert found is not None
        assert true / 2.5 <= found <= true * 2.5


def test_histograms_add_up_and_differences_are_histograms() -> None:
    first, second = histogram_of(1, 3, 3), histogram_of(3, 700)
    together = first + second
    assert together == histogram_of(1, 3, 3, 3, 700)
    assert (together.count, (together - first).counts) == (5, second.counts)
    assert Histogram((1,)) + Histogram((0, 2)) == Histogram((1, 2))
    assert (Histogram().p50_ms, Histogram().p95_ms, Histogram().p99_ms) == (None, None, None)
