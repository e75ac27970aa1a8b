"""What all actions share: one form acts once, the browser learns when it acted, the page says what became of it."""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from flask import Response, make_response, redirect, request, url_for
from werkzeug.exceptions import BadRequest

from dashboard.filters import plural, short_id
from dashboard.htmx import fresh, render_outcome, wants_fragment
from dashboard.toasts import say
from dashboard.viewer import SEEN_COOKIE
from queue_core.errors import InvalidArgument
from queue_core.snapshot import Outcome, State

MOST_REASON = 200

Letter = tuple[str, str, int]
"""Queue, id and time of death: what a ticked row names."""


def new_action_id() -> str:
    return secrets.token_hex(12)


def action_id(*targets: object) -> str:
    """The same form sent twice is the same action; another button of the same page is another one.

    The form's own random part is taken together with what is done to what.
    """
    form_id = request.form.get("action_id", "")
    if not form_id:
        raise BadRequest("The form has no action_id, so nothing was done.")
    text = "\n".join([form_id[:64], request.path, *(repr(target) for target in targets)])
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def reason() -> str:
    text = " ".join(request.form.get("reason", "").split())
    if len(text) > MOST_REASON:
        raise InvalidArgument(f"The reason has {len(text)} characters; {MOST_REASON} are the most.")
    return text


def whole_number(text: str | None, what: str) -> int:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 16:
        raise InvalidArgument(f"{what} is {text!r}; it must be a whole number.")
    return int(text)


def read_letters(values: Iterable[str]) -> tuple[Letter, ...]:
    """`queue/id/died_at`, as the boxes of a list name them; each once, in their order."""
    letters: dict[Letter, None] = {}
    for value in values:
        parts = value.split("/")
        if len(parts) != 3:
            raise InvalidArgument(f"{value!r} does not name a dead letter.")
        letters[parts[0], parts[1], whole_number(parts[2], "The time of death")] = None
    return tuple(letters)


def by_queue(letters: Iterable[Letter]) -> dict[str, list[tuple[str, int]]]:
    grouped: dict[str, list[tuple[str, int]]] = {}
    for queue, task_id, died_at in letters:
        grouped.setdefault(queue, []).append((task_id, died_at))
    return grouped


WHY = {
    "not dead": ("it was retried or purged already", "retried or purged already"),
    "changed": ("it died again since", "died again since"),
    "running": ("it is running", "running"),
    "gone": ("it is gone", "gone"),
    "in the trash": ("it is in the trash already", "in the trash already"),
    "not in the trash": ("it was restored or deleted already", "restored or deleted already"),
    "not waiting for a time": ("it does not wait any more", "not waiting any more"),
    **{f"{state.value} now": (f"it is {state.value} now", f"{state.value} now") for state in State},
}
"""An outcome's reason → how it is said of one task, and of a number of them."""


def skipped_sentence(skipped: Mapping[str, str]) -> str:
    """`3 skipped: 2 died again since, 1 gone`; with the id where it is one."""
    if not skipped:
        return ""
    if len(skipped) == 1:
        ((task_id, why),) = skipped.items()
        return f"{short_id(task_id)} was skipped: {WHY.get(why, (why,))[0]}"
    reasons = ", ".join(
        f"{count:,} {WHY.get(why, (why,))[-1]}" for why, count in Counter(skipped.values()).most_common()
    )
    return f"{len(skipped):,} skipped: {reasons}"


def say_outcome(
    outcomes: Iterable[Outcome],
    one: str,
    done: str,
    *,
    many: str | None = None,
    missing: str = "",
    end: str = "",
    undo_action: str = "",
) -> None:
    """`3 dead letters retried`, what was skipped and why. Nothing done is no success.

    `missing`: why fewer were acted on than the page had shown, where the outcome does not name them. `undo_action`: as
    of a toast.
    """
    outcomes = tuple(outcomes)
    count = sum(len(outcome.done) for outcome in outcomes)
    skipped = {task_id: why for outcome in outcomes for task_id, why in outcome.skipped.items()}
    sentences = [f"{plural(count, one, many)} {done}" if count else f"Nothing {done}"]
    if skipped:
        sentences.append(skipped_sentence(skipped))
    if missing:
        sentences.append(missing)
    if end:
        sentences.append(end)
    text = ". ".join(sentence[:1].upper() + sentence[1:] for sentence in sentences) + "."
    say(text, kind="good" if count and not skipped and not missing else "warn", undo_action=undo_action)


def done(*server_times: int, to: str | None = None) -> Response:
    """Back to the page that the form names (303), or, to a page that stays, only what there is to say."""
    target = to or safe_next()
    if not wants_fragment():
        response = fresh(make_response(redirect(target, 303)))
    elif _is_current(target):
        response = render_outcome()
        response.headers["Taskyard-Action-Id"] = new_action_id()
    else:
        response = fresh(make_response("", 200))
        response.headers["HX-Redirect"] = target
    if server_times:
        response.set_cookie(
            SEEN_COOKIE,
            str(max(server_times)),
            max_age=600,
            httponly=True,
            samesite="Lax",
            secure=request.is_secure,
            path=request.script_root or "/",
        )
    return response


def safe_next() -> str:
    """Where the form wants to go on, if that is a path."""
    target = request.form.get("next", "")
    return f"{request.script_root}{target}" if is_path(target) else url_for("overview.index")


def is_path(target: str) -> bool:
    """Only a path of this console: an address from outside could lead anywhere."""
    return (
        target.startswith("/")
        and not target.startswith(("//", "/\\"))
        and _place(target) is not None
        and target.isprintable()
        and "\\" not in target
    )


def _is_current(target: str) -> bool:
    shown = _place(request.headers.get("HX-Current-URL", ""))
    return shown is not None and shown == _place(target)


def _place(address: str) -> tuple[str, str] | None:
    """Path and query of an address; `None` of what is none."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return parts.path, parts.query
