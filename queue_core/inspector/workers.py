"""Workers, by their heartbeats and their own descriptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from queue_core import decoding, keys
from queue_core.inspector.reader import Reader
from queue_core.protocol import Argument
from queue_core.snapshot import WorkerSnapshot

MAX_WORKERS = 1_000
WORKER_MS = 3_600_000
"""A worker without a heartbeat for so long is not shown any more."""


def heard_of(reader: Reader) -> tuple[int, tuple[WorkerSnapshot, ...]]:
    """The server's time, and those heard of within the last hour, last heard first. Two round trips."""
    time, answer = reader.client.read(("TIME",), heartbeats(reader))
    now_ms = reader.now_ms(time)
    seen = seen_in(reader, answer, now_ms)
    _, (answer,) = reader.ask([], records(reader, seen))
    return now_ms, described(seen, answer)


def heartbeats(reader: Reader) -> Sequence[Argument]:
    """The command whose answer `seen_in` reads."""
    return "ZRANGE", keys.workers(reader.client.namespace), 0, MAX_WORKERS - 1, "REV", "WITHSCORES"


def seen_in(reader: Reader, answer: Any, now_ms: int) -> dict[bytes, int]:
    """Worker id → last heartbeat, last heard first."""
    rows = reader.checked(answer, keys.workers(reader.client.namespace))
    seen = {member: decoding.moment(score) or 0 for member, score in rows}
    return {worker_id: at for worker_id, at in seen.items() if at > now_ms - WORKER_MS}


def records(reader: Reader, seen: dict[bytes, int]) -> Sequence[Argument]:
    """The command whose answer `described` reads: one key for each. There is always one, so that the answer is a
    list."""
    names = [decoding.text(worker_id) for worker_id in seen] or ["-"]
    return ["MGET", *(keys.worker(reader.client.namespace, name) for name in names)]


def described(seen: dict[bytes, int], answer: Any) -> tuple[WorkerSnapshot, ...]:
    found = answer if isinstance(answer, list) else []
    rows = zip(seen.items(), [*found, *[None] * len(seen)], strict=False)
    return tuple(decoding.worker(worker_id, at, record) for (worker_id, at), record in rows)
