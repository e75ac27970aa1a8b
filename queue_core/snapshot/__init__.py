"""What a reader sees: frozen values that `inspector` returns and console, CLI and API show.

A file for each thing that is looked at: `tasks`, `queues` and their `statistics`, `faults`, `schedules`, `workers`,
`operations`, the other `actions` of operators, the `server`, and the `overview` of everything.

All times are Unix milliseconds by the Redis server's clock; a field that ends in `_at` is such a time.
"""

from __future__ import annotations

from queue_core.snapshot.actions import AuditEntry, AuditPage, Outcome
from queue_core.snapshot.faults import Fault, Mute, Note
from queue_core.snapshot.operations import Bound, FaultShare, Operation, Preview
from queue_core.snapshot.overview import ServerSnapshot, Snapshot
from queue_core.snapshot.queues import (
    DEAD_WARNING,
    NO_LIMITS,
    WAIT_TARGET,
    Books,
    Counts,
    Lane,
    Limits,
    Pause,
    QueueSnapshot,
    Rate,
)
from queue_core.snapshot.schedules import ScheduleSnapshot
from queue_core.snapshot.server import ServerDetail, SlowCall
from queue_core.snapshot.statistics import (
    COUNTERS,
    AttemptsMinute,
    Figures,
    Minutes,
    NameAttempts,
    NameStatistics,
    Period,
    Statistics,
)
from queue_core.snapshot.tasks import HistoryEntry, Page, Progress, State, TaskDetail, TaskSummary
from queue_core.snapshot.workers import (
    STALE_MS,
    ProcessSnapshot,
    RunningTask,
    WorkerCommand,
    WorkerSnapshot,
    is_live,
    takes,
)

__all__ = [
    "COUNTERS",
    "DEAD_WARNING",
    "NO_LIMITS",
    "STALE_MS",
    "WAIT_TARGET",
    "AttemptsMinute",
    "AuditEntry",
    "AuditPage",
    "Books",
    "Bound",
    "Counts",
    "Fault",
    "FaultShare",
    "Figures",
    "HistoryEntry",
    "Lane",
    "Limits",
    "Minutes",
    "Mute",
    "NameAttempts",
    "NameStatistics",
    "Note",
    "Operation",
    "Outcome",
    "Page",
    "Pause",
    "Period",
    "Preview",
    "ProcessSnapshot",
    "Progress",
    "QueueSnapshot",
    "Rate",
    "RunningTask",
    "ScheduleSnapshot",
    "ServerDetail",
    "ServerSnapshot",
    "SlowCall",
    "Snapshot",
    "State",
    "Statistics",
    "TaskDetail",
    "TaskSummary",
    "WorkerCommand",
    "WorkerSnapshot",
    "is_live",
    "takes",
]
