"""Everything at once, in two round trips however many queues there are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from queue_core import decoding, keys, reading, upcoming
from queue_core.errors import TaskyardError, UnknownQueue
from queue_core.inspector import workers
from queue_core.inspector.reader import Reader
from queue_core.inspector.schedules import Noted
from queue_core.protocol import Call
from queue_core.snapshot import Fault, QueueSnapshot, Snapshot, is_live

SNAPSHOT_FAULTS = 50
SERVER_COMMANDS = (("INFO", "server", "memory", "persistence"), ("CONFIG", "GET", "save"))


def take_snapshot(reader: Reader) -> Snapshot:
    client = reader.client
    time, registry, heartbeats, stored, info, save = client.read(
        ("TIME",),
        ("SMEMBERS", keys.queues(client.namespace)),
        workers.heartbeats(reader),
        ("HGETALL", keys.schedules(client.namespace)),
        *SERVER_COMMANDS,
    )
    now_ms = reader.now_ms(time)
    names, unreadable = reader.names_in(registry)
    seen = workers.seen_in(reader, heartbeats, now_ms)
    schedules, _ = upcoming.read_all(stored if isinstance(stored, dict) else {})
    noted = Noted(reader, schedules)
    queues = [client.queue(name) for name in names]
    calls: list[Call[Any]] = [reading.observe(queue) for queue in queues]
    calls += [reading.list_faults(queue, SNAPSHOT_FAULTS, with_recent=True) for queue in queues]
    answers: list[Any]
    answers, (records, *notes) = reader.ask(calls, workers.records(reader, seen), *noted.commands())
    found = workers.described(seen, records)
    has_scheduler = any(is_live(worker, now_ms) for worker in found)
    observed: list[QueueSnapshot] = []
    faults: list[Fault] = []
    for i, name in enumerate(names):
        error = next((a for a in (answers[i], answers[i + len(names)]) if isinstance(a, TaskyardError)), None)
        if error is None:
            observed.append(answers[i])
            faults += answers[i + len(names)]
        elif not isinstance(error, UnknownQueue):
            unreadable[name] = str(error)
    return Snapshot(
        taken_at=now_ms,
        server=decoding.server(info, save),
        queues=tuple(observed),
        workers=found,
        faults=last_seen_first(faults),
        unreadable=unreadable,
        overdue=upcoming.overdue(schedules, noted.read(notes), now_ms, has_scheduler=has_scheduler),
    )


def last_seen_first(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    return tuple(sorted(faults, key=lambda fault: (-fault.last_seen_at, fault.queue, fault.fingerprint)))
