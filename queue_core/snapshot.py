"""What a reader sees: frozen values that `inspector` returns and console, CLI and API show.

All times are Unix milliseconds by the Redis server's clock; a field that ends in `_at` is such a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import NamedTuple

from queue_core.histogram import NO_DURATIONS, Histogram

STALE_MS = 15_000
"""A worker that has not been heard for so long is not counted on: three heartbeats."""


class State(StrEnum):
    """Where a task is. The first nine are places in a queue, the last four are ends."""

    SCHEDULED = "scheduled"
    BLOCKED = "blocked"
    READY = "ready"
    HELD = "held"
    RUNNING = "running"
    RETRYING = "retrying"
    DEAD = "dead"
    TRASHED = "trashed"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    DISCARDED = "discarded"


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
class Figures:
    """What was counted in some time. The order of the counters is that of lib/count.lua.

    `failed`: attempts whose handler raised, `crashed`: attempts whose worker died; each was then `retried`, or the task
    `died` (is a dead letter) or was `discarded`. `wait`: from ready to the start of the handler; `run`: of the handler.
    """

    enqueued: int = 0
    completed: int = 0
    failed: int = 0
    retried: int = 0
    died: int = 0
    discarded: int = 0
    expired: int = 0
    cancelled: int = 0
    crashed: int = 0
    requeued: int = 0
    deleted: int = 0
    imported: int = 0
    exported: int = 0
    repaired: int = 0
    wait: Histogram = NO_DURATIONS
    run: Histogram = NO_DURATIONS

    @classmethod
    def of(cls, counters: Iterable[int], wait: Histogram = NO_DURATIONS, run: Histogram = NO_DURATIONS) -> Figures:
        """`counters` in their order, as many as there are."""
        return cls(**dict(zip(COUNTERS, counters, strict=False)), wait=wait, run=run)

    @property
    def counters(self) -> tuple[int, ...]:
        return tuple(getattr(self, name) for name in COUNTERS)

    def __add__(self, other: Figures) -> Figures:
        counters = (a + b for a, b in zip(self.counters, other.counters, strict=True))
        return Figures.of(counters, self.wait + other.wait, self.run + other.run)

    def __sub__(self, other: Figures) -> Figures:
        counters = (a - b for a, b in zip(self.counters, other.counters, strict=True))
        return Figures.of(counters, self.wait - other.wait, self.run - other.run)


@dataclass(frozen=True, slots=True)
class Period:
    """A minute or an hour that began at `at`."""

    at: int
    figures: Figures


@dataclass(frozen=True, slots=True)
class NameStatistics:
    """What was counted of one task name. `hours`: those in which there was something."""

    name: str
    total: Figures
    hours: tuple[Period, ...]


@dataclass(frozen=True, slots=True)
class Statistics:
    """What was counted in a queue. `periods`: minutes or hours, without a gap, oldest first; the last is not over."""

    queue: str
    taken_at: int
    since: int | None
    """When counting began; what lies before is unknown, not zero."""
    step_ms: int
    periods: tuple[Period, ...]
    total: Figures
    rate_seconds: float
    """The time of which the rates tell: the last minutes, or since counting began."""
    arrival_rate: float | None
    """Tasks a second that came in, were moved here or requeued; `None`: too little time to tell."""
    service_rate: float | None
    """Tasks a second that ended or died; `None`: too little time to tell."""
    ready: int
    oldest_wait_ms: int | None
    time_to_drain_seconds: float | None
    """Until nothing is ready, if the rates stay as they are; infinite: it grows, or stands; `None`: unknown."""
    names: tuple[NameStatistics, ...] = ()
    """Busiest first. What stands in the hours' lists of the 20 busiest; the rest is in `others`."""
    others: Figures = field(default_factory=Figures)


COUNTERS = tuple(f.name for f in fields(Figures) if f.name not in ("wait", "run"))


@dataclass(frozen=True, slots=True)
class Pause:
    by: str
    reason: str
    at: int


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

    @property
    def is_over_dead_warning(self) -> bool:
        """More dead letters than somebody is to be told of."""
        return self.counts.dead > self.limits.dead_warning

    @property
    def is_balanced(self) -> bool:
        return self.books.difference == 0 and self.counts.total == self.books.tasks


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


def is_live(worker: WorkerSnapshot, now_ms: int) -> bool:
    return worker.state != "stopped" and now_ms - worker.heartbeat_at < STALE_MS


def takes(worker: WorkerSnapshot, queue: str) -> bool:
    """Whether the worker would be given tasks of that queue, if it is alive."""
    return queue in worker.queues and worker.state not in ("quiet", "stopping", "stopped")


