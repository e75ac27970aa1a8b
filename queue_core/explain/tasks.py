"""Why a task is in its state, what happens next, and what helps. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from queue_core import settings
from queue_core.explain.explanation import Cause, Explanation, Surroundings
from queue_core.explain.obstacles import (
    busy_slots,
    find_lane,
    knows,
    name_paused,
    name_unknown,
    no_worker,
    queue_paused,
    rate_limited,
    workers_of,
)
from queue_core.explain.wording import command_for, quoted, title_of, with_stop
from queue_core.formats import clock, count, duration, one_line, short_id, until, when
from queue_core.ids import id_time_ms
from queue_core.snapshot import Fault, Progress, State, TaskDetail, is_live


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


def waits_for_a_claim(task: TaskDetail, now_ms: int) -> bool:
    """Ready, or due: a worker's next claim makes that ready, so what a ready task waits for is what it waits for."""
    if task.state in (State.SCHEDULED, State.RETRYING):
        return task.at is not None and task.at <= now_ms
    return task.state is State.READY


def _ready(task: TaskDetail, around: Surroundings) -> Explanation:
    return _obstacle(task, around) or _in_line(task, around)


def _obstacle(task: TaskDetail, around: Surroundings) -> Explanation | None:
    """What keeps a task from being given out although it is ready, or would be."""
    queue = around.queue
    if queue and queue.pause:
        return queue_paused(queue, queue.pause, around.now_ms)
    lane = find_lane(queue, f"name:{task.name}")
    if lane and not lane.is_open:
        return name_paused(task.queue, lane, around.now_ms)
    workers = workers_of(around, task.queue)
    if not workers:
        return no_worker(task.queue, around)
    if not any(knows(worker, task.name) for worker in workers):
        return name_unknown(task.queue, task.name, around)
    return None


def _in_line(task: TaskDetail, around: Surroundings) -> Explanation:
    """Nothing is in its way but what comes before it."""
    workers = [worker for worker in workers_of(around, task.queue) if knows(worker, task.name)]
    busy, slots = busy_slots(workers)
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
    limited = rate_limited(around)
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
        return queue_paused(around.queue, around.queue.pause, around.now_ms)
    paused = find_lane(around.queue, f"name:{name}")
    if paused and not paused.is_open:  # also of what stands in `unknown:`
        return name_paused(task.queue, paused, around.now_ms)
    workers = workers_of(around, task.queue)
    if not workers:
        return no_worker(task.queue, around)
    if kind == "unknown" and not any(knows(worker, name) for worker in workers):
        return name_unknown(task.queue, name, around)
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
    facts: dict[str, object] = {"due_at": task.at, "queue": task.queue}
    obstacle = _obstacle(task, around)
    if waits_for_a_claim(task, around.now_ms):
        found = obstacle or _in_line(task, _behind_all(task, around))
        told = f"{subject} {_due_since(task, around.now_ms)}"
        return replace(found, sentence=f"{told}. {found.sentence}", facts={**found.facts, **facts})
    told = f"{subject} is due {until(task.at, around.now_ms)}"
    if obstacle is None:
        return Explanation(cause, f"{told}.", "Run it now", command_for("run-now", task.id), facts=facts)
    return replace(
        obstacle,
        cause=cause,
        sentence=f"{told}, and as things are it does not run then: {obstacle.sentence}",
        facts={**obstacle.facts, **facts, "obstacle": obstacle.cause},
    )


def _behind_all(task: TaskDetail, around: Surroundings) -> Surroundings:
    """What comes due goes behind all that is ready by then, unless it has a priority (scripts/claim.lua)."""
    if task.priority or around.queue is None:
        return around
    return replace(around, ahead=around.queue.counts.ready)


def _due_since(task: TaskDetail, now_ms: int) -> str:
    late = now_ms - (task.at or now_ms)
    return "is due now" if late < 1_000 else f"has been due for {duration(late / 1000)}"


def _last_failure(task: TaskDetail, fault: Fault | None) -> str:
    last = task.history[-1] if task.history else None
    if last and last.kind == "crashed":
        allowed = task.options.get("max_crashes", settings.MAX_CRASHES)
        return f"Its worker died while it ran, for the {_ordinal(task.crashes)} time of {allowed} that are allowed."
    because = f": {title_of(fault)}" if fault else ""
    return with_stop(f"Attempt {task.attempts} of {allowed_attempts(task)} failed{because}")


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
            f"{told}. {task.cancelled_by} asked it to stop{quoted(task.cancelled_reason)}: it does so when its worker "
            "has heard of it and its handler lets it.",
            tone="warn",
            facts={**facts, "by": task.cancelled_by, "reason": task.cancelled_reason},
        )
    return Explanation(Cause.RUNNING, f"{told}.", facts=facts)


def _how_far(said: Progress) -> str:
    """`40 % done, “users”`; where nobody said of how many: `1,200 done`."""
    note = quoted(one_line(said.note))
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
        told = f"{told} The fault: {with_stop(f'{title_of(fault)}{alike}')}"
        facts |= {"fault": fault.fingerprint, "error": fault.title, "alike": fault.dead}
    held, more = _key_held(task, around, "a retry")
    told, facts = f"{told}{held}", facts | more
    return Explanation(Cause.DEAD, told, "Retry it", command_for("retry", task.id), "bad", facts)


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
            command_for(f"move --to {task.moving_to}", task.id),
            "warn",
            {"by": task.trashed_by, "to": task.moving_to, "from": task.trashed_from},
        )
    # A dead letter has no key, also when it is one again.
    held, more = _key_held(task, around, "a restore") if task.trashed_from != State.DEAD.value else ("", {})
    return Explanation(
        Cause.TRASHED,
        f"Purged{who}{quoted(task.trashed_reason)}.{from_where} It is deleted for good "
        f"{until(task.at, around.now_ms)}, until then it can be restored.{held}",
        "Restore it",
        command_for("restore", task.id),
        "warn",
        {
            "by": task.trashed_by,
            "reason": task.trashed_reason,
            "from": task.trashed_from,
            "deleted_at": task.at,
            **more,
        },
    )


def _key_held(task: TaskDetail, around: Surroundings, act: str) -> tuple[str, dict[str, object]]:
    """Why it cannot be put back now; "" where it can."""
    held = f" Its unique key is held by {short_id(task.key_held_by)}"
    facts: dict[str, object] = {"key_held_by": task.key_held_by, "key_held_until": task.key_held_until}
    if task.key_held_until is not None:
        left = duration((task.key_held_until - around.now_ms) / 1000)
        return f"{held} for another {left}: {act} leaves it alone until then.", facts
    if around.holder is None:
        return "", {}
    return f"{held}, which is {around.holder.state.value}: {act} leaves it alone until that one has ended.", facts


def _ended(task: TaskDetail, around: Surroundings) -> Explanation:
    since = f" {when(task.at, around.now_ms)}" if task.at is not None else ""
    facts: dict[str, object] = {"state": task.state.value, "ended_at": task.at}
    if task.state is State.EXPIRED:
        told = f"It expired{since}: its run had not begun in time."
    else:
        told = f"It was {task.state.value}{since}."
    if task.cancelled_by:
        told = f"It was cancelled by {task.cancelled_by}{since}{quoted(task.cancelled_reason)}."
        facts |= {"by": task.cancelled_by, "reason": task.cancelled_reason}
    if task.result_bytes:
        told += f" Its result is kept for {duration(((task.result_expires_at or 0) - around.now_ms) / 1000)}."
    return Explanation(Cause.ENDED, f"{told} What is known of it is kept for 24 hours after its end.", facts=facts)


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
