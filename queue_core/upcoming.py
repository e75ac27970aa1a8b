"""What is shown of schedules: what comes next, what came last, what is late. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from queue_core import decoding, timetable
from queue_core.errors import UnreadableSchedule
from queue_core.schedule import SKIP, due, next_after, overdue_since
from queue_core.snapshot import STALE_MS, ScheduleSnapshot, State
from queue_core.timetable import Schedule

NEXT = 5
"""Occurrences that are told ahead."""


def read_all(stored: Mapping[bytes, bytes]) -> tuple[list[Schedule], list[ScheduleSnapshot]]:
    """Those that can be read, and those that cannot."""
    readable, others = [], []
    for name_bytes, data in stored.items():
        name = decoding.line(decoding.text(name_bytes), 140)
        try:
            readable.append(timetable.read(name, data))
        except UnreadableSchedule as error:
            others.append(ScheduleSnapshot(name, unreadable=decoding.line(str(error), 300)))
    return readable, others


def snapshot(
    schedule: Schedule, note: bytes | None, states: Mapping[str, State], now_ms: int, *, has_scheduler: bool
) -> ScheduleSnapshot:
    """`note`: what its queue has noted of it; `states`: of tasks by their ids, as far as they are known."""
    noted = timetable.noted(note)
    seen_to = schedule.seen_to(noted[0] if noted else None, now_ms)
    rule, envelope = schedule.rule, schedule.payload.encode()
    return ScheduleSnapshot(
        name=schedule.name,
        words=rule.words,
        task=schedule.task,
        queue=schedule.queue,
        payload=decoding.shorten_payload(envelope, len(envelope)),
        cron=schedule.cron,
        time_zone=schedule.time_zone if schedule.cron else "",
        every_seconds=None if schedule.cron else schedule.every_ms / 1000,
        start_at=schedule.start_ms or None,
        missed=schedule.missed,
        overlap=schedule.overlap,
        priority=schedule.priority,
        next_at=() if schedule.paused else next_after(rule, now_ms, NEXT),
        last_at=noted[0] if noted else None,
        last_task_id=decoding.line(noted[1], 128) if noted else "",
        last_state=states.get(noted[1]) if noted else None,
        last_was_met=noted is not None and noted[2] == "met",
        overdue_since=None if schedule.paused else _overdue(schedule, seen_to, now_ms, has_scheduler),
        has_scheduler=has_scheduler,
        pause=schedule.pause,
        app=decoding.line(schedule.app, 200),
        undeclared_at=schedule.undeclared_at or None,
        by=decoding.line(schedule.by, 200),
        created_at=schedule.created_at or None,
        changed_at=schedule.changed_at or None,
    )


def overdue(
    schedules: Iterable[Schedule], notes: Mapping[str, bytes | None], now_ms: int, *, has_scheduler: bool
) -> tuple[ScheduleSnapshot, ...]:
    """Those of which one should have been enqueued that is not, longest first. `notes`: by the schedules' names."""
    found = []
    for schedule in schedules:
        noted = timetable.noted(notes.get(schedule.name))
        seen_to = schedule.seen_to(noted[0] if noted else None, now_ms)
        if not schedule.paused and _overdue(schedule, seen_to, now_ms, has_scheduler) is not None:
            found.append(snapshot(schedule, notes.get(schedule.name), {}, now_ms, has_scheduler=has_scheduler))
    return tuple(sorted(found, key=lambda late: (late.overdue_since or 0, late.name)))


def _overdue(schedule: Schedule, seen_to: int, now_ms: int, has_scheduler: bool) -> int | None:
    """A scheduler has a few seconds for what it would enqueue now, if there is any: of what is skipped once it is late,
    the newest. Without a scheduler everything that has come is late."""
    first = overdue_since(schedule.rule, seen_to, now_ms)
    if first is None or not has_scheduler:
        return first
    waiting = due(schedule.rule, schedule.missed, seen_to, now_ms).occurrences
    if not waiting:
        return None
    since = waiting[0] if schedule.missed == SKIP else first
    return since if now_ms - since >= STALE_MS else None
