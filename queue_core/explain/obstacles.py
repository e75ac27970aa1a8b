"""What keeps tasks from being given out, of a whole queue and of one task alike. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from queue_core.explain.explanation import Cause, Explanation, Surroundings
from queue_core.explain.wording import quoted
from queue_core.formats import count, duration, until, when
from queue_core.snapshot import Lane, Pause, QueueSnapshot, WorkerSnapshot, is_live, takes


def queue_paused(queue: QueueSnapshot, pause: Pause, now_ms: int) -> Explanation:
    return Explanation(
        Cause.QUEUE_PAUSED,
        f"{queue.name} was paused by {pause.by or 'somebody'} {when(pause.at, now_ms)}{quoted(pause.reason)}.",
        f"Resume {queue.name}",
        f"taskyard resume {queue.name}",
        "warn",
        {"by": pause.by, "reason": pause.reason, "since_at": pause.at, "queue": queue.name},
    )


def name_paused(queue: str, lane: Lane, now_ms: int) -> Explanation:
    name = lane.lane.partition(":")[2]
    return Explanation(
        Cause.NAME_PAUSED,
        f"{name} was paused by {lane.by or 'somebody'} {when(lane.closed_at, now_ms)}{quoted(lane.reason)}.",
        f"Resume {name}",
        f"taskyard resume {queue} --task {name}",
        "warn",
        {"by": lane.by, "reason": lane.reason, "since_at": lane.closed_at, "name": name, "queue": queue},
    )


def no_worker(queue: str, around: Surroundings) -> Explanation:
    assigned = [worker for worker in around.workers if queue in worker.queues]
    last = max(assigned, key=lambda worker: worker.heartbeat_at, default=None)
    facts: dict[str, object] = {"queue": queue}
    then = ""
    if last:
        facts |= {"worker": last.id, "heartbeat_at": last.heartbeat_at, "worker_state": last.state}
        heard = when(last.heartbeat_at, around.now_ms)
        is_here = is_live(last, around.now_ms)
        then = f" The last one was {last.id}, " + (f"which is {last.state}." if is_here else f"last heard {heard}.")
    return Explanation(
        Cause.NO_WORKER,
        f"No worker takes {queue}.{then}",
        "Start a worker",
        f"taskyard worker module:yard --queues {queue}",
        "bad",
        facts,
    )


def name_unknown(queue: str, name: str, around: Surroundings) -> Explanation:
    workers = workers_of(around, queue)
    elsewhere = [w for w in around.workers if name in w.task_names and w not in workers and is_live(w, around.now_ms)]
    which = f" ({count(len(workers), 'worker')}{_versions(workers)})" if workers else ""
    told = f"No worker of {queue} knows {name}{which}. It runs once one does."
    if elsewhere:
        told += f" {elsewhere[0].id} knows it{_versions(elsewhere[:1])}, and does not take {queue}."
    return Explanation(
        Cause.NAME_UNKNOWN,
        told,
        f"Deploy workers that know {name}",
        f"taskyard worker module:yard --queues {queue}",
        "bad",
        {
            "name": name,
            "queue": queue,
            "versions": sorted({w.version for w in workers if w.version}),
            "known_by": [w.id for w in elsewhere],
        },
    )


def rate_limited(around: Surroundings) -> Explanation | None:
    queue, at = around.queue, around.next_claim_at
    if queue is None or at is None or queue.limits.claim_rate is None:
        return None
    rate = queue.limits.claim_rate
    told = f"{queue.name} gives out at most {count(rate.tasks, 'task')} in {duration(rate.seconds)}"
    facts: dict[str, object] = {"rate": list(rate), "by": queue.limits.by, "next_claim_at": at}
    return Explanation(
        Cause.RATE_LIMITED,
        f"{told}: the next one is due {until(at, around.now_ms)}.",
        "Let it give out more",
        f"taskyard limit {queue.name} --claim-rate TASKS/SECONDS",
        "warn",
        facts,
    )


def _versions(workers: Sequence[WorkerSnapshot]) -> str:
    versions = sorted({worker.version for worker in workers if worker.version})
    return f", version{'s' if len(versions) > 1 else ''} {', '.join(versions)}" if versions else ""


def find_lane(queue: QueueSnapshot | None, name: str) -> Lane | None:
    return next((lane for lane in queue.lanes if lane.lane == name), None) if queue else None


def workers_of(around: Surroundings, queue: str) -> list[WorkerSnapshot]:
    """Those that would be given tasks of that queue now."""
    return [worker for worker in around.workers if takes(worker, queue) and is_live(worker, around.now_ms)]


def knows(worker: WorkerSnapshot, name: str) -> bool:
    """One that does not say what it knows is believed to."""
    return not worker.task_names or name in worker.task_names


def busy_slots(workers: Sequence[WorkerSnapshot]) -> tuple[int, int]:
    """Busy slots and all slots."""
    return sum(min(w.busy, w.concurrency) for w in workers), sum(w.concurrency for w in workers)
