"""A worker as it is seen, and whether it can be counted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

STALE_MS = 15_000
"""A worker that has not been heard for so long is not counted on: three heartbeats."""


@dataclass(frozen=True, slots=True)
class RunningTask:
    queue: str
    task_id: str
    task_name: str
    started_at: int


@dataclass(frozen=True, slots=True)
class ProcessSnapshot:
    """One process of a worker. `state`: starting, running, quiet, stopping, reconnecting, refused, stuck. `completed`
    and `failed`: attempts since its start; `memory_bytes`: resident."""

    pid: int
    state: str
    busy: int
    completed: int
    failed: int
    memory_bytes: int
    started_at: int


@dataclass(frozen=True, slots=True)
class WorkerCommand:
    """What a worker was told. `verb`: quiet, resume, stop; `by`: an operator, or a signal's name; `at`: when it did it,
    or, before that, when it was written. `started_at`: when the worker that is meant was started: a later one may have
    the same id. `action_id`: the form."""

    verb: str
    by: str
    reason: str
    at: int
    started_at: int
    action_id: str


@dataclass(frozen=True, slots=True)
class WorkerSnapshot:
    """One worker as its supervisor last described it. `state`: starting (no process of it works yet), running, quiet,
    stopping, reconnecting, refused (the server answers and gives out nothing of any of its queues), stuck (nothing
    moves in any process), stopped.

    Counts are of all of its processes, also those that are gone. `complaint`: why the process that was
    started last does not come to work: its code cannot be loaded, say. Those that are there go on with what they have.
    """

    id: str
    host: str
    pid: int
    queues: Mapping[str, int]
    concurrency: int
    state: str
    version: str
    started_at: int
    heartbeat_at: int
    busy: int = 0
    completed: int = 0
    failed: int = 0
    memory_bytes: int = 0
    task_names: tuple[str, ...] = ()
    running: tuple[RunningTask, ...] = ()
    processes: tuple[ProcessSnapshot, ...] = ()
    complaint: str = ""
    command: WorkerCommand | None = None
    """The last one that it did."""
    version_since: int = 0
    """When the first of its processes came with this version; 0: it does not say."""


def is_live(worker: WorkerSnapshot, now_ms: int) -> bool:
    return worker.state != "stopped" and now_ms - worker.heartbeat_at < STALE_MS


def takes(worker: WorkerSnapshot, queue: str) -> bool:
    """Whether the worker would be given tasks of that queue, if it is alive."""
    return queue in worker.queues and worker.state not in ("quiet", "stopping", "stopped")
