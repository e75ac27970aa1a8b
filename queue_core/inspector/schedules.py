"""Schedules: what comes next, and what became of the last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from queue_core import decoding, reading, timetable, upcoming
from queue_core.errors import TaskyardError
from queue_core.ids import is_task_id
from queue_core.inspector.pages import MAX_ROWS
from queue_core.inspector.reader import Reader
from queue_core.inspector.workers import Workers
from queue_core.protocol import Argument
from queue_core.snapshot import ScheduleSnapshot, State, is_live
from queue_core.timetable import Schedule


class Noted:
    """What queues have noted of some schedules: the commands that read it, and their answers."""

    def __init__(self, reader: Reader, schedules: Sequence[Schedule]) -> None:
        self.queues = {schedule.queue: reader.client.queue(schedule.queue) for schedule in schedules}
        self.names = {queue: [s.name for s in schedules if s.queue == queue] for queue in self.queues}

    def commands(self) -> list[Sequence[Argument]]:
        return [("HMGET", queue.occurrences, *self.names[name]) for name, queue in self.queues.items()]

    def read(self, answers: Sequence[Any]) -> dict[str, bytes | None]:
        """Schedule → what its queue has noted of it; a damaged queue tells nothing."""
        found: dict[str, bytes | None] = {}
        for names, answer in zip(self.names.values(), answers, strict=True):
            found |= dict(zip(names, answer, strict=True)) if isinstance(answer, list) else {}
        return found


def describe_schedules(
    reader: Reader, workers: Workers, schedules: Sequence[Schedule], now_ms: int
) -> list[ScheduleSnapshot]:
    """A queue that cannot be read has no part in it: then nothing is known of the last occurrences."""
    has_scheduler = any(is_live(worker, now_ms) for worker in workers.heard_of()[1])
    noted = Noted(reader, schedules)
    notes = noted.read(reader.client.read(*noted.commands()))
    states = _states(reader, noted, notes)
    return [
        upcoming.snapshot(s, notes.get(s.name), states.get(s.queue, {}), now_ms, has_scheduler=has_scheduler)
        for s in schedules
    ]


def _states(reader: Reader, noted: Noted, notes: Mapping[str, bytes | None]) -> dict[str, dict[str, State]]:
    """Queue → id → what became of it, of the tasks that were enqueued last."""
    tasks: dict[str, list[str]] = {}
    for queue, names in noted.names.items():
        last = [timetable.noted(notes.get(name)) for name in names]
        tasks[queue] = [found[1] for found in last if found and is_task_id(found[1])]
    wanted = [(queue, ids[i : i + MAX_ROWS]) for queue, ids in tasks.items() for i in range(0, len(ids), MAX_ROWS)]
    described, _ = reader.ask([reading.describe(noted.queues[queue], ids) for queue, ids in wanted])
    states: dict[str, dict[str, State]] = {}
    for (queue, _), found in zip(wanted, described, strict=True):
        if not isinstance(found, TaskyardError):
            states.setdefault(queue, {}).update({decoding.text(i): task.state for i, task in found.items()})
    return states
