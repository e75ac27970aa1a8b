"""What happened to a task, a sentence for each step, out of its history. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from queue_core.formats import duration, size
from queue_core.snapshot import State, TaskDetail


@dataclass(frozen=True, slots=True)
class Event:
    """`mark`: the icon's state. `detail`: the error, or who and why."""

    at: int | None
    mark: str
    text: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds that a task waited for its first run, and ran in all its attempts; `None` where that is not known.
    `is_least`: what its history had no room for any more, and what was lost with a worker, is not in it."""

    waited: float | None
    ran: float | None
    is_least: bool = False


def spent(task: TaskDetail, now_ms: int) -> Spent:
    runs = [entry for entry in task.history if entry.kind == "failed"]
    times = [_number(entry.facts, "seconds") for entry in runs]
    known = [seconds for seconds in times if seconds is not None]
    runs_now = task.state is State.RUNNING and task.at is not None
    if runs_now and task.at is not None:
        known.append(max(0, now_ms - task.at) / 1000)
    is_least = len(times) < task.attempts + task.attempts_before or len(known) - runs_now < len(times)
    is_least = is_least or any(entry.kind in ("crashed", "released") for entry in task.history)
    begun: float | None = None
    if (
        task.history
        and runs
        and task.history[0] is runs[0]
        and runs[0].facts.get("attempt") == 1
        and times[0] is not None
    ):
        begun = runs[0].at - times[0] * 1000
    elif runs_now and not task.history and not task.attempts:
        begun = task.at
    has_waited = begun is not None and task.enqueued_at is not None
    waited = max(0.0, (begun or 0) - (task.enqueued_at or 0)) / 1000 if has_waited else None
    return Spent(waited, sum(known) if known else None, is_least)


def timeline(task: TaskDetail) -> tuple[Event, ...]:
    """Oldest first: enqueued, the history that was kept, and where the task is now."""
    events: list[Event] = []
    if task.enqueued_at is not None:
        events.append(Event(task.enqueued_at, "enqueued", f"enqueued, priority {task.priority}"))
    before = ""
    for entry in task.history:
        detail = _text(entry.facts, "error")
        same = bool(detail) and detail == before
        events.append(_event(entry.at, entry.kind, entry.facts, "the same" if same else detail))
        before = detail or before
    now = _now(task)
    if now:
        events.append(now)
    return tuple(events)


def _event(at: int, kind: str, facts: Mapping[str, object], error: str) -> Event:
    where = _part(facts, "worker", " on ")
    if kind == "failed":
        took = _number(facts, "seconds")
        ran = f", {duration(took)}" if took is not None else ""
        told = "; ".join(filter(None, (error, _text(facts, "complaint"))))
        return Event(at, "failed", f"attempt{_part(facts, 'attempt', ' ')}{where}{ran}", told)
    if kind == "crashed":
        how = _text(facts, "evidence") or _text(facts, "reason") or error
        return Event(at, "crashed", f"crash{_part(facts, 'crash', ' ')}{where}, no retry used", _evidence(how, facts))
    if kind == "released":
        return Event(at, "released", f"handed back{where}, not counted", _text(facts, "reason"))
    if kind == "requeued":
        return Event(at, "requeued", f"retried{_part(facts, 'by', ' by ')}", _text(facts, "reason"))
    if kind == "recalled":
        return Event(at, "dead", f"pulled back{_part(facts, 'by', ' by ')}", _text(facts, "reason"))
    if kind == "edited":
        told = "; ".join(filter(None, (_text(facts, "changes"), _text(facts, "reason"))))
        return Event(at, "requeued", f"edited and retried{_part(facts, 'by', ' by ')}", told)
    if kind == "cancelled":
        why = ", ".join(filter(None, (_text(facts, "reason"), _evidence(_text(facts, "evidence"), facts))))
        return Event(at, "other", f"cancelled{_part(facts, 'by', ' by ')}{where}", why)
    if kind == "moved":
        here = f"moved here from {_text(facts, 'from')}{_part(facts, 'by', ' by ')}"
        return Event(at, "other", here, _text(facts, "reason"))
    rest = ", ".join(f"{name} {value}" for name, value in facts.items())
    return Event(at, "other", kind, rest)


def _evidence(how: str, facts: Mapping[str, object]) -> str:
    """What is known of how a worker died."""
    memory = _number(facts, "memory_bytes")
    had = f"it had {size(int(memory))} of memory" if memory else ""
    return ", ".join(filter(None, (how, had, _part(facts, "host", "on "))))


def _now(task: TaskDetail) -> Event | None:
    """The last line: the state and since when. Times to come are told by the explanation."""
    if task.state in (State.SCHEDULED, State.RETRYING, State.TRASHED, State.BLOCKED, State.HELD):
        return None
    words = {
        State.READY: "ready",
        State.RUNNING: f"running{' on ' + task.worker if task.worker else ''}",
        State.DEAD: "dead",
    }
    return Event(task.at, task.state.value, words.get(task.state, task.state.value))


def _text(facts: Mapping[str, object], name: str) -> str:
    value = facts.get(name)
    return "" if value is None else str(value)


def _part(facts: Mapping[str, object], name: str, before: str) -> str:
    text = _text(facts, name)
    return f"{before}{text}" if text else ""


def _number(facts: Mapping[str, object], name: str) -> float | None:
    value = facts.get(name)
    return float(value) if isinstance(value, int | float) else None
