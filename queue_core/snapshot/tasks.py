"""A task as it is seen: its state, its row in a list, everything that is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class State(StrEnum):
    """Where a task is. The first nine are places in a queue, the last four are ends."""

    SCHEDULED = "scheduled"
    BLOCKED = "blocked"
    READY = "ready"
    HELD = "held"
    RUNNING = "running"
    RETRYING = "retrying"
    DEAD = "dead"
    TRASHED = "trashed"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a handler said that it is, and when. `total`: `None` where it did not say."""

    done: float
    total: float | None
    note: str
    at: int | None


@dataclass(frozen=True, slots=True)
class TaskSummary:
    """One row of a list. `at` is what the list is sorted by: ready, due, started, died or deleted-for-good time."""

    queue: str
    id: str
    name: str
    state: State
    payload: str
    """At most 120 characters."""
    priority: int
    at: int | None
    attempts: int = 0
    crashes: int = 0
    error: str = ""
    fingerprint: str = ""
    worker: str = ""
    lane: str = ""
    trashed_from: str = ""
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of rows and where the next one begins. `older` is `None` on the last page. `unreadable`: of all queues,
    those that have no part in it → why they cannot be read."""

    rows: tuple[TaskSummary, ...]
    total: int
    older: str | None = None
    newer: str | None = None
    unreadable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One thing that happened to a task.

    `kind`: failed, crashed, released, requeued, recalled, edited, moved. `facts`: what that kind has to tell (attempt,
    worker, seconds, error, fault, by, reason, operation …), always strings or numbers.
    """

    at: int
    kind: str
    facts: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class TaskDetail:
    queue: str
    id: str
    name: str
    state: State
    options: Mapping[str, object]
    payload_json: str
    """The payload as it is stored, not decoded; empty when unreadable."""
    payload_bytes: int
    unreadable: str
    """Why the envelope could not be read; empty when it could."""
    enqueued_at: int | None
    at: int | None
    """The state's own time: ready since, due at, running since, died at, deleted for good at, ended at."""
    priority: int
    attempts: int
    attempts_before: int
    """Attempts before the last requeue, which granted a fresh allowance."""
    crashes: int
    releases: int
    max_retries: int
    history: tuple[HistoryEntry, ...] = ()
    fingerprint: str = ""
    traceback: str = ""
    worker: str = ""
    lease_expires_at: int | None = None
    lane: str = ""
    trashed_from: str = ""
    trashed_by: str = ""
    trashed_reason: str = ""
    moving_to: str = ""
    """Of a task in the trash: the queue that it is on its way to."""
    progress: Progress | None = None
    cancelled_by: str = ""
    """Who cancelled it, or asked it to stop while it runs."""
    cancelled_reason: str = ""
    result_json: str = ""
    """What it gave back, as it is stored; empty where it kept nothing, and where it is larger than 64 kB."""
    result_bytes: int = 0
    result_missing: str = ""
    """Why its result could not be stored."""
    result_expires_at: int | None = None
    expires_at: int | None = None
    """Of one that waits: when it ends unless its run has begun."""
    key_held_by: str = ""
    """Of one that an operator may put back: the other task that has its unique key, unless that is dead or in the
    trash, too."""
    key_held_until: int | None = None
    """Until when it is held, whatever becomes of that other task; `None`: until that has ended."""
