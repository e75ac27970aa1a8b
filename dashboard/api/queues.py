"""Queues: how they are, what was counted in them, what limits them; pausing and limiting."""

from __future__ import annotations

import math
from typing import Annotated

from flask import g

from dashboard.api.outcomes import OutcomeOut
from dashboard.api.overview import CountsOut, shared_snapshot
from dashboard.api.requests import Act
from dashboard.api.table import changes, reads
from dashboard.api.values import UNSET, Change, Count, Meta, Name, Query, Time, UnsetType, Value, at, given, time
from dashboard.parts import parts
from dashboard.problems import live_workers
from queue_core.errors import InvalidArgument
from queue_core.histogram import Histogram
from queue_core.snapshot import COUNTERS, Figures, Limits, QueueSnapshot, Rate, Snapshot

MOST = 10**9


class PauseOut(Value, frozen=True):
    by: str
    reason: str
    at: Time | None


class LaneOut(Value, frozen=True):
    """Why tasks are held: `name:<task>`, somebody paused that name; `unknown:<task>`, no worker knew it."""

    lane: str
    by: str
    reason: str
    closed_at: Time | None
    held: Count
    is_open: bool


class RateOut(Value, frozen=True):
    """At most so many tasks in so many seconds, and so many at once."""

    tasks: Annotated[int, Meta(ge=1, le=MOST)]
    seconds: Annotated[float, Meta(ge=0.001, le=MOST)]


class LimitsOut(Value, frozen=True):
    """`null`: no limit."""

    max_length: int | None
    enqueue_rate: RateOut | None
    claim_rate: RateOut | None
    dead_max_age_seconds: float | None
    dead_max_count: int | None
    dead_warning: Count
    wait_target_seconds: float
    by: str
    at: Time | None

    @classmethod
    def of(cls, limits: Limits) -> LimitsOut:
        return cls(
            max_length=limits.max_length,
            enqueue_rate=_rate(limits.enqueue_rate),
            claim_rate=_rate(limits.claim_rate),
            dead_max_age_seconds=limits.dead_max_age,
            dead_max_count=limits.dead_max_count,
            dead_warning=limits.dead_warning,
            wait_target_seconds=limits.wait_target,
            by=limits.by,
            at=at(limits.at),
        )


class QueueOut(Value, frozen=True):
    """`workers`: live ones that would be given its tasks."""

    name: str
    counts: CountsOut
    oldest_ready_at: Time | None
    next_due_at: Time | None
    pause: PauseOut | None
    lanes: list[LaneOut]
    workers: Count
    faults: Count
    limits: LimitsOut
    is_balanced: bool

    @classmethod
    def of(cls, queue: QueueSnapshot, snapshot: Snapshot) -> QueueOut:
        pause = queue.pause
        return cls(
            name=queue.name,
            counts=CountsOut.of(queue.counts),
            oldest_ready_at=at(queue.oldest_ready_at),
            next_due_at=at(queue.next_due_at),
            pause=PauseOut(by=pause.by, reason=pause.reason, at=at(pause.at)) if pause else None,
            lanes=[
                LaneOut(
                    lane=lane.lane,
                    by=lane.by,
                    reason=lane.reason,
                    closed_at=at(lane.closed_at or None),
                    held=lane.held,
                    is_open=lane.is_open,
                )
                for lane in queue.lanes
            ],
            workers=len(live_workers(snapshot, queue.name, g.now_ms)),
            faults=queue.fault_count,
            limits=LimitsOut.of(queue.limits),
            is_balanced=queue.is_balanced,
        )


class Queues(Value, frozen=True):
    """`unreadable`: queue → why its data cannot be read."""

    taken_at: Time
    queues: list[QueueOut]
    unreadable: dict[str, str]


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


class StatisticsOut(Value, frozen=True):
    """`since`: what lies before is unknown, not zero. Rates are those of the last minutes, tasks a second; `null`: too
    little time to tell. `seconds_to_drain`: `null` also where what is ready grows."""

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


class StatisticsQuery(Query, frozen=True):
    minutes: Annotated[int, Meta(ge=1, le=1500, description="The last minutes.")] | UnsetType = UNSET
    hours: (
        Annotated[int, Meta(ge=1, le=840, description="The last hours; 24 where nothing is asked for.")] | UnsetType
    ) = UNSET
    by_name: Annotated[bool, Meta(description="Also of each task name.")] = False


class PauseIn(Change, frozen=True):
    task: Annotated[Name, Meta(description="Only tasks of this name.")] | UnsetType = UNSET


