"""Why a task is in its state, or what a queue waits for; what happens next, and what helps.

`explain` and `explain_queue` read; everything else is pure: from what was read to a sentence. The figures are those of
a few moments: "about" where they can have moved meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from queue_core import settings
from queue_core.errors import UnknownFault, UnknownTask
from queue_core.formats import clock, count, duration, one_line, short_id, shorten, until, when
from queue_core.ids import id_time_ms
from queue_core.inspector import Inspector
from queue_core.snapshot import (
    Fault,
    Lane,
    Pause,
    Progress,
    QueueSnapshot,
    ScheduleSnapshot,
    State,
    Statistics,
    TaskDetail,
    WorkerSnapshot,
    is_live,
    takes,
)


class Cause(StrEnum):
    """Why something is as it is. The first group is told of queues and of tasks, the second of tasks only."""

    QUEUE_PAUSED = "queue_paused"
    NO_WORKER = "no_worker"
    NAME_UNKNOWN = "name_unknown"
    NAME_PAUSED = "name_paused"
    DEAD = "dead"
    RATE_LIMITED = "rate_limited"
    ALL_BUSY = "all_busy"
    STARTS_NOW = "starts_now"
    DUE_LATER = "due_later"
    RUNNING = "running"
    QUEUE_FULL = "queue_full"
    SCHEDULE_OVERDUE = "schedule_overdue"
    NOTHING_WAITS = "nothing_waits"

    UNKNOWN_TASK = "unknown_task"
    UNREADABLE = "unreadable"
    LANE_OPENED = "lane_opened"
    BLOCKED = "blocked"
    RETRY_DUE_LATER = "retry_due_later"
    LEASE_EXPIRED = "lease_expired"
    WORKER_SILENT = "worker_silent"
    ASKED_TO_STOP = "asked_to_stop"
    TRASHED = "trashed"
    MOVING = "moving"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Explanation:
    """`sentence`: for people. `remedy`: what would change it, "" where nothing has to; `remedy_command`: by which
    command. `tone`: plain, warn or bad. `facts`: what the sentence is made of; times end in `_at` and are in ms."""

    cause: Cause
    sentence: str
    remedy: str = ""
    remedy_command: str = ""
    tone: str = "plain"
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What was read beside a task: its queue, all workers; where they are known, its fault and its place in line."""

    now_ms: int
    queue: QueueSnapshot | None = None
    workers: Sequence[WorkerSnapshot] = ()
    fault: Fault | None = None
    ahead: int | None = None
    """How many tasks are given out before it, about."""
    next_claim_at: int | None = None
    """When the queue's claim rate lets the next task be given out; `None`: now."""
    statistics: Statistics | None = None
    """Of the queue's last minutes."""
    schedules: Sequence[ScheduleSnapshot] = ()
    """That enqueue into the queue."""


# Reading.


