"""What a queue waits for, worst first. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from queue_core.explain.explanation import Cause, Explanation, Surroundings
from queue_core.explain.obstacles import (
    busy_slots,
    knows,
    name_paused,
    name_unknown,
    no_worker,
    queue_paused,
    rate_limited,
    workers_of,
)
from queue_core.explain.wording import title_of, with_stop
from queue_core.formats import count, duration, until
from queue_core.snapshot import Fault, QueueSnapshot, ScheduleSnapshot, Statistics


def reasons_of(queue: QueueSnapshot, around: Surroundings, faults: Sequence[Fault]) -> Iterator[Explanation]:
    counts, now_ms = queue.counts, around.now_ms
    workers = workers_of(around, queue.name)
    busy, slots = busy_slots(workers)
    oldest = queue.oldest_ready_at
    for_so_long = f", the oldest for {duration((now_ms - oldest) / 1000)}" if oldest is not None else ""
    ready = f"{count(counts.ready)} ready{for_so_long}"
    facts: dict[str, object] = {"ready": counts.ready, "oldest_ready_at": oldest, "busy": busy, "slots": slots}
    if queue.pause:
        yield _with(queue_paused(queue, queue.pause, now_ms), f"{ready}.", facts)
    elif not workers and (counts.ready or counts.held):
        yield _with(no_worker(queue.name, around), f"{ready}.", facts)
    overdue = [schedule for schedule in around.schedules if schedule.overdue_since is not None]
    if overdue:
        yield _overdue(queue.name, overdue, now_ms)
    for lane in sorted(queue.lanes, key=lambda lane: (not lane.lane.startswith("unknown:"), lane.lane)):
        kind, _, name = lane.lane.partition(":")
        held = f"{count(lane.held)} held."
        if lane.is_open:
            continue
        if kind == "name":
            yield _with(name_paused(queue.name, lane, now_ms), held, {"held": lane.held})
        elif lane.held and workers and not any(knows(worker, name) for worker in workers):
            yield _with(name_unknown(queue.name, name, around), held, {"held": lane.held})
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
    limited = rate_limited(around) if counts.ready else None
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
        told += f"; {count(most.dead)} of {title_of(most)}"
        facts |= {"fault": most.fingerprint, "error": most.title}
    return Explanation(Cause.DEAD, with_stop(told), "Look at them", f"taskyard faults {queue.name}", "bad", facts)
