"""Search: a task by its whole id in any queue and state, or a queue by its name."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, Response, g, make_response, redirect, url_for

from dashboard.filters import id_made_at
from dashboard.htmx import fresh, render_page
from dashboard.parameters import typed
from dashboard.parts import parts
from queue_core.errors import InvalidArgument
from queue_core.snapshot import Snapshot

blueprint = Blueprint("find", __name__)

MOST_NAMES = 50


@dataclass(frozen=True, slots=True)
class Found:
    """`task_queues`: where a task of that id is known. `names`: queues with the text in theirs. `made_at`: the id."""

    text: str
    task_queues: tuple[str, ...]
    names: tuple[str, ...]
    more: int
    made_at: int | None


@blueprint.get("/find")
def index() -> Response:
    text = typed("q")
    snapshot = g.view.snapshot
    every = _names_in(snapshot) if snapshot else parts().inspector.queue_names()
    if text in every:
        return fresh(make_response(redirect(url_for("queues.show", name=text), 303)))
    task_queues = _task_queues(text)
    if len(task_queues) == 1:
        return fresh(make_response(redirect(url_for("tasks.show", name=task_queues[0], task_id=text), 303)))
    names = tuple(name for name in every if text and text.lower() in name.lower())
    page = Found(text, task_queues, names[:MOST_NAMES], max(0, len(names) - MOST_NAMES), id_made_at(text, g.now_ms))
    status = 200 if task_queues or names or not text else 404
    return render_page("errors/find.html", {}, page, status=status)


def _names_in(snapshot: Snapshot) -> tuple[str, ...]:
    return (*(queue.name for queue in snapshot.queues), *snapshot.unreadable)


def _task_queues(text: str) -> tuple[str, ...]:
    if not text:
        return ()
    try:
        return parts().inspector.find(text)
    except InvalidArgument:
        return ()
