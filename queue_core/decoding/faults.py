"""What is stored of a fault."""

from __future__ import annotations

from typing import Any

from queue_core.decoding.values import json_object, line, moment, number, string, text
from queue_core.snapshot import Fault


def fault(queue: str, parts: list[Any]) -> Fault | None:
    """A fault as list_faults.lua gives it; `None` where nothing is known of it."""
    name, seen, letters, info, attempts, retrying, versions = parts
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
    )