@dataclass(frozen=True, slots=True)
class Fault:
    """Failures with the same fingerprint, in one queue."""

    queue: str
    fingerprint: str
    task_name: str
    error_class: str
    message: str
    frame: str
    first_seen_at: int
    last_seen_at: int
    attempts: int
    dead: int
    retrying: int
    versions: tuple[str, ...] = ()
    is_overflow: bool = False

    @property
    def title(self) -> str:
        return f"{self.error_class}: {self.message}" if self.message else self.error_class


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


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a handler said that it is, and when. `total`: `None` where it did not say."""

    done: float
    total: float | None
    note: str
    at: int | None


@dataclass(frozen=True, slots=True)
class TaskSummary:
    """One row of a list. `at` is what the list is sorted by: ready, due, started, died or deleted-for-good time."""

    queue: str
    id: str
    name: str
    state: State
    payload: str
    """At most 120 characters."""
    priority: int
    at: int | None
    attempts: int = 0
    crashes: int = 0
    error: str = ""
    fingerprint: str = ""
    worker: str = ""
    lane: str = ""
    trashed_from: str = ""
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of rows and where the next one begins. `older` is `None` on the last page. `unreadable`: of all queues,
    those that have no part in it → why they cannot be read."""

    rows: tuple[TaskSummary, ...]
    total: int
    older: str | None = None
    newer: str | None = None
    unreadable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One thing that happened to a task.

    `kind`: failed, crashed, released, requeued, moved. `facts`: what that kind has to tell (attempt, worker, seconds,
    error, fault, by, reason, operation …), always strings or numbers.
    """

    at: int
    kind: str
    facts: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class TaskDetail:
    queue: str
    id: str
    name: str
    state: State
    options: Mapping[str, object]
    payload_json: str
    """The payload as it is stored, not decoded; empty when unreadable."""
    payload_bytes: int
    unreadable: str
    """Why the envelope could not be read; empty when it could."""
    enqueued_at: int | None
    at: int | None
    """The state's own time: ready since, due at, running since, died at, deleted for good at, ended at."""
    priority: int
    attempts: int
    attempts_before: int
    """Attempts before the last requeue, which granted a fresh allowance."""
    crashes: int
    releases: int
    max_retries: int
    history: tuple[HistoryEntry, ...] = ()
    fingerprint: str = ""
    traceback: str = ""
    worker: str = ""
    lease_expires_at: int | None = None
    lane: str = ""
    trashed_from: str = ""
    trashed_by: str = ""
    trashed_reason: str = ""
    moving_to: str = ""
    """Of a task in the trash: the queue that it is on its way to."""
    progress: Progress | None = None
    cancelled_by: str = ""
    """Who cancelled it, or asked it to stop while it runs."""
    cancelled_reason: str = ""
    result_json: str = ""
    """What it gave back, as it is stored; empty where it kept nothing, and where it is larger than 64 kB."""
    result_bytes: int = 0
    result_missing: str = ""
    """Why its result could not be stored."""
    result_expires_at: int | None = None
    expires_at: int | None = None
    """Of one that waits: when it ends unless its run has begun."""


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


@dataclass(frozen=True, slots=True)
class FaultShare:
    """How many of the tasks of a preview belong to one fault."""

    fingerprint: str
    count: int
    error_class: str
    message: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What an operation would act on. `oldest_at` and `newest_at` are the state's own times: died, ready, due, deleted
    for good; `None` where it has none. `samples`: at most five."""

    bound: Bound
    by_fault: tuple[FaultShare, ...]
    oldest_at: int | None
    newest_at: int | None
    samples: tuple[TaskSummary, ...]

    @property
    def count(self) -> int:
        return self.bound.count


@dataclass(frozen=True, slots=True)
class Operation:
    """An action on many tasks, under way or ended.

    `progress`: running, waiting (for what becomes of the first tasks), paused, ended, cancelled. What was requeued has
    `completed`, `failed` again, `left` otherwise, or is still `under_way`; one that completed after it had failed again
    counts as completed.
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
    drip: float | None = None
    """Tasks per second, at most."""
    canary: int = 0
    """How many tasks are done first, whose outcome is waited for."""
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
        return max(0, self.done - self.completed - self.failed - self.left) if is_counted else 0


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What somebody was about to do, and then did unless the server refused. `target`: on what in the queue."""

    id: str
    at: int
    by: str
    verb: str
    queue: str
    target: str
    count: int
    reason: str
    action_id: str


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Newest first. `older`: what to ask for next; `None` on the last page."""

    rows: tuple[AuditEntry, ...]
    older: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an operator's action did. `skipped`: id → why (changed, gone, running, not in the trash …)."""

    verb: str
    done: tuple[str, ...]
    skipped: Mapping[str, str]
    server_ms: int
    """The server's time after the change: no snapshot older than this shows its effect."""
    remaining: int = 0
    """Of a fault: letters beyond the most that one press acts on."""
    restorable_until: int | None = None
    served_by: tuple[str, ...] = ()
    """Of a deleted queue: workers that listen to it still, and make it again."""
    asked: tuple[str, ...] = ()
    """Running tasks that were asked to stop: their workers hear of it with their next heartbeats."""
