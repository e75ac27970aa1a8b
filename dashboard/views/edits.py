"""Edit a dead letter and retry it: a form, what it would change, and then the change, bound to what was shown."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from flask import Blueprint, Response, abort, current_app, request, url_for
from itsdangerous import BadData, URLSafeSerializer

from dashboard.actions import action_id, done, reason, say_outcome, whole_number
from dashboard.editing import Change, difference, dumps, merge, read_json
from dashboard.htmx import render_page
from dashboard.identity import Role, actor, current_user, needs
from dashboard.parts import parts
from dashboard.redacting import unguarded
from queue_core.errors import InvalidArgument
from queue_core.snapshot import State, TaskDetail
from queue_core.task import MAX_ALLOWED_RETRIES, MAX_PRIORITY

blueprint = Blueprint("edits", __name__)

MOST_EDITED = 100_000
"""Characters of a payload that are edited in a browser."""
MOST_CHANGES = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the form says, as it was typed."""

    payload: str
    priority: str
    max_retries: str
    died_at: int


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


@dataclass(frozen=True, slots=True)
class Edit:
    """What is to be stored, and what that changes."""

    payload: str
    priority: int
    max_retries: int
    changes: tuple[Change, ...]

    @property
    def words(self) -> str:
        return "; ".join(change.words for change in self.changes)


def may_edit(view: Callable[..., Response]) -> Callable[..., Response]:
    """An operator, or an admin alone where the console is set so."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Response:
        role = parts().settings.edit_role
        if not current_user().may(role):
            parts().noted.refused_request(actor(), f"editing a task needs the role {role.word}")
            abort(403, f"Editing a task needs the role {role.word}. Nothing was done.")
        return view(*args, **kwargs)

    return guarded


@blueprint.get("/queues/<name>/tasks/<task_id>/edit")
@needs(Role.OPERATOR)
@may_edit
def form(name: str, task_id: str) -> Response:
    task = unguarded(parts().inspector).task(name, task_id)
    return _page(task, _stored(task))


@blueprint.post("/queues/<name>/tasks/<task_id>/edit/preview")
@needs(Role.OPERATOR)
@may_edit
def preview(name: str, task_id: str) -> Response:
    """Changes nothing. (A payload is too long for an address.)"""
    task = unguarded(parts().inspector).task(name, task_id)
    wanted = _wanted()
    try:
        made = _edit(task, wanted)
    except InvalidArgument as error:
        return _page(task, wanted, wrong=str(error), status=422)
    return _page(task, wanted, changes=made.changes, token=_sign(task, wanted))


@blueprint.post("/queues/<name>/tasks/<task_id>/edit")
@needs(Role.OPERATOR)
@may_edit
def edit(name: str, task_id: str) -> Response:
    wanted, target = _wanted(), url_for("tasks.show", name=name, task_id=task_id)
    task = unguarded(parts().inspector).task(name, task_id)
    if not _is_signed(task, wanted):
        return _page(task, wanted, wrong="This is not what was shown. Look at the difference again.", status=409)
    try:
        made = _edit(task, wanted) if _is_as_shown(task, wanted) else _unchanged(task)
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
    payload = _seen(form.get("payload", "").replace("\r\n", "\n"))
    return Wanted(payload, form.get("priority", ""), form.get("max_retries", ""), died_at)


def _stored(task: TaskDetail) -> Wanted:
    masked = parts().redactor.payload(task.payload_json).text
    try:
        payload = json.dumps(json.loads(masked), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        payload = masked
    return Wanted(_seen(payload), str(task.priority), str(task.max_retries), task.at or 0)


def _seen(payload: str) -> str:
    """What cannot be seen is written as its escape, which means the same: also what was pasted unseen."""
    return "".join(c if c in "\n\t" or c.isprintable() else json.dumps(c)[1:-1] for c in payload)


def _edit(task: TaskDetail, wanted: Wanted) -> Edit:
    """Raises `InvalidArgument`: in the form something has to be changed."""
    if refusal := _refusal(task):
        raise InvalidArgument(refusal)
    if len(wanted.payload) > MOST_EDITED:
        raise InvalidArgument(f"The payload has {len(wanted.payload):,} characters; {MOST_EDITED:,} are the most here.")
    priority = _number(wanted.priority, "Priority", -MAX_PRIORITY, MAX_PRIORITY)
    max_retries = _number(wanted.max_retries, "Max. retries", 0, MAX_ALLOWED_RETRIES)
    stored = read_json(task.payload_json)
    redactor = parts().redactor
    merged = merge(stored, redactor.value(stored)[0], read_json(wanted.payload))
    is_pair = isinstance(merged, list) and [type(part) for part in merged] == [list, dict]
    if not isinstance(merged, dict) and not is_pair:
        raise InvalidArgument("The payload must be an object of the arguments, or [positional, named].")
    changes = [*difference(stored, merged, redactor)]
    for name, before, after in (
        ("priority", task.priority, priority),
        ("max retries", task.max_retries, max_retries),
    ):
        if before != after:
            changes.append(Change(name, str(before), str(after)))
    try:
        payload = dumps(merged)
        payload.encode()
    except ValueError as error:
        raise InvalidArgument(f"The payload cannot be stored: {error}.") from error
    return Edit(payload, priority, max_retries, tuple(changes))


def _is_as_shown(task: TaskDetail, wanted: Wanted) -> bool:
    return not _refusal(task) and task.at == wanted.died_at


def _unchanged(task: TaskDetail) -> Edit:
    """For one that is not the dead letter any more that was shown: it is left alone, or this form has edited it, which
    is said once more. What is stored would be stored."""
    return Edit(task.payload_json, task.priority, task.max_retries, ())


def _number(text: str, what: str, least: int, most: int) -> int:
    try:
        number = int(text) if len(text) <= 8 else most + 1
    except ValueError:
        number = most + 1
    if not least <= number <= most:
        raise InvalidArgument(f"{what} must be a whole number from {least:,} to {most:,}.")
    return number


def _refusal(task: TaskDetail) -> str:
    if task.state is not State.DEAD:
        return f"It is {task.state.value}: dead letters alone can be edited."
    if task.unreadable:
        return f"It cannot be read: {task.unreadable}."
    if len(task.payload_json) > MOST_EDITED:
        return (
            f"Its payload has {len(task.payload_json):,} characters; {MOST_EDITED:,} are the most that is edited here."
        )
    return ""


def _page(task: TaskDetail, wanted: Wanted, *, status: int = 200, wrong: str = "", **more: Any) -> Response:
    hidden = parts().redactor.payload(task.payload_json).hidden
    page = EditPage(task, wanted, hidden, _refusal(task), wrong, **more)
    return render_page("tasks/edit.html", {}, page, status=status)


def _sign(task: TaskDetail, wanted: Wanted) -> str:
    return _serializer().dumps(_shown(task, wanted))


def _is_signed(task: TaskDetail, wanted: Wanted) -> bool:
    try:
        return bool(_serializer().loads(request.form.get("shown", "")) == _shown(task, wanted))
    except BadData:
        return False


def _shown(task: TaskDetail, wanted: Wanted) -> list[object]:
    payload = hashlib.sha256(wanted.payload.encode("utf-8", "replace")).hexdigest()
    return [task.queue, task.id, wanted.died_at, payload, wanted.priority, wanted.max_retries, actor()]


def _serializer() -> URLSafeSerializer:
    key = current_app.secret_key
    assert key
    return URLSafeSerializer(key, salt="taskyard edit")
