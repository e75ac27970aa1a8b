"""What a supervisor tells the process that it starts, then and later."""

from __future__ import annotations

from dataclasses import dataclass

from queue_core.settings import MAX_BATCH

MAX_AHEAD = 512
"""Tasks that a process claims beyond its free slots, at most."""
QUIET, RESUME, STOP, CANCEL = b"Q", b"R", b"S", b"C"
"""CANCEL: tasks in the lease table were asked to stop."""


@dataclass(frozen=True)
class Orders:
    """What the supervisor tells the process that it starts."""

    app: str
    worker_id: str
    queues: dict[str, int]
    concurrency: int
    lease_ms: int
    table_size: int
    table_fd: int
    orders_fd: int
    session_id: str
    parent_pid: int
    log_level: str = "INFO"


def table_size(concurrency: int, queues: int) -> int:
    """Slots for what runs, what is claimed ahead, and what has ended and is not settled yet."""
    return 2 * (concurrency + MAX_AHEAD) + MAX_BATCH * queues
