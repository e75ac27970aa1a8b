"""Failures: by fault, letter by letter, and what was purged. Ticked letters are retried through a preview."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from flask import Blueprint, Response, g, make_response, redirect, request, url_for
from werkzeug.exceptions import BadRequest

from dashboard.actions import Letter, action_id, by_queue, done, read_letters, reason, say_outcome, whole_number
from dashboard.bulk import MOST_QUEUES, Link, effect_of, links, undo_form
from dashboard.fault_filter import FaultFilter, is_local
from dashboard.filters import clock, plural
from dashboard.htmx import fresh, render_page
from dashboard.identity import Role, actor, needs
from dashboard.listing import Listing, listing, oldest_first
from dashboard.pagination import PAGE_SIZE, Order, Part, part_of
from dashboard.parameters import is_on, page_number
from dashboard.parts import known_faults, parts
from dashboard.rendering import viewer
from dashboard.toasts import say
from dashboard.wording import VERBS, Words
from queue_core.errors import InvalidArgument
from queue_core.snapshot import Fault, Page, State, TaskSummary

blueprint = Blueprint("failures", __name__)

MOST_TICKED = 200
"""By one press: it happens inside of the request."""
KEYS: Mapping[str, Callable[[Fault], object]] = {
    "fault": lambda fault: fault.title.lower(),
    "queue": lambda fault: (fault.queue, fault.task_name),
    "dead": lambda fault: fault.dead,
    "retrying": lambda fault: fault.retrying,
    "attempts": lambda fault: fault.attempts,
    "first": lambda fault: fault.first_seen_at,
    "last": lambda fault: fault.last_seen_at,
}
"""What the table of faults is sorted by, by column."""


@dataclass(frozen=True, slots=True)
class Tab:
    name: str
    endpoint: str
    count: int | None
    is_current: bool


@dataclass(frozen=True, slots=True)
class Faults:
    """`links`: what can be done to all letters of these faults; without any where they are of too many queues, of which
    `queue_count` says how many."""

    tabs: tuple[Tab, ...]
    part: Part[Fault]
    order: Order
    filter: FaultFilter
    queues: tuple[str, ...]
    dead: int
    links: tuple[Link, ...]
    queue_count: int
    is_muted: bool = False
    """Only those of which somebody has said that they know."""


@dataclass(frozen=True, slots=True)
class Letters:
    """`links` and `queue_count` as in `Faults`."""

    tabs: tuple[Tab, ...]
    listing: Listing
    state: State
    filter: FaultFilter
    queues: tuple[str, ...]
    links: tuple[Link, ...]
    queue_count: int

    @property
    def is_filtered(self) -> bool:
        return self.state is State.DEAD and self.filter.is_set


@dataclass(frozen=True, slots=True)
class Preview:
    """What a press of the button will act on: exactly these, as they were when they were ticked."""

    verb: str
    words: Words
    rows: tuple[TaskSummary, ...]
    changed: int
    back: str

    @property
    def effect(self) -> str:
        return effect_of(self.verb, len(self.rows))


@blueprint.get("/dead")
def index() -> Response:
    chosen = _filter()
    if _is_local():
        return _with_zones(chosen)
    found, is_muted = faults_of(chosen), is_on("muted")
    if is_muted:
        found = tuple(fault for fault in found if fault.is_muted(g.now_ms))
    order = Order.read(request.args.get("sort"), tuple(KEYS), "-last")
    rows = order.apply(found, KEYS[order.column])
    if "sort" not in request.args:
        rows = tuple(sorted(rows, key=_is_over))
    dead = sum(fault.dead for fault in found)
    queues = {fault.queue for fault in found if fault.dead}
    page = Faults(
        tabs=_tabs("failures.index", chosen, faults=len(found), letters=dead),
        part=part_of(rows, page_number()),
        order=order,
        filter=chosen,
        queues=_queue_names(chosen.queue),
        dead=g.view.dead,
        links=() if is_muted else _links(queues, State.DEAD, dead, chosen),
        queue_count=0 if is_muted else len(queues),
        is_muted=is_muted,
    )
    panels = {"tabs": "failures/_tabs.html", "whole": "tasks/_whole.html", "list": "failures/_faults.html"}
    return render_page("failures/index.html", panels, page)


@blueprint.get("/dead/letters")
def letters() -> Response:
    chosen, inspector, cursor = _filter(), parts().inspector, request.args.get("cursor")
    if _is_local():
        return _with_zones(chosen)
    oldest = oldest_first()
    if not (chosen.chooses or chosen.is_timed):
        among = g.view.queues_where(lambda queue: queue.counts.dead)
        page = inspector.letters(chosen.queue or None, cursor=cursor, limit=PAGE_SIZE, among=among, oldest_first=oldest)
        return _letters(page, State.DEAD, chosen, _queues_with("dead", chosen.queue))
    found = [fault for fault in chosen.of(known_faults(chosen.queue)) if fault.dead]
    page = inspector.letters_of(
        found, since=chosen.since, until=chosen.until, cursor=cursor, limit=PAGE_SIZE, oldest_first=oldest
    )
    return _letters(page, State.DEAD, chosen, {fault.queue for fault in found}, faults=len(found))


@blueprint.get("/dead/trash")
def trash() -> Response:
    chosen = FaultFilter(queue=request.args.get("queue", ""))
    cursor, among = request.args.get("cursor"), g.view.queues_where(lambda queue: queue.counts.trashed)
    page = parts().inspector.trash(
        chosen.queue or None, cursor=cursor, limit=PAGE_SIZE, among=among, oldest_first=oldest_first()
    )
    return _letters(page, State.TRASHED, chosen, _queues_with("trashed", chosen.queue))


def _letters(page: Page, state: State, chosen: FaultFilter, queues: Set[str], *, faults: int | None = None) -> Response:
    letters = page.total if state is State.DEAD else None
    context = Letters(
        tabs=_tabs(request.endpoint or "", chosen, faults=faults, letters=letters),
        listing=listing(page, parts().inspector, state=state),
        state=state,
        filter=chosen,
        queues=_queue_names(chosen.queue),
        links=_links(queues, state, page.total, chosen),
        queue_count=len(queues),
    )
    panels = {"tabs": "failures/_tabs.html", "whole": "tasks/_whole.html", "list": "tasks/_list.html"}
    return render_page("failures/letters.html", panels, context)


@blueprint.get("/dead/requeue")
@needs(Role.OPERATOR)
def preview_requeue() -> Response:
    """Changes nothing: shows what "Retry" would act on."""
    return _preview("requeue")


@blueprint.post("/dead/requeue")
@needs(Role.OPERATOR)
def requeue() -> Response:
    ticked, why, control = _ticked(), reason(), parts().control
    outcomes = [
        control.requeue(queue, pairs, by=actor(), reason=why, action_id=action_id(queue, pairs))
        for queue, pairs in by_queue(ticked).items()
    ]
    say_outcome(outcomes, "dead letter", "retried")
    return done(*(outcome.server_ms for outcome in outcomes))


@blueprint.get("/dead/purge")
@needs(Role.OPERATOR)
def preview_trash() -> Response:
    """Changes nothing: shows what "Purge" would act on."""
    return _preview("trash")


@blueprint.post("/dead/purge")
@needs(Role.OPERATOR)
def purge() -> Response:
    ticked, why, control = _ticked(), reason(), parts().control
    outcomes = [
        control.trash(
            queue,
            [task_id for task_id, _ in pairs],
            by=actor(),
            reason=why,
            action_id=action_id(queue, pairs),
            died=dict(pairs),
        )
        for queue, pairs in by_queue(ticked).items()
    ]
    until = min((outcome.restorable_until for outcome in outcomes if outcome.restorable_until), default=None)
    ends = f"They can be restored until {clock(until, g.now_ms, viewer().zone)}" if until else ""
    purged = [
        f"{queue}/{action_id(queue, pairs)}/{outcome.restorable_until}/{len(outcome.done)}"
        for (queue, pairs), outcome in zip(by_queue(ticked).items(), outcomes, strict=True)
        if outcome.done
    ]
    undo = url_for("failures.undo", purged=purged) if purged else ""
    say_outcome(outcomes, "dead letter", "purged", end=ends, undo_action=undo)
    return done(*(outcome.server_ms for outcome in outcomes))


@blueprint.post("/dead/purge/undo")
@needs(Role.OPERATOR)
def undo() -> Response:
    """`purged`: queue, form, when it is deleted for good, how many. Few: they are back before the page is."""
    operations, outcomes = parts().operations, []
    for text in request.args.getlist("purged"):
        queue, act, until, count = _read_purged(text)
        bound = operations.undoing(queue, act, count, since=until, until=until)
        begun = operations.start(bound, by=actor(), action_id=undo_form(act))
        outcomes.append(operations.wait(begun.id, queue))
    if not outcomes:
        raise BadRequest("Nothing was named that could be undone.")
    restored, gone = sum(found.done for found in outcomes), sum(sum(found.skipped.values()) for found in outcomes)
    left = f" {plural(gone, 'letter')} skipped: restored or deleted already." if gone else ""
    say(f"{plural(restored, 'dead letter')} restored.{left}", kind="warn" if gone else "good")
    return done(*(found.heard_at or 0 for found in outcomes))


def _read_purged(text: str) -> tuple[str, str, int, int]:
    parts_of_text = text.split("/")
    if len(parts_of_text) != 4:
        raise InvalidArgument(f"{text[:80]!r} does not name what was purged.")
    queue, act, until, count = parts_of_text
    how_many = whole_number(count, "The number of letters")
    if how_many > MOST_TICKED:
        raise InvalidArgument(f"{how_many:,} letters are not undone at once: {MOST_TICKED} are the most.")
    return queue, act, whole_number(until, "The time"), how_many


def _ticked() -> tuple[Letter, ...]:
    ticked = read_letters(request.form.getlist("letter"))
    if not ticked:
        raise BadRequest("No row was ticked, so nothing was done.")
    if len(ticked) > MOST_TICKED:
        raise BadRequest(f"{len(ticked):,} rows were ticked; {MOST_TICKED} are the most. Nothing was done.")
    return ticked


def _preview(verb: str) -> Response:
    ticked = read_letters(request.args.getlist("letter"))
    rows: list[TaskSummary] = []
    for queue, pairs in by_queue(ticked).items():
        rows.extend(parts().inspector.summaries(queue, [task_id for task_id, _ in pairs]))
    died = {(queue, task_id): died_at for queue, task_id, died_at in ticked}
    still = tuple(r for r in rows if r.state is State.DEAD and died.get((r.queue, r.id)) == r.at)
    back = request.args.get("next", "")
    page = Preview(verb=verb, words=VERBS[verb], rows=still, changed=len(ticked) - len(still), back=back)
    return render_page("failures/ticked.html", {}, page)


def _filter() -> FaultFilter:
    return FaultFilter.read(request.args, viewer().zone)


def _is_local() -> bool:
    """Whether a time of the address is that of the reader's own zone, as a form sends it."""
    return any(is_local(request.args.get(name, "")) for name in ("since", "until"))


