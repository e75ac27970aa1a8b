"""What is stored of a queue: its pause and its limits."""

from __future__ import annotations

from queue_core.decoding.values import json_object, moment, number, string
from queue_core.snapshot import DEAD_WARNING, WAIT_TARGET, Limits, Pause, Rate


def pause(data: bytes) -> Pause:
    """Whatever stands there, the queue is paused."""
    found = json_object(data) or {}
    return Pause(string(found.get("by"), 200), string(found.get("reason"), 500), moment(found.get("at")) or 0)


def limits(data: bytes) -> Limits:
    """What cannot be read limits nothing (scripts/lib/limits.lua)."""
    found = json_object(data) or {}
    age, target = (_limit(found.get(name)) for name in ("dead_max_age", "wait_target"))
    return Limits(
        max_length=_limit(found.get("max_length")),
        enqueue_rate=_rate(found.get("enqueue_rate")),
        claim_rate=_rate(found.get("claim_rate")),
        dead_max_age=None if age is None else age / 1000,
        dead_max_count=_limit(found.get("dead_max_count")),
        dead_warning=_limit(found.get("dead_warning")) or DEAD_WARNING,
        wait_target=WAIT_TARGET if target is None else target / 1000,
        by=string(found.get("by"), 200),
        at=moment(found.get("at")),
    )


def _limit(value: object) -> int | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return number(value) if is_number and number(value) >= 1 else None


def _rate(value: object) -> Rate | None:
    if not isinstance(value, list) or len(value) < 2:
        return None
    count, period_ms = _limit(value[0]), _limit(value[1])
    return Rate(count, period_ms / 1000) if count and period_ms else None
