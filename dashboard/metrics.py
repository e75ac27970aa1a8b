"""What Prometheus is told: figures of queues, workers, problems and the server, of one moment. Pure.

Labels are names of queues and what is written here, never of tasks, workers or faults: those come without end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from dashboard.exposition import Family, family, gauge, info, labels
from dashboard.live import View
from dashboard.problem import Kind
from dashboard.problems import live_by_queue, shown_workers, worker_condition
from queue_core import __version__
from queue_core.histogram import BOUNDS_MS, BUCKETS, Histogram
from queue_core.snapshot import Figures, Operation, QueueSnapshot, Snapshot, State, is_live

PLACES = (
    State.READY,
    State.HELD,
    State.SCHEDULED,
    State.BLOCKED,
    State.RUNNING,
    State.RETRYING,
    State.DEAD,
    State.TRASHED,
)
CONDITIONS = ("alive", "starting", "quiet", "stopping", "reconnecting", "refused", "stuck", "stale", "lost")
PROGRESS = ("running", "waiting", "paused")
COUNTERS = {
    "enqueued": ("taskyard_tasks_enqueued", "Tasks that were enqueued."),
    "completed": ("taskyard_tasks_completed", "Tasks that completed."),
    "failed": ("taskyard_attempts_failed", "Attempts whose handler raised an error or ran out of time."),
    "crashed": ("taskyard_attempts_crashed", "Attempts whose worker died."),
    "retried": ("taskyard_attempts_retried", "Failed or crashed attempts after which the task waits for another one."),
    "died": ("taskyard_tasks_died", "Tasks that became dead letters."),
    "discarded": ("taskyard_tasks_discarded", "Tasks whose handler said that they are of no use any more."),
    "expired": ("taskyard_tasks_expired", "Tasks that were not begun before their time was over."),
    "cancelled": ("taskyard_tasks_cancelled", "Tasks that somebody cancelled."),
    "requeued": ("taskyard_tasks_requeued", "Dead letters that an operator retried."),
    "recalled": ("taskyard_tasks_recalled", "Retried tasks that were dead letters again before they began."),
    "deleted": ("taskyard_tasks_deleted", "Tasks that were deleted for good."),
    "imported": ("taskyard_tasks_imported", "Tasks that came from another queue."),
    "exported": ("taskyard_tasks_exported", "Tasks that went to another queue."),
    "repaired": ("taskyard_tasks_repaired", "Tasks that fsck entered into the books."),
}
"""Counter of the books → its metric, without the ending, and what it counts."""
TIMES = {
    "wait": ("taskyard_task_wait_seconds", "Time from ready to the start of the handler."),
    "run": ("taskyard_task_run_seconds", "Run time of handlers, whatever came of it."),
}
SHOWN_BOUNDS = tuple(
    (bucket, repr(bound / 1000))
    for bucket, bound in enumerate(BOUNDS_MS)
    if 5 <= bound <= 50_000_000 and str(bound)[0] in "15"
)
"""Bucket, and its bound in seconds. Every bound is a series of each queue: 5, 10, 50, 100 … ms to 14 h are enough for
percentiles."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """`books` and `operations`: `None` where the server did not answer."""

    view: View
    books: Mapping[str, Figures] | None = None
    operations: Sequence[Operation] | None = None

    def families(self) -> Iterator[Family]:
        """While the server is away there are no figures: old ones would be taken for new ones."""
        yield info("taskyard_build", "The console's version.", version=__version__)
        snapshot, books = self.view.snapshot, self.books
        is_up = snapshot is not None and not self.view.is_away and books is not None
        yield gauge("taskyard_up", "Whether Redis answers: 1, or 0 and no figures follow.", is_up)
        if snapshot is not None:
            age = max(0, self.view.now_ms - snapshot.taken_at) / 1000
            yield gauge("taskyard_snapshot_age_seconds", "Age of the figures below.", age)
        if snapshot is None or not is_up:
            return
        yield from _queues(snapshot, self.view.now_ms)
        yield from _counted(books or {})
        yield from _workers(snapshot, self.view.now_ms)
        yield from _whole(self.view, snapshot, self.operations or ())


def _queues(snapshot: Snapshot, now_ms: int) -> Iterator[Family]:
    queues = snapshot.queues
    labelled = [labels(queue=queue.name) for queue in queues]
    states = [(state.value, f',state="{state.value}"}}') for state in PLACES]
    yield family(
        "taskyard_queue_tasks",
        "gauge",
        "Tasks in each state.",
        (
            (f"{label[:-1]}{state_label}", getattr(queue.counts, state))
            for label, queue in zip(labelled, queues, strict=True)
            for state, state_label in states
        ),
    )

    def of_each(name: str, what: str, values: Iterable[float]) -> Family:
        return family(name, "gauge", what, zip(labelled, values, strict=True))

    yield of_each(
        "taskyard_queue_oldest_wait_seconds",
        "How long the task has waited that has been ready longest; 0 where none is.",
        (_oldest_wait(queue, now_ms) for queue in queues),
    )
    yield of_each(
        "taskyard_queue_wait_target_seconds",
        "A ready task that waits for longer is a problem.",
        (queue.limits.wait_target for queue in queues),
    )
    yield of_each(
        "taskyard_queue_paused", "Whether the whole queue is paused.", (bool(queue.pause) for queue in queues)
    )
    live = live_by_queue(snapshot.workers, now_ms)
    yield of_each(
        "taskyard_queue_workers",
        "Live workers that would be given tasks of the queue.",
        (len(live.get(queue.name, ())) for queue in queues),
    )
    yield of_each("taskyard_queue_faults", "Faults that are known.", (queue.fault_count for queue in queues))
    yield of_each(
        "taskyard_queue_balanced", "Whether the queue's books balance.", (queue.is_balanced for queue in queues)
    )
    yield gauge("taskyard_queues_unreadable", "Queues whose data cannot be read.", len(snapshot.unreadable))


def _oldest_wait(queue: QueueSnapshot, now_ms: int) -> float:
    if queue.oldest_ready_at is None or not queue.counts.ready:
        return 0.0
    return max(0, now_ms - queue.oldest_ready_at) / 1000


def _counted(books: Mapping[str, Figures]) -> Iterator[Family]:
    labelled = [(labels(queue=queue), figures) for queue, figures in books.items()]
    for counter, (name, what) in COUNTERS.items():
        yield family(name, "counter", what, ((queue, getattr(figures, counter)) for queue, figures in labelled))
    for times, (name, what) in TIMES.items():
        lines: list[str] = []
        for queue, figures in labelled:
            lines += _histogram(name, queue, getattr(figures, times))
        yield Family(name, "histogram", what, lines)


def _histogram(name: str, queue: str, histogram: Histogram) -> Iterator[str]:
    """Cumulative, as Prometheus has them. (There is no sum: what is stored are the buckets.) `queue`: as a label."""
    known = list(accumulate(histogram.counts))
    count = known[-1] if known else 0
    known += [count] * (BUCKETS - len(known))
    more = queue[1:]
    for bucket, le in SHOWN_BOUNDS:
        yield f'{name}_bucket{{le="{le}",{more} {known[bucket]}\n'
    yield f'{name}_bucket{{le="+Inf",{more} {count}\n'
    yield f"{name}_count{queue} {count}\n"


def _workers(snapshot: Snapshot, now_ms: int) -> Iterator[Family]:
    conditions = Counter(worker_condition(worker, now_ms) for worker in shown_workers(snapshot.workers, now_ms))
    yield _each("taskyard_workers", "Workers in each condition.", "condition", CONDITIONS, conditions)
    live = [worker for worker in snapshot.workers if is_live(worker, now_ms)]
    slots, busy = sum(worker.concurrency for worker in live), sum(worker.busy for worker in live)
    yield gauge("taskyard_worker_slots", "Tasks that live workers can run at once.", slots)
    yield gauge("taskyard_worker_slots_busy", "Tasks that live workers run.", busy)


def _whole(view: View, snapshot: Snapshot, operations: Sequence[Operation]) -> Iterator[Family]:
    problems = Counter(problem.kind.name.lower() for problem in view.problems)
    kinds = [kind.name.lower() for kind in Kind]
    yield _each("taskyard_problems", "Lines under what is wrong, as the overview has them.", "kind", kinds, problems)
    yield gauge("taskyard_schedules_overdue", "Schedules whose time has come without a task.", len(snapshot.overdue))
    under_way = Counter(operation.progress for operation in operations)
    yield _each("taskyard_operations", "Bulk work that has not ended.", "progress", PROGRESS, under_way)
    server = snapshot.server
    yield info("taskyard_server", "The server behind the queues.", product=server.product, version=server.version)
    if server.used_memory is not None:
        yield gauge("taskyard_server_memory_used_bytes", "Memory that the server uses.", server.used_memory)
    if server.max_memory:
        yield gauge("taskyard_server_memory_limit_bytes", "Memory that the server may use.", server.max_memory)


def _each(name: str, what: str, label: str, values: Iterable[str], counted: Mapping[str, int]) -> Family:
    """How many there are of each of these, also where there are none."""
    return family(name, "gauge", what, ((labels(**{label: value}), counted.get(value, 0)) for value in values))
