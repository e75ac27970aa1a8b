"""Numbers → shapes: what stands on what, what is a gap, where an axis ends."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from dashboard.charts import HEADROOM, HEIGHT, SPARK_HEIGHT, WIDTH, bars, ceiling, lines, sparkline, tick_places


def boxes(path: str) -> list[tuple[float, float, float, float]]:
    """x, top, width, height."""
    found = re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)h-[\d.]+z", path)
    assert "".join(f"M{x} {y}h{w}v{h}h-{w}z" for x, y, w, h in found) == path
    return [(float(x), float(y), float(w), float(h)) for x, y, w, h in found]


@pytest.mark.parametrize(
    ("value", "top"),
    [
        (0, 1),
        (1, 1),
        (3, 5),
        (5, 5),
        (6, 10),
        (118, 200),
        (4_120, 5_000),
        (10_000, 10_000),
        (0.3, 0.5),
        (1e12 + 1, 2e12),
    ],
)
def test_an_axis_ends_at_the_next_round_number(value: float, top: float) -> None:
    assert ceiling(value) == top


def test_failed_stands_on_completed_from_a_zero_baseline() -> None:
    shape = bars([(80, 20), (50, 0), (0, 0)])
    step, unit = WIDTH / 3, (HEIGHT - HEADROOM) / 100
    assert shape.most == 100
    assert boxes(shape.done) == [
        pytest.approx((0, HEIGHT - 80 * unit, 0.8 * step, 80 * unit), abs=0.1),
        pytest.approx((step, HEIGHT - 50 * unit, 0.8 * step, 50 * unit), abs=0.1),
    ]
    assert boxes(shape.failed) == [pytest.approx((0, HEADROOM, 0.8 * step, 20 * unit), abs=0.1)]


def test_what_is_not_over_is_an_outline() -> None:
    shape = bars([(5, 0), (5, 0)])
    assert len(boxes(shape.done)) == 1
    assert boxes(shape.running)[0][0] == WIDTH / 2


def test_a_single_failure_among_thousands_is_seen() -> None:
    assert boxes(bars([(50_000, 1), (0, 0)]).failed)[0][3] >= 1
    assert sparkline([(50_000, 1), (0, 0)]).failed == "m0.5 0v2"


def test_a_single_task_beside_thousands_is_seen() -> None:
    assert boxes(bars([(50_000, 0), (1, 0), (0, 0)]).done)[1][3] >= 1


def test_a_sparkline_is_one_outline_with_a_gap_where_nothing_was_done() -> None:
    shape = sparkline([(6, 0), (4, 0), (5, 0), None, (0, 5), *[(0, 0)] * 3, (2, 0), (8, 0), (10, 0)])
    assert shape.done == f"M0 {SPARK_HEIGHT}V0h1V10h1V20zM4 20V0h2V20z"
    assert shape.failed == "m2.5 10v10"


def test_two_minutes_are_one_bar_of_a_sparkline_and_what_failed_stands_on_what_completed() -> None:
    shape = sparkline([(2, 1), (3, 4), None, None, (5, 5)])
    assert shape.done == "M0 20V10h1V20zM2 20V10h1V20z"
    assert shape.failed == "m0.5 0v10m2-10v10"


@pytest.mark.parametrize("counts", [[], [None] * 60, [(0, 0)] * 60])
def test_nothing_draws_nothing(counts: list[tuple[int, int] | None]) -> None:
    for shape in (bars(counts), sparkline(counts)):
        assert (shape.done, shape.failed, shape.running) == ("", "", "")


def test_lines_are_straight_and_break_where_nothing_is_known() -> None:
    shape = lines([("p50", [1.0, 2.0, None, 4.0, None, 2.0, 2.0])])
    path = shape.lines[0].path
    assert shape.most == 5
    assert re.sub(r"[\d. -]", "", path) == "MLMhML"  # two points, a dash, two points
    assert "C" not in path


def test_labels_stand_at_the_ends_and_never_upon_each_other() -> None:
    shape = lines([("p50", [10.0, 99.0]), ("p95", [10.0, 100.0]), ("max", [5.0, 100.0])])
    places = sorted(line.y for line in shape.lines)
    assert [line.last for line in shape.lines] == [99.0, 100.0, 100.0]
    assert all(b - a >= 14 for a, b in pairwise(places))
    assert places[0] >= 10
    assert places[-1] <= HEIGHT
    low = lines([("p50", [0.0, 0.0]), ("p95", [100.0, 0.0])])
    assert max(line.y for line in low.lines) <= HEIGHT - 4


def test_ticks_part_the_time_evenly() -> None:
    assert tick_places(60) == (0, 15, 30, 45)
    assert tick_places(24) == (0, 6, 12, 18)