def explain(inspector: Inspector, task_id: str, queue: str | None = None) -> Explanation:
    """Why a task, in `queue` or in any, is where it is. At most twelve round trips, none of which walks.

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
    """At most eight round trips."""
    fault = None
    if task.fingerprint and task.state in (State.DEAD, State.RETRYING):
        try:
            fault = inspector.fault(task.queue, task.fingerprint)[0]
        except UnknownFault:
            fault = None  # what is forgotten explains nothing
    ahead = inspector.ahead(task.queue, task.id) if task.state is State.READY else None
    queue = inspector.queue(task.queue)
    is_ready = task.state is State.READY
    next_claim_at = inspector.next_claim_at(queue) if is_ready else None
    statistics = inspector.statistics(task.queue, minutes=1) if is_ready else None
    return Surroundings(inspector.server_ms(), queue, inspector.workers(), fault, ahead, next_claim_at, statistics)


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
    found = tuple(_reasons_of(queue, around, faults))
    return found or (Explanation(Cause.NOTHING_WAITS, f"Nothing waits in {name}, and nothing runs."),)


# A task.


def explain_task(task: TaskDetail, around: Surroundings) -> Explanation:
    if task.unreadable:
        return Explanation(Cause.UNREADABLE, f"It cannot be read: {task.unreadable}.", tone="bad")
    found = _EXPLAIN[task.state](task, around)
    if task.expires_at is None:
        return found
    told = f"{found.sentence} It expires {until(task.expires_at, around.now_ms)} unless its run has begun by then."
    return replace(found, sentence=told, facts={**found.facts, "expires_at": task.expires_at})


def unknown_task(task_id: str, now_ms: int, queue: str = "") -> Explanation:
    made = id_time_ms(task_id)
    has_time = made is not None and 0 < made <= now_ms + 86_400_000
    made_at = f" Its id was made at {clock(made, now_ms)} (UTC)." if has_time else ""
    return Explanation(
        Cause.UNKNOWN_TASK,
        f"No task {short_id(task_id)} in {queue or 'any queue'}: it was never there, or it ended. A task that simply "
        f"succeeds leaves no record; one with a history is kept for 24 hours after its end.{made_at}",
        tone="warn",
        facts={"id": task_id, **({"made_at": made} if has_time else {})},
    )


def allowed_attempts(task: TaskDetail) -> int:
    """First run and retries."""
    return task.max_retries + 1


def _ready(task: TaskDetail, around: Surroundings) -> Explanation:
    return _obstacle(task, around) or _in_line(task, around)


def _obstacle(task: TaskDetail, around: Surroundings) -> Explanation | None:
    """What keeps a task from being given out although it is ready, or would be."""
    queue = around.queue
    if queue and queue.pause:
        return _paused(queue, queue.pause, around.now_ms)
    lane = _lane(queue, f"name:{task.name}")
    if lane and not lane.is_open:
        return _name_paused(task.queue, lane, around.now_ms)
    workers = _workers(around, task.queue)
    if not workers:
        return _no_worker(task.queue, around)
    if not any(_knows(worker, task.name) for worker in workers):
        return _name_unknown(task.queue, task.name, around)
    return None


def _in_line(task: TaskDetail, around: Surroundings) -> Explanation:
    """Nothing is in its way but what comes before it."""
    workers = [worker for worker in _workers(around, task.queue) if _knows(worker, task.name)]
    busy, slots = _busy(workers)
    facts: dict[str, object] = {"busy": busy, "slots": slots, "queue": task.queue}
    line = f"{count(busy)} of {count(slots, 'slot')} busy"
    ready = around.queue.counts.ready if around.queue else None
    place = ""
    if around.ahead is not None:
        facts["ahead"] = around.ahead
        place = f"about {count(around.ahead)} ahead of it" if around.ahead else "nothing ahead of it"
    elif ready is not None:
        place = f"{count(ready)} ready in {task.queue}"
    if ready is not None:
        facts["ready"] = ready
    limited = _rate_limited(around)
    if limited:
        told = f"It waits for its turn: {f'{place}. ' if place else ''}{limited.sentence}"
        return replace(limited, sentence=told, facts={**facts, **limited.facts})
    if busy < slots and facts.get("ahead") == 0:
        return Explanation(Cause.STARTS_NOW, f"It should start at once: {place}, {line}.", facts=facts)
    told = f"It waits for its turn: {f'{place}, ' if place else ''}{line}"
    rate = around.statistics.service_rate if around.statistics else None
    before = around.ahead if around.ahead is not None else ready
    if rate and before:
        facts["starts_in_seconds"] = before / rate
        about = "about" if around.ahead is not None else "at most"
        told = f"{told}, {about} {duration(before / rate)} to go at the present rate"
    return Explanation(Cause.ALL_BUSY, f"{told}.", facts=facts)


def _held(task: TaskDetail, around: Surroundings) -> Explanation:
    kind, _, name = task.lane.partition(":")
    if around.queue and around.queue.pause:
        return _paused(around.queue, around.queue.pause, around.now_ms)
    paused = _lane(around.queue, f"name:{name}")
    if paused and not paused.is_open:  # also of what stands in `unknown:`
        return _name_paused(task.queue, paused, around.now_ms)
    workers = _workers(around, task.queue)
    if not workers:
        return _no_worker(task.queue, around)
    if kind == "unknown" and not any(_knows(worker, name) for worker in workers):
        return _name_unknown(task.queue, name, around)
    return Explanation(
        Cause.LANE_OPENED,
        f"It was held back in {task.lane or 'a lane'}, which is open again: it is among the next to run.",
        facts={"lane": task.lane},
    )


def _scheduled(task: TaskDetail, around: Surroundings) -> Explanation:
    return _when_due(task, around, Cause.DUE_LATER, "It")


def _retrying(task: TaskDetail, around: Surroundings) -> Explanation:
    subject = f"{_last_failure(task, around.fault)} The next one"
    found = _when_due(task, around, Cause.RETRY_DUE_LATER, subject)
    facts: dict[str, object] = {"attempts": task.attempts, "allowed_attempts": allowed_attempts(task)}
    if around.fault:
        facts["error"] = around.fault.title
    return replace(found, tone="bad" if found.tone == "bad" else "warn", facts={**found.facts, **facts})


def _when_due(task: TaskDetail, around: Surroundings, cause: Cause, subject: str) -> Explanation:
    """What comes due, and what will be in its way then; once it is due, that is why it waits."""
    is_due = task.at is not None and task.at <= around.now_ms
    told = f"{subject} is due {'now' if is_due else until(task.at, around.now_ms)}"
    facts: dict[str, object] = {"due_at": task.at, "queue": task.queue}
    obstacle = _obstacle(task, around)
    if obstacle is None:
        remedy = ("", "") if is_due else ("Run it now", _command("run-now", task.id))
        return Explanation(cause, f"{told}.", *remedy, facts=facts)
    return replace(
        obstacle,
        cause=obstacle.cause if is_due else cause,
        sentence=f"{told}, and as things are it does not run then: {obstacle.sentence}",
        facts={**obstacle.facts, **facts, "obstacle": obstacle.cause},
    )


def _last_failure(task: TaskDetail, fault: Fault | None) -> str:
    last = task.history[-1] if task.history else None
    if last and last.kind == "crashed":
        allowed = task.options.get("max_crashes", settings.MAX_CRASHES)
        return f"Its worker died while it ran, for the {_ordinal(task.crashes)} time of {allowed} that are allowed."
    because = f": {_title(fault)}" if fault else ""
    return _stop(f"Attempt {task.attempts} of {allowed_attempts(task)} failed{because}")


def _ordinal(number: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(number, f"{number}th")


def _blocked(task: TaskDetail, around: Surroundings) -> Explanation:
    return Explanation(Cause.BLOCKED, "It waits for other tasks to end.")


def _running(task: TaskDetail, around: Surroundings) -> Explanation:
    now_ms = around.now_ms
    where = f" on {task.worker}" if task.worker else ""
    how_long = f" for {duration((now_ms - task.at) / 1000)}" if task.at is not None else ""
    told = f"It has been running{how_long}{where}"
    ends_at = task.lease_expires_at
    facts: dict[str, object] = {"worker": task.worker, "started_at": task.at, "lease_expires_at": ends_at}
    if task.progress:
        said = task.progress
        facts["progress"] = {"done": said.done, "total": said.total, "note": said.note, "at": said.at}
        told = f"{told}, {_how_far(said)}"
    if ends_at is not None and ends_at < now_ms:
        return Explanation(
            Cause.LEASE_EXPIRED,
            f"{told}, and its lease ran out {when(ends_at, now_ms)}: the next worker that looks takes it back, and it "
            "runs again.",
            tone="warn",
            facts=facts,
        )
    worker = next((worker for worker in around.workers if worker.id == task.worker), None)
    if worker and not is_live(worker, now_ms):
        return Explanation(
            Cause.WORKER_SILENT,
            f"{told}, which has been silent for {duration((now_ms - worker.heartbeat_at) / 1000)}: its lease ends "
            f"{until(ends_at, now_ms)}, then it is taken back and runs again.",
            tone="warn",
            facts={**facts, "heartbeat_at": worker.heartbeat_at},
        )
    if task.cancelled_by:
        return Explanation(
            Cause.ASKED_TO_STOP,
            f"{told}. {task.cancelled_by} asked it to stop{_quoted(task.cancelled_reason)}: it does so when its worker "
            "has heard of it and its handler lets it.",
            tone="warn",
            facts={**facts, "by": task.cancelled_by, "reason": task.cancelled_reason},
        )
    return Explanation(Cause.RUNNING, f"{told}.", facts=facts)


def _how_far(said: Progress) -> str:
    """`40 % done, “users”`; where nobody said of how many: `1,200 done`."""
    note = _quoted(one_line(said.note))
    if said.total and said.total > 0:
        return f"{100 * said.done / said.total:.0f} % done{note}"
    return f"{said.done:,g} done{note}"


def _dead(task: TaskDetail, around: Surroundings) -> Explanation:
    if task.attempts >= allowed_attempts(task):
        because = _all_failed(task)
    elif task.crashes and not task.attempts:
        because = f"its worker died {count(task.crashes, 'time')} while it ran"
    elif task.crashes:
        because = f"{count(task.attempts, 'attempt')} failed and its worker died {count(task.crashes, 'time')}"
    else:
        because = "it failed for good, retries would not help"
    fault = around.fault
    facts: dict[str, object] = {"died_at": task.at, "attempts": task.attempts, "crashes": task.crashes}
    told = f"It will not run again by itself: {because}."
    if fault:
        alike = f" ({count(fault.dead)} dead letters like it)" if fault.dead > 1 else ""
        told = f"{told} The fault: {_stop(f'{_title(fault)}{alike}')}"
        facts |= {"fault": fault.fingerprint, "error": fault.title, "alike": fault.dead}
    return Explanation(Cause.DEAD, told, "Retry it", _command("retry", task.id), "bad", facts)


def _all_failed(task: TaskDetail) -> str:
    if allowed_attempts(task) == 1 == task.attempts:
        return "its only attempt failed"
    return f"{task.attempts} of {count(allowed_attempts(task), 'attempt')} failed"


def _trashed(task: TaskDetail, around: Surroundings) -> Explanation:
    who = f" by {task.trashed_by}" if task.trashed_by else ""
    from_where = f" It was {task.trashed_from}." if task.trashed_from else ""
    if task.moving_to:
        return Explanation(
            Cause.MOVING,
            f"It is on its way to {task.moving_to}, put aside{who}.{from_where} Where its mover has died, "
            "the same move goes on with it, and restore puts it back.",
            "Move it on",
            _command(f"move --to {task.moving_to}", task.id),
            "warn",
            {"by": task.trashed_by, "to": task.moving_to, "from": task.trashed_from},
        )
    return Explanation(
        Cause.TRASHED,
        f"Purged{who}{_quoted(task.trashed_reason)}.{from_where} It is deleted for good "
        f"{until(task.at, around.now_ms)}, until then it can be restored.",
        "Restore it",
        _command("restore", task.id),
        "warn",
        {"by": task.trashed_by, "reason": task.trashed_reason, "from": task.trashed_from, "deleted_at": task.at},
    )


def _ended(task: TaskDetail, around: Surroundings) -> Explanation:
    since = f" {when(task.at, around.now_ms)}" if task.at is not None else ""
    facts: dict[str, object] = {"state": task.state.value, "ended_at": task.at}
    if task.state is State.EXPIRED:
        told = f"It expired{since}: its run had not begun in time."
    else:
        told = f"It was {task.state.value}{since}."
    if task.cancelled_by:
        told = f"It was cancelled by {task.cancelled_by}{since}{_quoted(task.cancelled_reason)}."
        facts |= {"by": task.cancelled_by, "reason": task.cancelled_reason}
    if task.result_bytes:
        told += f" Its result is kept for {duration(((task.result_expires_at or 0) - around.now_ms) / 1000)}."
    return Explanation(Cause.ENDED, f"{told} What is known of it is kept for 24 hours after its end.", facts=facts)


# A queue.


def _reasons_of(queue: QueueSnapshot, around: Surroundings, faults: Sequence[Fault]) -> Iterator[Explanation]:
    counts, now_ms = queue.counts, around.now_ms
    workers = _workers(around, queue.name)
    busy, slots = _busy(workers)
    oldest = queue.oldest_ready_at
    for_so_long = f", the oldest for {duration((now_ms - oldest) / 1000)}" if oldest is not None else ""
    ready = f"{count(counts.ready)} ready{for_so_long}"
    facts: dict[str, object] = {"ready": counts.ready, "oldest_ready_at": oldest, "busy": busy, "slots": slots}
    if queue.pause:
        yield _with(_paused(queue, queue.pause, now_ms), f"{ready}.", facts)
    elif not workers and (counts.ready or counts.held):
        yield _with(_no_worker(queue.name, around), f"{ready}.", facts)
    overdue = [schedule for schedule in around.schedules if schedule.overdue_since is not None]
    if overdue:
        yield _overdue(queue.name, overdue, now_ms)
    for lane in sorted(queue.lanes, key=lambda lane: (not lane.lane.startswith("unknown:"), lane.lane)):
        kind, _, name = lane.lane.partition(":")
        held = f"{count(lane.held)} held."
        if lane.is_open:
            continue
        if kind == "name":
            yield _with(_name_paused(queue.name, lane, now_ms), held, {"held": lane.held})
        elif lane.held and workers and not any(_knows(worker, name) for worker in workers):
            yield _with(_name_unknown(queue.name, name, around), held, {"held": lane.held})
    if counts.dead:
        yield _dead_letters(queue, faults)
    if _is_full(queue):
        most = queue.limits.max_length
        told = f"{queue.name} is full: it takes at most {count(most or 0, 'task')}, so enqueueing is refused."
        yield Explanation(
            Cause.QUEUE_FULL,
            told,
            "Let it take more",
            f"taskyard limit {queue.name} --max-length N",
            "warn",
            {"max_length": most, "by": queue.limits.by},
        )
    limited = _rate_limited(around) if counts.ready else None
    if limited and workers and not queue.pause:
        yield replace(limited, sentence=f"{ready}. {limited.sentence}", facts={**facts, **limited.facts})
    elif counts.ready and workers and not queue.pause:
        cause = Cause.ALL_BUSY if busy >= slots else Cause.STARTS_NOW
        clears, drain = _clears(around.statistics)
        told = f"{ready}; {count(busy)} of {count(slots, 'slot')} busy{clears}."
        yield Explanation(cause, told, facts={**facts, "clears_in_seconds": drain})
    waiting = counts.scheduled + counts.retrying
    if waiting:
        due = queue.next_due_at
        is_due = due is not None and due <= now_ms
        then = "now" if is_due else until(due, now_ms)
        parts = {"scheduled": counts.scheduled, "retrying": counts.retrying}
        what = " and ".join(f"{count(number)} {state}" for state, number in parts.items() if number)
        told = f"{what}, the next is due {then}."
        yield Explanation(Cause.DUE_LATER, told, facts={"due_at": due})
    if counts.running:
        yield Explanation(Cause.RUNNING, f"{count(counts.running)} running.", facts={"running": counts.running})


def _overdue(queue: str, schedules: Sequence[ScheduleSnapshot], now_ms: int) -> Explanation:
    """Every worker is a scheduler; where one is alive, the queue takes no task."""
    first = min(schedules, key=lambda schedule: schedule.overdue_since or 0)
    since = first.overdue_since or now_ms
    more = f" (and {count(len(schedules) - 1, 'other schedule')})" if len(schedules) > 1 else ""
    told = f"Schedule {first.name}{more} should have come {duration((now_ms - since) / 1000)} ago"
    facts = {"schedules": [schedule.name for schedule in schedules], "since_at": since}
    if first.has_scheduler:
        why, remedy, by = f"and {queue} took no task", "See why", f"taskyard schedules show {first.name}"
    else:
        why, remedy, by = "and no worker is alive to enqueue it", "Start a worker", "taskyard worker module:yard"
    return Explanation(Cause.SCHEDULE_OVERDUE, f"{told}, {why}.", remedy, by, "bad", facts)


def _is_full(queue: QueueSnapshot) -> bool:
    """Dead letters and the trash do not count (scripts/enqueue.lua)."""
    most, counts = queue.limits.max_length, queue.counts
    return most is not None and counts.total - counts.dead - counts.trashed >= most


def _clears(statistics: Statistics | None) -> tuple[str, float | None]:
    """When nothing is ready any more, as words and in seconds; `None`: nobody knows, or never."""
    seconds = statistics.time_to_drain_seconds if statistics else None
    if seconds is None:
        return "", None
    if math.isinf(seconds):
        is_idle = statistics is not None and not statistics.service_rate
        return "; nothing has ended in the last minutes" if is_idle else "; more come than end, so it grows", None
    return f"; it clears in about {duration(seconds)} at the present rate", seconds


def _with(explanation: Explanation, sentence: str, facts: Mapping[str, object]) -> Explanation:
    told = f"{explanation.sentence} {sentence}"
    return replace(explanation, sentence=told, facts={**explanation.facts, **facts})


def _dead_letters(queue: QueueSnapshot, faults: Sequence[Fault]) -> Explanation:
    most = max(faults, key=lambda fault: fault.dead, default=None)
    told = f"{count(queue.counts.dead, 'dead letter waits', 'dead letters wait')} for somebody to retry or purge"
    facts: dict[str, object] = {"dead": queue.counts.dead}
    if most and most.dead:
        told += f"; {count(most.dead)} of {_title(most)}"
        facts |= {"fault": most.fingerprint, "error": most.title}
    return Explanation(Cause.DEAD, _stop(told), "Look at them", f"taskyard faults {queue.name}", "bad", facts)


# What both have.


def _paused(queue: QueueSnapshot, pause: Pause, now_ms: int) -> Explanation:
    return Explanation(
        Cause.QUEUE_PAUSED,
        f"{queue.name} was paused by {pause.by or 'somebody'} {when(pause.at, now_ms)}{_quoted(pause.reason)}.",
        f"Resume {queue.name}",
        f"taskyard resume {queue.name}",
        "warn",
        {"by": pause.by, "reason": pause.reason, "since_at": pause.at, "queue": queue.name},
    )


def _name_paused(queue: str, lane: Lane, now_ms: int) -> Explanation:
    name = lane.lane.partition(":")[2]
    return Explanation(
        Cause.NAME_PAUSED,
        f"{name} was paused by {lane.by or 'somebody'} {when(lane.closed_at, now_ms)}{_quoted(lane.reason)}.",
        f"Resume {name}",
        f"taskyard resume {queue} --task {name}",
        "warn",
        {"by": lane.by, "reason": lane.reason, "since_at": lane.closed_at, "name": name, "queue": queue},
    )


def _no_worker(queue: str, around: Surroundings) -> Explanation:
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


def _name_unknown(queue: str, name: str, around: Surroundings) -> Explanation:
    workers = _workers(around, queue)
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


def _rate_limited(around: Surroundings) -> Explanation | None:
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


def _title(fault: Fault) -> str:
    return shorten(one_line(fault.title), 90)


def _stop(sentence: str) -> str:
    return sentence if sentence.endswith(("…", ".", "!", "?")) else f"{sentence}."


def _quoted(reason: str) -> str:
    return f", “{reason}”" if reason else ""


def _command(verb: str, task_id: str) -> str:
    return f"taskyard {verb} {'-- ' if task_id.startswith('-') else ''}{task_id}"


def _lane(queue: QueueSnapshot | None, name: str) -> Lane | None:
    return next((lane for lane in queue.lanes if lane.lane == name), None) if queue else None


def _workers(around: Surroundings, queue: str) -> list[WorkerSnapshot]:
    """Those that would be given tasks of that queue now."""
    return [worker for worker in around.workers if takes(worker, queue) and is_live(worker, around.now_ms)]


def _knows(worker: WorkerSnapshot, name: str) -> bool:
    """One that does not say what it knows is believed to."""
    return not worker.task_names or name in worker.task_names


def _busy(workers: Sequence[WorkerSnapshot]) -> tuple[int, int]:
    """Busy slots and all slots."""
    return sum(min(w.busy, w.concurrency) for w in workers), sum(w.concurrency for w in workers)


_EXPLAIN: dict[State, Callable[[TaskDetail, Surroundings], Explanation]] = {
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
