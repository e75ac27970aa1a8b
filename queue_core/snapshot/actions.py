"""What operators have done: the outcome of an action, and the audit stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What somebody was about to do, and then did unless the server refused. `target`: on what in the queue."""

    id: str
    at: int
    by: str
    verb: str
    queue: str
    target: str
    count: int
    reason: str
    action_id: str


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Newest first. `older`: what to ask for next; `None` on the last page."""

    rows: tuple[AuditEntry, ...]
    older: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an operator's action did. `skipped`: id → why (changed, gone, running, not in the trash …)."""

    verb: str
    done: tuple[str, ...]
    skipped: Mapping[str, str]
    server_ms: int
    """The server's time after the change: no snapshot older than this shows its effect."""
    restorable_until: int | None = None
    served_by: tuple[str, ...] = ()
    """Of a deleted queue: workers that listen to it still, and make it again."""
    asked: tuple[str, ...] = ()
    """Running tasks that were asked to stop: their workers hear of it with their next heartbeats."""
