"""What is said of a fault: that somebody knows of it for a while, and notes for whoever looks next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo

from flask import Blueprint, Response, g, request, url_for

from dashboard.actions import action_id, done, reason, whole_number
from dashboard.fault_filter import read_time
from dashboard.htmx import render_page
from dashboard.identity import Role, actor, needs
from dashboard.parts import parts
from dashboard.rendering import viewer
from dashboard.toasts import say
from queue_core.errors import InvalidArgument
from queue_core.snapshot import Fault

blueprint = Blueprint("mutes", __name__)

HOUR_MS = 3_600_000
TIMES: Mapping[str, tuple[str, int]] = {
    "1h": ("an hour", HOUR_MS),
    "4h": ("4 hours", 4 * HOUR_MS),
    "1d": ("a day", 24 * HOUR_MS),
    "7d": ("a week", 168 * HOUR_MS),
}
"""As the form has them → as they are said, and how long they are."""
USUAL = "4h"
UNTIL = "until "
"""What a chosen time begins with, as the form sends it."""
MORNING = 9


@dataclass(frozen=True, slots=True)
class FaultForm:
    """`given`: what was typed; `wrong`: what of it has to be changed; `morning`: a time that can be chosen, and
    its words."""

    fault: Fault
    given: Mapping[str, str]
    wrong: str = ""
    times: Mapping[str, tuple[str, int]] | None = None
    usual: str = USUAL
    morning: tuple[str, str] | None = None


@blueprint.get("/queues/<name>/faults/<fingerprint>/mute")
@needs(Role.OPERATOR)
def mute_form(name: str, fingerprint: str) -> Response:
    return _mute_form(name, fingerprint)


@blueprint.post("/queues/<name>/faults/<fingerprint>/mute")
@needs(Role.OPERATOR)
def mute(name: str, fingerprint: str) -> Response:
    because = reason()
    if not because:
        return _mute_form(name, fingerprint, "Say why: whoever looks next will ask.")
    form = action_id(*(request.form.get(field, "") for field in ("for", "until", "attempts")), because)
    try:
        until, attempts = _ending(request.form)
        outcome = parts().control.mute_fault(
            name, fingerprint, until=until, attempts=attempts, by=actor(), reason=because, action_id=form
        )
    except InvalidArgument as error:
        return _mute_form(name, fingerprint, str(error))
    if not outcome.done:
        return _mute_form(name, fingerprint, f"{', '.join(outcome.skipped.values()).capitalize()}: nothing was done.")
    say(
        "The fault is muted: it counts and is retried as before, and is no problem on the overview until the mute ends."
    )
    return done(outcome.server_ms, to=_page(name, fingerprint))


@blueprint.post("/queues/<name>/faults/<fingerprint>/unmute")
@needs(Role.OPERATOR)
def unmute(name: str, fingerprint: str) -> Response:
    outcome = parts().control.unmute_fault(name, fingerprint, by=actor(), action_id=action_id())
    if outcome.done:
        say("The fault is not muted any more.")
    else:
        say("The fault was not muted any more.", kind="warn")
    return done(outcome.server_ms, to=_page(name, fingerprint))


@blueprint.get("/queues/<name>/faults/<fingerprint>/note")
@needs(Role.OPERATOR)
def note_form(name: str, fingerprint: str) -> Response:
    return _note_form(name, fingerprint)


@blueprint.post("/queues/<name>/faults/<fingerprint>/note")
@needs(Role.OPERATOR)
def note(name: str, fingerprint: str) -> Response:
    text = request.form.get("text", "")
    try:
        outcome = parts().control.note_fault(name, fingerprint, text, by=actor(), action_id=action_id(text))
    except InvalidArgument as error:
        return _note_form(name, fingerprint, f"{error}.")
    if outcome.done:
        say("The note stands under Before, for whoever looks next.")
    else:
        say("The fault is not there any more: nothing was noted.", kind="warn")
    return done(outcome.server_ms, to=_page(name, fingerprint))


def _ending(form: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Until when, and for how many more failed attempts. A time that was typed holds, not the one that was chosen.

    Raises `InvalidArgument`.
    """
    until = read_time("until", form.get("until", ""), viewer().zone)
    chosen = form.get("for", "")
    if until is None and chosen.startswith(UNTIL):
        until = read_time("for", chosen.removeprefix(UNTIL), viewer().zone)
    elif until is None and chosen:
        if form["for"] not in TIMES:
            raise InvalidArgument(f"for is {form['for'][:40]!r}; it must be one of {', '.join(TIMES)}.")
        until = g.now_ms + TIMES[form["for"]][1]
    if until is not None and until <= g.now_ms:
        raise InvalidArgument("That time is over.")
    typed = form.get("attempts", "").strip()
    attempts = whole_number(typed, "The number of failed attempts") if typed else None
    if until is None and attempts is None:
        raise InvalidArgument("Say until when, or for how many failed attempts: nothing is muted for ever.")
    return until, attempts


def morning(now_ms: int, zone: tzinfo) -> tuple[str, str]:
    """The reader's next 09:00, as the form sends it and in words: before it comes that is today's."""
    now = datetime.fromtimestamp(now_ms / 1000, zone)
    day = now.date() if now.hour < MORNING else now.date() + timedelta(days=1)
    at = datetime.combine(day, time(MORNING), zone)
    return f"{UNTIL}{at.isoformat()}", f"until {'today' if day == now.date() else 'tomorrow'} 09:00"


def _mute_form(name: str, fingerprint: str, wrong: str = "") -> Response:
    page = FaultForm(
        parts().inspector.fault(name, fingerprint)[0],
        request.form,
        wrong,
        TIMES,
        morning=morning(g.now_ms, viewer().zone),
    )
    return render_page("faults/mute.html", {}, page, status=422 if wrong else 200)


def _note_form(name: str, fingerprint: str, wrong: str = "") -> Response:
    page = FaultForm(parts().inspector.fault(name, fingerprint)[0], request.form, wrong)
    return render_page("faults/note.html", {}, page, status=422 if wrong else 200)


def _page(name: str, fingerprint: str) -> str:
    return url_for("faults.show", name=name, fingerprint=fingerprint)
