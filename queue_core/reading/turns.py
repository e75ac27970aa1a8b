"""When it is a ready task's turn: its place in line, and when the queue gives out the next one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from queue_core import decoding
from queue_core.ids import read_ready_element
from queue_core.keys import QueueKeys
from queue_core.protocol import Argument
from queue_core.reading.described import END_BYTES
from queue_core.snapshot import Rate


def line(queue: QueueKeys, task_id: str) -> list[Sequence[Argument]]:
    """The commands whose answers `ahead` reads."""
    return [
        ("ZSCORE", queue.prioritized, task_id),
        ("ZRANK", queue.prioritized, task_id),
        ("ZCOUNT", queue.prioritized, "-inf", "(0"),
        ("LLEN", queue.ready),
        ("SCARD", queue.removed),
        ("LRANGE", queue.ready, 0, END_BYTES - 1),
        ("LRANGE", queue.ready, -END_BYTES, -1),
    ]


def ahead(task_id: str, answers: Sequence[Any]) -> int | None:
    """Larger priorities, the list, smaller ones. What was struck out of the list counts as if it stood at its end."""
    if any(isinstance(answer, Exception) for answer in answers):
        return None
    score, rank, higher, length, removed, first, last = answers
    if score is not None:
        return int(rank) if float(score) < 0 else int(rank) + max(0, length - removed)
    for elements, begin in ((first, 0), (last, max(0, length - len(last)))):
        for index, element in enumerate(elements):
            try:
                found, _ = read_ready_element(decoding.text(element))
            except (KeyError, ValueError):
                continue
            if found == task_id:
                return int(higher) + int(begin) + index
    return None


def next_token_at(rate: Rate, full: object, now_ms: int) -> int | None:
    """`full`: when the bucket of a rate will be full, as `control` has it (scripts/lib/limits.lua)."""
    period_ms = rate.seconds * 1000
    missing = (decoding.moment(full) or 0) - now_ms
    if not 0 < missing <= period_ms:
        return None
    wait = missing - period_ms * (1 - 1 / rate.tasks)
    return now_ms + math.ceil(wait) if wait > 0 else None
