"""What one form has begun in several queues: an operation in each, shown and steered as one."""

from __future__ import annotations

from flask import Blueprint, Response

from dashboard.actions import action_id, done, reason
from dashboard.bulk import begin_undo, page_of, recall_together, steer_together
from dashboard.filters import plural
from dashboard.htmx import render_page
from dashboard.identity import Role, needs
from dashboard.operation_page import OperationPage, page_of_form
from dashboard.parts import parts
from dashboard.toasts import say

blueprint = Blueprint("together", __name__)


@blueprint.get("/activity/together/<form>")
def show(form: str) -> Response:
    return render_page("activity/show.html", {"operation": "activity/_together.html"}, _page(form))


@blueprint.get("/activity/together/<form>/cancel")
@needs(Role.OPERATOR)
def cancel_form(form: str) -> Response:
    return render_page("activity/cancel.html", {}, _page(form))


@blueprint.post("/activity/together/<form>/pause")
@needs(Role.OPERATOR)
def pause(form: str) -> Response:
    return _steer(form, "pause", "Paused in {}. What was done stays; nothing more is done until it is resumed.")


@blueprint.post("/activity/together/<form>/resume")
@needs(Role.OPERATOR)
def resume(form: str) -> Response:
    return _steer(form, "resume", "It goes on in {}.")


@blueprint.post("/activity/together/<form>/cancel")
@needs(Role.OPERATOR)
def cancel(form: str) -> Response:
    return _steer(form, "cancel", "Cancelled in {}. What was done stays.")


@blueprint.post("/activity/together/<form>/undo")
@needs(Role.OPERATOR)
def undo(form: str) -> Response:
    """What they purged is restored, by an operation in each queue; pressed again, it is so already."""
    page = _page(form)
    begun = [begin_undo(purge, reason()) for purge in page.undoable]
    if begun:
        parts().tender.wake()
    elif not page.undone:
        say("There is nothing that could be undone.", kind="warn")
    return done(*(operation.began_at for operation in begun), to=page_of(page.operation))


@blueprint.get("/activity/together/<form>/recall")
@needs(Role.OPERATOR)
def recall_form(form: str) -> Response:
    return render_page("activity/recall.html", {}, _page(form))


@blueprint.post("/activity/together/<form>/recall")
@needs(Role.OPERATOR)
def recall(form: str) -> Response:
    """What they retried and has not started is dead again, by an operation in each queue."""
    page = _page(form)
    begun = recall_together(page.recallable, reason())
    if not begun and not page.recalled:
        say("There is nothing that could be pulled back.", kind="warn")
    return done(*(operation.began_at for operation in begun), to=page_of(page.operation))


def _steer(form: str, verb: str, sentence: str) -> Response:
    page = _page(form)
    steered = steer_together(page.several, verb, action_id=action_id(verb), because=reason())
    if steered:
        say(sentence.format(plural(len(steered), "queue")))
    else:
        say("It has ended already, so nothing was changed.", kind="warn")
    return done(to=page_of(page.operation))


def _page(form: str) -> OperationPage:
    return page_of_form(form, parts().inspector.queue_names())
