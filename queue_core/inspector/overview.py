"""Everything at once, in two round trips however many queues there are."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from queue_core import decoding, keys, reading, upcoming
from queue_core.errors import TaskyardError, UnknownQueue
from queue_core.inspector.faults import last_seen_first
from queue_core.inspector.kept import Kept
from queue_core.inspector.reader import Reader
from queue_core.inspector.schedules import Noted
from queue_core.inspector.workers import Workers
from queue_core.protocol import Call
from queue_core.reading import FaultsListed
from queue_core.snapshot import Fault, QueueSnapshot, Snapshot, is_live
from queue_core.timetable import Schedule

SNAPSHOT_FAULTS = 50
SERVER_COMMANDS = (("INFO", "server", "memory", "persistence"), ("CONFIG", "GET", "save"))


class Seen(NamedTuple):
    """A queue, and those of its faults that were seen last."""

    queue: QueueSnapshot
    faults: tuple[Fault, ...]


class Overview:
    """Takes snapshots. A queue of which nothing has changed since the last one is not read again: it tells so by one
    number. `others`: what else holds while this server does."""

    def __init__(
        self, reader: Reader, workers: Workers, *others: Kept[Any], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._reader = reader
        self._workers = workers
        self._queues: Kept[Seen] = Kept(clock)
        self._kept: Sequence[Kept[Any]] = (self._queues, workers.kept, *others)
        self._run_id: object = None

    def take(self) -> Snapshot:
        reader, client = self._reader, self._reader.client
        known = self._queues.names()
        moment, registry, beats, stored, info, save, *marks = client.read(
            ("TIME",),
            ("SMEMBERS", keys.queues(client.namespace)),
            self._workers.heartbeats(),
            ("HGETALL", keys.schedules(client.namespace)),
            *SERVER_COMMANDS,
            *(reading.changes_of(client.queue(name)) for name in known),
        )
        now_ms = reader.now_ms(moment)
        names, unreadable = reader.names_in(registry)
        schedules, unreadable_schedules = self._read_schedules(stored)
        noted = Noted(reader, schedules)

        self._meet(info)
        heard = self._workers.seen_in(beats, now_ms)
        queues = self._unchanged(dict(zip(known, marks, strict=True)), names, now_ms)
        changed = [name for name in names if name not in queues]
        commands = noted.commands()
        answers, told = reader.ask(_calls(reader, changed), *commands, *self._workers.records(heard))
        for name, queue, faults in zip(changed, answers, answers[len(changed) :], strict=False):
            if isinstance(queue, QueueSnapshot) and isinstance(faults, FaultsListed):
                queues[name] = self._queues.put(name, queue.changes, Seen(queue, faults.faults))
            elif not isinstance(error := queue if isinstance(queue, TaskyardError) else faults, UnknownQueue):
                unreadable[name] = str(error)
        self._queues.keep_only(queues)
        notes, workers = noted.read(told[: len(commands)]), self._workers.described(heard, told[len(commands) :])
        has_scheduler = any(is_live(worker, now_ms) for worker in workers)
        return Snapshot(
            taken_at=now_ms,
            server=decoding.server(info, save),
            queues=tuple(queues[name].queue for name in names if name in queues),
            workers=workers,
            faults=last_seen_first(fault for seen in queues.values() for fault in seen.faults),
            unreadable=unreadable,
            unreadable_schedules=unreadable_schedules,
            overdue=upcoming.overdue(schedules, notes, now_ms, has_scheduler=has_scheduler),
        )

    def _read_schedules(self, stored: Any) -> tuple[list[Schedule], str]:
        """`stored`: the answer to their HGETALL. Those that can be read; why none can."""
        try:
            found = self._reader.checked(stored, keys.schedules(self._reader.client.namespace))
        except TaskyardError as error:
            return [], str(error)
        return upcoming.read_all(found)[0], ""

    def _meet(self, info: object) -> None:
        """Another server, or the same one after a restart, may have lost what was changed last, and count it anew."""
        run_id = info.get("run_id") if isinstance(info, dict) else None
        if run_id != self._run_id:
            for kept in self._kept:
                kept.clear()
        self._run_id = run_id

    def _unchanged(self, marks: Mapping[str, object], names: Sequence[str], now_ms: int) -> dict[str, Seen]:
        """What has become due is ready without any change."""
        found = {name: self._queues.get(name, reading.changes_in(marks.get(name))) for name in names}
        return {
            name: seen
            for name, seen in found.items()
            if seen and (seen.queue.next_due_at is None or seen.queue.next_due_at > now_ms)
        }


def _calls(reader: Reader, names: Sequence[str]) -> list[Call[Any]]:
    queues = [reader.client.queue(name) for name in names]
    return [
        *(reading.observe(queue) for queue in queues),
        *(reading.list_faults(queue, SNAPSHOT_FAULTS, with_recent=True) for queue in queues),
    ]
