"""Schedules: what comes when; adding, changing, removing, pausing, resuming, running now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from flask import g
from werkzeug.exceptions import Conflict

from dashboard.api.outcomes import OutcomeOut
from dashboard.api.queues import PauseOut
from dashboard.api.requests import Act
from dashboard.api.table import changes, reads
from dashboard.api.values import UNSET, Change, Meta, Name, Query, Time, UnsetType, Value, at, given, time
from dashboard.identity import may_edit
from dashboard.parts import parts
from dashboard.views.schedule_forms import MOST_ARGUMENTS, NEXT, read_arguments, refusal
from dashboard.views.schedules import why
from queue_core.errors import InvalidArgument
from queue_core.schedule import next_after
from queue_core.schedules import scheduled
from queue_core.settings import DEFAULT_QUEUE
from queue_core.snapshot import ScheduleSnapshot
from queue_core.task import MAX_PRIORITY

CHANGEABLE = ("cron", "time_zone", "every_seconds", "missed", "overlap", "arguments_json")


class ScheduleOut(Value, frozen=True):
    """`words`: its rule for people; `next_at`: the next five, none while it is paused; `last_state`: of the last task,
    `null` where it left no record; `overdue_since`: one should have been enqueued and is not; `unreadable`: why.
    `condition`: active, paused, overdue, undeclared or unreadable; `why`: what happens next, "" where that is as usual;
    `refusal`: why it cannot be changed or removed here, "" where it can be."""

    name: str
    words: str
    task: str
    queue: str
    payload_start: str
    cron: str
    time_zone: str
    every_seconds: float | None
    missed: str
    overlap: bool
    priority: int
    next_at: list[Time]
    last_at: Time | None
    last_task_id: str
    last_state: str | None
    overdue_since: Time | None
    pause: PauseOut | None
    declared_in: str
    undeclared_at: Time | None
    by: str
    created_at: Time | None
    changed_at: Time | None
    unreadable: str
    condition: str
    why: str
    refusal: str

    @classmethod
    def of(cls, schedule: ScheduleSnapshot) -> ScheduleOut:
        pause = schedule.pause
        return cls(
            name=schedule.name,
            words=schedule.words,
            task=schedule.task,
            queue=schedule.queue,
            payload_start=schedule.payload,
            cron=schedule.cron,
            time_zone=schedule.time_zone,
            every_seconds=schedule.every_seconds,
            missed=schedule.missed,
            overlap=schedule.overlap,
            priority=schedule.priority,
            next_at=[found for ms in schedule.next_at if (found := at(ms))],
            last_at=at(schedule.last_at),
            last_task_id=schedule.last_task_id,
            last_state=schedule.last_state.value if schedule.last_state else None,
            overdue_since=at(schedule.overdue_since),
            pause=PauseOut(by=pause.by, reason=pause.reason, at=at(pause.at)) if pause else None,
            declared_in=schedule.app,
            undeclared_at=at(schedule.undeclared_at),
            by=schedule.by,
            created_at=at(schedule.created_at),
            changed_at=at(schedule.changed_at),
            unreadable=schedule.unreadable,
            condition=schedule.condition,
            why=why(schedule, g.now_ms),
            refusal=refusal(schedule),
        )


class ScheduleList(Value, frozen=True):
    schedules: list[ScheduleOut]


class SchedulesQuery(Query, frozen=True):
    queue: Annotated[Name, Meta(description="Only those of this queue.")] | UnsetType = UNSET


Expression = Annotated[str, Meta(min_length=1, max_length=200, description="A cron expression.")]
Zone = Annotated[str, Meta(min_length=1, max_length=64, description="Of the cron expression; e.g. Europe/Berlin.")]
Every = Annotated[float, Meta(gt=0, description="So many seconds lie between two.")]
Missed = Annotated[Literal["skip", "one", "all"], Meta(description="What came while nobody enqueued it.")]
Overlap = Annotated[bool, Meta(description="Whether one comes while the last has not ended.")]
Arguments = Annotated[
    str, Meta(max_length=MOST_ARGUMENTS, description="JSON, an object of the arguments by their names.")
]


class ScheduleIn(Change, frozen=True, kw_only=True):
    rules: ClassVar[Mapping[str, Any]] = {"oneOf": [{"required": ["cron"]}, {"required": ["every_seconds"]}]}

    task: Annotated[Name, Meta(description="Its name.")]
    queue: Name = DEFAULT_QUEUE
    cron: Expression | UnsetType = UNSET
    time_zone: Zone | UnsetType = UNSET
    every_seconds: Every | UnsetType = UNSET
    missed: Missed = "one"
    overlap: Overlap = True
    priority: Annotated[int, Meta(ge=-MAX_PRIORITY, le=MAX_PRIORITY)] = 0
    arguments_json: Arguments = ""

    @property
    def wanted(self) -> dict[str, Any]:
        """As the engine takes it. Raises `InvalidArgument`."""
        return {
            "cron": self.cron or None,
            "every": self.every_seconds or None,
            "time_zone": self.time_zone or None,
            "missed": self.missed,
            "overlap": self.overlap,
            "arguments": read_arguments(self.arguments_json),
            "queue": self.queue,
            "priority": self.priority,
        }


class ScheduleChange(Change, frozen=True):
    """What is not named stays as it is. At least one is named, and not both `cron` and `every_seconds`."""

    rules: ClassVar[Mapping[str, Any]] = {
        "anyOf": [{"required": [name]} for name in CHANGEABLE],
        "not": {"required": ["cron", "every_seconds"]},
    }

    cron: Expression | UnsetType = UNSET
    time_zone: Zone | UnsetType = UNSET
    every_seconds: Every | UnsetType = UNSET
    missed: Missed | UnsetType = UNSET
    overlap: Overlap | UnsetType = UNSET
    arguments_json: Arguments | UnsetType = UNSET

    @property
    def wanted(self) -> dict[str, Any]:
        """As the engine takes it. Raises `InvalidArgument`."""
        if not any(given(getattr(self, name)) for name in CHANGEABLE):
            raise InvalidArgument(f"nothing is named that would be changed: {', '.join(CHANGEABLE)}")
        return {
            "cron": self.cron or None,
            "every": self.every_seconds or None,
            "time_zone": self.time_zone or None,
            "missed": self.missed or None,
            "overlap": None if isinstance(self.overlap, UnsetType) else self.overlap,
            "arguments": None if isinstance(self.arguments_json, UnsetType) else read_arguments(self.arguments_json),
        }


class CheckedOut(Value, frozen=True):
    """`words`: the rule for people; `next_at`: the next five."""

    words: str
    next_at: list[Time]


@reads("/schedules", ScheduleList, query=SchedulesQuery)
def schedules(query: SchedulesQuery) -> ScheduleList:
    """Schedules, by name."""
    return ScheduleList(schedules=[ScheduleOut.of(found) for found in parts().inspector.schedules(query.queue or None)])


@reads("/schedules/<schedule>", ScheduleOut)
def schedule(schedule: str) -> ScheduleOut:
    """One schedule."""
    return ScheduleOut.of(parts().inspector.schedule(schedule))


@changes("/schedules/<schedule>/pause", OutcomeOut, may_fail=(409,))
def pause(schedule: str, body: object, act: Act) -> OutcomeOut:
    """Have a schedule make no task until it is resumed."""
    return OutcomeOut.of(parts().schedules.pause(schedule, **act.facts), act.action_id)


@changes("/schedules/<schedule>/resume", OutcomeOut, may_fail=(409,))
def resume(schedule: str, body: object, act: Act) -> OutcomeOut:
    """Have a schedule make tasks again. What came meanwhile is not made up for."""
    return OutcomeOut.of(parts().schedules.resume(schedule, **act.facts), act.action_id)


@changes("/schedules/<schedule>/run", OutcomeOut, may_fail=(409, 429))
def run(schedule: str, body: object, act: Act) -> OutcomeOut:
    """Enqueue a schedule's task once, now, beside its occurrences. `done`: the task's id."""
    return OutcomeOut.of(parts().schedules.run_now(schedule, **act.facts), act.action_id)


@changes("/schedules/<schedule>/check", CheckedOut, body=ScheduleIn)
@may_edit
def check(schedule: str, body: ScheduleIn, act: Act) -> CheckedOut:
    """What a schedule would be, before it is added: its rule in words, and what comes next. Changes nothing."""
    wanted = scheduled(schedule, body.task, **body.wanted)
    times = next_after(wanted.rule, g.now_ms, NEXT)
    return CheckedOut(words=wanted.rule.words, next_at=[time(ms) for ms in times])


@changes("/schedules/<schedule>/add", OutcomeOut, body=ScheduleIn)
@may_edit
def add(schedule: str, body: ScheduleIn, act: Act) -> OutcomeOut:
    """Add a schedule of a task by its name. Nobody checks here whether its handler takes these arguments."""
    return OutcomeOut.of(parts().schedules.add(schedule, body.task, **body.wanted, **act.facts), act.action_id)


@changes("/schedules/<schedule>/change", OutcomeOut, body=ScheduleChange)
@may_edit
def change(schedule: str, body: ScheduleChange, act: Act) -> OutcomeOut:
    """Other times, another policy or other arguments. What code declares is changed there: 409."""
    _check_ours(schedule)
    return OutcomeOut.of(parts().schedules.change(schedule, **body.wanted, **act.facts), act.action_id)


@changes("/schedules/<schedule>/remove", OutcomeOut)
@may_edit
def remove(schedule: str, body: object, act: Act) -> OutcomeOut:
    """The schedule is gone; tasks that it has made stay. What code declares is removed there: 409."""
    _check_ours(schedule)
    return OutcomeOut.of(parts().schedules.remove(schedule, **act.facts), act.action_id)


def _check_ours(name: str) -> None:
    """Raises `Conflict`, `UnknownSchedule`."""
    if why_not := refusal(parts().inspector.schedule(name)):
        raise Conflict(f"{why_not} Nothing was done.")
