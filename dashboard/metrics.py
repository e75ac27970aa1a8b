"""What Prometheus is told: figures of queues, workers, problems and the server, of one moment. Pure.

Labels are names of queues and what is written here, never of tasks, workers or faults: those come without end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from dashboard.live import View
from dashboard.problems import Kind, live_by_queue, shown_workers, worker_condition
from queue_core import __version__
from queue_core.histogram import BOUNDS_MS, Histogram
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
    (bucket, bound) for bucket, bound in enumerate(BOUNDS_MS) if 5 <= bound <= 50_000_000 and str(bound)[0] in "15"
)
"""Every bound is a series of each queue: 5, 10, 50, 100 … ms to 14 h are enough for percentiles."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """`books` and `operations`: `None` where the server did not answer."""

    view: View
    books: Mapping[str, Figures] | None = None
    operations: Sequence[Operation] | None = None

    def collect(self) -> Iterator[Metric]:
        """As `prometheus_client` asks for them. While the server is away there are no figures: old ones would be taken
        for new ones."""
        yield InfoMetricFamily("taskyard_build", "The console's version.", value={"version": __version__})
        snapshot, books = self.view.snapshot, self.books
        is_up = snapshot is not None and not self.view.is_away and books is not None
        yield GaugeMetricFamily("taskyard_up", "Whether Redis answers: 1, or 0 and no figures follow.", value=is_up)
        if snapshot is not None:
            age = max(0, self.view.now_ms - snapshot.taken_at) / 1000
            yield GaugeMetricFamily("taskyard_snapshot_age_seconds", "Age of the figures below.", value=age)
        if snapshot is None or not is_up:
            return
        yield from _queues(snapshot, self.view.now_ms)
        yield from _counted(books or {})
        yield from _workers(snapshot, self.view.now_ms)
        yield from _whole(self.view, snapshot, self.operations or ())


def _queues(snapshot: Snapshot, now_ms: int) -> Iterator[Metric]:
    queues = snapshot.queues
    tasks = GaugeMetricFamily("taskyard_queue_tasks", "Tasks in each state.", labels=("queue", "state"))
    for queue in queues:
        for state in PLACES:
            tasks.add_metric((queue.name, state.value), getattr(queue.counts, state.value))
    yield tasks

    def gauge(name: str, what: str, values: Iterable[float]) -> Metric:
        family = GaugeMetricFamily(name, what, labels=("queue",))
        for queue, value in zip(queues, values, strict=True):
            family.add_metric((queue.name,), value)
        return family

    yield gauge(
        "taskyard_queue_oldest_wait_seconds",
        "How long the task has waited that has been ready longest; 0 where none is.",
        (_oldest_wait(queue, now_ms) for queue in queues),
    )
    yield gauge(
        "taskyard_queue_wait_target_seconds",
        "A ready task that waits for longer is a problem.",
        (queue.limits.wait_target for queue in queues),
    )
    yield gauge("taskyard_queue_paused", "Whether the whole queue is paused.", (bool(queue.pause) for queue in queues))
    live = live_by_queue(snapshot.workers, now_ms)
    yield gauge(
        "taskyard_queue_workers",
        "Live workers that would be given tasks of the queue.",
        (len(live.get(queue.name, ())) for queue in queues),
    )
    yield gauge("taskyard_queue_faults", "Faults that are known.", (queue.fault_count for queue in queues))
    yield gauge(
        "taskyard_queue_balanced", "Whether the queue's books balance.", (queue.is_balanced for queue in queues)
    )
    yield GaugeMetricFamily(
        "taskyard_queues_unreadable", "Queues whose data cannot be read.", value=len(snapshot.unreadable)
    )


def _oldest_wait(queue: QueueSnapshot, now_ms: int) -> float:
    if queue.oldest_ready_at is None or not queue.counts.ready:
        return 0.0
    return max(0, now_ms - queue.oldest_ready_at) / 1000


def _counted(books: Mapping[str, Figures]) -> Iterator[Metric]:
    for counter, (name, what) in COUNTERS.items():
        family = CounterMetricFamily(name, what, labels=("queue",))
        for queue, figures in books.items():
            family.add_metric((queue,), getattr(figures, counter))
        yield family
    for times, (name, what) in TIMES.items():
        histograms = HistogramMetricFamily(name, what, labels=("queue",))
        for queue, figures in books.items():
            histogram: Histogram = getattr(figures, times)
            histograms.add_metric((queue,), _buckets(histogram), sum_value=None)
            histograms.add_sample(f"{name}_count", {"queue": queue}, histogram.count)
        yield histograms


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Cumulative, as Prometheus has them. (There is no sum: what is stored are the buckets.)"""
    found = [(repr(bound / 1000), float(sum(histogram.counts[: bucket + 1]))) for bucket, bound in SHOWN_BOUNDS]
    return [*found, ("+Inf", float(histogram.count))]


def _workers(snapshot: Snapshot, now_ms: int) -> Iterator[Metric]:
    conditions = Counter(worker_condition(worker, now_ms) for worker in shown_workers(snapshot.workers, now_ms))
    workers = GaugeMetricFamily("taskyard_workers", "Workers in each condition.", labels=("condition",))
    for condition in CONDITIONS:
        workers.add_metric((condition,), conditions[condition])
    yield workers
    live = [worker for worker in snapshot.workers if is_live(worker, now_ms)]
    slots, busy = sum(worker.concurrency for worker in live), sum(worker.busy for worker in live)
    yield GaugeMetricFamily("taskyard_worker_slots", "Tasks that live workers can run at once.", value=slots)
    yield GaugeMetricFamily("taskyard_worker_slots_busy", "Tasks that live workers run.", value=busy)


def _whole(view: View, snapshot: Snapshot, operations: Sequence[Operation]) -> Iterator[Metric]:
    kinds = Counter(problem.kind for problem in view.problems)
    problems = GaugeMetricFamily(
        "taskyard_problems", "Lines under what is wrong, as the overview has them.", labels=("kind",)
    )
    for kind in Kind:
        problems.add_metric((kind.name.lower(),), kinds[kind])
    yield problems
    yield GaugeMetricFamily(
        "taskyard_schedules_overdue", "Schedules whose time has come without a task.", value=len(snapshot.overdue)
    )
    under_way = Counter(operation.progress for operation in operations)
    family = GaugeMetricFamily("taskyard_operations", "Bulk work that has not ended.", labels=("progress",))
    for progress in PROGRESS:
        family.add_metric((progress,), under_way[progress])
    yield family
    server = snapshot.server
    yield InfoMetricFamily(
        "taskyard_server", "The server behind the queues.", value={"product": server.product, "version": server.version}
    )
    if server.used_memory is not None:
        yield GaugeMetricFamily(
            "taskyard_server_memory_used_bytes", "Memory that the server uses.", value=server.used_memory
        )
    if server.max_memory:
        yield GaugeMetricFamily(
            "taskyard_server_memory_limit_bytes", "Memory that the server may use.", value=server.max_memory
        )
