"""The schedules: what comes when, what became of the last, and one of them; pause, resume, run now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, g, request, url_for

from dashboard.actions import action_id, done, reason
from dashboard.filters import clock, duration, middle, short_id
from dashboard.htmx import render_page
from dashboard.identity import Role, actor, needs
from dashboard.pagination import Order, Part, part_of
from dashboard.parameters import page_number, typed
from dashboard.parts import parts
from dashboard.payload import pretty
from dashboard.toasts import say
from queue_core.errors import CorruptQueue, QueueFull, RateLimited, ServerFull
from queue_core.schedule import MISSED_WORDS
from queue_core.snapshot import ScheduleSnapshot, State
from queue_core.timetable import extra_id

blueprint = Blueprint("schedules", __name__)

MANY = 20
"""Above this there is a filter box."""
COLUMNS = ("trouble", "name", "task", "queue", "next", "last")
LOOK_BACK = 100
"""Entries of the audit stream, among which is looked for who ran it."""
MOST_RUNS = 3
_RANKS = {"overdue": 0, "unreadable": 1, "undeclared": 3, "paused": 4}
_FAILED = (State.DEAD, State.RETRYING)


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    schedule: ScheduleSnapshot

    @property
    def name(self) -> str:
        return self.schedule.name

    @property
    def mark(self) -> str:
        condition = self.schedule.condition
        if condition in ("overdue", "unreadable"):
            return "bad"
        return {"paused": "paused", "undeclared": "warn"}.get(condition, "good")

    @property
    def rank(self) -> tuple[int, int, str]:
        """Trouble first: the longest overdue, then those whose last task failed; the others by when they come."""
        schedule = self.schedule
        rank = _RANKS.get(schedule.condition, 5)
        if rank == 5 and schedule.last_state in _FAILED:
            rank = 2
        comes = schedule.overdue_since or (schedule.next_at[0] if schedule.next_at else 0)
        return rank, comes, schedule.name

    @property
    def outcome(self) -> str:
        """What became of the last task, in a word; "" where there was none."""
        schedule = self.schedule
        if schedule.last_at is None:
            return ""
        if schedule.last_was_met:
            return "no task"
        return schedule.last_state.value if schedule.last_state else "ended"

    @property
    def has_task_page(self) -> bool:
        return self.schedule.last_state is not None


@dataclass(frozen=True, slots=True)
class Schedules:
    part: Part[ScheduleRow]
    order: Order
    text: str
    total: int
    overdue: int
    paused: int
    has_scheduler: bool

    @property
    def is_large(self) -> bool:
        return self.total > MANY


@dataclass(frozen=True, slots=True)
class Coming:
    """One of the next occurrences. `wall`: day of the week, and what a clock in the schedule's zone shows then."""

    at: int
    wall: str


@dataclass(frozen=True, slots=True)
class Run:
    """Beside its times, by an operator. `state`: of its task; `None`: it left no record, or none was made."""

    at: int
    by: str
    task_id: str
    state: State | None


@dataclass(frozen=True, slots=True)
class SchedulePage:
    schedule: ScheduleSnapshot
    row: ScheduleRow
    is_ours: bool
    """Whether it is changed and removed here: code does not declare it."""
    why: str
    """What will happen next, and why."""
    missed: str
    coming: tuple[Coming, ...]
    payload: str
    runs: tuple[Run, ...]


@blueprint.get("/schedules")
def index() -> Response:
    page = schedules_page(
        parts().inspector.schedules(),
        order=Order.read(request.args.get("sort"), COLUMNS, "trouble"),
        text=typed("q"),
        number=page_number(),
    )
    return render_page("schedules/index.html", {"schedules": "schedules/_table.html"}, page)


def schedules_page(found: Sequence[ScheduleSnapshot], *, order: Order, text: str = "", number: int = 1) -> Schedules:
    """Pure. `text`: a part of the name, the task's or the queue's."""
    wanted = text.lower()
    rows = [
        ScheduleRow(schedule)
        for schedule in found
        if any(wanted in word.lower() for word in (schedule.name, schedule.task, schedule.queue))
    ]
    shown = sorted(rows, key=lambda row: row.rank)
    if order.column != "trouble":
        shown = list(order.apply(shown, lambda row: _key(row.schedule, order.column)))
    readable = [schedule for schedule in found if not schedule.unreadable]
    return Schedules(
        part=part_of(shown, number),
        order=order,
        text=text,
        total=len(found),
        overdue=sum(schedule.condition == "overdue" for schedule in found),
        paused=sum(schedule.condition == "paused" for schedule in found),
        has_scheduler=not readable or any(schedule.has_scheduler for schedule in readable),
    )


@blueprint.get("/schedules/<name>")
def show(name: str) -> Response:
    schedule = parts().inspector.schedule(name)
    page = SchedulePage(
        schedule,
        ScheduleRow(schedule),
        not schedule.app or bool(schedule.undeclared_at),
        why(schedule, g.now_ms),
        MISSED_WORDS.get(schedule.missed, schedule.missed),
        coming(schedule.next_at, schedule.time_zone or "UTC"),
        pretty(schedule.payload),
        runs_of(schedule),
    )
    return render_page("schedules/show.html", {"schedule": "schedules/_schedule.html"}, page)


