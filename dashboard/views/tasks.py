"""One task, in every state: why it is there, what happens next, what happened so far, and what can be done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from flask import Blueprint, Response, g, make_response, request, url_for

from dashboard.actions import action_id, done, new_action_id, reason, say_outcome, skipped_sentence, whole_number
from dashboard.filters import clock, short_id
from dashboard.htmx import fresh, render_page
from dashboard.identity import Role, actor, current_user, needs
from dashboard.parts import parts
from dashboard.payload import MOST_SHOWN, Copies, copies, pretty
from dashboard.redacting import unguarded
from dashboard.rendering import viewer
from dashboard.targets import Target, target_of, wrong_target
from dashboard.toasts import say
from dashboard.tracebacks import Traceback, parse_traceback
from queue_core.errors import InvalidArgument, UnknownFault, shown
from queue_core.explain import Explanation, Surroundings, explain_task, holder_of_key, waits_for_a_claim
from queue_core.snapshot import Fault, State, TaskDetail
from queue_core.timeline import Event, Spent, spent, timeline

blueprint = Blueprint("tasks", __name__)

TRASHABLE = (State.DEAD, State.RETRYING, State.SCHEDULED, State.READY, State.HELD)
PROMOTABLE = (State.SCHEDULED, State.RETRYING)
CANCELLABLE = (State.SCHEDULED, State.READY, State.HELD, State.RETRYING, State.RUNNING)
ENDED = (State.COMPLETED, State.CANCELLED, State.EXPIRED, State.DISCARDED)


@dataclass(frozen=True, slots=True)
class TaskPage:
    task: TaskDetail
    explanation: Explanation
    events: tuple[Event, ...]
    spent: Spent
    payload: str
    result: str
    copies: Copies
    traceback: Traceback
    fault: Fault | None

    @property
    def can_retry(self) -> bool:
        """Without a name nothing is stored that could run."""
        return self.task.state is State.DEAD and bool(self.task.name)

    @property
    def can_edit(self) -> bool:
        is_allowed = current_user().may(parts().settings.edit_role)
        return self.can_retry and is_allowed and not self.task.unreadable

    @property
    def can_restore(self) -> bool:
        return self.task.state is State.TRASHED

    @property
    def can_promote(self) -> bool:
        """Not what is due already: as soon as a worker claims, it is ready."""
        return self.task.state in PROMOTABLE and not waits_for_a_claim(self.task, g.now_ms)

    @property
    def can_trash(self) -> bool:
        return self.task.state in TRASHABLE

    @property
    def can_move(self) -> bool:
        return self.task.state in TRASHABLE

    @property
    def can_cancel(self) -> bool:
        """One that runs is asked once."""
        return self.task.state in CANCELLABLE and not (self.task.state is State.RUNNING and self.task.cancelled_by)

    @property
    def is_cut(self) -> bool:
        return len(self.task.payload_json) > MOST_SHOWN

    @property
    def is_ended(self) -> bool:
        return self.task.state in ENDED


@blueprint.get("/queues/<name>/tasks/<task_id>")
def show(name: str, task_id: str) -> Response:
    inspector = parts().inspector
    task = inspector.task(name, task_id)
    context = TaskPage(
        task=task,
        explanation=explain_task(task, _surroundings(task)),
        events=timeline(task),
        spent=spent(task, g.now_ms),
        payload=pretty(task.payload_json),
        result=pretty(task.result_json),
        copies=copies(task),
        traceback=parse_traceback(task.traceback),
        fault=_fault(name, task.fingerprint),
    )
    panels = {
        "task-head": "tasks/_head.html",
        "timeline": "tasks/_timeline.html",
        "task-traceback": "tasks/_traceback.html",
        "result": "tasks/_result.html",
        "options": "tasks/_options.html",
    }
    return render_page("tasks/show.html", panels, context)


@blueprint.post("/queues/<name>/tasks/<task_id>/requeue")
@needs(Role.OPERATOR)
def requeue(name: str, task_id: str) -> Response:
    died_at = whole_number(request.form.get("died_at"), "The time of death")
    letters = [(task_id, died_at)]
    outcome = parts().control.requeue(name, letters, by=actor(), reason=reason(), action_id=action_id(died_at))
    say_outcome([outcome], "dead letter", "retried")
    return done(outcome.server_ms)


@blueprint.post("/queues/<name>/tasks/<task_id>/trash")
@needs(Role.OPERATOR)
def trash(name: str, task_id: str) -> Response:
    seen = _seen()
    outcome = parts().control.trash(
        name, [task_id], by=actor(), reason=reason(), action_id=action_id(*seen), **_died(task_id, seen)
    )
    if outcome.done:
        until = outcome.restorable_until
        ends = f" It can be restored until {clock(until, g.now_ms, viewer().zone)}." if until else ""
        undo = url_for("tasks.restore", name=name, task_id=task_id)
        say(f"{short_id(task_id)} purged.{ends}", undo_action=undo)
    else:
        say(f"Nothing purged. {skipped_sentence(outcome.skipped)}.", kind="warn")
    return done(outcome.server_ms)


@blueprint.post("/queues/<name>/tasks/<task_id>/restore")
@needs(Role.OPERATOR)
def restore(name: str, task_id: str) -> Response:
    outcome = parts().control.restore(name, [task_id], by=actor(), action_id=action_id())
    say_outcome([outcome], "task", "restored")
    return done(outcome.server_ms)


@blueprint.post("/queues/<name>/tasks/<task_id>/promote")
@needs(Role.OPERATOR)
def promote(name: str, task_id: str) -> Response:
    outcome = parts().control.promote(name, [task_id], by=actor(), action_id=action_id())
    say_outcome([outcome], "task", "ready to run now", many="tasks")
    return done(outcome.server_ms)


@dataclass(frozen=True, slots=True)
class CancelForm:
    task: TaskDetail
    can_cancel: bool

    @property
    def is_running(self) -> bool:
        return self.task.state is State.RUNNING


@blueprint.get("/queues/<name>/tasks/<task_id>/cancel")
@needs(Role.OPERATOR)
def cancel_form(name: str, task_id: str) -> Response:
    """There is no way back from it, so it asks first."""
    task = parts().inspector.task(name, task_id)
    return render_page("tasks/cancel.html", {}, CancelForm(task, task.state in CANCELLABLE))


@blueprint.post("/queues/<name>/tasks/<task_id>/cancel")
@needs(Role.OPERATOR)
def cancel(name: str, task_id: str) -> Response:
    seen = _seen()
    outcome = parts().control.cancel(
        name, [task_id], by=actor(), reason=reason(), action_id=action_id(*seen), state=seen.state
    )
    if outcome.asked:
        say(f"{short_id(task_id)} was asked to stop. It does so when its worker has heard of it.")
    else:
        say_outcome([outcome], "task", "cancelled")
    return done(outcome.server_ms, to=url_for("tasks.show", name=name, task_id=task_id))


@dataclass(frozen=True, slots=True)
class MoveForm:
    task: TaskDetail
    can_move: bool
    target: Target
    wrong: str = ""


@blueprint.get("/queues/<name>/tasks/<task_id>/move")
@needs(Role.OPERATOR)
def move_form(name: str, task_id: str) -> Response:
    return _move_form(name, task_id)


@blueprint.post("/queues/<name>/tasks/<task_id>/move")
@needs(Role.OPERATOR)
def move(name: str, task_id: str) -> Response:
    """Whether the queue is one that somebody meant is asked where there is none of that name."""
    to_queue = request.form.get("to", "").strip()
    wrong = wrong_target(name, to_queue)
    if wrong is not None:
        return _move_form(name, task_id, wrong or "Name a queue.")
    if target_of(name, to_queue).is_new and request.form.get("new") != to_queue:
        return _move_form(name, task_id, to_queue=to_queue)
    seen = _seen()
    outcome = parts().control.move(
        name,
        [task_id],
        to_queue,
        by=actor(),
        reason=reason(),
        action_id=action_id(to_queue, *seen),
        **_died(task_id, seen),
    )
    say_outcome([outcome], "task", f"moved to {to_queue}", many="tasks")
    return done(outcome.server_ms, to=url_for("tasks.show", name=to_queue if outcome.done else name, task_id=task_id))


def _move_form(name: str, task_id: str, wrong: str = "", *, to_queue: str = "") -> Response:
    task = parts().inspector.task(name, task_id)
    form = MoveForm(task, task.state in TRASHABLE, target_of(name, to_queue), wrong)
    return render_page("tasks/move.html", {}, form, status=422 if wrong or to_queue else 200)


@blueprint.get("/queues/<name>/tasks/<task_id>/payload")
@needs(Role.OPERATOR)
def download(name: str, task_id: str) -> Response:
    """The whole payload as it is stored, but for what is hidden."""
    return _file(parts().inspector.task(name, task_id))


@dataclass(frozen=True, slots=True)
class Unmasked:
    """What an admin sees once. `status`: nothing on this page is asked for again."""

    task: TaskDetail
    payload: str
    result: str
    is_cut: bool
    status: int = 200


@blueprint.post("/queues/<name>/tasks/<task_id>/unmask")
@needs(Role.ADMIN)
def unmask(name: str, task_id: str) -> Response:
    """Each time that it is shown stands in the audit, also where the same form is sent again."""
    action_id()
    task = unguarded(parts().inspector).task(name, task_id)
    parts().control.unmask(name, task_id, by=actor(), action_id=new_action_id(), reason=reason())
    if request.form.get("as") == "file":
        return _file(task)
    is_cut = len(task.payload_json) > MOST_SHOWN
    page = Unmasked(task, pretty(task.payload_json), pretty(task.result_json), is_cut)
    return render_page("tasks/unmasked.html", {}, page)


class Seen(NamedTuple):
    """How the task was on the page whose form this is: it may have come to something else since."""

    state: State | None = None
    died_at: int | None = None


def _seen() -> Seen:
    """The field `seen`: `ready`, or of a letter `dead/1795…`. Without it whatever the task is now is meant."""
    text = request.form.get("seen", "")
    if not text:
        return Seen()
    state, _, died_at = text.partition("/")
    if state not in {one.value for one in State} or bool(died_at) > (state == State.DEAD):
        raise InvalidArgument(f"seen is {shown(text)}; it must be a state, of a dead letter with its time of death.")
    return Seen(State(state), whole_number(died_at, "The time of death") if died_at else None)


def _died(task_id: str, seen: Seen) -> dict[str, Any]:
    return {"state": seen.state, "died": {} if seen.died_at is None else {task_id: seen.died_at}}


def _file(task: TaskDetail) -> Response:
    """As a text, and as nothing that a browser would show or run."""
    response = make_response(task.payload_json)
    response.mimetype = "text/plain"
    response.headers["Content-Disposition"] = f'attachment; filename="{task.queue}-{task.id}.txt"'
    return fresh(response)


def _surroundings(task: TaskDetail) -> Surroundings:
    """Out of the shared snapshot. The fault is left out: the page shows it beside the sentence."""
    snapshot = g.view.snapshot
    if snapshot is None:
        return Surroundings(g.view.told_at)
    queue = next((queue for queue in snapshot.queues if queue.name == task.queue), None)
    inspector = parts().inspector
    if queue is None or not waits_for_a_claim(task, g.view.told_at):
        return Surroundings(g.view.told_at, queue, snapshot.workers, holder=holder_of_key(inspector, task))
    return Surroundings(
        g.view.told_at,
        queue,
        snapshot.workers,
        ahead=inspector.ahead(task.queue, task.id) if task.state is State.READY else None,
        next_claim_at=inspector.next_claim_at(queue),
        statistics=inspector.statistics(task.queue, minutes=1),
    )


def _fault(queue: str, fingerprint: str) -> Fault | None:
    """The fault that the task belongs to; faults without letters may be forgotten while their tasks are not."""
    if not fingerprint:
        return None
    try:
        return parts().inspector.fault(queue, fingerprint)[0]
    except UnknownFault:
        return None
