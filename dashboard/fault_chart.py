"""The failed attempts of a fault in the last hour as bars, and what people did to its letters meanwhile. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.charts import WIDTH, Bars, bars, tick_places
from dashboard.queue_figures import Peak
from dashboard.rising import HOUR, MINUTE_MS, pace
from dashboard.wording import act
from queue_core.snapshot import Fault, Operation

MOST_MARKS = 3


@dataclass(frozen=True, slots=True)
class OperationMark:
    """An operation on its letters that began at that time, and where that stands on the chart."""

    x: float
    at: int
    words: str


@dataclass(frozen=True, slots=True)
class AttemptsChart:
    """`rows`: minutes and their failed attempts, newest first. `ticks`: when each quarter of the hour begins."""

    attempts: Bars
    total: int
    peak: Peak | None
    ticks: tuple[int, ...]
    marks: tuple[OperationMark, ...]
    rows: tuple[tuple[int, int], ...]


def attempts_chart(fault: Fault, operations: Sequence[Operation], now_ms: int) -> AttemptsChart:
    """`operations`: on its letters, newest first."""
    counted = pace([fault], now_ms)
    first = (now_ms // MINUTE_MS - HOUR + 1) * MINUTE_MS
    times = [first + minute * MINUTE_MS for minute in range(HOUR)]
    most = max(counted.minutes)
    return AttemptsChart(
        attempts=bars(counted.counts),
        total=sum(counted.minutes),
        peak=Peak(most, times[counted.minutes.index(most)]) if most else None,
        ticks=tuple(times[place] for place in tick_places(HOUR)),
        marks=tuple(
            OperationMark(
                round((one.began_at - first) / (HOUR * MINUTE_MS) * WIDTH, 1),
                one.began_at,
                f"{act(one.bound.verb)} {one.bound.count:,} by {one.by}",
            )
            for one in operations
            if first <= one.began_at <= now_ms
        )[:MOST_MARKS],
        rows=tuple(reversed(list(zip(times, counted.minutes, strict=True)))),
    )
