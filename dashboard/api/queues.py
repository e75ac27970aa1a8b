"""Queues: how they are, what limits them; pausing and limiting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from flask import g

from dashboard.api.outcomes import OutcomeOut
from dashboard.api.overview import CountsOut, shared_snapshot
from dashboard.api.pages import PageQuery, page_of
from dashboard.api.requests import Act
from dashboard.api.table import changes, reads
from dashboard.api.values import UNSET, Change, Count, Meta, Name, Time, UnsetType, Value, at, given, time
from dashboard.parts import parts
from dashboard.problems import live_workers
from queue_core.errors import InvalidArgument
from queue_core.snapshot import Limits, QueueSnapshot, Rate, Snapshot

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
    """`total`: all that match and can be read; `older`: the cursor of the next page, `null` on the last one.
    `unreadable`: queue → why its data cannot be read."""

    taken_at: Time
    total: Count
    older: str | None
    queues: list[QueueOut]
    unreadable: dict[str, str]


class QueuesQuery(PageQuery, frozen=True):
    text: Annotated[str, Meta(max_length=128, description="Only those in whose name this stands.")] = ""


class PauseIn(Change, frozen=True):
    task: Annotated[Name, Meta(description="Only tasks of this name.")] | UnsetType = UNSET


class ResumeIn(Change, frozen=True):
    """At most one of both; without any the whole queue."""

    rules: ClassVar[Mapping[str, Any]] = {"not": {"required": ["task", "lane"]}}

    task: Annotated[Name, Meta(description="Only tasks of this name.")] | UnsetType = UNSET
    lane: (
        Annotated[
            str,
            Meta(
                pattern=r"^(name|unknown):[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}$",
                description="A lane, as the queue lists it.",
            ),
        ]
        | UnsetType
    ) = UNSET


Number = Annotated[int, Meta(ge=1, le=MOST)] | None | UnsetType
Seconds = Annotated[float, Meta(ge=1, le=MOST)] | None | UnsetType


LIMITS = (
    "max_length",
    "enqueue_rate",
    "claim_rate",
    "dead_max_age_seconds",
    "dead_max_count",
    "dead_warning",
    "wait_target_seconds",
)


class LimitIn(Change, frozen=True):
    """`null` ends a limit; what is not named stays as it is. At least one is named."""

    rules: ClassVar[Mapping[str, Any]] = {"anyOf": [{"required": [limit]} for limit in LIMITS]}

    max_length: Number = UNSET
    enqueue_rate: RateOut | UnsetType | None = UNSET
    claim_rate: RateOut | UnsetType | None = UNSET
    dead_max_age_seconds: Seconds = UNSET
    dead_max_count: Number = UNSET
    dead_warning: Number = UNSET
    wait_target_seconds: Seconds = UNSET


@reads("/queues", Queues, query=QueuesQuery)
def queues(query: QueuesQuery) -> Queues:
    """All queues, by name, a page at a time. At most about a second old, as `taken_at` says."""
    snapshot = shared_snapshot()
    text = query.text.strip().lower()
    found = [queue for queue in snapshot.queues if text in queue.name.lower()]
    shown, older = page_of(found, lambda queue: queue.name, query)
    return Queues(
        taken_at=time(snapshot.taken_at),
        total=len(found),
        older=older,
        queues=[QueueOut.of(queue, snapshot) for queue in shown],
        unreadable=dict(snapshot.unreadable),
    )


@reads("/queues/<name>", QueueOut)
def queue(name: str) -> QueueOut:
    """One queue, as it is now."""
    return QueueOut.of(parts().inspector.queue(name), shared_snapshot())


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
