"""A queue, its faults, and what has outstayed its time in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from queue_core import decoding, scripts, settings
from queue_core.keys import SENTINEL, QueueKeys
from queue_core.protocol import Argument, Call
from queue_core.snapshot import DEAD_WARNING, Books, Counts, Fault, Lane, QueueSnapshot

BOOKS = tuple(field.name for field in fields(Books) if field.name != "tasks")
"""Their counters, in the order in which the answer has them."""
_FINGERPRINT = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


def is_fingerprint(fingerprint: object) -> bool:
    return isinstance(fingerprint, str) and _FINGERPRINT.match(fingerprint) is not None


def changes_of(queue: QueueKeys) -> Sequence[Argument]:
    """The command whose answer `changes_in` reads."""
    return "HGET", queue.control, "changes"


def changes_in(answer: object) -> int | None:
    """`None` where there is no such number: no call has changed the queue, or it is damaged."""
    return decoding.number(answer) or None if isinstance(answer, bytes) else None


def observe(queue: QueueKeys) -> Call[QueueSnapshot]:
    """One queue at one moment. Source: observe.lua."""

    def read(answer: list[Any]) -> QueueSnapshot:
        tasks, ready, held, scheduled, blocked, running, retrying, dead, trashed, *others = map(int, answer[1])
        fault_count, operation_count, under_way = others
        *books, died = answer[2]
        since = [decoding.ready_at("", b"", score) for score in answer[4]]
        if answer[3]:
            since.append(decoding.ready_at(decoding.text(answer[3][0]), answer[3][1], b""))
        due = [decoding.moment(score) for score in answer[5]]
        since += [at for at in due if at is not None and at <= int(answer[0])]  # the next claim finds it ready
        return QueueSnapshot(
            name=queue.queue,
            counts=Counts(max(0, ready), held, scheduled, blocked, running, retrying, dead, trashed),
            books=Books(tasks, *map(decoding.number, books)),
            oldest_ready_at=min((at for at in since if at is not None), default=None),
            next_due_at=min((at for at in due if at is not None), default=None),
            pause=decoding.pause(answer[6]) if answer[6] else None,
            lanes=tuple(_lane(*answer[i : i + 3]) for i in range(11, len(answer), 3)),
            fault_count=fault_count,
            limits=decoding.limits(answer[7]),
            operation_count=operation_count,
            operations_under_way=under_way,
            changes=changes_in(answer[8]),
            died=decoding.number(died),
            died_at=decoding.moment(answer[9]),
            too_many_dead_since=decoding.moment(answer[10]),
        )

    return Call(scripts.load("observe"), queue, (SENTINEL, DEAD_WARNING, *BOOKS, "died"), read, has_session=False)


def _lane(name: bytes, said: bytes, held: int) -> Lane:
    word, _, facts = said.partition(b" ")
    found = decoding.json_object(facts) or {}
    return Lane(
        lane=decoding.line(decoding.text(name), 140),
        by=decoding.string(found.get("by"), 200),
        reason=decoding.string(found.get("reason"), 500),
        closed_at=decoding.moment(found.get("at")) or 0,
        held=int(held),
        is_open=word == b"open",
    )


class FaultsListed(NamedTuple):
    """`changes`: as `QueueSnapshot` has it."""

    changes: int | None
    faults: tuple[Fault, ...]


def list_faults(
    queue: QueueKeys, limit: int, fingerprint: str = "", *, with_recent: bool = False
) -> Call[FaultsListed]:
    """Faults, last seen first; or the one of that fingerprint, in full. `with_recent`: with the attempts by time of
    those that were seen in the last hour. Source: list_faults.lua."""

    def read(answer: list[Any]) -> FaultsListed:
        faults = (decoding.fault(queue.queue, parts) for parts in answer[2:])
        return FaultsListed(changes_in(answer[1]), tuple(fault for fault in faults if fault is not None))

    return Call(
        scripts.load("list_faults"), queue, (limit, fingerprint, "1" if with_recent else ""), read, has_session=False
    )


@dataclass(frozen=True, slots=True)
class Outstayed:
    """At most 256 of each. `overdue`: tasks whose time to begin is over. `letters`: the oldest beyond what the queue
    keeps, the last of which died at `died_by_ms`; `why`: `age` or `count`."""

    overdue: list[str]
    letters: list[str]
    why: str
    died_by_ms: int


def list_outstayed(queue: QueueKeys) -> Call[Outstayed]:
    """Source: list_outstayed.lua."""

    def read(answer: list[Any]) -> Outstayed:
        overdue, letters = ([decoding.text(task_id) for task_id in ids] for ids in answer[1:3])
        return Outstayed(overdue, letters, decoding.text(answer[3]), decoding.moment(answer[4]) or 0)

    return Call(scripts.load("list_outstayed"), queue, (settings.MAX_BATCH,), read, has_session=False)
