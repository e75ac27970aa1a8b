"""Where the tasks of a queue are, in plain Python, and the steps of which its transitions are made.

Places are dicts. Nothing here knows of Redis, nor how anything is stored; `now` is the server's time in ms.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from queue_core import ids, protocol
from queue_core.protocol import Acted
from tests.proof.limits import Limits

MAX_CRASHES = 3
OVER = math.inf


@dataclass
class Task:
    """What is known of a task wherever it is. `events`: kinds of what happened to it, oldest first."""

    id: str
    name: str
    envelope: bytes
    priority: int = 0
    max_crashes: int = MAX_CRASHES
    key: str = ""
    """Unique key that it holds until it ends."""
    attempts: int = 0
    crashes: int = 0
    releases: int = 0
    before: int = 0
    fault: str = "-"
    failed: int = 0
    """When it failed or crashed last."""
    operation: str = ""
    """Which one requeued it last; behind that a `!` once it has failed since."""
    was: tuple[int, int, int, str, int] = (0, 0, 0, "", 0)
    """Before an operation requeued it: attempts, crashes, attempts before, operation, when it died."""
    events: list[str] = field(default_factory=list)
    born: object = field(default_factory=object, repr=False)
    """The same one wherever the task goes, by which it is told from another one of that id."""


@dataclass(frozen=True)
class Lease:
    fence: int
    expires: int
    claimed: int
    since: int
    worker: str


@dataclass(frozen=True)
class Trashed:
    """`origin`: the place where it was; `score`: its time there, 0: none is known; `lane`: where that was `held`."""

    until: int
    origin: str
    score: int = 0
    lane: str = ""


class Places:
    def __init__(self, now: int) -> None:
        self.now = now
        self.tasks: dict[str, Task] = {}
        # The places.
        self.line: list[tuple[str, int]] = []
        """Turns of priority 0, the next one first: id, ready since. Who is struck out keeps the turn until it comes."""
        self.struck_out: set[str] = set()
        self.prioritized: dict[str, int] = {}
        self.held: dict[str, str] = {}
        self.scheduled: dict[str, int] = {}
        self.retrying: dict[str, int] = {}
        self.leases: dict[str, Lease] = {}
        self.dead: dict[str, int] = {}
        self.trashed: dict[str, Trashed] = {}
        # Beside them.
        self.asked: set[str] = set()
        """Running tasks that were asked to stop."""
        self.lanes: dict[str, str] = {}
        """Lane → `closed` or `open`, in the order in which the server lists them."""
        self.keys: dict[str, tuple[str, int]] = {}
        """Unique key → who has taken it, and until when (0: until its end)."""
        self.expiring: dict[str, float] = {}
        """Id → time after which its run is not to begin; `OVER`: it came when the task ran or lay in the trash."""
        self.books: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        """Fault → failed attempts."""
        self.seen_faults: dict[str, int] = {}
        self.attempts_by_minute: dict[str, Counter[int]] = {}
        """Fault → minute → failed attempts."""
        self.mutes: dict[str, tuple[str, str, int, int | None, int | None]] = {}
        """Fault → by whom, why, when, until when, until how many failed attempts in all."""
        self.fault_notes: dict[str, list[tuple[str, str, int]]] = {}
        """Fault → by whom, what, when; the newest first."""
        self.records: dict[str, str] = {}
        self.limits = Limits()
        self.is_paused = False
        self.fence = 0
        self.turn = 0
        self.seen: int | None = None
        self.grace = 0

    # What can be said of it.

    def ready(self) -> list[str]:
        return [task_id for task_id, _ in self.line if task_id not in self.struck_out] + list(self.prioritized)

    def place_of(self, task_id: str) -> str:
        for place in ("prioritized", "held", "scheduled", "retrying", "dead", "trashed"):
            if task_id in getattr(self, place):
                return place
        return "running" if task_id in self.leases else "ready"

    def state_of(self, task_id: str) -> str:
        place = self.place_of(task_id)
        return "ready" if place == "prioritized" else place

    def holder_of(self, key: str) -> str | None:
        """What is dead or in the trash holds no key, unless that was taken for a stated time."""
        holder, until = self.keys.get(key, ("", 0))
        is_held = self.now < until if until else holder and self.place_of(holder) not in ("dead", "trashed")
        return holder if is_held else None

    def is_overdue(self, task_id: str) -> bool:
        """Its time to begin is over, and that is not noted yet."""
        return self.expiring.get(task_id, OVER) <= self.now

    def overdue(self) -> list[str]:
        """Of all of these, wherever they are, the oldest first."""
        found = [task_id for task_id in self.expiring if self.is_overdue(task_id)]
        return sorted(found, key=lambda task_id: (self.expiring[task_id], task_id.encode()))

    def moments(self) -> list[int]:
        """When something will be due, over or full, the soonest first."""
        leases = [lease.expires for lease in self.leases.values()]
        windows = [until for _, until in self.keys.values()]
        waiting = [*self.scheduled.values(), *self.retrying.values(), *self.expiring.values()]
        times = {*leases, *windows, *waiting, *self.limits.full.values()}
        return sorted(int(at) for at in times if self.now < at < OVER)

    def in_order(self) -> list[str]:
        """Ready tasks of other priorities than 0, in the order in which they are given out."""
        return sorted(
            self.prioritized,
            key=lambda task_id: (-self.tasks[task_id].priority, self.prioritized[task_id], task_id.encode()),
        )

    def has_expired(self) -> bool:
        return any(lease.expires <= self.now for lease in self.leases.values())

    def counters_of(self, task_id: str) -> protocol.Counters:
        task = self.tasks[task_id]
        counts = task.attempts, task.crashes, task.releases, task.before
        return protocol.Counters(*counts, task.fault, task.operation)

    def somebody_must_wake(self, told_due: float, told_rate: object) -> bool:
        """Tasks can be given out now to whoever asks; or one is due before the time that the last claim was told. Where
        that was told when its rate has tokens again, its worker comes back by itself, while the rate is the same."""
        if told_rate and told_rate == self.limits.chosen.get("claim_rate"):
            return False
        giving, _ = self._lanes_of(())
        due = min([*self.scheduled.values(), *self.retrying.values()], default=told_due)
        return not self.is_paused and bool(self.ready() or set(giving) & set(self.held.values()) or due < told_due)

    # Steps of transitions.

    def _make_ready(self, task_id: str, since: int, at_head: bool = False) -> None:
        since = as_written(task_id, since)
        if self.tasks[task_id].priority:
            self.prioritized[task_id] = since
        elif task_id in self.struck_out:
            self.struck_out.remove(task_id)
        else:
            self.line.insert(0 if at_head else len(self.line), (task_id, since))

    def _leave(self, task_id: str, place: str) -> None:
        if place == "ready":
            self.struck_out.add(task_id)
        else:
            getattr(self, place).pop(task_id)

    def _wait_again(self, task_id: str) -> None:
        """Was its time over meanwhile, then it has to be ended now."""
        if self.expiring.get(task_id) == OVER:
            self.expiring[task_id] = 0

    def _put_in_trash(self, task_id: str, place: str, until: int) -> None:
        if place == "ready":
            self.struck_out.add(task_id)
            self.trashed[task_id] = Trashed(until, place)
        elif place == "held":
            self.trashed[task_id] = Trashed(until, place, lane=self.held.pop(task_id))
        else:
            waiting: dict[str, int] = getattr(self, place)
            self.trashed[task_id] = Trashed(until, place, waiting.pop(task_id))

    def _settle(self, batch: Sequence[Any], end: Callable[[Task, Any, Lease], None]) -> list[str]:
        """Whoever holds the fence ends the lease, once. The others have lost theirs."""
        lost = []
        for claim in batch:
            lease = self.leases.get(claim.id)
            if lease and lease.fence == claim.fence:
                del self.leases[claim.id]
                end(self.tasks[claim.id], claim, lease)
                self._wait_again(claim.id)
                self.asked.discard(claim.id)
            else:
                lost.append(claim.id)
        return lost

    def _act(self, act: Callable[..., str], batch: Sequence[Sequence[Any]]) -> Acted:
        refusals = [(item[0], act(*item)) for item in batch]
        return Acted(self.now, {task_id: why for task_id, why in refusals if why})

    def _end(self, task_id: str, how: str) -> None:
        task = self.tasks.pop(task_id)
        self.expiring.pop(task_id, None)
        if self.keys.get(task.key) == (task_id, 0):
            del self.keys[task.key]
        self.books[how] += 1

    def _take_key_again(self, task: Task) -> str:
        """Its own key, for who comes back. Returns why it may not: another task holds it meanwhile."""
        holder = self.holder_of(task.key)
        if holder and holder != task.id:
            return f"its unique key is held by {holder}"
        if task.key:
            self.keys[task.key] = (task.id, 0)
        return ""

    def _cancel(self, task_id: str) -> None:
        self.records[task_id] = "cancelled"
        self._end(task_id, "cancelled")

    def _retry(self, task_id: str, due: int) -> None:
        self.retrying[task_id] = due
        self.books["retried"] += 1

    def _bury(self, task_id: str) -> None:
        self.dead[task_id] = self.now
        self.expiring.pop(task_id, None)
        self.books["died"] += 1

    def _count_in_fault(self, task: Task, fault: str, event: str) -> None:
        self.books[event] += 1
        task.fault, task.failed = fault, self.now
        task.events.append(event)
        self.faults[fault] += 1
        self.seen_faults[fault] = self.now
        self.attempts_by_minute.setdefault(fault, Counter())[self.now // 60_000] += 1

    def _lanes_of(self, can_run: Collection[str]) -> tuple[list[str], set[str]]:
        """Lanes that give out to a worker, and those that are shut to it. What no worker knew waits on where its name
        is paused."""
        shut = {lane for lane, state in self.lanes.items() if state == "closed" and lane not in can_run}
        giving = [lane for lane in self.lanes if lane not in shut and lane.replace("unknown:", "name:") not in shut]
        return giving, shut


def as_written(task_id: str, since: int) -> int:
    """A ready time within a second of the id's own is the id's own."""
    own = ids.id_time_ms(task_id)
    return own if own is not None and abs(since - own) <= 1000 else since
