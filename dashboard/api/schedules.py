"""Schedules: what comes when; pausing, resuming, running now."""

from __future__ import annotations

from typing import Annotated

from dashboard.api.outcomes import OutcomeOut
from dashboard.api.queues import PauseOut
from dashboard.api.requests import Act
from dashboard.api.table import changes, reads
from dashboard.api.values import UNSET, Meta, Name, Query, Time, UnsetType, Value, at
from dashboard.parts import parts
from queue_core.snapshot import ScheduleSnapshot


class ScheduleOut(Value, frozen=True):
    """`words`: its rule for people; `next_at`: the next five, none while it is paused; `last_state`: of the last task,
    `null` where it left no record; `overdue_since`: one should have been enqueued and is not; `unreadable`: why."""

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
        )


class ScheduleList(Value, frozen=True):
    schedules: list[ScheduleOut]


class SchedulesQuery(Query, frozen=True):
    queue: Annotated[Name, Meta(description="Only those of this queue.")] | UnsetType = UNSET


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