def _with_zones(chosen: FaultFilter) -> Response:
    """The same address for everybody: a copied link shows a colleague the same."""
    query = {**chosen.query(), **{name: request.args[name] for name in ("sort", "order") if name in request.args}}
    return fresh(make_response(redirect(f"{url_for(request.endpoint or '')}?{urlencode(query)}", 303)))


def faults_of(chosen: FaultFilter) -> tuple[Fault, ...]:
    """Those of the filter; with a range of time those with letters that died then, and how many."""
    found = chosen.of(known_faults(chosen.queue))
    if not chosen.is_timed:
        return found
    counts = parts().inspector.count_letters(
        [fault for fault in found if fault.dead], since=chosen.since, until=chosen.until
    )
    return tuple(
        replace(fault, dead=count) for fault in found if (count := counts.get((fault.queue, fault.fingerprint), 0))
    )


def _links(queues: Set[str], state: State, count: int, chosen: FaultFilter) -> tuple[Link, ...]:
    """Of one queue, or of several at once."""
    if len(queues) > MOST_QUEUES:
        return ()
    queue = next(iter(queues)) if len(queues) == 1 else ""
    return links(queue, state, count, chosen.query(with_queue=False)) if queues else ()


def _queues_with(place: str, chosen: str) -> Set[str]:
    """Those with something in that place, or the one that is chosen."""
    if chosen or g.view.snapshot is None:
        return {chosen} - {""}
    return {queue.name for queue in g.view.snapshot.queues if getattr(queue.counts, place)}