class ResumeIn(Change, frozen=True):
    """At most one of both; without any the whole queue."""

    task: Annotated[Name, Meta(description="Only tasks of this name.")] | UnsetType = UNSET
    lane: Annotated[str, Meta(max_length=140, description="A lane, as the queue lists it.")] | UnsetType = UNSET


Number = Annotated[int, Meta(ge=1, le=MOST)] | None | UnsetType
Seconds = Annotated[float, Meta(ge=1, le=MOST)] | None | UnsetType


class LimitIn(Change, frozen=True):
    """`null` ends a limit; what is not named stays as it is. At least one is named."""

    max_length: Number = UNSET
    enqueue_rate: RateOut | UnsetType | None = UNSET
    claim_rate: RateOut | UnsetType | None = UNSET
    dead_max_age_seconds: Seconds = UNSET
    dead_max_count: Number = UNSET
    dead_warning: Number = UNSET
    wait_target_seconds: Seconds = UNSET


@reads("/queues", Queues)
def queues() -> Queues:
    """All queues. At most about a second old, as `taken_at` says."""
    snapshot = shared_snapshot()
    return Queues(
        taken_at=time(snapshot.taken_at),
        queues=[QueueOut.of(queue, snapshot) for queue in snapshot.queues],
        unreadable=dict(snapshot.unreadable),
    )


@reads("/queues/<name>", QueueOut)
def queue(name: str) -> QueueOut:
    """One queue, as it is now."""
    return QueueOut.of(parts().inspector.queue(name), shared_snapshot())


@reads("/queues/<name>/statistics", StatisticsOut, query=StatisticsQuery)
def statistics(name: str, query: StatisticsQuery) -> StatisticsOut:
    """What was counted in a queue, minute by minute or hour by hour. Either minutes or hours are asked for."""
    if query.minutes is not UNSET and query.hours is not UNSET:
        raise InvalidArgument("minutes and hours are not accepted together: one of them")
    minutes, hours = (0 if isinstance(asked, UnsetType) else asked for asked in (query.minutes, query.hours))
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
    )


@changes("/queues/<name>/pause", OutcomeOut, body=PauseIn)
def pause(name: str, body: PauseIn, act: Act) -> OutcomeOut:
    """Give out nothing of a queue, or of one task name, until it is resumed. What runs is finished."""
    control = parts().control
    if isinstance(body.task, UnsetType):
        return OutcomeOut.of(control.pause(name, **act.facts), act.action_id)
    return OutcomeOut.of(control.close_lane(name, f"name:{body.task}", **act.facts), act.action_id)


@changes("/queues/<name>/resume", OutcomeOut, body=ResumeIn)
def resume(name: str, body: ResumeIn, act: Act) -> OutcomeOut:
    """Give out tasks of a queue, of one task name or of a lane again."""
    control = parts().control
    if given(body.task) and given(body.lane):
        raise InvalidArgument("task and lane are not accepted together: one of them")
    lane = body.lane if isinstance(body.task, UnsetType) else f"name:{body.task}"
    if isinstance(lane, UnsetType):
        return OutcomeOut.of(control.resume(name, **act.facts), act.action_id)
    return OutcomeOut.of(control.open_lane(name, lane, **act.facts), act.action_id)


@changes("/queues/<name>/limit", OutcomeOut, body=LimitIn)
def limit(name: str, body: LimitIn, act: Act) -> OutcomeOut:
    """Limit what a queue takes, gives out and keeps."""
    named = {
        "max_length": body.max_length,
        "enqueue_rate": _pair(body.enqueue_rate),
        "claim_rate": _pair(body.claim_rate),
        "dead_max_age": body.dead_max_age_seconds,
        "dead_max_count": body.dead_max_count,
        "dead_warning": body.dead_warning,
        "wait_target": body.wait_target_seconds,
    }
    wanted = {what: value for what, value in named.items() if given(value)}
    outcome = parts().control.limit(name, **act.facts, **wanted)  # type: ignore[arg-type]  # each is what its field is
    return OutcomeOut.of(outcome, act.action_id)


def _rate(rate: Rate | None) -> RateOut | None:
    return RateOut(tasks=rate.tasks, seconds=rate.seconds) if rate else None


def _pair(rate: RateOut | UnsetType | None) -> tuple[int, float] | UnsetType | None:
    return (rate.tasks, rate.seconds) if isinstance(rate, RateOut) else rate
