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
from queue_core.inspector.workers import described, heartbeats, records, seen_in
from queue_core.protocol import Call
from queue_core.reading import FaultsListed
from queue_core.snapshot import Fault, QueueSnapshot, Snapshot, WorkerSnapshot, is_live

SNAPSHOT_FAULTS = 50
SERVER_COMMANDS = (("INFO", "server", "memory", "persistence"), ("CONFIG", "GET", "save"))


class Seen(NamedTuple):
    """A queue, and those of its faults that were seen last."""

    queue: QueueSnapshot
    faults: tuple[Fault, ...]


class Overview:
    """Takes snapshots. Queues and workers of which nothing has changed since the last one are not read again: a queue
    tells by one number, a worker by the time of its heartbeat. `others`: what else holds while this server does."""

    def __init__(self, reader: Reader, *others: Kept[Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._reader = reader
        self._queues: Kept[Seen] = Kept(clock)
        self._workers: Kept[WorkerSnapshot] = Kept(clock)
        self._kept: Sequence[Kept[Any]] = (self._queues, self._workers, *others)
        self._run_id: object = None

    def take(self) -> Snapshot:
        reader, client = self._reader, self._reader.client
        known = self._queues.names()
        moment, registry, beats, stored, info, save, *marks = client.read(
            ("TIME",),
            ("SMEMBERS", keys.queues(client.namespace)),
            heartbeats(reader),
            ("HGETALL", keys.schedules(client.namespace)),
            *SERVER_COMMANDS,
            *(reading.changes_of(client.queue(name)) for name in known),
        )
        now_ms = reader.now_ms(moment)
        names, unreadable = reader.names_in(registry)
        heard = seen_in(reader, beats, now_ms)
        schedules, _ = upcoming.read_all(stored if isinstance(stored, dict) else {})
        noted = Noted(reader, schedules)

        self._meet(info)
        queues = self._unchanged(dict(zip(known, marks, strict=True)), names, now_ms)
        workers = self._unheard(heard)
        changed = [name for name in names if name not in queues]
        news = {worker_id: at for worker_id, at in heard.items() if worker_id not in workers}
        answers, (told, *notes) = reader.ask(_calls(reader, changed), records(reader, news), *noted.commands())
        for name, queue, faults in zip(changed, answers, answers[len(changed) :], strict=False):
            if isinstance(queue, QueueSnapshot) and isinstance(faults, FaultsListed):
                queues[name] = self._queues.put(name, queue.changes, Seen(queue, faults.faults))
            elif not isinstance(error := queue if isinstance(queue, TaskyardError) else faults, UnknownQueue):
                unreadable[name] = str(error)
        for worker_id, found in zip(news, described(news, told), strict=True):
            readable = found.state != "unreadable"
            workers[worker_id] = self._workers.put(found.id, news[worker_id] if readable else None, found)
        self._queues.keep_only(queues)
        self._workers.keep_only({found.id for found in workers.values()})

        here = tuple(workers[worker_id] for worker_id in heard)
        has_scheduler = any(is_live(worker, now_ms) for worker in here)
        return Snapshot(
            taken_at=now_ms,
            server=decoding.server(info, save),
            queues=tuple(queues[name].queue for name in names if name in queues),
            workers=here,
            faults=last_seen_first(fault for seen in queues.values() for fault in seen.faults),
            unreadable=unreadable,
            overdue=upcoming.overdue(schedules, noted.read(notes), now_ms, has_scheduler=has_scheduler),
        )

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

    def _unheard(self, heard: Mapping[bytes, int]) -> dict[bytes, WorkerSnapshot]:
        """Those that have said nothing new."""
        found = {worker_id: self._workers.get(decoding.worker_name(worker_id), at) for worker_id, at in heard.items()}
        return {worker_id: worker for worker_id, worker in found.items() if worker}


def _calls(reader: Reader, names: Sequence[str]) -> list[Call[Any]]:
    queues = [reader.client.queue(name) for name in names]
    return [
        *(reading.observe(queue) for queue in queues),
        *(reading.list_faults(queue, SNAPSHOT_FAULTS, with_recent=True) for queue in queues),
    ]
