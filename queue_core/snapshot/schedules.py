"""A schedule as it is seen: what comes when, and what became of the last time."""

from __future__ import annotations

from dataclasses import dataclass

from queue_core.snapshot.queues import Pause
from queue_core.snapshot.tasks import State


@dataclass(frozen=True, slots=True)
class ScheduleSnapshot:
    """What comes when, and what became of the last time. `words`: the rule for people; `app`: `module:yard` of the code
    that declares it, empty where an operator added it; `by`: the operator who added or changed it last.

    One that cannot be read has its name, and `unreadable` says why.
    """

    name: str
    words: str = ""
    task: str = ""
    queue: str = ""
    payload: str = ""
    """Its beginning."""
    cron: str = ""
    time_zone: str = ""
    every_seconds: float | None = None
    start_at: int | None = None
    missed: str = ""
    overlap: bool = True
    priority: int = 0
    next_at: tuple[int, ...] = ()
    """The next five; none while it is paused."""
    last_at: int | None = None
    """The last one that was enqueued."""
    last_task_id: str = ""
    last_state: State | None = None
    """Of that task, as far as it is known: one that simply succeeded leaves no record."""
    last_was_met: bool = False
    """It made no task: that one, of an earlier occurrence, had not ended."""
    overdue_since: int | None = None
    """Since when one should have been enqueued that is not."""
    has_scheduler: bool = True
    """A worker is alive: each of them is a scheduler."""
    pause: Pause | None = None
    app: str = ""
    undeclared_at: int | None = None
    """When its code began without it: somebody should remove it."""
    by: str = ""
    created_at: int | None = None
    changed_at: int | None = None
    unreadable: str = ""

    @property
    def condition(self) -> str:
        """`unreadable`, `paused`, `overdue`, `undeclared` or `active`."""
        if self.unreadable:
            return "unreadable"
        if self.pause:
            return "paused"
        if self.overdue_since is not None:
            return "overdue"
        return "undeclared" if self.undeclared_at else "active"
