"""What is done to all that match: a page that shows what it would be, and the form on it that begins it; in one queue,
or in several at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from flask import Blueprint, Response, abort, g, request, url_for

from dashboard.actions import done, is_path
from dashboard.bulk import (
    Pace,
    began,
    begin,
    begin_together,
    begun,
    begun_together,
    check_chosen,
    effect_of,
    preview_together,
    together_page,
    ways,
)
from dashboard.fault_filter import FaultFilter
from dashboard.filters import ago, duration, exact, size
from dashboard.htmx import render_outcome, render_page, wants_fragment
from dashboard.identity import Role, actor, needs
from dashboard.parameters import not_accepted, one_of
from dashboard.parts import parts
from dashboard.rendering import viewer
from dashboard.selections import Selection
from dashboard.targets import Target, target_of, untaken, wrong_target
from dashboard.toasts import say
from dashboard.wording import VERBS, Words, tasks
from queue_core.errors import CorruptQueue, InvalidArgument
from queue_core.previews import VERBS as STATES_OF
from queue_core.snapshot import AuditEntry, Bound, Fault, Preview, State, TaskSummary

blueprint = Blueprint("bulk", __name__)
together = Blueprint("bulk_together", __name__)

MOST_LINES = 5
"""Of a list of what they are."""
LOOK_BACK = 50
"""Entries of the audit among which is looked for who was quicker."""
QUICK_MS = 15 * 60_000
IN_SEVERAL = ("requeue", "trash", "restore", "delete")
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
    """`previews`: of each queue; `bound`: of the first, or, where nothing is there, what was asked for. `notices`: what
    differs from what was shown before. `wrong`: what has to be changed in the form; `given`: what was typed into it.
    `memory`: how much they take, where that is worth telling. `untaken`: queues in which what is retried would wait for
    a worker. `muted`: of a move, faults whose mute stays behind."""

    bound: Bound
    count: int
    words: Words
    title: str
    effect: str
    selection: str
    by_queue: tuple[Share, ...]
    by_task: tuple[Share, ...]
    by_error: tuple[Share, ...]
    oldest_at: int | None
    newest_at: int | None
    samples: tuple[TaskSummary, ...]
    times: str
    memory: str
    untaken: tuple[str, ...]
    muted: tuple[Fault, ...]
    ways: tuple[str, ...]
    pace: Pace
    back: str
    in_several: bool
    target: Target | None = None
    notices: tuple[str, ...] = ()
    wrong: str = ""
    given: Mapping[str, str] = field(default_factory=dict)
    ahead_at: int | None = None
    """Where nothing is there: when the newest letter died, if that is yet to come by the server's clock."""

    @property
    def is_typed(self) -> bool:
        """Whether the number has to be typed."""
        return self.bound.verb == "delete"


@blueprint.get("/queues/<name>/bulk/<verb>")
def preview(name: str, verb: str) -> Response:
    """Changes nothing."""
    return _first_look(_preview(name, verb))


@together.get("/bulk/<verb>", endpoint="preview")
def preview_of_several(verb: str) -> Response:
    """Of all queues in which something matches. Changes nothing."""
    return _first_look(_preview_together(verb))


@blueprint.post("/queues/<name>/bulk/<verb>")
@needs(Role.OPERATOR)
def start(name: str, verb: str) -> Response:
    """Bound to the form's selection. One that is too old, or somebody else's, is shown again."""
    return _start(verb, name, lambda: _preview(name, verb))


@together.post("/bulk/<verb>", endpoint="start")
@needs(Role.OPERATOR)
def start_together(verb: str) -> Response:
    """As `start`: an operation in each of the queues."""
    return _start(verb, "", lambda: _preview_together(verb))


@dataclass(frozen=True, slots=True)
class _Found:
    """What was looked at. `asked`: what for, where nothing is there."""

    previews: tuple[Preview, ...]
    asked: Bound
    in_several: bool = False
    wrong: str = ""

    @property
    def bounds(self) -> tuple[Bound, ...]:
        return tuple(preview.bound for preview in self.previews)

    @property
    def count(self) -> int:
        return sum(preview.count for preview in self.previews)


def _first_look(found: _Found) -> Response:
    seen = request.args.get("seen") or "0"
    if not (seen.isascii() and seen.isdigit() and len(seen) < 13):
        raise not_accepted("seen", seen, "how many the page before has shown")
    return _show(found, _missing(found, int(seen)))


