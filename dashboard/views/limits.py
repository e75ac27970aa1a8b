"""What a queue takes, gives out and keeps, and how long a task is to wait in it at most: changed by a form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, request, url_for

from dashboard.actions import action_id, done, reason
from dashboard.htmx import render_page
from dashboard.identity import Role, actor, needs
from dashboard.parts import parts
from dashboard.toasts import say
from queue_core import limits
from queue_core.errors import InvalidArgument
from queue_core.snapshot import Limits, QueueSnapshot, Rate

blueprint = Blueprint("limits", __name__)


@dataclass(frozen=True, slots=True)
class Field:
    """One limit of the form. `example`: how it may be written; `empty`: what holds where nothing is."""

    name: str
    label: str
    about: str
    example: str
    empty: str
    read: Callable[[str], Any]
    write: Callable[[Any], str]


def _write_time(seconds: float) -> str:
    return limits.write_time(seconds)


def _write_rate(rate: Rate) -> str:
    return limits.write_rate(*rate)


FIELDS = (
    Field("wait_target", "Wait target", "A ready task that waits for longer is a problem on the overview.",
          "15min", "5min", limits.read_time, _write_time),
    Field("max_length", "Length", "Beyond so many tasks none enters; dead letters and the trash do not count.",
          "100000", "as many as come", limits.read_count, str),
    Field("enqueue_rate", "Enqueue rate", "So many tasks enter in a time, and so many at once.",
          "100/60s", "as they come", limits.read_rate, _write_rate),
    Field("claim_rate", "Claim rate", "So many tasks are given to all workers together in a time, and so many at once.",
          "50/1s", "as they come", limits.read_rate, _write_rate),
    Field("dead_max_age", "Age of dead letters", "Older ones go into the trash.",
          "30d", "kept", limits.read_time, _write_time),
    Field("dead_max_count", "Number of dead letters", "The oldest beyond these go into the trash.",
          "10000", "kept", limits.read_count, str),
    Field("dead_warning", "Warning", "More dead letters than these are a problem on the overview.",
          "10000", "10000", limits.read_count, str),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Page:
    """Each limit as it was when the form was shown, and as it is written now."""

    queue: QueueSnapshot
    fields: tuple[Field, ...]
    shown: Mapping[str, str]
    written: Mapping[str, str]
    reason: str = ""
    wrong: str = ""
    wrong_field: str = ""


@blueprint.get("/queues/<name>/limits")
@needs(Role.OPERATOR)
def form(name: str) -> Response:
    queue = parts().inspector.queue(name)
    found = written(queue.limits)
    return _page(Page(queue, FIELDS, found, found))


@blueprint.post("/queues/<name>/limits")
@needs(Role.OPERATOR)
def change(name: str) -> Response:
    """What the form leaves as it stands in the page is not touched; an empty field ends a limit."""
    queue, why = parts().inspector.queue(name), reason()
    given = {field.name: request.form.get(field.name, "").strip()[:40] for field in FIELDS}
    shown = {field.name: request.form.get(f"shown_{field.name}", "") for field in FIELDS}
    changes: dict[str, Any] = {}
    for field in FIELDS:
        text = given[field.name]
        if text == shown[field.name]:
            continue
        try:
            changes[field.name] = field.read(text) if text else None
            limits.changes(**{field.name: changes[field.name]})
        except (ValueError, InvalidArgument):
            wrong = f"{field.label}: {text!r} is not accepted. Write it like {field.example}; empty: {field.empty}."
            return _page(Page(queue, FIELDS, shown, given, why, wrong, field.name), 422)
    if not changes:
        return _page(Page(queue, FIELDS, shown, given, why, "Nothing was changed."), 422)
    if not why:
        return _page(Page(queue, FIELDS, shown, given, why, "Say why: whoever looks next will ask.", "reason"), 422)
    told = limits.told(limits.changes(**changes))
    outcome = parts().control.limit(name, by=actor(), reason=why, action_id=action_id(told, why), **changes)
    if outcome.done:
        say(f"{name} is limited: {told}.")
    else:
        say(f"{name} was limited so already.", kind="warn")
    return done(outcome.server_ms, to=url_for("queues.show", name=name))


def written(found: Limits) -> dict[str, str]:
    """Each limit as its field shows it; empty where there is none."""
    values = {field.name: getattr(found, field.name) for field in FIELDS}
    return {field.name: "" if (value := values[field.name]) is None else field.write(value) for field in FIELDS}


def _page(page: Page, status: int = 200) -> Response:
    return render_page("queues/limits.html", {}, page, status=status)