def _queue_names(chosen: str) -> tuple[str, ...]:
    """For the filter: those with failures, and the one that is chosen."""
    snapshot = g.view.snapshot
    if snapshot is None:
        return ()
    counts = {queue.name: queue.counts for queue in snapshot.queues}
    return tuple(name for name, c in counts.items() if c.dead or c.retrying or c.trashed or name == chosen)


def _tabs(
    current: str, chosen: FaultFilter, *, faults: int | None = None, letters: int | None = None
) -> tuple[Tab, ...]:
    """`faults`, `letters`: how many match, where that is known; `None`: what all together have."""
    snapshot = g.view.snapshot
    queues = [q for q in snapshot.queues if not chosen.queue or q.name == chosen.queue] if snapshot else []
    is_narrowed = chosen.chooses or chosen.is_timed
    counts = {
        "failures.index": faults if faults is not None else sum(q.fault_count for q in queues),
        "failures.letters": letters if letters is not None and is_narrowed else sum(q.counts.dead for q in queues),
        "failures.trash": sum(q.counts.trashed for q in queues),
    }
    names = {"failures.index": "Faults", "failures.letters": "Letters", "failures.trash": "Trash"}
    return tuple(Tab(names[endpoint], endpoint, counts[endpoint], endpoint == current) for endpoint in names)


def _is_over(fault: Fault) -> bool:
    """Nothing of it is dead or waits for another attempt: it stands below the others."""
    return not (fault.dead or fault.retrying)