def _start(verb: str, name: str, look: Callable[[], _Found]) -> Response:
    selection = Selection.read(request.form.get("selection", ""))
    if selection is None or not selection.is_of(verb, name):
        return _show(look(), ("What this form was made of is not known any more.",), status=409)
    before = begun(selection.bound) if name else None
    if before:
        return began(before)
    if not name and not selection.is_fresh(g.now_ms) and begun_together(selection):
        return done(to=together_page(selection))
    why_again = _why_again(selection)
    if why_again:
        found = look()
        return _show(found, (why_again, *_differences(selection, found)), status=409)
    try:
        pace = Pace.read(request.form)
        _check_typed(selection)
        return begin(selection, pace) if name else begin_together(selection, pace)
    except InvalidArgument as error:
        found = look()
        return _show(found, _differences(selection, found), wrong=str(error), status=422)


def _preview(queue: str, verb: str) -> _Found:
    """What the address names: a state of the queue, or of its dead letters those of some faults and a range of time."""
    if verb not in STATES_OF:
        abort(404)
    state, to_queue = _state(verb), request.args.get("to", "").strip()
    chosen, faults = FaultFilter.read(request.args, viewer().zone), tuple(request.args.getlist("fault"))
    operations, nothing = parts().operations, Bound(queue, verb, state, g.now_ms, 0, to_queue=to_queue)
    if verb == "move" and (wrong := wrong_target(queue, to_queue)) is not None:
        parts().inspector.queue(queue)
        return _Found((), Bound(queue, verb, state, g.now_ms, 0), wrong=wrong)
    check_chosen(state, chosen, faults)
    if state is not State.DEAD:
        return _of_one(operations.preview(queue, verb, state=state, to_queue=to_queue))
    if chosen.chooses:
        known = chosen.within(queue).of(parts().inspector.faults(queue))
        matching = tuple(fault.fingerprint for fault in known if not faults or fault.fingerprint in faults)
        if not matching:
            return _Found((), nothing)
        faults = matching
    return _of_one(
        operations.preview(queue, verb, faults=faults, since=chosen.since, until=chosen.until, to_queue=to_queue)
    )


def _of_one(found: Preview) -> _Found:
    return _Found((found,) if found.count else (), found.bound)


def _preview_together(verb: str) -> _Found:
    """What the address names, in whatever queues it is."""
    if verb not in IN_SEVERAL:
        abort(404)
    state, chosen = _state(verb), FaultFilter.read(request.args, viewer().zone)
    found = preview_together(verb, state, chosen)
    return _Found(found, Bound("", verb, state, g.now_ms, 0), in_several=True)


def _state(verb: str) -> State:
    accepted = STATES_OF[verb]
    text = one_of("state", sorted(state.value for state in accepted))
    if not text:
        return State.DEAD if State.DEAD in accepted else State.TRASHED
    return State(text)


def _show(found: _Found, notices: Iterable[str] = (), *, wrong: str = "", status: int = 200) -> Response:
    """A page that stays is told why nothing was done; its next refresh shows how it is now."""
    notices = tuple(notices)
    if status != 200 and wants_fragment():
        say(" ".join(filter(None, (wrong, *notices))), kind="bad")
        return render_outcome(status=status)
    bound = found.bounds[0] if found.previews else found.asked
    if bound.state in (State.DEAD, State.TRASHED):
        g.section = "failures"
    words, count = VERBS[bound.verb], found.count
    pace = Pace.usual(bound.verb, count)
    shares = [share for preview in found.previews for share in preview.by_fault]
    number = len(found.previews)
    to = f" to {bound.to_queue}" if bound.to_queue else ""
    page = BulkPage(
        bound=bound,
        count=count,
        words=words,
        title=f"{words.name} {tasks(count, bound.state)}{to}{f' in {number:,} queues' if number > 1 else ''}",
        effect=effect_of(bound.verb, count),
        selection=Selection(found.bounds, actor()).sign() if count else "",
        by_queue=_shares((preview.bound.queue, preview.count) for preview in found.previews),
        by_task=_shares((share.task_name, share.count) for share in shares),
        by_error=_shares((share.error_class, share.count) for share in shares),
        oldest_at=min((one.oldest_at for one in found.previews if one.oldest_at is not None), default=None),
        newest_at=max((one.newest_at for one in found.previews if one.newest_at is not None), default=None),
        samples=tuple(task for preview in found.previews for task in preview.samples),
        times=TIMES.get(bound.state, ""),
        memory=_memory(bound.verb, found.previews),
        untaken=untaken(one.queue for one in found.bounds) if bound.verb == "requeue" else (),
        muted=_muted(found),
        ways=ways(bound.verb),
        pace=pace,
        back=_back(found),
        in_several=found.in_several,
        target=target_of(bound.queue, bound.to_queue) if bound.verb == "move" else None,
        notices=notices,
        wrong=wrong or found.wrong,
        given=request.form,
        ahead_at=_ahead_at(found),
    )
    return render_page("bulk/show.html", {}, page, status=status)


