"""What is stored of a fault."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from queue_core.decoding.values import LAST_MOMENT_MS, json_object, line, moment, number, string, text
from queue_core.snapshot import Fault, Mute, Note

MINUTE_MS = 60_000
MAX_NOTES, MAX_NOTE = 10, 500


def fault(queue: str, parts: list[Any]) -> Fault | None:
    """A fault as list_faults.lua gives it; `None` where nothing is known of it."""
    name, seen, letters, info, attempts, retrying, versions, mute, recent, *more = parts
    if not info:
        return None
    known = json_object(info)
    found = {"class": "(unreadable)"} if known is None else known
    seen_at = moment(seen)
    first_at = moment(found.get("first"))
    return Fault(
        queue=queue,
        fingerprint=line(text(name), 64),
        task_name=string(found.get("task"), 128),
        error_class=string(found.get("class"), 200),
        message=string(found.get("message"), 400),
        frame=string(found.get("frame"), 400),
        first_seen_at=first_at or seen_at or 0,
        last_seen_at=seen_at or first_at or 0,
        attempts=number(attempts),
        dead=number(letters),
        retrying=max(0, number(retrying)),
        versions=tuple(line(version, 64) for version in text(versions).split("\n") if version),
        is_overflow=found.get("overflow") is True,
        mute=_mute(mute),
        recent=_recent(recent) if recent or more else None,
        notes=_notes(more[0]) if more else None,
        next_retry_at=moment(more[1]) if more else None,
    )


def _mute(data: bytes) -> Mute | None:
    """What cannot be read mutes nothing, nor does what would never end."""
    found = json_object(data) or {}
    until = moment(found.get("until"))
    attempts = number(found["attempts"]) if "attempts" in found else None
    if until is None and attempts is None:
        return None
    return Mute(
        by=string(found.get("by"), 200),
        reason=string(found.get("reason"), 500),
        at=moment(found.get("at")) or 0,
        until=until,
        attempts=attempts,
    )


def _notes(data: bytes) -> tuple[Note, ...]:
    found = [json_object(part) for part in data.split(b"\n")[:MAX_NOTES]]
    return tuple(
        Note(by=string(note.get("by"), 200), text=string(note.get("text"), MAX_NOTE), at=moment(note.get("at")) or 0)
        for note in found
        if note is not None
    )


def _recent(data: bytes) -> tuple[tuple[int, int], ...]:
    """What is no time, or no number, ends it."""
    numbers = [number(part, -1) for part in data.split()]
    if min(numbers, default=-1) < 0 or numbers[0] * MINUTE_MS > LAST_MOMENT_MS:
        return ()
    minutes = accumulate(numbers[2::2], lambda at, gap: at - gap, initial=numbers[0])
    return tuple((at * MINUTE_MS, count) for at, count in zip(minutes, numbers[1::2], strict=False) if at >= 0)
