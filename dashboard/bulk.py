"""How bulk work begins, wherever its form stands: what was previewed, as fast as was chosen, once for each form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Response, g, request, url_for

from dashboard.actions import action_id, done, reason, whole_number
from dashboard.filters import clock, exact
from dashboard.identity import actor
from dashboard.parts import parts
from dashboard.rendering import viewer
from dashboard.selections import Selection
from dashboard.wording import act, effect
from queue_core.errors import InvalidArgument, UnknownOperation
from queue_core.operations import CANARY_FROM, DRIPPING, operation_id
from queue_core.settings import TRASH_SECONDS
from queue_core.snapshot import Bound, Operation, State

FIRST = 5
"""How many go first where nobody chose another number."""
PER_MINUTE = 60
MOST_PER_MINUTE = 6_000_000


@dataclass(frozen=True, slots=True)
class Pace:
    """`way`: `all` at once; `first`, so many, the others when all of those have completed; `spread` over time."""

    way: str = "all"
    first: int = FIRST
    per_minute: float = PER_MINUTE

    @classmethod
    def usual(cls, bound: Bound) -> Pace:
        """Of many retries a few go first."""
        return cls("first" if bound.verb == "requeue" and bound.count > CANARY_FROM else "all")

    @classmethod
    def read(cls, form: Mapping[str, str]) -> Pace:
        """Fields `pace`, `first` and `per_minute`; without them all at once. Raises `InvalidArgument`."""
        way = form.get("pace", "all")
        if way not in ("all", "first", "spread"):
            raise InvalidArgument(f"pace is {way!r}; it must be all, first or spread.")
        first = whole_number(form.get("first"), "How many go first") if way == "first" else FIRST
        per_minute = _rate(form.get("per_minute", "")) if way == "spread" else float(PER_MINUTE)
        return cls(way, first, per_minute)

    @property
    def canary(self) -> int:
        return self.first if self.way == "first" else 0

    @property
    def drip(self) -> float | None:
        """Tasks a second."""
        return self.per_minute / 60 if self.way == "spread" else None


def ways(verb: str) -> tuple[str, ...]:
    """In which ways this can be done to many."""
    return ("first", "all", "spread") if verb == "requeue" else ("all", "spread") if verb in DRIPPING else ("all",)


@dataclass(frozen=True, slots=True)
class Link:
    """To the preview of what a button with "…" would do."""

    label: str
    href: str


VERBS_OF: Mapping[State, tuple[str, ...]] = {
    State.DEAD: ("requeue", "trash"),
    State.TRASHED: ("restore", "delete"),
    State.SCHEDULED: ("promote", "trash", "cancel"),
    State.RETRYING: ("promote", "trash", "cancel"),
    State.READY: ("trash", "cancel"),
    State.HELD: ("trash", "cancel"),
}
"""What can be done to all tasks of a state, the likeliest first."""


def links(queue: str, state: State, count: int, chosen: Mapping[str, Any] | None = None) -> tuple[Link, ...]:
    """`Retry 1,204…`, `Purge 1,204…`; none where there is nothing. `chosen`: which of them, as an address says it."""
    query = {**(chosen or {}), "seen": count, "next": request.full_path.rstrip("?")}
    if state not in (State.DEAD, State.TRASHED):
        query["state"] = state.value
    return tuple(
        Link(f"{act(verb)} {exact(count)}…", url_for("bulk.preview", name=queue, verb=verb, **query))
        for verb in (VERBS_OF.get(state, ()) if count else ())
    )


def effect_of(verb: str, count: int) -> str:
    """What becomes of so many tasks."""
    if verb != "trash":
        return effect(verb, count)
    until = clock(g.now_ms + TRASH_SECONDS * 1000, g.now_ms, viewer().zone)
    return f"{'It goes' if count == 1 else 'They go'} to the trash and can be restored until {until}."


def begin(selection: Selection, pace: Pace) -> Response:
    """Begin what the form is bound to, and go to its page: the same form sent again goes there, too.

    The form has `action_id` and may have `reason`. What can be begun is checked by the engine (`Operations.start`).
    """
    bound = selection.bound
    operation = parts().operations.start(
        bound, by=actor(), action_id=form_id(bound), reason=reason(), drip=pace.drip, canary=pace.canary
    )
    parts().tender.wake()
    return done(operation.began_at, to=page_of(operation))


def begun(bound: Bound) -> Operation | None:
    """What this form has begun before."""
    try:
        return parts().inspector.operation(operation_id(bound.queue, form_id(bound)), bound.queue)
    except UnknownOperation:
        return None


def form_id(bound: Bound) -> str:
    return action_id(bound.verb, bound.taken_at)


def page_of(operation: Operation) -> str:
    """Its queue is named, or all queues would be asked for it with each refresh."""
    return url_for("activity.show", operation_id=operation.id, queue=operation.bound.queue)


def undo_form(act: str) -> str:
    """One act is undone once, whoever presses."""
    return f"undo {act}"


def _rate(text: str) -> float:
    rate = whole_number(text.strip(), "How many a minute")
    if not 1 <= rate <= MOST_PER_MINUTE:
        raise InvalidArgument(f"{rate:,} a minute is not accepted: 1 to {MOST_PER_MINUTE:,}.")
    return float(rate)
