"""What is wrong, out of one snapshot and what earlier ones showed. Pure: no request, no clock, no Redis.

Each kind has one function that finds all of its problems. `find_problems` then shows only root causes, puts the same
cause on one line, and orders by how much it hurts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from dashboard.fault_problems import fault_problems
from dashboard.problem import HeldTask, Kind, Problem
from dashboard.successes import NO_ATTEMPTS, Attempts
from queue_core.snapshot import (
    STALE_MS,
    QueueSnapshot,
    ServerSnapshot,
    Snapshot,
    WorkerSnapshot,
    is_live,
    takes,
)

LOST_MS = 60_000
FORGOTTEN_MS = 3_600_000
"""A lost worker leaves the list after this."""
BOOKS_OFF_SNAPSHOTS = 3
MOST_LINES = 7
SHOWN_SCHEDULES = 6
"""Names in one line."""


@dataclass(frozen=True, slots=True)
class Observations:
    """What only a row of snapshots can tell, carried from each to the next."""

    unbalanced: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Queue → (how many snapshots running its books were off, when the first of them was taken)."""
    unsafe_since: Mapping[str, int] = field(default_factory=dict)
    """What is unsafe about the server → when it was first seen."""
    unreadable_since: Mapping[str, int] = field(default_factory=dict)
    """Queue that cannot be read, or "" for the schedules → when that was first seen."""

    def after(self, snapshot: Snapshot) -> Observations:
        off = {}
        for queue in snapshot.queues:
            if not queue.is_balanced:
                times, first = self.unbalanced.get(queue.name, (0, snapshot.taken_at))
                off[queue.name] = (times + 1, first)
        unsafe = {what: self.unsafe_since.get(what, snapshot.taken_at) for what in unsafe_settings(snapshot.server)}
        unreadable = {name: self.unreadable_since.get(name, snapshot.taken_at) for name in _unreadable_in(snapshot)}
        return Observations(unbalanced=off, unsafe_since=unsafe, unreadable_since=unreadable)


def find_problems(
    snapshot: Snapshot, seen: Observations, now_ms: int, attempts: Attempts = NO_ATTEMPTS
) -> tuple[Problem, ...]:
    """All problems, worst first; among equals those that leave more tasks (how many digits that number has), then the
    newest. `attempts`: of tasks that failed of late."""
    without_worker = tuple(_no_worker(snapshot, now_ms))
    explained = {queue.name for problem in without_worker for queue in problem.queues}
    found = [
        *fault_problems(snapshot, attempts, now_ms),
        *without_worker,
        *_overdue_schedules(snapshot),
        *_unknown_tasks(snapshot, explained, now_ms),
        *_silent_workers(snapshot, explained, now_ms),
        *_books_off(snapshot, seen),
        *_redis_unsafe(seen),
        *_waits_too_long(snapshot, explained, now_ms),
        *_unreadable(snapshot, seen),
        *_paused(snapshot),
        *_too_many_dead(snapshot),
    ]
    return tuple(sorted(_merged(found), key=_rank))


