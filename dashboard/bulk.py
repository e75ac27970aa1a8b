"""How bulk work begins, wherever its form stands: what was previewed, as fast as was chosen, once for each form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import Response, g, request, url_for

from dashboard.actions import action_id, done, is_path, reason, whole_number
from dashboard.fault_filter import FaultFilter
from dashboard.filters import clock, exact
from dashboard.identity import actor
from dashboard.parts import parts
from dashboard.rendering import viewer
from dashboard.selections import Selection
from dashboard.toasts import say
from dashboard.wording import act, effect, held_back
from queue_core.bounds import DRIPPING
from queue_core.errors import InvalidArgument, OperationEnded, TooManyOperations, UnknownOperation, UnknownQueue
from queue_core.operations import CANARY_FROM, operation_id
from queue_core.settings import TRASH_SECONDS
from queue_core.snapshot import Bound, Operation, Preview, State

FIRST = 5
"""How many go first where nobody chose another number."""
PER_MINUTE = 60
MOST_PER_MINUTE = 6_000_000
MOST_QUEUES = 300
"""In which one form begins something."""
MOST_TOLD = 4


@dataclass(frozen=True, slots=True)
class Pace:
    """`way`: `all` at once; `first`, so many, the others when all of those have completed; `spread` over time."""

    way: str = "all"
    first: int = FIRST
    per_minute: float = PER_MINUTE

    @classmethod
    def usual(cls, verb: str, count: int, *, is_doubtful: bool = False) -> Pace:
        """Of many retries a few go first; where they would probably fail (`is_doubtful`) also of less many."""
        most = FIRST if is_doubtful else CANARY_FROM
        return cls("first" if verb == "requeue" and count > most else "all")

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
    State.DEAD: ("requeue", "trash", "move"),
    State.TRASHED: ("restore", "delete"),
    State.SCHEDULED: ("promote", "trash", "cancel", "move"),
    State.RETRYING: ("promote", "trash", "cancel", "move"),
    State.READY: ("trash", "cancel", "move"),
    State.HELD: ("trash", "cancel", "move"),
}
"""What can be done to all tasks of a state, the likeliest first."""


def links(queue: str, state: State, count: int, chosen: Mapping[str, Any] | None = None) -> tuple[Link, ...]:
    """`Retry 1,204…`, `Purge 1,204…`; none where there is nothing. `queue`: "" for all; `chosen`: which of the tasks,
    as an address says it."""
    query = {**(chosen or {}), "seen": count, "next": request.full_path.rstrip("?")}
    if state not in (State.DEAD, State.TRASHED):
        query["state"] = state.value
    verbs = VERBS_OF.get(state, ()) if count else ()
    if not queue:
        return tuple(
            Link(f"{act(verb)} {exact(count)}…", url_for("bulk_together.preview", verb=verb, **query))
            for verb in verbs
            if verb != "move"
        )
    return tuple(
        Link(f"{act(verb)} {exact(count)}…", url_for("bulk.preview", name=queue, verb=verb, **query)) for verb in verbs
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
    return began(operation)


def began(operation: Operation) -> Response:
    """To its page; or, where the form stands on a page that shows how far it is (`stay`), back to that."""
    stay = request.form.get("stay", "")
    return done(operation.began_at, to=f"{request.script_root}{stay}" if is_path(stay) else page_of(operation))


def begin_together(selection: Selection, pace: Pace) -> Response:
    """As `begin`, of several queues: an operation in each, of one form. A queue in which none can be begun is left out
    and named."""
    form = form_id(*selection.bounds)
    begun, left_out = start_together(selection, form=form, because=reason(), canary=pace.canary, drip=pace.drip)
    for queue, why in list(left_out.items())[:MOST_TOLD]:
        say(f"{queue} is left out: {why}.", kind="warn")
    if not begun:
        return done(to=f"{request.script_root}{request.full_path.rstrip('?')}")
    return done(max(operation.began_at for operation in begun), to=together_page(selection))


def start_together(
    selection: Selection, *, form: str, because: str, canary: int, drip: float | None
) -> tuple[tuple[Operation, ...], dict[str, str]]:
    """What has begun in each queue; and of those in which nothing can be, why. Raises `InvalidArgument`: nothing was
    begun."""
    begun: list[Operation] = []
    left_out: dict[str, str] = {}
    for bound in selection.bounds:
        try:
            begun.append(
                parts().operations.start(bound, by=actor(), action_id=form, reason=because, drip=drip, canary=canary)
            )
        except (TooManyOperations, UnknownQueue) as error:
            left_out[bound.queue] = str(error)
    parts().tender.wake()
    return tuple(begun), left_out


def begun_together(selection: Selection) -> bool:
    """Whether this form has begun anything before."""
    form = form_id(*selection.bounds)
    places = [(bound.queue, operation_id(bound.queue, form)) for bound in selection.bounds]
    return bool(parts().inspector.operations_named(places))


def together_page(selection: Selection) -> str:
    return url_for("together.show", form=form_id(*selection.bounds))


def begun(bound: Bound) -> Operation | None:
    """What this form has begun before."""
    try:
        return parts().inspector.operation(operation_id(bound.queue, form_id(bound)), bound.queue)
    except UnknownOperation:
        return None


def form_id(*bounds: Bound) -> str:
    return action_id(bounds[0].verb, bounds[0].taken_at)


def page_of(operation: Operation, endpoint: str = "show") -> str:
    """Of an operation, or of the sum of those that one form has begun: its page, or by another endpoint what steers it.
    Its queue is named, or all queues would be asked for it with each refresh."""
    if not operation.bound.queue:
        return url_for(f"together.{endpoint}", form=operation.id)
    return url_for(f"activity.{endpoint}", operation_id=operation.id, queue=operation.bound.queue)


def begin_undo(purge: Operation, because: str) -> Operation:
    """What it purged is restored, as an operation of its own."""
    keep_ms, ended_at = purge.keep_ms or 0, purge.ended_at or g.now_ms
    bound = parts().operations.undoing(
        purge.bound.queue, purge.id, purge.done, since=purge.began_at + keep_ms, until=ended_at + keep_ms
    )
    return parts().operations.start(bound, by=actor(), action_id=undo_form(purge.id), reason=because)


def steer_together(several: Sequence[Operation], verb: str, *, action_id: str, because: str) -> tuple[Operation, ...]:
    """`verb`: `pause`, `resume` or `cancel`, for those that have not ended, which are returned; where all have, it may
    be by this very form, which then does the same again."""
    steer, steered = getattr(parts().operations, verb), []
    for operation in [one for one in several if not one.has_ended] or several:
        try:
            steer(operation.id, operation.bound.queue, by=actor(), action_id=action_id, reason=because)
            steered.append(operation)
        except OperationEnded:
            continue
    if steered:
        parts().tender.wake()
    return tuple(steered)


def try_more(held: Operation, because: str) -> Operation | None:
    """What the first of a retry have stopped goes on as another one of the rest, of which as many go first again; once
    for each, whoever presses. `None` where it was not stopped so, or has ended. It is cancelled before the other is
    begun: who dies between them leaves dead letters that are offered again, and no two retries of the same."""
    form = try_more_form(held.id)
    place = held.bound.queue, operation_id(held.bound.queue, form)
    before = parts().inspector.operations_named([place]).get(place)
    if before:
        return before
    if held.progress != "paused" or not held_back(held):
        return None
    try:
        ended = parts().operations.cancel(
            held.id, held.bound.queue, by=actor(), action_id=form, reason="to try a few more first"
        )
    except OperationEnded:
        return None
    rest = ended.bound.count - ended.looked_at
    if rest < 1:
        return None
    begun = parts().operations.start(
        replace(ended.bound, count=rest),
        by=actor(),
        action_id=form,
        reason=because or ended.reason,
        drip=ended.drip,
        canary=min(ended.canary, rest),
    )
    parts().tender.wake()
    return begun


def try_more_form(operation_id: str) -> str:
    return f"try more {operation_id}"


def preview_together(verb: str, state: State, chosen: FaultFilter) -> tuple[Preview, ...]:
    """Of each queue in which something matches: a state, or of the dead letters those of the filter. Raises
    `InvalidArgument`."""
    check_chosen(state, chosen)
    counts = {queue.name: queue.counts for queue in g.view.snapshot.queues} if g.view.snapshot else {}
    queues: dict[str, list[str]] = {}
    if state is State.DEAD and chosen.chooses:
        for fault in chosen.of(parts().inspector.faults(chosen.queue or None)):
            if fault.dead:
                queues.setdefault(fault.queue, []).append(fault.fingerprint)
    else:
        queues = {name: [] for name in counts if getattr(counts[name], state.value) and chosen.queue in ("", name)}
    if len(queues) > MOST_QUEUES:
        raise InvalidArgument(f"{len(queues):,} queues at once are not accepted: {MOST_QUEUES} are the most.")
    return parts().operations.preview_several(verb, queues, state=state, since=chosen.since, until=chosen.until)


def check_chosen(state: State, chosen: FaultFilter, faults: Sequence[str] = ()) -> None:
    """A filter that does not hold there is refused, and not taken for "all". Raises `InvalidArgument`."""
    if state is not State.DEAD and (chosen.chooses or chosen.is_timed or faults):
        raise InvalidArgument("fault, task, class, text and times choose dead letters alone")


def recall_together(retries: Sequence[Operation], because: str) -> tuple[Operation, ...]:
    """What they put back and nobody has begun is dead again, by an operation for each; those of which all has started
    are left out."""
    begun = []
    for retry in retries:
        try:
            begun.append(parts().operations.recall(retry.id, retry.bound.queue, by=actor(), reason=because))
        except InvalidArgument:
            continue
    if begun:
        parts().tender.wake()
    return tuple(begun)


def undo_form(act: str) -> str:
    """One act is undone once, whoever presses."""
    return f"undo {act}"


def _rate(text: str) -> float:
    rate = whole_number(text.strip(), "How many a minute")
    if not 1 <= rate <= MOST_PER_MINUTE:
        raise InvalidArgument(f"{rate:,} a minute is not accepted: 1 to {MOST_PER_MINUTE:,}.")
    return float(rate)
