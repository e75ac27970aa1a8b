"""Edit a dead letter and retry it: a form, what it would change, and then the change, bound to what was shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, request, url_for

from dashboard.actions import action_id, done, reason, say_outcome, whole_number
from dashboard.editing import Change
from dashboard.htmx import render_page
from dashboard.identity import Role, actor, may_edit, needs
from dashboard.letter_edit import Wanted, edit_of, is_as_shown, is_signed, refusal, seen, sign, stored, unchanged
from dashboard.parts import parts
from dashboard.redacting import unguarded
from queue_core.errors import InvalidArgument
from queue_core.snapshot import TaskDetail

blueprint = Blueprint("edits", __name__)

MOST_CHANGES = 200


@dataclass(frozen=True, slots=True)
class EditPage:
    """`refusal`: why it cannot be edited at all. `changes`: of a preview; `token`: what was shown, signed."""

    task: TaskDetail
    wanted: Wanted
    hidden: int
    refusal: str = ""
    wrong: str = ""
    changes: tuple[Change, ...] | None = None
    token: str = ""

    @property
    def shown_changes(self) -> tuple[Change, ...]:
        return (self.changes or ())[:MOST_CHANGES]


@blueprint.get("/queues/<name>/tasks/<task_id>/edit")
@needs(Role.OPERATOR)
@may_edit
def form(name: str, task_id: str) -> Response:
    task = unguarded(parts().inspector).task(name, task_id)
    return _page(task, stored(task))


@blueprint.post("/queues/<name>/tasks/<task_id>/edit/preview")
@needs(Role.OPERATOR)
@may_edit
def preview(name: str, task_id: str) -> Response:
    """Changes nothing. (A payload is too long for an address.)"""
    task = unguarded(parts().inspector).task(name, task_id)
    wanted = _wanted()
    try:
        made = edit_of(task, wanted)
    except InvalidArgument as error:
        return _page(task, wanted, wrong=str(error), status=422)
    return _page(task, wanted, changes=made.changes, token=sign(task, wanted))


@blueprint.post("/queues/<name>/tasks/<task_id>/edit")
@needs(Role.OPERATOR)
@may_edit
def edit(name: str, task_id: str) -> Response:
    wanted, target = _wanted(), url_for("tasks.show", name=name, task_id=task_id)
    task = unguarded(parts().inspector).task(name, task_id)
    if not is_signed(task, wanted, request.form.get("shown", "")):
        return _page(task, wanted, wrong="This is not what was shown. Look at the difference again.", status=409)
    try:
        made = edit_of(task, wanted) if is_as_shown(task, wanted) else unchanged(task)
    except InvalidArgument as error:
        return _page(task, wanted, wrong=str(error), status=422)
    outcome = parts().control.edit(
        name,
        task_id,
        wanted.died_at,
        payload=made.payload.encode(),
        priority=made.priority,
        max_retries=made.max_retries,
        by=actor(),
        action_id=action_id(wanted.died_at),
        reason=reason(),
        changes=made.words[:280],
    )
    say_outcome([outcome], "dead letter", "edited and retried")
    return done(outcome.server_ms, to=target)


def _wanted() -> Wanted:
    form = request.form
    died_at = whole_number(form.get("died_at"), "The time of death")
    # Browsers send each end of a line as two characters.
    payload = seen(form.get("payload", "").replace("\r\n", "\n"))
    return Wanted(payload, form.get("priority", ""), form.get("max_retries", ""), died_at)


def _page(task: TaskDetail, wanted: Wanted, *, status: int = 200, wrong: str = "", **more: Any) -> Response:
    hidden = parts().redactor.payload(task.payload_json).hidden
    page = EditPage(task, wanted, hidden, refusal(task), wrong, **more)
    return render_page("tasks/edit.html", {}, page, status=status)
