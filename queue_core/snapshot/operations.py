"""An operation as it is seen: what it is bound to before it begins, and how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from queue_core.snapshot.tasks import State, TaskSummary


@dataclass(frozen=True, slots=True)
class Bound:
    """What an operation is bound to: what its preview showed, and nothing that came later or beyond it.

    `state`: the place of the tasks. Of dead letters, where they are chosen: those of some faults (none named: of all)
    that died from `since` to `until`, both included.
    """

    queue: str
    verb: str
    state: State
    taken_at: int
    count: int
    faults: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None
    highest: int | None = None
    """The latest of the state's own times that were there: due, deleted for good."""
    to_queue: str = ""
    """Where a move takes them."""
    undoes: str = ""
    """Of a restore: the act, an operation's id or a form, that put them into the trash. Then `since`: the first of the
    times at which they are deleted for good. Of a recall: the operation that requeued them."""


@dataclass(frozen=True, slots=True)
class FaultShare:
    """How many of the tasks of a preview belong to one fault."""

    fingerprint: str
    count: int
    error_class: str
    message: str
    task_name: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """What an operation would act on. `oldest_at` and `newest_at` are the state's own times: died, ready, due, deleted
    for good; `None` where it has none. `samples`: at most five. `size`: about how many bytes of the server's memory
    they take; `None` where it does not tell."""

    bound: Bound
    by_fault: tuple[FaultShare, ...]
    oldest_at: int | None
    newest_at: int | None
    samples: tuple[TaskSummary, ...]
    size: int | None = None

    @property
    def count(self) -> int:
        return self.bound.count


@dataclass(frozen=True, slots=True)
class Operation:
    """An action on many tasks, under way or ended.

    `progress`: running, waiting (for what becomes of the first tasks), paused, ended, cancelled. What was requeued has
    `completed`, `failed` again, `left` otherwise, was `recalled`, or is still `under_way`; one that completed after it
    had failed again counts as completed.
    """

    id: str
    bound: Bound
    by: str
    reason: str
    action_id: str
    began_at: int
    progress: str
    why: str = ""
    ended_at: int | None = None
    looked_at: int = 0
    done: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    """Why → how many. `gone`: also those that had left the state before it was their turn."""
    skipped_ids: tuple[tuple[str, str], ...] = ()
    """The first 100: id, why."""
    completed: int = 0
    failed: int = 0
    left: int = 0
    recalled: int = 0
    drip: float | None = None
    """Tasks per second, at most."""
    canary: int = 0
    """How many tasks are done first, whose outcome is waited for."""
    keep_ms: int | None = None
    """How long what it puts into the trash can be restored."""
    next_at: int | None = None
    heard_at: int | None = None
    """When its last chunk was run."""

    @property
    def has_ended(self) -> bool:
        return self.progress in ("ended", "cancelled")

    @property
    def under_way(self) -> int:
        """Requeued tasks of which nothing is known yet."""
        is_counted = self.bound.verb == "requeue"
        return max(0, self.done - self.completed - self.failed - self.left - self.recalled) if is_counted else 0
