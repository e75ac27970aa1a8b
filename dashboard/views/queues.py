"""The queues: all of them, and one with its tasks by state; pause and resume."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, Response, g, request, url_for

from dashboard.actions import action_id, done, reason
from dashboard.bulk import Link, links
from dashboard.htmx import render_page
from dashboard.identity import Role, actor, needs
from dashboard.listing import BY_TIME, Listing, listing, oldest_first
from dashboard.pagination import PAGE_SIZE, Order
from dashboard.parameters import is_on, one_of, page_number, typed
from dashboard.parts import parts, trends
from dashboard.problems import held_tasks, known_names, live_workers
from dashboard.queue_head import TABS, QueueHead, queue_head
from dashboard.queue_table import COLUMNS, QueueTable, queue_table
from dashboard.toasts import say
from dashboard.trends import UNKNOWN
from queue_core.snapshot import QueueSnapshot, State

blueprint = Blueprint("queues", __name__)


@dataclass(frozen=True, slots=True)
class Queues:
    table: QueueTable


@dataclass(frozen=True, slots=True)
class Queue:
    head: QueueHead
    state: State
    listing: Listing
    links: tuple[Link, ...]
    """What can be done to all tasks of the state."""


@blueprint.get("/queues")
def index() -> Response:
    table = queue_table(
        g.view,
        trends(),
        order=Order.read(request.args.get("sort"), COLUMNS, "trouble"),
        text=typed("q"),
        page=page_number(),
        shows_quiet=is_on("quiet"),
    )
    return render_page("queues/index.html", {"queues": "queues/_table.html"}, Queues(table))


@blueprint.get("/queues/<name>")
def show(name: str) -> Response:
    inspector = parts().inspector
    queue = inspector.queue(name)
    state = _state(queue)
    oldest = state in BY_TIME and oldest_first()
    page = inspector.tasks(name, state, cursor=request.args.get("cursor"), limit=PAGE_SIZE, oldest_first=oldest)
    context = Queue(
        head=queue_head(g.view, queue, trends().get(name, UNKNOWN), state),
        state=state,
        listing=listing(page, inspector, state=state),
        links=links(name, state, getattr(queue.counts, state.value)),
    )
    panels = {
        "queue-head": "queues/_head.html",
        "tabs": "queues/_tabs.html",
        "whole": "tasks/_whole.html",
        "list": "tasks/_list.html",
    }
    return render_page("queues/show.html", panels, context)


@blueprint.get("/queues/<name>/pause")
@needs(Role.OPERATOR)
def pause_form(name: str) -> Response:
    queue = parts().inspector.queue(name)
    return _pause_form(queue, task=request.args.get("task", ""))


@blueprint.post("/queues/<name>/pause")
@needs(Role.OPERATOR)
def pause(name: str) -> Response:
    """The whole queue, or, where a task name is given, only its tasks."""
    task, why = request.form.get("task", "").strip(), reason()
    control = parts().control
    if not why:
        return _pause_form(parts().inspector.queue(name), task=task, wrong="Say why: whoever looks next will ask.")
    if task:
        lane = f"name:{task}"
        outcome = control.close_lane(name, lane, by=actor(), reason=why, action_id=action_id(lane, why))
        done_text = f"{task} is paused in {name}. Its tasks are held until it is resumed."
        if task not in _known(name):
            done_text += " No present worker knows a task of this name: is it spelled right?"
    else:
        outcome = control.pause(name, by=actor(), reason=why, action_id=action_id(why))
        done_text = f"{name} is paused. Nothing is given out until it is resumed; what runs now is finished."
    say(done_text if outcome.done else f"{task or name} was paused already.", kind="warn")
    return done(outcome.server_ms, to=url_for("queues.show", name=name))


@blueprint.post("/queues/<name>/resume")
@needs(Role.OPERATOR)
def resume(name: str) -> Response:
    """The queue, or the lane that the form names."""
    lane = request.form.get("lane", "")
    control = parts().control
    if lane:
        outcome = control.open_lane(name, lane, by=actor(), action_id=action_id(lane))
    else:
        outcome = control.resume(name, by=actor(), action_id=action_id())
    what = f"{lane.partition(':')[2]} in {name}" if lane else name
    if outcome.done:
        say(f"{what} is resumed.")
    else:
        say(f"{what} was not paused any more.", kind="warn")
    return done(outcome.server_ms, to=url_for("queues.show", name=name))


def _pause_form(queue: QueueSnapshot, *, task: str, wrong: str = "") -> Response:
    held = next((held for held in held_tasks(queue) if held.name == task and held.pause), None)
    context = {
        "queue": queue,
        "task": task,
        "held": None if wrong else held,
        "known": _known(queue.name),
        "wrong": wrong,
        "reason": request.form.get("reason", ""),
    }
    return render_page("queues/pause.html", {}, context, status=422 if wrong else 200)


def _known(queue: str) -> tuple[str, ...]:
    """Names of tasks that the queue's live workers can run."""
    snapshot = g.view.snapshot
    return known_names(live_workers(snapshot, queue, g.view.told_at)) if snapshot else ()


def _state(queue: QueueSnapshot) -> State:
    """Without a choice: what waits or is held; where nothing does, what runs, else what failed."""
    text = one_of("state", [state.value for state in TABS])
    if not text:
        counts = queue.counts
        for state in (State.READY, State.HELD, State.RUNNING, State.RETRYING, State.DEAD, State.SCHEDULED):
            if getattr(counts, state.value):
                return state
        return State.READY
    return State(text)
