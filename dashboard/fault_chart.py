"""The failed attempts of a fault in the last hour as bars, with what people did to its letters meanwhile and which
versions of the application came. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from dashboard.charts import WIDTH, Bars, bars, tick_places
from dashboard.queue_figures import Peak, versions_of
from dashboard.rising import HOUR, MINUTE_MS, pace
from dashboard.wording import act, ended_as
from queue_core.snapshot import Fault, Operation, WorkerSnapshot

MOST_MARKS = 3


@dataclass(frozen=True, slots=True)
class FaultMark:
    """An operation on its letters that began at that time, or the first worker of a `version`; and where that stands on
    the chart."""

    x: float
    at: int
    words: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class AttemptsChart:
    """`rows`: minutes and their failed attempts, newest first. `ticks`: when each quarter of the hour begins."""

    attempts: Bars
    total: int
    peak: Peak | None
    ticks: tuple[int, ...]
    marks: tuple[FaultMark, ...]
    rows: tuple[tuple[int, int], ...]


def attempts_chart(
    fault: Fault,
    operations: Sequence[Operation],
    now_ms: int,
    workers: Iterable[WorkerSnapshot] = (),
    undone: Collection[str] = (),
) -> AttemptsChart:
    """`operations`: on its letters, newest first; `undone`: the ids of those that were. `workers`: of any queue."""
    counted = pace([fault], now_ms)
    first = (now_ms // MINUTE_MS - HOUR + 1) * MINUTE_MS
    times = [first + minute * MINUTE_MS for minute in range(HOUR)]
    most = max(counted.minutes)
    return AttemptsChart(
        attempts=bars(counted.counts),
        total=sum(counted.minutes),
        peak=Peak(most, times[counted.minutes.index(most)]) if most else None,
        ticks=tuple(times[place] for place in tick_places(HOUR)),
        marks=_marks(fault, operations, workers, undone, first, now_ms),
        rows=tuple(reversed(list(zip(times, counted.minutes, strict=True)))),
    )


def _marks(
    fault: Fault,
    operations: Sequence[Operation],
    workers: Iterable[WorkerSnapshot],
    undone: Collection[str],
    first: int,
    now_ms: int,
) -> tuple[FaultMark, ...]:
    """Newest first; of operations and of versions a few each."""

    def mark(at: int, words: str, version: str = "") -> FaultMark:
        return FaultMark(round((at - first) / (HOUR * MINUTE_MS) * WIDTH, 1), at, words, version)

    done = [
        mark(one.began_at, f"{act(one.bound.verb)} {one.bound.count:,} by {one.by}{_became(one, one.id in undone)}")
        for one in operations
        if first <= one.began_at <= now_ms
    ]
    began = sorted(versions_of(workers, fault.queue).items(), key=lambda pair: -pair[1])
    came = [mark(at, f"workers of version {version}", version) for version, at in began if first <= at <= now_ms]
    return tuple(sorted((*done[:MOST_MARKS], *came[:MOST_MARKS]), key=lambda mark: -mark.at))


def _became(operation: Operation, is_undone: bool) -> str:
    told = ended_as(operation, is_undone=is_undone)
    return f", {told}" if told else ""
