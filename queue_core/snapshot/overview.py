"""Everything at one moment: the server, its queues, workers and faults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from queue_core.snapshot.faults import Fault
from queue_core.snapshot.queues import QueueSnapshot
from queue_core.snapshot.schedules import ScheduleSnapshot
from queue_core.snapshot.workers import WorkerSnapshot


@dataclass(frozen=True, slots=True)
class ServerSnapshot:
    """The Redis or Valkey behind the queues. `None` where the server does not tell."""

    product: str
    version: str
    used_memory: int | None
    max_memory: int | None
    eviction_policy: str | None
    is_aof_on: bool | None
    is_saving_on: bool | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that the overview shows, read in one go. `faults` holds at most the 50 last seen of each queue."""

    taken_at: int
    server: ServerSnapshot
    queues: tuple[QueueSnapshot, ...]
    workers: tuple[WorkerSnapshot, ...]
    faults: tuple[Fault, ...]
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Queue → why its data could not be read; the others are shown all the same."""
    overdue: tuple[ScheduleSnapshot, ...] = ()
    """Schedules of which one should have been enqueued that is not, longest first."""
    unreadable_schedules: str = ""
    """Why none of them could be read."""
