"""What a supervisor tells the process that it starts, then and later, and what that says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from queue_core.settings import MAX_BATCH
from queue_core.timetable import Schedule
from queue_core.worker.foresight import Foresight

MAX_AHEAD = 512
"""Tasks that a process claims beyond its free slots, at most."""
QUIET, RESUME, STOP, CANCEL, DRAIN = b"Q", b"R", b"S", b"C", b"D"
"""CANCEL: tasks in the lease table were asked to stop, or their leases are lost. DRAIN: a handler has outstayed its
hard timeout: say where it is, finish the others, end without it."""


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
    introduction_fd: int = -1
    log_level: str = "INFO"
    tells_folders: bool = False


@dataclass(frozen=True)
class Introduction:
    """What a process says once, when it has loaded the application: which tasks that declares, or what is wrong."""

    version: str = ""
    task_names: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    """In which those tasks are enqueued."""
    schedules: tuple[Schedule, ...] = ()
    """As the code declares them."""
    complaint: str = ""
    folders: tuple[str, ...] = ()
    """Where the application's modules lie, if that was asked for."""
    foresights: Mapping[str, Foresight] = field(default_factory=dict)
    """What a hard timeout comes to of a task, by its name, where that is not the default."""

    def written(self) -> bytes:
        """One line."""
        return msgspec.json.encode(self) + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Introduction:
        """A process that ends before it can say anything has said an empty line."""
        if not line.endswith(b"\n"):
            return cls(complaint="it ended before it had loaded the application")
        return msgspec.json.decode(line, type=cls)


def table_size(concurrency: int, queues: int) -> int:
    """Slots for what runs, what is claimed ahead, and what has ended and is not settled yet."""
    return 2 * (concurrency + MAX_AHEAD) + MAX_BATCH * queues