def runs_of(schedule: ScheduleSnapshot) -> tuple[Run, ...]:
    """The newest, of the entries of the audit stream that are looked through: a form's task has the form's id in its
    own. Two round trips."""
    if schedule.unreadable:
        return ()
    try:
        entries = parts().inspector.audit(LOOK_BACK).rows
    except CorruptQueue:
        return ()  # the page of activity says what is wrong with it
    target = f"schedule {schedule.name}"
    made = [entry for entry in entries if entry.verb == "run_schedule" and entry.target == target][:MOST_RUNS]
    ids = [extra_id(schedule.name, entry.action_id) for entry in made]
    known = {task.id: task.state for task in parts().inspector.summaries(schedule.queue, ids)} if ids else {}
    return tuple(Run(entry.at, entry.by, task_id, known.get(task_id)) for entry, task_id in zip(made, ids, strict=True))


@blueprint.get("/schedules/<name>/pause")
@needs(Role.OPERATOR)
def pause_form(name: str) -> Response:
    return _pause_form(name)


@blueprint.post("/schedules/<name>/pause")
@needs(Role.OPERATOR)
def pause(name: str) -> Response:
    because = reason()
    if not because:
        return _pause_form(name, "Say why: whoever looks next will ask.")
    outcome = parts().schedules.pause(name, by=actor(), reason=because, action_id=action_id(because))
    if outcome.done:
        say(f"{middle(name, 64)} is paused. It makes no task until it is resumed.", kind="warn")
    else:
        say(f"{middle(name, 64)} was paused already.", kind="warn")
    return done(outcome.server_ms, to=url_for("schedules.show", name=name))


@blueprint.post("/schedules/<name>/resume")
@needs(Role.OPERATOR)
def resume(name: str) -> Response:
    outcome = parts().schedules.resume(name, by=actor(), reason=reason(), action_id=action_id())
    if outcome.done:
        say(f"{middle(name, 64)} is resumed. What came meanwhile is not made up for.")
    else:
        say(f"{middle(name, 64)} was not paused any more.", kind="warn")
    return done(outcome.server_ms, to=url_for("schedules.show", name=name))


@blueprint.post("/schedules/<name>/run")
@needs(Role.OPERATOR)
def run(name: str) -> Response:
    """Once, beside its times; also while it is paused."""
    try:
        outcome = parts().schedules.run_now(name, by=actor(), reason=reason(), action_id=action_id())
    except (QueueFull, RateLimited, ServerFull) as full:
        say(f"{middle(name, 64)} has made no task: {full}", kind="bad")
        return done()
    if outcome.done:
        say(f"{middle(name, 64)} has made task {short_id(outcome.done[0])}.")
    else:
        say(f"{middle(name, 64)} has made no task: {', '.join(outcome.skipped.values())}.", kind="warn")
    return done(outcome.server_ms)


def why(schedule: ScheduleSnapshot, now_ms: int) -> str:
    """One sentence, without times that a reader would want in a zone of their own."""
    if schedule.unreadable:
        return f"What is stored cannot be read: {schedule.unreadable}."
    if schedule.pause:
        return "It makes no task until it is resumed. What comes meanwhile is not made up for."
    if schedule.overdue_since is not None:
        late = duration(now_ms - schedule.overdue_since)
        cause = "its queue takes no task" if schedule.has_scheduler else "no worker is alive, so nobody enqueues it"
        return f"It should have come {late} ago: {cause}."
    if schedule.undeclared_at:
        return f"{schedule.app} has begun without it, and it goes on all the same: remove it, or declare it again."
    if not schedule.next_at:
        return "It never comes again."
    return "" if schedule.has_scheduler else "No worker is alive: while that is so, nobody enqueues it."


def _pause_form(name: str, wrong: str = "") -> Response:
    context = {
        "schedule": parts().inspector.schedule(name),
        "wrong": wrong,
        "reason": request.form.get("reason", ""),
    }
    return render_page("schedules/pause.html", {}, context, status=422 if wrong else 200)


def coming(times: Sequence[int], time_zone: str) -> tuple[Coming, ...]:
    zone = ZoneInfo(time_zone)
    days = (datetime.fromtimestamp(at / 1000, zone) for at in times)
    return tuple(Coming(at, f"{day:%a} {clock(at, g.now_ms, zone)}") for at, day in zip(times, days, strict=True))


def _key(schedule: ScheduleSnapshot, column: str) -> object:
    values: dict[str, object] = {
        "name": schedule.name,
        "task": schedule.task,
        "queue": schedule.queue,
        "next": schedule.next_at[0] if schedule.next_at else None,
        "last": None if schedule.last_at is None else -schedule.last_at,
    }
    return values[column]