def first_lines(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """Those that are shown where there are many. One of each kind is among them: forty new faults do not hide that
    nobody takes a queue's tasks."""
    firsts: dict[Kind, str] = {}
    for problem in problems:
        firsts.setdefault(problem.kind, problem.key)
    wanted = dict.fromkeys([*firsts.values(), *(problem.key for problem in problems)])
    shown = set(islice(wanted, MOST_LINES))
    return tuple(problem for problem in problems if problem.key in shown)


def _rank(problem: Problem) -> tuple[object, ...]:
    left = sum(fault.dead + fault.retrying for fault in problem.faults)
    magnitude = len(str(left)) if left else 0  # rows do not change places with each letter
    return problem.kind, -magnitude, -(problem.since or 0), problem.cause


def live_workers(snapshot: Snapshot, queue: str, now_ms: int) -> tuple[WorkerSnapshot, ...]:
    """Those that would be given tasks of that queue now."""
    return tuple(worker for worker in snapshot.workers if takes(worker, queue) and is_live(worker, now_ms))


def workers_by_queue(workers: Iterable[WorkerSnapshot]) -> dict[str, list[WorkerSnapshot]]:
    """Each queue's own, whatever they do at present: whoever looks at many queues goes through the workers once."""
    found: dict[str, list[WorkerSnapshot]] = {}
    for worker in workers:
        for queue in worker.queues:
            found.setdefault(queue, []).append(worker)
    return found


def live_by_queue(workers: Iterable[WorkerSnapshot], now_ms: int) -> dict[str, list[WorkerSnapshot]]:
    """As `live_workers`, of every queue that has any."""
    found = workers_by_queue(worker for worker in workers if is_live(worker, now_ms))
    return {queue: [worker for worker in of if takes(worker, queue)] for queue, of in found.items()}


def known_names(workers: Iterable[WorkerSnapshot]) -> tuple[str, ...]:
    """The names of the tasks that these workers can run."""
    return tuple(sorted({name for worker in workers for name in worker.task_names}))


def held_tasks(queue: QueueSnapshot) -> tuple[HeldTask, ...]:
    """One for each task name that has a closed lane, or tasks left in one, by name."""
    found: dict[str, HeldTask] = {}
    for lane in queue.lanes:
        if not lane.held and (lane.is_open or lane.lane.startswith("unknown:")):
            continue
        kind, colon, task = lane.lane.partition(":")
        name = task if colon else lane.lane
        before = found.get(name, HeldTask(name, 0))
        closed = None if lane.is_open else lane
        found[name] = HeldTask(
            name,
            before.held + lane.held,
            pause=before.pause if kind == "unknown" else closed or before.pause,
            unknown=closed or before.unknown if kind == "unknown" else before.unknown,
        )
    return tuple(found[name] for name in sorted(found))


def worker_condition(worker: WorkerSnapshot, now_ms: int) -> str:
    """`alive`, `starting`, `quiet`, `stopping`, `reconnecting`, `refused`, `stuck`, `stopped`, `stale` or `lost`."""
    if worker.state == "stopped":
        return "stopped"
    silent = now_ms - worker.heartbeat_at
    if silent >= LOST_MS:
        return "lost"
    if silent >= STALE_MS:
        return "stale"
    return "alive" if worker.state == "running" else worker.state


def shown_workers(workers: Iterable[WorkerSnapshot], now_ms: int) -> tuple[WorkerSnapshot, ...]:
    """Without those that said goodbye, and those that have been lost for long."""
    return tuple(w for w in workers if w.state != "stopped" and now_ms - w.heartbeat_at < FORGOTTEN_MS)


def unsafe_settings(server: ServerSnapshot) -> tuple[str, ...]:
    """Why the server may lose or refuse tasks, a sentence each. What it does not tell is not held against it."""
    reasons = []
    if server.eviction_policy and server.eviction_policy != "noeviction":
        reasons.append(f"maxmemory-policy is {server.eviction_policy}: under pressure tasks are thrown away")
    if server.is_aof_on is False and server.is_saving_on is False:
        reasons.append("neither append-only file nor snapshots are on: a restart loses everything")
    if server.used_memory is not None and server.max_memory and server.used_memory > 0.8 * server.max_memory:
        reasons.append("memory is more than 80 % of its limit: soon nothing can be enqueued")
    return tuple(reasons)


def _no_worker(snapshot: Snapshot, now_ms: int) -> Iterator[Problem]:
    workers = workers_by_queue(snapshot.workers)
    for queue in snapshot.queues:
        if not queue.counts.ready or queue.pause:
            continue
        assigned = workers.get(queue.name, [])
        if any(takes(worker, queue.name) and is_live(worker, now_ms) for worker in assigned):
            continue
        known = [queue.oldest_ready_at] if queue.oldest_ready_at is not None else []
        since = max([worker.heartbeat_at for worker in assigned] + known, default=None)
        if since is None or now_ms - since >= STALE_MS:
            last = sorted(assigned, key=lambda worker: -worker.heartbeat_at)[:1]
            yield Problem(Kind.NO_WORKER, since, "", queues=(queue,), workers=tuple(last))


def _overdue_schedules(snapshot: Snapshot) -> Iterator[Problem]:
    """Every worker is a scheduler: without any nothing is enqueued. Else a queue takes no task."""
    for has_scheduler in (False, True):
        late = [schedule for schedule in snapshot.overdue if schedule.has_scheduler is has_scheduler]
        if late:
            names = ", ".join(schedule.name for schedule in late[:SHOWN_SCHEDULES])
            more = f" and {len(late) - SHOWN_SCHEDULES:,} more" if len(late) > SHOWN_SCHEDULES else ""
            why = "not enqueued, although a worker is alive" if has_scheduler else "not enqueued: no worker is alive"
            yield Problem(Kind.SCHEDULE_OVERDUE, late[0].overdue_since, why, server=(f"{names}{more}", why))


def _unknown_tasks(snapshot: Snapshot, explained: set[str], now_ms: int) -> Iterator[Problem]:
    """What somebody paused is told as that, and what a present worker knows is about to be taken."""
    for queue in snapshot.queues:
        if queue.name in explained:
            continue
        known = known_names(live_workers(snapshot, queue.name, now_ms))
        for task in held_tasks(queue):
            if task.unknown and not task.pause and task.name not in known:
                since = task.unknown.closed_at or None
                yield Problem(Kind.UNKNOWN_TASK, since, task.name, queues=(queue,), held=(task,))


def _silent_workers(snapshot: Snapshot, explained: set[str], now_ms: int) -> Iterator[Problem]:
    for worker in shown_workers(snapshot.workers, now_ms):
        condition = worker_condition(worker, now_ms)
        if condition in ("stale", "lost") and not explained.intersection(worker.queues):
            kind = Kind.WORKER_LOST if condition == "lost" else Kind.WORKER_STALE
            yield Problem(kind, worker.heartbeat_at, "", workers=(worker,))


def _books_off(snapshot: Snapshot, seen: Observations) -> Iterator[Problem]:
    for queue in snapshot.queues:
        times, first = seen.unbalanced.get(queue.name, (0, 0))
        if times >= BOOKS_OFF_SNAPSHOTS:
            yield Problem(Kind.BOOKS_OFF, first, "", queues=(queue,))


def _redis_unsafe(seen: Observations) -> Iterator[Problem]:
    for reason, since in seen.unsafe_since.items():
        yield Problem(Kind.REDIS_UNSAFE, since, "", server=(reason,))


def _waits_too_long(snapshot: Snapshot, explained: set[str], now_ms: int) -> Iterator[Problem]:
    for queue in snapshot.queues:
        if queue.pause or queue.name in explained or not queue.counts.ready or queue.oldest_ready_at is None:
            continue
        due = queue.oldest_ready_at + int(queue.limits.wait_target * 1000)
        if now_ms > due:
            yield Problem(Kind.WAITS_TOO_LONG, due, "", queues=(queue,))


def _unreadable(snapshot: Snapshot, seen: Observations) -> Iterator[Problem]:
    for queue, reason in sorted(_unreadable_in(snapshot).items()):
        what = f"{queue or 'schedules'}: {reason}"
        yield Problem(Kind.UNREADABLE, seen.unreadable_since.get(queue), queue, server=(what,))


def _unreadable_in(snapshot: Snapshot) -> dict[str, str]:
    """Queue, or "" for the schedules → why it cannot be read."""
    schedules = {"": snapshot.unreadable_schedules} if snapshot.unreadable_schedules else {}
    return {**snapshot.unreadable, **schedules}


def _too_many_dead(snapshot: Snapshot) -> Iterator[Problem]:
    for queue in snapshot.queues:
        if queue.is_over_dead_warning:
            yield Problem(Kind.TOO_MANY_DEAD, queue.too_many_dead_since, "", queues=(queue,))


def _paused(snapshot: Snapshot) -> Iterator[Problem]:
    for queue in snapshot.queues:
        if queue.pause:
            yield Problem(Kind.PAUSED, queue.pause.at, f"{queue.pause.by} {queue.pause.reason}", queues=(queue,))
        for task in held_tasks(queue):
            if task.pause:
                cause = f"{task.name}: {task.pause.by} {task.pause.reason}"
                yield Problem(Kind.PAUSED, task.pause.closed_at or None, cause, queues=(queue,), held=(task,))


def _merged(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Problems of one kind and cause as one line, since the first of them."""
    lines: dict[tuple[Kind, str], Problem] = {}
    for problem in problems:
        known = lines.get((problem.kind, problem.cause))
        if known is None:
            lines[problem.kind, problem.cause] = problem
            continue
        times = [at for at in (known.since, problem.since) if at is not None]
        lines[problem.kind, problem.cause] = Problem(
            kind=problem.kind,
            since=min(times, default=None),
            cause=problem.cause,
            queues=known.queues + problem.queues,
            faults=known.faults + problem.faults,
            workers=known.workers + problem.workers,
            server=known.server + problem.server,
            held=known.held + problem.held,
        )
    yield from lines.values()
