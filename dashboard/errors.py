"""What went wrong, in the page's own look: what it was, and the way back. Never a stack trace."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from flask import Flask, Response, g, make_response, render_template, request, url_for
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from dashboard.api.problem import problem
from dashboard.away import KnownAway
from dashboard.filters import clock, id_made_at, short_id
from dashboard.htmx import fresh, refresh, render_outcome, render_page, wants_fragment
from dashboard.parameters import BadParameter
from dashboard.parts import parts
from dashboard.rendering import now_ms, viewer, with_query
from dashboard.security import SAFE_METHODS, is_for_programs
from dashboard.toasts import say
from dashboard.views.sign_in import form_was_too_old
from queue_core.errors import (
    ActionUnderWay,
    CorruptQueue,
    FormatMismatch,
    InvalidArgument,
    OperationEnded,
    QueueFull,
    QueueNotEmpty,
    RateLimited,
    ServerUnavailable,
    Stale,
    TaskyardError,
    TooManyOperations,
    UnknownCursor,
    UnknownFault,
    UnknownOperation,
    UnknownQueue,
    UnknownSchedule,
    UnknownTask,
    UnknownWorker,
    UnreadableSchedule,
)

log = logging.getLogger(__name__)

UNKNOWN = (UnknownCursor, UnknownFault, UnknownOperation, UnknownQueue, UnknownSchedule, UnknownTask, UnknownWorker)
TITLES = {
    400: "This request cannot be answered",
    401: "You are not signed in",
    403: "This is not allowed",
    404: "Not found",
    405: "This address only takes a form",
    409: "It has changed meanwhile",
    413: "The form is too large",
    415: "This is not JSON",
    422: "Something in the form has to be changed",
    429: "Too many at once",
    500: "Something broke in the console",
    502: "Redis answered with an error",
    503: "Redis does not answer",
}

NOTHING_DONE = "Nothing was done."
MAY_BE_DONE = "It is not known whether this was done. Press again: it acts once."
MAY_BE_DONE_BY_PROGRAM = "It is not known whether this was done: with the same Idempotency-Key it is done once."


def register(app: Flask) -> None:
    app.register_error_handler(TaskyardError, _taskyard_error)
    app.register_error_handler(CSRFError, _form_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def status_of(error: TaskyardError) -> int:
    if isinstance(error, UNKNOWN):
        return 404
    if isinstance(error, InvalidArgument):
        return 400 if request.method == "GET" else 422
    if isinstance(error, ServerUnavailable):
        return 503
    if isinstance(error, RateLimited):
        return 429
    if isinstance(error, QueueFull | QueueNotEmpty | UnreadableSchedule):
        return 409
    if isinstance(error, Stale | ActionUnderWay | OperationEnded | TooManyOperations):
        return 409
    return 502


def _taskyard_error(error: TaskyardError) -> Response:
    status = status_of(error)
    if _is_for_programs():
        detail = _as_sentence(str(error))
        if status == 503 and request.method not in SAFE_METHODS:
            detail += f" {NOTHING_DONE if isinstance(error, KnownAway) else MAY_BE_DONE_BY_PROGRAM}"
        retry_after = error.retry_after if isinstance(error, RateLimited) else None
        return fresh(problem(status, TITLES.get(status, "Refused"), detail, retry_after=retry_after))
    if status == 503:
        return _away(was_asked=not isinstance(error, KnownAway))
    if isinstance(error, UnknownTask):
        elsewhere = _elsewhere()
        queue = "any queue" if elsewhere == {} else (request.view_args or {}).get("name", "")
        title = f"No task {short_id(_task_id())} in {queue}"
        return _answer(404, _missing_task(), title=title, links=elsewhere)
    title = "What is stored cannot be read" if isinstance(error, CorruptQueue | FormatMismatch) else ""
    return _answer(status, _as_sentence(str(error)), title=title, links=_ways_back(error))


def _ways_back(error: TaskyardError) -> dict[str, str]:
    """To the same page without what its address has behind the `?`. Label → address."""
    if request.method != "GET" or not request.args:
        return {}
    if isinstance(error, UnknownCursor):
        return {"Show the first page": with_query()}
    if request.view_args or status_of(error) not in (400, 404):
        return {}  # it may be the path that is wrong
    return {"Show the page without what was chosen": url_for(request.endpoint or "overview.index")}


def _away(*, was_asked: bool) -> Response:
    """Redis does not answer: an open page keeps what it shows, with the band over it; a form can be sent again."""
    if request.method != "POST":
        if wants_fragment():
            return render_page("errors/show.html", {}, {})
        return _answer(503, "This page shows itself once it is back.")
    return _answer(503, MAY_BE_DONE if was_asked else NOTHING_DONE, again=tuple(request.form.items(multi=True)))


def _missing_task() -> str:
    made = id_made_at(_task_id(), now_ms())
    when = f"Its id was made at {clock(made, now_ms(), viewer().zone)}. " if made is not None else ""
    return f"{when}A task that simply succeeds leaves no record; one with a history is kept for 24 hours after its end."


def _task_id() -> str:
    return str((request.view_args or {}).get("task_id", ""))


def _elsewhere() -> dict[str, str] | None:
    """Other queues that know the task: where it was moved to, say. Label → address; `None`: it was not looked for."""
    if wants_fragment() or request.method != "GET":
        return None
    try:
        queues = parts().inspector.find(_task_id())
    except InvalidArgument:
        return {}
    except TaskyardError:
        return None
    return {f"It is in {queue}": url_for("tasks.show", name=queue, task_id=_task_id()) for queue in queues}


def _as_sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}"


def _form_error(error: CSRFError) -> Response:
    log.info("form refused: %s", error.description)
    if request.endpoint == "sign_in.enter":
        return form_was_too_old()
    return _answer(
        400, "This form is older than the console's last start, so nothing was done. Reload the page and press again."
    )


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    if status < 400:
        return make_response(error.get_response())
    allowed = getattr(error, "valid_methods", None)
    answer = _answer(status, _sentence(error), links=_without(error))
    if status == 401 and is_for_programs():
        answer.headers["WWW-Authenticate"] = "Bearer"
    if allowed:
        answer.headers["Allow"] = ", ".join(sorted(allowed))
    return answer


def _without(error: HTTPException) -> dict[str, str]:
    """The way to the same page without what is wrong with its address."""
    if not isinstance(error, BadParameter) or request.method != "GET":
        return {}
    return {f"Show the page without “{error.parameter}”": with_query(**{error.parameter: None})}


def _unexpected(error: Exception) -> Response:
    log.exception("%s %s failed", request.method, request.path, exc_info=error)
    return _answer(500, "It has been written to the console's log.")


def _is_for_programs() -> bool:
    return is_for_programs() or request.path in ("/healthz", "/readyz")


def _sentence(error: HTTPException) -> str:
    if error.code == 404 and error.description in (None, type(error).description):
        return "There is no such page."
    if error.code == 405:
        return "Nothing was done."
    if isinstance(error, BadParameter):
        return f"In the {'address' if request.method == 'GET' else 'form'}, {error.description}"
    return error.description or ""


def _answer(
    status: int,
    sentence: str,
    *,
    title: str = "",
    links: Mapping[str, str] | None = None,
    again: Sequence[tuple[str, str]] = (),
) -> Response:
    """`again`: the fields of the form that the page offers to send once more."""
    title = title or TITLES.get(status) or HTTPStatus(status).phrase
    if _is_for_programs():
        return fresh(problem(status, "A token is needed" if status == 401 else title, sentence))
    if g.get("view") is None:
        # Refused before anything was read: a page that needs nothing.
        return fresh(make_response(render_template("errors/bare.html", title=title, sentence=sentence), status))
    if request.method == "POST" and wants_fragment():
        say(f"{title}. {sentence}", kind="bad")
        return render_outcome(status=status)
    page = {
        "title": title,
        "sentence": sentence,
        "status": status,
        "home": url_for("overview.index"),
        "links": links or {},
        "again": again,
    }
    if wants_fragment():
        # What an open page shows is not there any more: it stays, and says so. Not an error to a refresh.
        return refresh(make_response(render_template("errors/_gone.html", page=page)))
    return render_page("errors/show.html", {}, page, status=status)
