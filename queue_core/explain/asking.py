"""What is read for an explanation: a few round trips, none of which walks."""

from __future__ import annotations

from queue_core.errors import UnknownFault, UnknownTask
from queue_core.explain.explanation import Cause, Explanation, Surroundings
from queue_core.explain.queues import reasons_of
from queue_core.explain.tasks import explain_task, unknown_task, waits_for_a_claim
from queue_core.inspector import Inspector
from queue_core.snapshot import State, TaskDetail, TaskSummary


def explain(inspector: Inspector, task_id: str, queue: str | None = None) -> Explanation:
    """Why a task, in `queue` or in any, is where it is. At most thirteen round trips, none of which walks.

    An id that nobody knows is explained as that. Raises `InvalidArgument` for what is no id, and what reads raise.
    """
    queues = (queue,) if queue else inspector.find(task_id)
    if not queues:
        return unknown_task(task_id, inspector.server_ms())
    try:
        task = inspector.task(queues[0], task_id)
    except UnknownTask:
        return unknown_task(task_id, inspector.server_ms(), queues[0])
    return explain_task(task, look_around(inspector, task))


def look_around(inspector: Inspector, task: TaskDetail) -> Surroundings:
    """At most nine round trips."""
    fault = None
    if task.fingerprint and task.state in (State.DEAD, State.RETRYING):
        try:
            fault = inspector.fault(task.queue, task.fingerprint)[0]
        except UnknownFault:
            fault = None  # what is forgotten explains nothing
    ahead = inspector.ahead(task.queue, task.id) if task.state is State.READY else None
    queue = inspector.queue(task.queue)
    now_ms, workers, holder = inspector.server_ms(), inspector.workers(), holder_of_key(inspector, task)
    waits = waits_for_a_claim(task, now_ms)
    next_claim_at = inspector.next_claim_at(queue) if waits else None
    statistics = inspector.statistics(task.queue, minutes=1) if waits else None
    return Surroundings(now_ms, queue, workers, fault, ahead, next_claim_at, statistics, holder)


def holder_of_key(inspector: Inspector, task: TaskDetail) -> TaskSummary | None:
    """The task that keeps another from being put back. One round trip where there may be one."""
    may_be_held = task.key_held_by and task.key_held_until is None
    found = inspector.summaries(task.queue, [task.key_held_by]) if may_be_held else ()
    return next((holder for holder in found if holder.state not in (State.DEAD, State.TRASHED)), None)


def explain_queue(inspector: Inspector, name: str) -> tuple[Explanation, ...]:
    """What a queue waits for, worst first; at least one. At most twelve round trips. Raises `UnknownQueue`."""
    queue = inspector.queue(name)
    faults = inspector.faults(name) if queue.counts.dead else ()
    next_claim_at = inspector.next_claim_at(queue)
    statistics = inspector.statistics(name, minutes=1) if queue.counts.ready else None
    schedules = inspector.schedules(name)
    around = Surroundings(
        inspector.server_ms(),
        queue,
        inspector.workers(),
        next_claim_at=next_claim_at,
        statistics=statistics,
        schedules=schedules,
    )
    found = tuple(reasons_of(queue, around, faults))
    return found or (Explanation(Cause.NOTHING_WAITS, f"Nothing waits in {name}, and nothing runs."),)
