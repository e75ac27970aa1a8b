"""What was counted: in one queue by the minute or the hour, in all of them over the last hour."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from dashboard.api.overview import shared_snapshot
from dashboard.api.table import reads
from dashboard.api.values import Count, Meta, Query, Time, Value, at, time
from dashboard.parts import parts, trends
from dashboard.trends import MINUTES, Trend
from queue_core.histogram import Histogram
from queue_core.snapshot import COUNTERS, Figures, NameAttempts
from queue_core.telemetry import MINUTE_MS

MOST_HOURS = 840
"""All that are kept."""


class Times(Value, frozen=True):
    """Percentiles out of buckets: at most 2.5 times too large or too small. `null`: there was none."""

    count: Count
    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None

    @classmethod
    def of(cls, histogram: Histogram) -> Times:
        p50, p95, p99 = (
            None if ms is None else ms / 1000 for ms in (histogram.p50_ms, histogram.p95_ms, histogram.p99_ms)
        )
        return cls(count=max(0, histogram.count), p50_seconds=p50, p95_seconds=p95, p99_seconds=p99)


class FiguresOut(Value, frozen=True):
    enqueued: int
    completed: int
    failed: int
    retried: int
    died: int
    discarded: int
    expired: int
    cancelled: int
    crashed: int
    requeued: int
    deleted: int
    imported: int
    exported: int
    repaired: int
    recalled: int
    wait: Times
    run: Times

    @classmethod
    def of(cls, figures: Figures) -> FiguresOut:
        counters = {name: getattr(figures, name) for name in COUNTERS}
        return cls(**counters, wait=Times.of(figures.wait), run=Times.of(figures.run))


class PeriodOut(Value, frozen=True):
    at: Time
    figures: FiguresOut


class NameOut(Value, frozen=True):
    name: str
    total: FiguresOut


class AttemptsMinuteOut(Value, frozen=True):
    at: Time
    completed: Count
    failed: Count


class NameAttemptsOut(Value, frozen=True):
    """The newest attempts of a task name. `minutes`: those with any, newest first: each of the last hour, and earlier
    ones where these are fewer than 60; `failed`: crashed ones, too. `last_completed_at`: `null` where none has
    completed since the first of these minutes, at least."""

    name: str
    last_completed_at: Time | None
    minutes: list[AttemptsMinuteOut]

    @classmethod
    def of(cls, name: str, attempts: NameAttempts) -> NameAttemptsOut:
        minutes = [
            AttemptsMinuteOut(at=time(minute.at), completed=minute.completed, failed=minute.failed)
            for minute in attempts.minutes
        ]
        return cls(name=name, last_completed_at=at(attempts.last_completed_at), minutes=minutes)


class StatisticsOut(Value, frozen=True):
    """`since`: what lies before is unknown, not zero. `attempts`: of each task name, also of those that did nothing in
    this time, as far as workers told of them by the minute. Rates are those of the last minutes, tasks a second;
    `null`: too little time to tell. `seconds_to_drain`: `null` also where what is ready grows."""

    queue: str
    taken_at: Time
    since: Time | None
    step_seconds: float
    arrival_rate: float | None
    service_rate: float | None
    seconds_to_drain: float | None
    total: FiguresOut
    periods: list[PeriodOut]
    names: list[NameOut]
    attempts: list[NameAttemptsOut]


class StatisticsQuery(Query, frozen=True):
    step: Annotated[Literal["minute", "hour"], Meta(description="How long each period is.")] = "hour"
    last: Annotated[int, Meta(ge=1, le=1500, description="How many periods; of hours at most 840 are kept.")] = 24
    by_name: Annotated[bool, Meta(description="Also of each task name.")] = False


class TrendOut(Value, frozen=True):
    """The last hour of a queue. `completed_by_minute`, `failed_by_minute`: attempts, oldest minute first, the last one
    is not over; `null`: not known. Rates are of the last five minutes, tasks a second; `null`: too little time to
    tell."""

    queue: str
    completed: Count
    failed: Count
    completed_by_minute: list[Count | None]
    failed_by_minute: list[Count | None]
    p95_run_seconds: float | None
    completed_per_minute: float | None
    arrival_rate: float | None
    service_rate: float | None

    @classmethod
    def of(cls, queue: str, trend: Trend) -> TrendOut:
        return cls(
            queue=queue,
            completed=trend.completed,
            failed=trend.failed,
            completed_by_minute=[count[0] if count else None for count in trend.counts],
            failed_by_minute=[count[1] if count else None for count in trend.counts],
            p95_run_seconds=None if trend.p95_run_ms is None else trend.p95_run_ms / 1000,
            completed_per_minute=trend.completed_per_minute,
            arrival_rate=trend.arrival_rate,
            service_rate=trend.service_rate,
        )


class TrendsOut(Value, frozen=True):
    """`first_minute_at`: when the first of the 60 minutes began."""

    taken_at: Time
    first_minute_at: Time
    queues: list[TrendOut]


@reads("/queues/<name>/statistics", StatisticsOut, query=StatisticsQuery)
def statistics(name: str, query: StatisticsQuery) -> StatisticsOut:
    """What was counted in a queue, minute by minute or hour by hour."""
    minutes, hours = (query.last, 0) if query.step == "minute" else (0, min(query.last, MOST_HOURS))
    found = parts().inspector.statistics(name, minutes=minutes, hours=hours, by_name=query.by_name)
    drain = found.time_to_drain_seconds
    return StatisticsOut(
        queue=found.queue,
        taken_at=time(found.taken_at),
        since=at(found.since),
        step_seconds=found.step_ms / 1000,
        arrival_rate=found.arrival_rate,
        service_rate=found.service_rate,
        seconds_to_drain=drain if drain is not None and math.isfinite(drain) else None,
        total=FiguresOut.of(found.total),
        periods=[PeriodOut(at=time(period.at), figures=FiguresOut.of(period.figures)) for period in found.periods],
        names=[NameOut(name=of.name, total=FiguresOut.of(of.total)) for of in found.names],
        attempts=[NameAttemptsOut.of(name, told) for name, told in sorted(found.attempts.items())],
    )


@reads("/trends", TrendsOut)
def trend() -> TrendsOut:
    """What every queue did in the last hour, minute by minute. At most about five seconds old."""
    snapshot = shared_snapshot()
    found = trends()
    newest = snapshot.taken_at // MINUTE_MS
    return TrendsOut(
        taken_at=time(snapshot.taken_at),
        first_minute_at=time((newest - MINUTES + 1) * MINUTE_MS),
        queues=[TrendOut.of(queue.name, found[queue.name]) for queue in snapshot.queues if queue.name in found],
    )
