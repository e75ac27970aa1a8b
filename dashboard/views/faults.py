"""One fault: what fails, since when, where in the code, and the button that retries what died of it."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, Response, g, request

from dashboard.actions import action_id, done, reason, say_outcome, whole_number
from dashboard.filters import plural
from dashboard.htmx import render_page
from dashboard.identity import Role, actor, needs
from dashboard.listing import Listing, listing
from dashboard.pagination import PAGE_SIZE
from dashboard.parts import parts
from dashboard.tracebacks import Traceback, parse_traceback
from queue_core.errors import UnknownFault
from queue_core.snapshot import Fault, Outcome, State

blueprint = Blueprint("faults", __name__)

MOST_RETRIED = 10_000
"""By one press: it happens inside of the request."""


@dataclass(frozen=True, slots=True)
class FaultPage:
    """`until`: a press retries what had died by then, not what dies later. `retried`: how many letters it acts on."""

    fault: Fault
    traceback: Traceback
    listing: Listing
    state: State
    until: int

    @property
    def retried(self) -> int:
        return min(self.fault.dead, MOST_RETRIED)


@blueprint.get("/queues/<name>/faults/<fingerprint>")
def show(name: str, fingerprint: str) -> Response:
    inspector = parts().inspector
    fault, newest = inspector.fault(name, fingerprint)
    page = inspector.letters(name, fingerprint=fingerprint, cursor=request.args.get("cursor"), limit=PAGE_SIZE)
    context = FaultPage(
        fault=fault,
        traceback=parse_traceback(newest),
        listing=listing(page, inspector, state=State.DEAD, fingerprint=fingerprint),
        state=State.DEAD,
        until=max(g.view.now_ms, fault.last_seen_at),
    )
    panels = {
        "fault-head": "faults/_head.html",
        "retry-box": "faults/_retry.html",
        "traceback": "faults/_traceback.html",
        "list": "tasks/_list.html",
    }
    return render_page("faults/show.html", panels, context)


@blueprint.post("/queues/<name>/faults/<fingerprint>/requeue")
@needs(Role.OPERATOR)
def requeue(name: str, fingerprint: str) -> Response:
    until = whole_number(request.form.get("until"), "The time of the page")
    outcome = parts().control.requeue_fault(
        name,
        fingerprint,
        until=until,
        by=actor(),
        reason=reason(),
        action_id=action_id(until),
        limit=MOST_RETRIED,
    )
    left = f"{plural(outcome.remaining, 'newer letter')} left: press again to go on" if outcome.remaining else ""
    shown = whole_number(request.form.get("count", "0"), "The number in the button")
    missing = _why_fewer(name, fingerprint, max(0, shown - len(outcome.done)), outcome)
    say_outcome([outcome], "dead letter", "retried", missing=missing, end=left)
    return done(outcome.server_ms)


def _why_fewer(name: str, fingerprint: str, count: int, outcome: Outcome) -> str:
    """What became of letters that the page showed and that were not there any more."""
    if not count or outcome.skipped or outcome.remaining:
        return ""
    what = "the letter was" if count == 1 else f"{count:,} letters were"
    if outcome.done:
        what = f"{count:,} {'was' if count == 1 else 'were'}"
    try:
        later = parts().inspector.fault(name, fingerprint)[0].dead
    except UnknownFault:
        later = 0
    again = f", {plural(later, 'letter')} died since" if later else ""
    return f"{what} retried or purged already{again}"
