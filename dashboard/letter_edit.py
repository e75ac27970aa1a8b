"""An edit of a dead letter, wherever it was typed: what it changes, and what was shown of it, signed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from flask import current_app
from itsdangerous import BadData, URLSafeSerializer

from dashboard.editing import Change, check_hidden, difference, dumps, merge, read_json
from dashboard.identity import actor
from dashboard.parts import parts
from dashboard.redaction import Redactor
from queue_core.errors import InvalidArgument
from queue_core.snapshot import State, TaskDetail
from queue_core.task import MAX_ALLOWED_RETRIES, MAX_PRIORITY

MOST_EDITED = 100_000
"""Characters of a payload that are edited here."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """As it was typed."""

    payload: str
    priority: str
    max_retries: str
    died_at: int


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


def stored(task: TaskDetail) -> Wanted:
    """Before anything is typed: what is stored, but for what is hidden."""
    masked = parts().redactor.payload(task.payload_json).text
    try:
        payload = json.dumps(json.loads(masked), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        payload = masked
    return Wanted(seen(payload), str(task.priority), str(task.max_retries), task.at or 0)


def seen(payload: str) -> str:
    """What cannot be seen is written as its escape, which means the same: also what was pasted unseen."""
    return "".join(c if c in "\n\t" or c.isprintable() else json.dumps(c)[1:-1] for c in payload)


def edit_of(task: TaskDetail, wanted: Wanted) -> Edit:
    """Raises `InvalidArgument`: in the form something has to be changed."""
    if why := refusal(task):
        raise InvalidArgument(why)
    if len(wanted.payload) > MOST_EDITED:
        raise InvalidArgument(f"The payload has {len(wanted.payload):,} characters; {MOST_EDITED:,} are the most here.")
    priority = _number(wanted.priority, "Priority", -MAX_PRIORITY, MAX_PRIORITY)
    max_retries = _number(wanted.max_retries, "Max. retries", 0, MAX_ALLOWED_RETRIES)
    redactor = parts().redactor
    try:
        merged, changed = _merged(task.payload_json, wanted.payload, redactor)
    except RecursionError:
        raise InvalidArgument("The payload is too deep to be edited here.") from None
    is_pair = isinstance(merged, list) and [type(part) for part in merged] == [list, dict]
    if not isinstance(merged, dict) and not is_pair:
        raise InvalidArgument("The payload must be an object of the arguments, or [positional, named].")
    changes = [*changed]
    for name, was, becomes in (
        ("priority", task.priority, priority),
        ("max retries", task.max_retries, max_retries),
    ):
        if was != becomes:
            changes.append(Change(name, str(was), str(becomes)))
    try:
        payload = dumps(merged)
        payload.encode()
    except ValueError as error:
        raise InvalidArgument(f"The payload cannot be stored: {error}.") from error
    return Edit(payload, priority, max_retries, tuple(changes))


def _merged(payload: str, wanted: str, redactor: Redactor) -> tuple[Any, tuple[Change, ...]]:
    """What was typed, with what is hidden as it is stored; and what that changes."""
    before, typed = read_json(payload), read_json(wanted)
    masked = redactor.value(before)[0]
    merged = merge(before, masked, typed)
    check_hidden(before, masked, typed, merged, redactor)
    return merged, difference(before, merged, redactor)


def is_as_shown(task: TaskDetail, wanted: Wanted) -> bool:
    return not refusal(task) and task.at == wanted.died_at


def unchanged(task: TaskDetail) -> Edit:
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


def refusal(task: TaskDetail) -> str:
    """Why it cannot be edited at all; "" where it can be."""
    if task.state is not State.DEAD:
        return f"It is {task.state.value}: dead letters alone can be edited."
    if task.unreadable:
        return f"It cannot be read: {task.unreadable}."
    if len(task.payload_json) > MOST_EDITED:
        return (
            f"Its payload has {len(task.payload_json):,} characters; {MOST_EDITED:,} are the most that is edited here."
        )
    return ""


def sign(task: TaskDetail, wanted: Wanted) -> str:
    return _serializer().dumps(_shown(task, wanted))


def is_signed(task: TaskDetail, wanted: Wanted, text: str) -> bool:
    try:
        return bool(_serializer().loads(text) == _shown(task, wanted))
    except BadData:
        return False


def _shown(task: TaskDetail, wanted: Wanted) -> list[object]:
    payload = hashlib.sha256(wanted.payload.encode("utf-8", "replace")).hexdigest()
    return [task.queue, task.id, wanted.died_at, payload, wanted.priority, wanted.max_retries, actor()]


def _serializer() -> URLSafeSerializer:
    key = current_app.secret_key
    assert key
    return URLSafeSerializer(key, salt="taskyard edit")
