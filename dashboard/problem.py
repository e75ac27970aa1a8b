"""A line of "what is wrong": its kind, and what it is written from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from queue_core.snapshot import Fault, Lane, QueueSnapshot, WorkerSnapshot


class Kind(IntEnum):
    """In the order in which they are shown."""

    NEW_FAULT = 1
    RISING_FAULT = 2
    LASTING_FAULT = 3
    NO_WORKER = 4
    SCHEDULE_OVERDUE = 5
    UNKNOWN_TASK = 6
    WORKER_LOST = 7
    BOOKS_OFF = 8
    REDIS_UNSAFE = 9
    WAITS_TOO_LONG = 10
    WORKER_STALE = 11
    UNREADABLE = 12
    PAUSED = 13
    FAULT_OVER = 14
    TOO_MANY_DEAD = 15


TITLES = {
    Kind.NEW_FAULT: "New fault",
    Kind.RISING_FAULT: "Rising fault",
    Kind.LASTING_FAULT: "Lasting fault",
    Kind.NO_WORKER: "No worker",
    Kind.SCHEDULE_OVERDUE: "Schedule overdue",
    Kind.UNKNOWN_TASK: "Unknown task",
    Kind.WORKER_LOST: "Worker lost",
    Kind.BOOKS_OFF: "Books off",
    Kind.REDIS_UNSAFE: "Redis unsafe",
    Kind.WAITS_TOO_LONG: "Waits too long",
    Kind.WORKER_STALE: "Worker silent",
    Kind.UNREADABLE: "Unreadable",
    Kind.PAUSED: "Paused",
    Kind.FAULT_OVER: "Fault over",
    Kind.TOO_MANY_DEAD: "Many dead letters",
}
BAD = {
    Kind.NEW_FAULT,
    Kind.RISING_FAULT,
    Kind.LASTING_FAULT,
    Kind.NO_WORKER,
    Kind.SCHEDULE_OVERDUE,
    Kind.UNKNOWN_TASK,
    Kind.WORKER_LOST,
    Kind.BOOKS_OFF,
    Kind.REDIS_UNSAFE,
    Kind.UNREADABLE,
}


@dataclass(frozen=True, slots=True)
class HeldTask:
    """A task name of one queue whose tasks are held: somebody paused it, no present worker knows it, or both.

    `pause`, `unknown`: the lane that is closed for it, if one is. `held`: in both together, and in what was opened.
    """

    name: str
    held: int
    pause: Lane | None = None
    unknown: Lane | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """One line of "what is wrong". `since` is `None` where nobody can know.

    `cause` says which problems are the same one; `faults`, `queues`, `workers`, `server`, `held` are the evidence that
    the line is written from.
    """

    kind: Kind
    since: int | None
    cause: str
    queues: tuple[QueueSnapshot, ...] = ()
    faults: tuple[Fault, ...] = ()
    workers: tuple[WorkerSnapshot, ...] = ()
    server: tuple[str, ...] = ()
    held: tuple[HeldTask, ...] = ()

    @property
    def title(self) -> str:
        return TITLES[self.kind]

    @property
    def severity(self) -> str:
        return "bad" if self.kind in BAD else "warn"

    @property
    def is_of_faults(self) -> bool:
        return bool(self.faults)

    @property
    def ready(self) -> int:
        return sum(queue.counts.ready for queue in self.queues)

    @property
    def key(self) -> str:
        return f"{self.kind.name.lower()}-{self.cause}"
