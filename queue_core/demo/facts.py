"""What happens in a demo: frozen values, from which the terminal's lines and the lines of `--json` are made.

`seconds`: how long a thing took. When it happened is told beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from queue_core.snapshot import QueueSnapshot


@dataclass(frozen=True)
class Fact:
    event: ClassVar[str]


# Starting.


@dataclass(frozen=True)
class DemoStarted(Fact):
    event: ClassVar[str] = "started"
    version: str


@dataclass(frozen=True)
class PortMoved(Fact):
    """The usual port is taken by somebody else."""

    event: ClassVar[str] = "port_moved"
    usual: int
    port: int


@dataclass(frozen=True)
class ServerReady(Fact):
    event: ClassVar[str] = "server"
    product: str
    seconds: float


@dataclass(frozen=True)
class WorkersReady(Fact):
    """`concurrency`: worker → how many tasks it runs at once."""

    event: ClassVar[str] = "workers"
    concurrency: Mapping[str, int]
    queues: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class LoadEnqueued(Fact):
    """`load`: what → how many; `rate`: tasks a second from now on."""

    event: ClassVar[str] = "tasks"
    load: Mapping[str, int]
    rate: float


@dataclass(frozen=True)
class ConsoleReady(Fact):
    event: ClassVar[str] = "console"
    url: str
    seconds: float


@dataclass(frozen=True)
class Ready(Fact):
    """Everything runs. `warehouse_opens_in`: seconds."""

    event: ClassVar[str] = "ready"
    warehouse_opens_in: float


# Going on.


@dataclass(frozen=True)
class Died(Fact):
    """A dead letter; where `more` is not 0, so many others of the same fault that died after the first one shown."""

    event: ClassVar[str] = "dead"
    task: str
    queue: str
    id: str
    error: str
    note: str = ""
    more: int = 0


@dataclass(frozen=True)
class WarehouseOpened(Fact):
    event: ClassVar[str] = "warehouse_is_back"
    dead: int
    url: str


@dataclass(frozen=True)
class WarehouseClosed(Fact):
    """Somebody has closed it again."""

    event: ClassVar[str] = "warehouse_is_closed"
    by: str


@dataclass(frozen=True)
class Burst(Fact):
    event: ClassVar[str] = "burst"
    by: str
    tasks: int


@dataclass(frozen=True)
class WorkerAdded(Fact):
    event: ClassVar[str] = "worker_added"
    by: str
    worker: str
    concurrency: int


@dataclass(frozen=True)
class WorkerKilled(Fact):
    """`running`: tasks that it had in its hands."""

    event: ClassVar[str] = "worker_killed"
    by: str
    worker: str
    running: int


@dataclass(frozen=True)
class TasksBack(Fact):
    """All that a killed worker had has been taken back, so many seconds after it was killed."""

    event: ClassVar[str] = "tasks_back"
    worker: str
    tasks: int
    seconds: float


@dataclass(frozen=True)
class Retried(Fact):
    """Dead letters that somebody retried, once all of them have come to something."""

    event: ClassVar[str] = "retried"
    by: str
    letters: int
    completed: int
    failed: int
    other: int = 0


@dataclass(frozen=True)
class Purged(Fact):
    event: ClassVar[str] = "purged"
    by: str
    letters: int


@dataclass(frozen=True)
class Totals(Fact):
    """All queues together, by their counters and places. Nothing is counted by the demo but `made`."""

    event: ClassVar[str] = "status"
    enqueued: int = 0
    completed: int = 0
    waiting: int = 0
    running: int = 0
    retrying: int = 0
    dead: int = 0
    trashed: int = 0
    otherwise_ended: int = 0

    @classmethod
    def of(cls, queues: tuple[QueueSnapshot, ...]) -> Totals:
        books = [queue.books for queue in queues]
        counts = [queue.counts for queue in queues]
        return cls(
            enqueued=sum(book.enqueued + book.imported + book.repaired for book in books),
            completed=sum(book.completed for book in books),
            waiting=sum(place.waiting for place in counts),
            running=sum(place.running for place in counts),
            retrying=sum(place.retrying for place in counts),
            dead=sum(place.dead for place in counts),
            trashed=sum(place.trashed for place in counts),
            otherwise_ended=sum(
                book.discarded + book.cancelled + book.expired + book.deleted + book.exported for book in books
            ),
        )

    @property
    def parts(self) -> tuple[tuple[str, int], ...]:
        """What becomes of enqueued tasks; they add up to `enqueued` when the books balance."""
        return (
            ("completed", self.completed),
            ("waiting", self.waiting),
            ("running", self.running),
            ("retrying", self.retrying),
            ("dead", self.dead),
            ("trashed", self.trashed),
            ("ended otherwise", self.otherwise_ended),
        )


# Ending.


@dataclass(frozen=True)
class Stopping(Fact):
    event: ClassVar[str] = "stopping"
    by_signal: bool


@dataclass(frozen=True)
class WorkersStopped(Fact):
    """What became of the tasks that were running."""

    event: ClassVar[str] = "workers_stopped"
    running: int
    finished: int
    handed_back: int
    seconds: float


@dataclass(frozen=True)
class Removed(Fact):
    """`left`: what could not be removed; empty as it should be."""

    event: ClassVar[str] = "removed"
    left: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failed(Fact):
    """The demo cannot go on. `lines`: the last ones of whoever is to blame."""

    event: ClassVar[str] = "failed"
    reason: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Summary(Fact):
    """`imbalance`: in words, what does not add up; empty when the books balance."""

    event: ClassVar[str] = "summary"
    seconds: float
    totals: Totals
    retried: int
    retried_completed: int
    imbalance: tuple[str, ...] = ()

    @property
    def is_balanced(self) -> bool:
        return not self.imbalance


def imbalances(queues: tuple[QueueSnapshot, ...], unreadable: Mapping[str, str], made: int) -> tuple[str, ...]:
    """What is wrong with the books, a line each. `made`: how many tasks the demo enqueued by its own count."""
    found = [f"queue {queue} cannot be read: {why}" for queue, why in unreadable.items()]
    for queue in queues:
        if queue.books.difference:
            found.append(f"queue {queue.name}: {queue.books.difference:+} tasks that neither left nor are there")
        elif not queue.is_balanced:
            found.append(f"queue {queue.name}: {queue.counts.total} tasks in its places, {queue.books.tasks} in all")
    counted = Totals.of(queues).enqueued
    if counted < made:
        found.append(f"{made} tasks were enqueued, the queues know of {counted}")
    return tuple(found)
