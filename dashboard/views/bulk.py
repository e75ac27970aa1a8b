"""What is done to all that match: a page that shows what it would be, and the form on it that begins it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from flask import Blueprint, Response, abort, g, request, url_for

from dashboard.actions import done, is_path
from dashboard.bulk import Pace, begin, begun, effect_of, page_of, ways
from dashboard.fault_filter import FaultFilter
from dashboard.filters import clock, duration, exact, plural
from dashboard.htmx import render_page
from dashboard.identity import Role, actor, needs
from dashboard.parts import parts
from dashboard.rendering import viewer
from dashboard.selections import Selection
from dashboard.wording import VERBS, Words, act, tasks
from queue_core.errors import InvalidArgument
from queue_core.operations import VERBS as STATES_OF
from queue_core.snapshot import AuditEntry, Bound, FaultShare, Preview, State

blueprint = Blueprint("bulk", __name__)

MOST_LINES = 5
"""Of a list of what they are."""
LOOK_BACK = 50
"""Entries of the audit among which is looked for who was quicker."""
MOVED_ELSEWHERE = ("move",)
"""Verbs that need more than this page asks for."""
TIMES = {
    State.DEAD: "Died",
    State.READY: "Ready since",
    State.SCHEDULED: "Due",
    State.RETRYING: "Next try",
    State.TRASHED: "Kept until",
}


@dataclass(frozen=True, slots=True)
class Share:
    name: str
    count: int


@dataclass(frozen=True, slots=True)
class BulkPage:
    """`seen`: how many the page before had shown. `notices`: what differs from what was shown before. `wrong`: what has
    to be changed in the form; `given`: what was typed into it."""

    preview: Preview
    words: Words
    title: str
    effect: str
    selection: str
    by_task: tuple[Share, ...]
    by_error: tuple[Share, ...]
    times: str
    ways: tuple[str, ...]
    pace: Pace
    back: str
    notices: tuple[str, ...] = ()
    wrong: str = ""
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def bound(self) -> Bound:
        return self.preview.bound

    @property
    def is_typed(self) -> bool:
        """Whether the number has to be typed."""
        return self.bound.verb == "delete"


@blueprint.get("/queues/<name>/bulk/<verb>")
def preview(name: str, verb: str) -> Response:
    """Changes nothing."""
    found = _preview(name, verb)
    seen = request.args.get("seen", "")
    notices = _missing(found.bound, int(seen)) if seen.isascii() and seen.isdigit() and len(seen) < 13 else ()
    return _show(found, notices)


@blueprint.post("/queues/<name>/bulk/<verb>")
@needs(Role.OPERATOR)
def start(name: str, verb: str) -> Response:
    """Bound to the form's selection. One that is too old, or somebody else's, is shown again."""
    selection = Selection.read(request.form.get("selection", ""))
    if selection is None or not selection.is_of(name, verb):
        return _show(_preview(name, verb), ("What this form was made of is not known any more.",), status=409)
    operation = begun(selection.bound)
    if operation:
        return done(operation.began_at, to=page_of(operation))
    why_again = _why_again(selection)
    if why_again:
        found = _preview(name, verb)
        return _show(found, (why_again, *_differences(selection.bound, found.bound)), status=409)
    try:
        pace = Pace.read(request.form)
        _check_typed(selection.bound)
        return begin(selection, pace)
    except InvalidArgument as error:
        found = _preview(name, verb)
        return _show(found, _differences(selection.bound, found.bound), wrong=str(error), status=422)


def _preview(queue: str, verb: str) -> Preview:
    """What the address names: a state of the queue, or of its dead letters those of some faults and a range of time."""
    if verb not in VERBS or verb in MOVED_ELSEWHERE:
        abort(404)
    state = _state(verb, request.args.get("state", ""))
    chosen, faults = FaultFilter.read(request.args, viewer().zone), tuple(request.args.getlist("fault"))
    operations = parts().operations
    if state is not State.DEAD:
        return operations.preview(queue, verb, state=state)
    if chosen.chooses:
        known = chosen.within(queue).of(parts().inspector.faults(queue))
        matching = tuple(fault.fingerprint for fault in known if not faults or fault.fingerprint in faults)
        if not matching:
            return Preview(Bound(queue, verb, state, g.now_ms, 0), (), None, None, ())
        faults = matching
    return operations.preview(queue, verb, faults=faults, since=chosen.since, until=chosen.until)


def _state(verb: str, text: str) -> State:
    accepted = STATES_OF[verb]
    if not text:
        return State.DEAD if State.DEAD in accepted else State.TRASHED
    if text not in {state.value for state in State}:
        raise InvalidArgument(f"{text[:40]!r} is not a state in which a queue keeps tasks.")
    return State(text)


def _show(found: Preview, notices: Iterable[str] = (), *, wrong: str = "", status: int = 200) -> Response:
    bound = found.bound
    words = VERBS[bound.verb]
    pace = Pace.usual(bound)
    page = BulkPage(
        preview=found,
        words=words,
        title=f"{words.name} {tasks(bound.count, bound.state)}",
        effect=effect_of(bound.verb, bound.count),
        selection=Selection(bound, actor()).sign() if bound.count else "",
        by_task=_shares(found.by_fault, lambda share: share.task_name),
        by_error=_shares(found.by_fault, lambda share: share.error_class),
        times=TIMES.get(bound.state, ""),
        ways=ways(bound.verb),
        pace=pace,
        back=_back(bound),
        notices=tuple(notices),
        wrong=wrong,
        given=request.form,
    )
    return render_page("bulk/show.html", {}, page, status=status)


def _shares(found: Iterable[FaultShare], name_of: Callable[[FaultShare], str]) -> tuple[Share, ...]:
    """Most first; what is behind the fifth is one line."""
    counts: Counter[str] = Counter()
    for share in found:
        counts[name_of(share) or "not known any more"] += share.count
    ordered = counts.most_common()
    shown = [Share(name, count) for name, count in ordered[:MOST_LINES]]
    rest = ordered[MOST_LINES:]
    if rest:
        shown.append(Share(f"{exact(len(rest))} more", sum(count for _, count in rest)))
    return tuple(shown)


def _back(bound: Bound) -> str:
    target = request.args.get("next", "")
    if is_path(target):
        return f"{request.script_root}{target}"
    return url_for("queues.show", name=bound.queue, state=bound.state.value)


# What differs from what was shown before.


def _why_again(selection: Selection) -> str:
    if not selection.is_fresh(g.now_ms):
        age = duration(selection.age_ms(g.now_ms))
        return f"The preview was {age} old, so nothing was done. This is how it is now."
    if selection.by != actor():
        return f"The preview was made for {selection.by}, so nothing was done. This is how it is now."
    return ""


def _differences(before: Bound, now: Bound) -> tuple[str, ...]:
    if before.count == now.count:
        return ()
    return (f"It was {tasks(before.count, before.state)}, now it is {exact(now.count)}.",)


def _missing(bound: Bound, seen: int) -> tuple[str, ...]:
    """Fewer than the page before had shown: how many, and who was quicker, as far as the audit knows."""
    left_out = seen - bound.count
    if left_out <= 0:
        return ()
    what = f"{exact(left_out)} of the {exact(seen)} that you saw"
    quicker = _quicker(bound)
    if quicker is None:
        return (f"{what} {'is' if left_out == 1 else 'are'} not there any more and left out.",)
    when = clock(quicker.at, g.now_ms, viewer().zone)
    more = "" if quicker.count == left_out else f" ({plural(quicker.count, 'task')})"
    are = "is" if left_out == 1 else "are"
    return (f"{what} {are} left out: {quicker.by} pressed {act(quicker.verb)} at {when}{more}.",)


def _quicker(bound: Bound) -> AuditEntry | None:
    entries = parts().inspector.audit(LOOK_BACK).rows
    takes = [entry for entry in entries if entry.queue == bound.queue and bound.state in STATES_OF.get(entry.verb, ())]
    return takes[0] if takes and g.now_ms - takes[0].at < 15 * 60_000 else None


def _check_typed(bound: Bound) -> None:
    if bound.verb != "delete":
        return
    typed = "".join(character for character in request.form.get("typed", "") if character not in " ,.\u202f\u00a0")
    if typed != str(bound.count):
        raise InvalidArgument(f"Type the number of tasks, {exact(bound.count)}, to delete them for good.")
