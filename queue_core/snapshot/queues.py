"""A queue as it is seen: where its tasks are, its books, and what holds them back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Counts:
    """How many tasks are in each place of one queue. `ready` counts the list and the prioritized ones together."""

    ready: int = 0
    held: int = 0
    scheduled: int = 0
    blocked: int = 0
    running: int = 0
    retrying: int = 0
    dead: int = 0
    trashed: int = 0

    @property
    def total(self) -> int:
        """Equals the number of tasks in the queue whenever the books are right."""
        return (
            self.ready
            + self.held
            + self.scheduled
            + self.blocked
            + self.running
            + self.retrying
            + self.dead
            + self.trashed
        )

    @property
    def waiting(self) -> int:
        """Tasks that will run without anybody's help, and have not failed."""
        return self.scheduled + self.blocked + self.ready + self.held


@dataclass(frozen=True, slots=True)
class Books:
    """The counters of one queue beside the number of tasks that it holds (architecture, "The books balance")."""

    tasks: int = 0
    enqueued: int = 0
    imported: int = 0
    repaired: int = 0
    completed: int = 0
    discarded: int = 0
    cancelled: int = 0
    expired: int = 0
    deleted: int = 0
    exported: int = 0

    @property
    def difference(self) -> int:
        """Tasks that came in minus those that left or are still there: 0 when the books balance."""
        came = self.enqueued + self.imported + self.repaired
        left = self.completed + self.discarded + self.cancelled + self.expired + self.deleted + self.exported
        return came - left - self.tasks


@dataclass(frozen=True, slots=True)
class Pause:
    by: str
    reason: str
    at: int


@dataclass(frozen=True, slots=True)
class Lane:
    """Why tasks are held back: `name:<task>` (paused by somebody) or `unknown:<task>` (no worker knows the name)."""

    lane: str
    by: str
    reason: str
    closed_at: int
    held: int
    is_open: bool = False


class Rate(NamedTuple):
    """At most so many tasks in so many seconds, and so many at once."""

    tasks: int
    seconds: float


DEAD_WARNING = 10_000
"""Dead letters, where no other number is set."""
WAIT_TARGET = 300.0
"""Seconds, where no other time is set."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a queue takes, gives out and keeps; `None`: as much as there is. `by`, `at`: who set them last, and when."""

    max_length: int | None = None
    """Tasks, without dead letters and the trash."""
    enqueue_rate: Rate | None = None
    claim_rate: Rate | None = None
    dead_max_age: float | None = None
    """Seconds; older dead letters go into the trash."""
    dead_max_count: int | None = None
    """Beyond these the oldest dead letters go into the trash."""
    dead_warning: int = DEAD_WARNING
    wait_target: float = WAIT_TARGET
    """Seconds; a ready task that waits for longer is a problem."""
    by: str = ""
    at: int | None = None


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class QueueSnapshot:
    name: str
    counts: Counts
    books: Books
    oldest_ready_at: int | None = None
    next_due_at: int | None = None
    pause: Pause | None = None
    lanes: tuple[Lane, ...] = ()
    fault_count: int = 0
    limits: Limits = NO_LIMITS
    operation_count: int = 0
    """Operations that are known, those under way among them."""
    operations_under_way: int = 0
    changes: int | None = None
    """How many calls have changed the queue, from some number on: while it stays, nothing has changed but the time.
    `None` where the queue does not tell."""
    died: int = 0
    """How often a task became a dead letter, ever."""
    died_at: int | None = None
    """When one did last; `None` where none has, or the queue does not tell."""
    too_many_dead_since: int | None = None
    """When the first dead letter beyond those that nobody is told of died."""

    @property
    def is_over_dead_warning(self) -> bool:
        """More dead letters than somebody is to be told of."""
        return self.counts.dead > self.limits.dead_warning

    @property
    def is_balanced(self) -> bool:
        return self.books.difference == 0 and self.counts.total == self.books.tasks
