"""What one queue did in the last hour or day: charts, the same figures as rows, and by task name. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboard.charts import WIDTH, Bars, Count, Lines, bars, lines, tick_places
from dashboard.pagination import Part, part_of
from dashboard.problem import HeldTask
from dashboard.trends import MINUTES, failed_attempts
from queue_core.snapshot import AuditEntry, Figures, NameAttempts, Period, Statistics, WorkerSnapshot
from queue_core.telemetry import MINUTE_MS

SPANS: Mapping[str, Mapping[str, int]] = {"1h": {"minutes": 60}, "24h": {"hours": 24}}
"""As the address has it → what is asked for."""
WHOLE_QUEUE = ("pause", "resume", "close_lane", "open_lane", "limit")
MOST_MARKS = 12
NAMES_A_PAGE = 25


@dataclass(frozen=True, slots=True)
class Row:
    """A minute or an hour; `figures` is `None` where nothing is known of it."""

    at: int
    figures: Figures | None


@dataclass(frozen=True, slots=True)
class Peak:
    value: float
    at: int


@dataclass(frozen=True, slots=True)
class Mark:
    """Where something stands on the charts: what an operator did to many tasks, or to the queue; or the start of the
    first worker of a `version` of the application."""

    x: float
    at: int
    entry: AuditEntry | None = None
    version: str = ""


@dataclass(frozen=True, slots=True)
class NameHour:
    """The last hour of one task name. `counts`: completed and failed in each minute, oldest first, the last is not
    over; `None`: not known, before `since`: when the first attempt was counted, where that is within the hour."""

    counts: tuple[Count, ...]
    since: int | None

    @property
    def completed(self) -> int:
        return sum(count[0] for count in self.counts if count)

    @property
    def failed(self) -> int:
        return sum(count[1] for count in self.counts if count)


@dataclass(frozen=True, slots=True)
class NameRow:
    """`hour`: `None` where nothing was told of it by the minute."""

    name: str
    figures: Figures
    held: HeldTask | None
    hour: NameHour | None = None
    last_completed_at: int | None = None

    @property
    def failed(self) -> int:
        return failed_attempts(self.figures)

    @property
    def attempts(self) -> int:
        return self.figures.completed + self.failed


@dataclass(frozen=True, slots=True)
class Charts:
    """`rows`: oldest first, the last is not over. `ticks`: when each quarter of the time begins.

    `names_since`: of names there are only whole hours. `others`: of names that are not kept apart.
    """

    span: str
    step_ms: int
    rows: tuple[Row, ...]
    ticks: tuple[int, ...]
    total: Figures
    throughput: Bars
    failures: Bars
    wait: Lines
    run: Lines
    peak: Peak | None
    failed_peak: Peak | None
    wait_peak: Peak | None
    run_peak: Peak | None
    marks: tuple[Mark, ...]
    names: Part[NameRow]
    names_since: int
    others: Figures

    @property
    def failed(self) -> int:
        return failed_attempts(self.total)

    @property
    def attempts(self) -> int:
        return self.total.completed + self.failed


def charts(
    span: str,
    statistics: Statistics,
    entries: Iterable[AuditEntry] = (),
    known: Sequence[str] = (),
    held: Sequence[HeldTask] = (),
    workers: Iterable[WorkerSnapshot] = (),
    page: int = 1,
) -> Charts:
    """`entries`: of the audit, of any queue. `known`: names of tasks that have a row even if they did nothing.
    `workers`: of any queue. `page`: of names."""
    step = statistics.step_ms
    rows = tuple(Row(period.at, _known_figures(period, step, statistics.since)) for period in statistics.periods)
    begin, end = rows[0].at, rows[-1].at + step
    hour = 3_600_000
    return Charts(
        span=span,
        step_ms=step,
        rows=rows,
        ticks=tuple(rows[place].at for place in tick_places(len(rows))),
        total=statistics.total,
        throughput=bars([_counts(row) for row in rows]),
        failures=bars([count and (0, count[1]) for count in map(_counts, rows)]),
        wait=_lines(rows, lambda figures: (figures.wait.p50_ms, figures.wait.p95_ms)),
        run=_lines(rows, lambda figures: (figures.run.p50_ms, figures.run.p95_ms)),
        peak=_peak(rows, lambda figures: figures.completed),
        failed_peak=_peak(rows, failed_attempts),
        wait_peak=_peak(rows, lambda figures: figures.wait.p95_ms),
        run_peak=_peak(rows, lambda figures: figures.run.p95_ms),
        marks=_marks(statistics.queue, entries, workers, begin, end),
        names=_names(statistics, known, held, page),
        names_since=(begin // hour) * hour,
        others=statistics.others,
    )


def _known_figures(period: Period, step_ms: int, since: int | None) -> Figures | None:
    return period.figures if since is not None and period.at + step_ms > since else None


def _counts(row: Row) -> Count:
    return (row.figures.completed, failed_attempts(row.figures)) if row.figures else None


def _lines(rows: Sequence[Row], of: Callable[[Figures], tuple[float | None, float | None]]) -> Lines:
    found = [of(row.figures) if row.figures else (None, None) for row in rows]
    return lines([("p50", [pair[0] for pair in found]), ("p95", [pair[1] for pair in found])])


def _peak(rows: Sequence[Row], of: Callable[[Figures], float | None]) -> Peak | None:
    """The first of the largest; none where nothing was."""
    found = [(of(row.figures) or 0, row.at) for row in rows if row.figures]
    value, at = max(found, key=lambda pair: pair[0], default=(0, 0))
    return Peak(value, at) if value else None


def _marks(
    queue: str, entries: Iterable[AuditEntry], workers: Iterable[WorkerSnapshot], begin: int, end: int
) -> tuple[Mark, ...]:
    """Newest first."""

    def mark(at: int, **what: Any) -> Mark:
        return Mark(round((at - begin) / (end - begin) * WIDTH, 1), at, **what)

    found = [
        mark(entry.at, entry=entry)
        for entry in entries
        if entry.queue == queue
        and begin <= entry.at < end
        and entry.verb != "refuse"
        and (entry.count > 1 or entry.verb in WHOLE_QUEUE)
    ]
    began = versions_of(workers, queue)
    found += [mark(at, version=version) for version, at in began.items() if begin <= at < end]
    return tuple(sorted(found, key=lambda mark: -mark.at)[:MOST_MARKS])


def versions_of(workers: Iterable[WorkerSnapshot], queue: str) -> dict[str, int]:
    """Version of the application → when the first of its workers was started or came to have it, of those that are
    known and listen to the queue."""
    began: dict[str, int] = {}
    for worker in workers:
        if worker.version and queue in worker.queues:
            at = worker.version_since or worker.started_at
            began[worker.version] = min(at, began.get(worker.version, at))
    return began


def _names(statistics: Statistics, known: Sequence[str], held: Sequence[HeldTask], page: int) -> Part[NameRow]:
    """Busiest first, then those that did nothing, by name."""
    of_name = {task.name: task for task in held}
    busy = {found.name: found.total for found in statistics.names}
    idle = sorted({*known, *of_name} - busy.keys())
    names = part_of((*busy, *idle), page, NAMES_A_PAGE)
    rows = []
    for name in names.rows:
        told = statistics.attempts.get(name)
        hour, success = (_hour(told, statistics.taken_at), told.last_completed_at) if told else (None, None)
        rows.append(NameRow(name, busy.get(name, Figures()), of_name.get(name), hour, success))
    return Part(tuple(rows), names.number, names.last, names.total, names.size)


def _hour(attempts: NameAttempts, now_ms: int) -> NameHour:
    first = now_ms // MINUTE_MS - MINUTES + 1
    known = max(0, attempts.since // MINUTE_MS - first)
    counts: list[Count] = [None if minute < known else (0, 0) for minute in range(MINUTES)]
    for minute in attempts.minutes:
        place = min(minute.at // MINUTE_MS - first, MINUTES - 1)  # a clock may have gone back
        if place >= 0:
            counts[place] = (minute.completed, minute.failed)
    return NameHour(tuple(counts), attempts.since if known else None)