def _ahead_at(found: _Found) -> int | None:
    """A clock that was set back leaves letters that a preview, which is of what died by now, does not find."""
    asked = found.asked
    if found.count or found.wrong or found.in_several or asked.state is not State.DEAD:
        return None
    newest = parts().inspector.letters(asked.queue, limit=1).rows[:1]
    return next((row.at for row in newest if row.at is not None and row.at > asked.taken_at), None)


def _shares(found: Iterable[tuple[str, int]]) -> tuple[Share, ...]:
    """Most first; what is behind the fifth is one line."""
    counts: Counter[str] = Counter()
    for name, count in found:
        counts[name or "not known any more"] += count
    ordered = counts.most_common()
    shown = [Share(name, count) for name, count in ordered[:MOST_LINES]]
    rest = ordered[MOST_LINES:]
    if rest:
        shown.append(Share(f"{exact(len(rest))} more", sum(count for _, count in rest)))
    return tuple(shown)


def _memory(verb: str, previews: Sequence[Preview]) -> str:
    """`about 1.4 MiB, freed when deleted for good`: of what leaves; "" where the server does not tell."""
    freed = {"trash": "freed when deleted for good", "delete": "freed", "cancel": "freed"}.get(verb)
    sizes = [preview.size for preview in previews if preview.size is not None]
    return f"about {size(sum(sizes))}, {freed}" if freed and sizes and len(sizes) == len(previews) else ""


def _muted(found: _Found) -> tuple[Fault, ...]:
    """What is said of a fault stays with it, and in the other queue the letters make another one."""
    bound = found.asked
    if bound.verb != "move" or bound.state is not State.DEAD or not found.previews:
        return ()
    named = {share.fingerprint for preview in found.previews for share in preview.by_fault}
    faults = parts().inspector.faults(bound.queue)
    return tuple(fault for fault in faults if fault.fingerprint in named and fault.is_muted(g.now_ms))


def _back(found: _Found) -> str:
    address = request.args.get("next", "")
    if is_path(address):
        return f"{request.script_root}{address}"
    if found.in_several:
        return url_for("failures.trash" if found.asked.state is State.TRASHED else "failures.index")
    return url_for("queues.show", name=found.asked.queue, state=found.asked.state.value)


# What differs from what was shown before.


def _why_again(selection: Selection) -> str:
    if not selection.is_fresh(g.now_ms):
        age = duration(selection.age_ms(g.now_ms))
        return f"The preview was {age} old, so nothing was done. This is how it is now."
    if selection.by != actor():
        return f"The preview was made for {selection.by}, so nothing was done. This is how it is now."
    return ""


def _differences(before: Selection, now: _Found) -> tuple[str, ...]:
    found = []
    if before.count != now.count:
        found.append(f"It was {tasks(before.count, before.bound.state)}, now it is {exact(now.count)}.")
    counts = {bound.queue: bound.count for bound in now.bounds}
    changed = [bound for bound in before.bounds if counts.get(bound.queue, 0) != bound.count]
    if len(before.bounds) > 1:
        found += [
            f"{bound.queue}: it was {exact(bound.count)}, now it is {exact(counts.get(bound.queue, 0))}."
            for bound in changed[:MOST_LINES]
        ]
    return tuple(found)


def _missing(found: _Found, seen: int) -> tuple[str, ...]:
    """Fewer than the page before had shown: how many, and who was quicker, as far as the audit knows."""
    left_out = seen - found.count
    if left_out <= 0:
        return ()
    what, is_one = f"{exact(left_out)} of the {exact(seen)} that you saw", left_out == 1
    quicker = _quicker(found)
    if quicker is None:
        return (f"{what} {'is' if is_one else 'are'} not there any more and left out.",)
    how = f"{VERBS[quicker.verb].done} by {quicker.by} {ago(quicker.at, g.now_ms)}"
    if quicker.count < left_out:
        return (f"{what} are left out: {exact(quicker.count)} {'was' if quicker.count == 1 else 'were'} {how}.",)
    return (f"{what} {'was' if is_one else 'were'} {how} and {'is' if is_one else 'are'} left out.",)


def _quicker(found: _Found) -> AuditEntry | None:
    queues = {bound.queue for bound in (*found.bounds, found.asked)} - {""}
    try:
        entries = parts().inspector.audit(LOOK_BACK).rows
    except CorruptQueue:
        return None  # the page of activity says what is wrong with it
    takes = [
        entry
        for entry in entries
        if found.asked.state in STATES_OF.get(entry.verb, ()) and (found.in_several or entry.queue in queues)
    ]
    return takes[0] if takes and g.now_ms - takes[0].at < QUICK_MS else None


def _check_typed(selection: Selection) -> None:
    if selection.bound.verb != "delete":
        return
    typed = "".join(character for character in request.form.get("typed", "") if character not in " ,.\u202f\u00a0")
    if typed != str(selection.count):
        raise InvalidArgument(f"Type the number of tasks, {exact(selection.count)}, to delete them for good.")
