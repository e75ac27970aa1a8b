"""The table of workers: one row each, trouble first; which of them a filter means. Pure: from workers to rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dashboard.pagination import Order, Part, part_of
from dashboard.problems import shown_workers, worker_condition
from queue_core.snapshot import RunningTask, State, TaskSummary, WorkerSnapshot, is_live, takes

COLUMNS = (
    "trouble", "name", "queues", "heartbeat", "busy", "completed", "failed", "memory", "version", "started",
)  # fmt: skip
MANY = 20
"""Above this there is a filter box."""
PAGE_SIZE = 25
"""Rows of a page: each shows what runs, too."""
MOST_RUNNING = 5
"""Tasks that a row of the table shows; the worker's own page shows them all."""
SILENT = ("stale", "lost")
_TROUBLES = ("stale", "reconnecting", "refused", "stuck")
_RANKS = {"lost": 0, "stale": 1, "reconnecting": 2, "refused": 2, "stuck": 2, "starting": 3, "stopping": 3, "quiet": 4}

Found = Mapping[tuple[str, str], TaskSummary]
"""(queue, id) → what became of that task, as far as it is known."""


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """`condition`: alive, starting, quiet, stopping, reconnecting, refused, stuck, stale or lost."""

    worker: WorkerSnapshot
    condition: str

    @property
    def name(self) -> str:
        """What it was named, or its host."""
        return self.worker.id.rpartition(":")[0] or self.worker.id

    @property
    def number(self) -> str:
        """Its process id, where the worker's id ends in it."""
        return self.worker.id.rpartition(":")[2] if ":" in self.worker.id else ""

    @property
    def told(self) -> str:
        """Who told it to be as it is; "" where that is not so."""
        command = self.worker.command
        is_told = command and {"quiet": "quiet", "stop": "stopping"}.get(command.verb) == self.condition
        return f"told by {command.by}{f': {command.reason}' if command.reason else ''}" if command and is_told else ""

    @property
    def mark(self) -> str:
        return "bad" if self.condition == "lost" else "warn" if self.condition in _TROUBLES else "good"

    @property
    def is_silent(self) -> bool:
        return self.condition in SILENT


@dataclass(frozen=True, slots=True)
class WorkerFilter:
    """As it stands in the address. `text`: part of a name, host, queue, version or state, whatever its case;
    `version`: exactly that one; `ids`: exactly these."""

    text: str = ""
    version: str | None = None
    ids: frozenset[str] = frozenset()

    def of(self, rows: Iterable[WorkerRow]) -> tuple[WorkerRow, ...]:
        return tuple(row for row in rows if self._matches(row))

    @property
    def chooses(self) -> bool:
        return bool(self.text or self.version is not None or self.ids)

    def _matches(self, row: WorkerRow) -> bool:
        worker = row.worker
        if self.ids and worker.id not in self.ids:
            return False
        if self.version is not None and worker.version != self.version:
            return False
        words = (worker.id, worker.host, worker.version, row.condition, *worker.queues)
        return any(self.text.lower() in word.lower() for word in words)


@dataclass(frozen=True, slots=True)
class Version:
    """Of the application, and how many live workers have it. `name`: empty where it has none."""

    name: str
    workers: int


@dataclass(frozen=True, slots=True)
class Workers:
    """`total`: all that are known; `matching`: those that the filter means; `alive`, `silent`, `busy`, `slots`: of
    these. `versions`: of all live workers, the commonest first. `became`: of what lost workers ran."""

    part: Part[WorkerRow]
    matching: tuple[WorkerRow, ...]
    chosen: WorkerFilter
    order: Order
    total: int
    alive: int
    silent: int
    busy: int
    slots: int
    versions: tuple[Version, ...]
    became: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_large(self) -> bool:
        return self.total > MANY

    @property
    def quiet(self) -> int:
        return sum(row.condition == "quiet" for row in self.matching)


def worker_rows(workers: Iterable[WorkerSnapshot], now_ms: int) -> tuple[WorkerRow, ...]:
    """Trouble first, then by name."""
    rows = [WorkerRow(worker, worker_condition(worker, now_ms)) for worker in shown_workers(workers, now_ms)]
    return tuple(sorted(rows, key=lambda row: (_RANKS.get(row.condition, 9), row.worker.id)))


def workers_page(
    workers: Iterable[WorkerSnapshot],
    now_ms: int,
    order: Order,
    chosen: WorkerFilter | None = None,
    number: int = 1,
) -> Workers:
    chosen = chosen or WorkerFilter()
    every = worker_rows(workers, now_ms)
    rows = chosen.of(every)
    if order.column != "trouble":
        rows = order.apply(rows, lambda row: _key(row, order.column))
    live = [row.worker for row in rows if is_live(row.worker, now_ms)]
    return Workers(
        part=part_of(rows, number, PAGE_SIZE),
        matching=rows,
        chosen=chosen,
        order=order,
        total=len(every),
        alive=len(live),
        silent=sum(row.is_silent for row in rows),
        busy=sum(worker.busy for worker in live),
        slots=sum(worker.concurrency for worker in live),
        versions=versions(row.worker for row in every if is_live(row.worker, now_ms)),
    )


def versions(workers: Iterable[WorkerSnapshot]) -> tuple[Version, ...]:
    counts = Counter(worker.version for worker in workers)
    return tuple(Version(name, count) for name, count in counts.most_common())


def left_alone(chosen: Iterable[WorkerSnapshot], every: Iterable[WorkerSnapshot], now_ms: int) -> tuple[str, ...]:
    """Queues that nobody would take any more if these workers took nothing."""
    told = {worker.id: worker for worker in chosen}
    others = [worker for worker in every if worker.id not in told and is_live(worker, now_ms)]
    queues = sorted({queue for worker in told.values() for queue in worker.queues if takes(worker, queue)})
    return tuple(queue for queue in queues if not any(takes(other, queue) for other in others))


def became(worker: WorkerSnapshot, found: Found) -> str:
    """What became of the tasks that a lost worker ran: `2 ready again, 1 runs on web-3:880`."""
    counts = Counter(_fate(task, worker.id, found) for task in worker.running)
    return ", ".join(f"{count:,} {fate}" for fate, count in counts.most_common())


def _fate(task: RunningTask, worker_id: str, found: Found) -> str:
    now = found.get((task.queue, task.task_id))
    if now is None:
        return "ended without a record"  # completed elsewhere, most likely
    if now.state is State.RUNNING:
        return "not taken back yet" if now.worker == worker_id else f"running on {now.worker or 'another worker'}"
    return {State.READY: "ready again", State.RETRYING: "waiting for a retry", State.TRASHED: "in the trash"}.get(
        now.state, now.state.value
    )


def lost_tasks(rows: Sequence[WorkerRow]) -> list[tuple[str, str]]:
    """(queue, id) of what lost workers ran."""
    return [(task.queue, task.task_id) for row in rows if row.condition == "lost" for task in row.worker.running]


def _key(row: WorkerRow, column: str) -> object:
    worker = row.worker
    values: dict[str, object] = {
        "name": worker.id,
        "queues": ", ".join(worker.queues),
        "heartbeat": -worker.heartbeat_at,
        "busy": worker.busy,
        "completed": worker.completed,
        "failed": worker.failed,
        "memory": worker.memory_bytes,
        "version": worker.version,
        "started": -worker.started_at,
    }
    return values[column]
