"""What is stored of an operation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from queue_core.decoding.values import LARGEST_NUMBER, line, moment, number, text
from queue_core.snapshot import Bound, Operation, State

OUTCOMES = ("completed", "failed", "ended", "recalled")


def operation(queue: str, found: Mapping[bytes, bytes], outcomes: Sequence[bytes | None]) -> Operation | None:
    """An operation by its HASH; `None` where there is none. `outcomes`: as `OUTCOMES` has them."""
    if b"state" not in found:
        return None

    def fact(name: bytes, most: int = 500) -> str:
        return line(text(found.get(name)), most)

    def figure(name: bytes) -> int:
        return max(0, number(found.get(name, 0)))

    try:
        state = State(fact(b"of"))
    except ValueError:
        state = State.DEAD
    count, done, looked_at, waits_for = (figure(name) for name in (b"count", b"done", b"looked", b"canary"))
    progress = fact(b"state", 40)
    if progress == "running" and 0 < waits_for <= done:
        progress = "waiting"
    completed, failed, left, recalled = (max(0, number(value or 0)) for value in outcomes)
    ids = (entry.partition(b" ") for entry in (found.get(b"left") or b"").split(b"\n") if entry)
    return Operation(
        id=fact(b"id", 64),
        bound=Bound(
            queue=queue,
            verb=fact(b"verb", 40),
            state=state,
            taken_at=moment(found.get(b"until")) or 0,
            count=count,
            faults=tuple(fact(b"faults", 100_000).split()),
            since=moment(found.get(b"since")),
            until=moment(found.get(b"until")) if state is State.DEAD else None,
            highest=moment(found.get(b"top")),
            to_queue=fact(b"to", 128),
            undoes=fact(b"undoes", 200),
        ),
        by=fact(b"by"),
        reason=fact(b"reason"),
        action_id=fact(b"action"),
        began_at=moment(found.get(b"began")) or 0,
        progress=progress,
        why=fact(b"why"),
        ended_at=moment(found.get(b"ended")),
        looked_at=looked_at,
        done=done,
        skipped={
            line(text(name[8:]), 40): number(found[name]) for name in sorted(found) if name.startswith(b"skipped:")
        },
        skipped_ids=tuple((line(text(task_id), 300), line(text(why), 40)) for task_id, _, why in ids),
        completed=completed,
        failed=failed,
        left=left,
        recalled=recalled,
        drip=_drip(found.get(b"drip")),
        keep_ms=figure(b"keep") if fact(b"verb", 40) == "trash" else None,
        canary=figure(b"canary_size"),
        next_at=moment(found.get(b"next")),
        heard_at=moment(found.get(b"heard")),
    )


def _drip(data: bytes | None) -> float | None:
    try:
        value = float((data or b"")[:40])
    except ValueError:
        return None
    return value if 0 < value < LARGEST_NUMBER else None
