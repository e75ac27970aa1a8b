"""Why a task is in its state, what happens next, and which button helps. Pure: from a task and a view to a sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dashboard.filters import ago, duration, exact, plural, until
from dashboard.live import View
from dashboard.problems import is_live, takes
from queue_core.snapshot import QueueSnapshot, State, TaskDetail, WorkerSnapshot


@dataclass(frozen=True, slots=True)
class Explanation:
    """`remedy`: "" or resume, worker, promote; what the page offers beside the sentence. `tone`: plain, warn or bad."""

    sentence: str
    remedy: str = ""
    tone: str = "plain"


def explain(task: TaskDetail, view: View) -> Explanation:
    if task.unreadable:
        return Explanation(f"It cannot be read: {task.unreadable}", tone="bad")
    return _EXPLAIN[task.state](task, view)


def allowed_attempts(task: TaskDetail) -> int:
    """First run and retries."""
    return task.max_retries + 1


def _ready(task: TaskDetail, view: View) -> Explanation:
    queue = _queue(task, view)
    if queue and queue.pause:
        why = f", “{queue.pause.reason}”" if queue.pause.reason else ""
        return Explanation(
            f"{task.queue} was paused by {queue.pause.by} {ago(queue.pause.at, view.now_ms)}{why}.", "resume", "warn"
        )
    workers = _workers(task.queue, view)
    if not workers:
        return Explanation(f"No worker takes {task.queue}.", "worker", "bad")
    if all(worker.task_names and task.name not in worker.task_names for worker in workers):
        return _unknown_name(task, workers)
    slots = sum(worker.concurrency for worker in workers)
    busy = sum(min(worker.busy, worker.concurrency) for worker in workers)
    waiting = f"{exact(queue.counts.ready)} ready in {task.queue}, " if queue else ""
    return Explanation(f"It waits for its turn: {waiting}{exact(busy)} of {plural(slots, 'slot')} busy.")


def _held(task: TaskDetail, view: View) -> Explanation:
    kind, _, name = task.lane.partition(":")
    queue = _queue(task, view)
    lane = next((lane for lane in queue.lanes if lane.lane == task.lane), None) if queue else None
    if kind == "unknown":
        return _unknown_name(task, _workers(task.queue, view))
    if kind == "name" and lane:
        why = f", “{lane.reason}”" if lane.reason else ""
        return Explanation(f"{name} was paused by {lane.by} {ago(lane.closed_at, view.now_ms)}{why}.", "open", "warn")
    return Explanation(f"It is held back in {task.lane or 'a lane'} and runs once that is open.", tone="warn")


def _scheduled(task: TaskDetail, view: View) -> Explanation:
    return Explanation(f"It is due {until(task.at, view.now_ms)}.", "promote")


def _blocked(task: TaskDetail, view: View) -> Explanation:
    return Explanation("It waits for other tasks to end.")


def _running(task: TaskDetail, view: View) -> Explanation:
    where = f" on {task.worker}" if task.worker else ""
    how_long = f" for {duration(view.now_ms - task.at)}" if task.at is not None else ""
    if task.lease_expires_at is not None and task.lease_expires_at < view.now_ms:
        return Explanation(
            f"It has been running{how_long}{where}, and its lease ran out: it is taken back.", tone="warn"
        )
    return Explanation(f"It has been running{how_long}{where}.")


def _retrying(task: TaskDetail, view: View) -> Explanation:
    return Explanation(
        f"Attempt {task.attempts} of {allowed_attempts(task)} failed. The next one is {_due(task, view)}.",
        "promote",
        "warn",
    )


def _due(task: TaskDetail, view: View) -> str:
    return "due now" if task.at is not None and task.at <= view.now_ms else until(task.at, view.now_ms)


def _dead(task: TaskDetail, view: View) -> Explanation:
    if task.attempts >= allowed_attempts(task):
        because = _all_failed(task)
    elif task.crashes and not task.attempts:
        because = f"its worker died {plural(task.crashes, 'time')} while it ran"
    elif task.crashes:
        because = f"{plural(task.attempts, 'attempt')} failed and its worker died {plural(task.crashes, 'time')}"
    else:
        because = "it failed for good, retries would not help"
    return Explanation(f"It will not run again by itself: {because}.", tone="bad")


def _all_failed(task: TaskDetail) -> str:
    if allowed_attempts(task) == 1 == task.attempts:
        return "its only attempt failed"
    return f"{task.attempts} of {plural(allowed_attempts(task), 'attempt')} failed"


def _trashed(task: TaskDetail, view: View) -> Explanation:
    who = f" by {task.trashed_by}" if task.trashed_by else ""
    why = f", “{task.trashed_reason}”" if task.trashed_reason else ""
    from_where = f" It was {task.trashed_from}." if task.trashed_from else ""
    return Explanation(
        f"Purged{who}{why}.{from_where} It is deleted for good {until(task.at, view.now_ms)}.", tone="warn"
    )


def _ended(task: TaskDetail, view: View) -> Explanation:
    when = f" {ago(task.at, view.now_ms)}" if task.at is not None else ""
    return Explanation(f"It was {task.state.value}{when}. What is known of it is kept for 24 hours after its end.")


def _unknown_name(task: TaskDetail, workers: tuple[WorkerSnapshot, ...]) -> Explanation:
    versions = ", ".join(sorted({worker.version for worker in workers if worker.version}))
    which = f" ({plural(len(workers), 'worker')}{', version ' + versions if versions else ''})" if workers else ""
    return Explanation(f"No worker of {task.queue} knows {task.name}{which}. It runs once one does.", tone="warn")


def _queue(task: TaskDetail, view: View) -> QueueSnapshot | None:
    queues = view.snapshot.queues if view.snapshot else ()
    return next((queue for queue in queues if queue.name == task.queue), None)


def _workers(queue: str, view: View) -> tuple[WorkerSnapshot, ...]:
    workers = view.snapshot.workers if view.snapshot else ()
    return tuple(worker for worker in workers if takes(worker, queue) and is_live(worker, view.now_ms))


_EXPLAIN: dict[State, Callable[[TaskDetail, View], Explanation]] = {
    State.READY: _ready,
    State.HELD: _held,
    State.SCHEDULED: _scheduled,
    State.BLOCKED: _blocked,
    State.RUNNING: _running,
    State.RETRYING: _retrying,
    State.DEAD: _dead,
    State.TRASHED: _trashed,
    State.COMPLETED: _ended,
    State.CANCELLED: _ended,
    State.EXPIRED: _ended,
    State.DISCARDED: _ended,
}
