"""An explanation, and what is read for one beside the task or queue itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from queue_core.snapshot import Fault, QueueSnapshot, ScheduleSnapshot, Statistics, TaskSummary, WorkerSnapshot


class Cause(StrEnum):
    """Why something is as it is. The first group is told of queues and of tasks, the second of tasks only."""

    QUEUE_PAUSED = "queue_paused"
    NO_WORKER = "no_worker"
    NAME_UNKNOWN = "name_unknown"
    NAME_PAUSED = "name_paused"
    DEAD = "dead"
    RATE_LIMITED = "rate_limited"
    ALL_BUSY = "all_busy"
    STARTS_NOW = "starts_now"
    DUE_LATER = "due_later"
    RUNNING = "running"
    QUEUE_FULL = "queue_full"
    SCHEDULE_OVERDUE = "schedule_overdue"
    NOTHING_WAITS = "nothing_waits"

    UNKNOWN_TASK = "unknown_task"
    UNREADABLE = "unreadable"
    LANE_OPENED = "lane_opened"
    BLOCKED = "blocked"
    RETRY_DUE_LATER = "retry_due_later"
    LEASE_EXPIRED = "lease_expired"
    WORKER_SILENT = "worker_silent"
    ASKED_TO_STOP = "asked_to_stop"
    TRASHED = "trashed"
    MOVING = "moving"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Explanation:
    """`sentence`: for people. `remedy`: what would change it, "" where nothing has to; `remedy_command`: by which
    command. `tone`: plain, warn or bad. `facts`: what the sentence is made of; times end in `_at` and are in ms."""

    cause: Cause
    sentence: str
    remedy: str = ""
    remedy_command: str = ""
    tone: str = "plain"
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What was read beside a task: its queue, all workers; where they are known, its fault and its place in line."""

    now_ms: int
    queue: QueueSnapshot | None = None
    workers: Sequence[WorkerSnapshot] = ()
    fault: Fault | None = None
    ahead: int | None = None
    """How many tasks are given out before it, about."""
    next_claim_at: int | None = None
    """When the queue's claim rate lets the next task be given out; `None`: now."""
    statistics: Statistics | None = None
    """Of the queue's last minutes."""
    holder: TaskSummary | None = None
    """Of its unique key, where that is another task."""
    schedules: Sequence[ScheduleSnapshot] = ()
    """That enqueue into the queue."""
