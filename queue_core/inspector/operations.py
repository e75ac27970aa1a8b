"""Operations, of one queue or of all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from queue_core import decoding, keys
from queue_core.errors import CorruptQueue
from queue_core.inspector.reader import Reader
from queue_core.keys import QueueKeys
from queue_core.protocol import Argument
from queue_core.snapshot import Operation

MAX_QUEUES = 1_000
"""In which operations were begun."""
MAX_RUNNING = 2_000
"""Tasks that are asked which operation requeued them."""
_OPERATION_ID = re.compile(r"[0-9a-f]{12}\Z")


def is_operation_id(text: object) -> bool:
    return isinstance(text, str) and _OPERATION_ID.match(text) is not None


def newest_operations(
    reader: Reader, limit: int, queue: str | None = None, among: Iterable[str] | None = None
) -> tuple[Operation, ...]:
    """Of all queues (three round trips) or of one (two), those under way first, each kind newest first. `among`: of
    these, and of where one was begun of late."""
    if among is not None:
        (begun,) = reader.client.read(("ZRANGE", keys.operations(reader.client.namespace), 0, MAX_QUEUES - 1, "REV"))
        among = [*among, *map(decoding.text, begun if isinstance(begun, list) else ())]
    queues = [reader.client.queue(name) for name in (reader.queue_names(among) if queue is None else [queue])]
    listed = reader.client.read(*(command for queue in queues for command in _newest_of(queue, limit)))
    found: list[tuple[bool, float, QueueKeys, str]] = []
    for i, answer in enumerate(listed):
        if not isinstance(answer, Exception):
            found += [(i % 2 == 1, -abs(at), queues[i // 2], decoding.text(name)) for name, at in answer]
    first = sorted(found, key=lambda row: (*row[:2], row[3]))[:limit]
    return find_operations(reader, [(queue, name) for *_, queue, name in first])


def _newest_of(queue: QueueKeys, limit: int) -> Sequence[Sequence[Argument]]:
    """Those under way and those that have ended, each newest first."""
    return (
        ("ZRANGEBYSCORE", queue.operations, "-inf", "(0", "WITHSCORES", "LIMIT", 0, limit),
        ("ZREVRANGEBYSCORE", queue.operations, "+inf", "0", "WITHSCORES", "LIMIT", 0, limit),
    )


def find_operations(reader: Reader, wanted: Sequence[tuple[QueueKeys, str]]) -> tuple[Operation, ...]:
    """Those of these ids that there are and can be read. One round trip."""
    return tuple(found for found in _read(reader, wanted) if isinstance(found, Operation))


def find_operation(reader: Reader, queues: Iterable[str], name: str) -> Operation | None:
    """That of this id, in whichever of these queues it is. One round trip. Raises `CorruptQueue` where something else
    stands in its place: it may be there."""
    damaged = None
    for found in _read(reader, [(reader.client.queue(queue), name) for queue in queues]):
        if isinstance(found, Operation):
            return found
        damaged = damaged or found
    if damaged:
        raise damaged
    return None


def _read(reader: Reader, wanted: Sequence[tuple[QueueKeys, str]]) -> list[Operation | CorruptQueue]:
    commands: list[Sequence[Argument]] = []
    for queue, name in wanted:
        commands.append(("HGETALL", queue.operation(name)))
        commands.append(("HMGET", queue.outcomes, *(f"{name}:{what}" for what in decoding.OUTCOMES)))
    answers = reader.client.read(*commands) if commands else []
    found: list[Operation | CorruptQueue] = []
    for (queue, name), facts, outcomes in zip(wanted, answers[::2], answers[1::2], strict=True):
        counts = [None] * len(decoding.OUTCOMES) if isinstance(outcomes, Exception) else outcomes
        try:
            operation = decoding.operation(queue.queue, reader.checked(facts, queue.operation(name)), counts)
        except CorruptQueue as error:
            found.append(error)
        else:
            found += [operation] if operation else []
    return found


def count_recallable(reader: Reader, operations: Sequence[Operation]) -> list[int]:
    """What is under way of each, without what runs; 0 where it cannot be read what runs. Two round trips, none where
    nothing is under way."""
    asked = [operation for operation in operations if operation.under_way]
    if not asked:
        return [0] * len(operations)
    queues = [reader.client.queue(operation.bound.queue) for operation in asked]
    last = MAX_RUNNING // len(asked)
    leased = reader.client.read(*(("ZRANGE", queue.leases, 0, last) for queue in queues))
    there = [(queue, ids) for queue, ids in zip(queues, leased, strict=True) if isinstance(ids, list) and ids]
    commands = [("HMGET", queue.history, *ids) for queue, ids in there]
    histories = iter(reader.client.read(*commands) if commands else ())
    waiting: dict[tuple[str, str], int] = {}
    for operation, ids in zip(asked, leased, strict=True):
        found = next(histories) if isinstance(ids, list) and ids else ids
        if not isinstance(found, Exception):
            heads = [decoding.counters(text.partition(b"\n")[0]) for text in found if text]
            running = sum(head.operation == operation.id for head in heads)
            waiting[operation.bound.queue, operation.id] = max(0, operation.under_way - running)
    return [waiting.get((operation.bound.queue, operation.id), 0) for operation in operations]
