"""Failures: by fault, letter by letter, and what was purged. Ticked letters are retried through a preview."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flask import Blueprint, Response, g, request
from werkzeug.exceptions import BadRequest

from dashboard.actions import Letter, action_id, by_queue, done, read_letters, reason, say_outcome
from dashboard.bulk import effect_of
from dashboard.filters import clock
from dashboard.htmx import render_page
from dashboard.identity import Role, actor, needs
from dashboard.listing import Listing, listing
from dashboard.pagination import PAGE_SIZE, Order, Part, page_number, part_of
from dashboard.parts import parts
from dashboard.rendering import viewer
from dashboard.wording import VERBS, Words
from queue_core.snapshot import Fault, Outcome, Page, State, TaskSummary

blueprint = Blueprint("failures", __name__)

COLUMNS = ("fault", "queue", "dead", "retrying", "attempts", "first", "last")


@dataclass(frozen=True, slots=True)
class Tab:
    name: str
    endpoint: str
    count: int | None
    is_current: bool


@dataclass(frozen=True, slots=True)
class Faults:
    tabs: tuple[Tab, ...]
    part: Part[Fault]
    order: Order
    queue: str
    text: str
    queues: tuple[str, ...]
    is_filtered: bool
    dead: int


@dataclass(frozen=True, slots=True)
class Letters:
    tabs: tuple[Tab, ...]
    listing: Listing
    state: State
    queue: str
    queues: tuple[str, ...]


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
    queue, text = _queue(), request.args.get("q", "")[:128].strip()
    found = list(parts().inspector.faults(queue or None))
    if text:
        found = [fault for fault in found if _matches(fault, text.lower())]
    order = Order.read(request.args.get("sort"), COLUMNS, "-last")
    rows = order.apply(found, lambda fault: _key(fault, order.column))
    if "sort" not in request.args:
        rows = tuple(sorted(rows, key=_is_over))
    page = Faults(
        tabs=_tabs("failures.index", faults=len(found)),
        part=part_of(rows, page_number(request.args.get("page"))),
        order=order,
        queue=queue,
        text=text,
        queues=_queue_names(),
        is_filtered=bool(queue or text),
        dead=g.view.dead,
    )
    return render_page("failures/index.html", {"tabs": "failures/_tabs.html", "list": "failures/_faults.html"}, page)


@blueprint.get("/dead/letters")
def letters() -> Response:
    page = parts().inspector.letters(_queue() or None, cursor=request.args.get("cursor"), limit=PAGE_SIZE)
    return _letters(page, State.DEAD)


@blueprint.get("/dead/trash")
def trash() -> Response:
    page = parts().inspector.trash(_queue() or None, cursor=request.args.get("cursor"), limit=PAGE_SIZE)
    return _letters(page, State.TRASHED)


def _letters(page: Page, state: State) -> Response:
    context = Letters(
        tabs=_tabs(request.endpoint or ""),
        listing=listing(page, parts().inspector, state=state),
        state=state,
        queue=_queue(),
        queues=_queue_names(),
    )
    return render_page("failures/letters.html", {"tabs": "failures/_tabs.html", "list": "tasks/_list.html"}, context)


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
        _say_changed(
            control.trash(
                queue,
                [task_id for task_id, _ in pairs],
                by=actor(),
                reason=why,
                action_id=action_id(queue, pairs),
                died_by=max(died_at for _, died_at in pairs),
            )
        )
        for queue, pairs in by_queue(ticked).items()
    ]
    until = min((outcome.restorable_until for outcome in outcomes if outcome.restorable_until), default=None)
    ends = f"They can be restored until {clock(until, g.now_ms, viewer().zone)}" if until else ""
    say_outcome(outcomes, "dead letter", "purged", end=ends)
    return done(*(outcome.server_ms for outcome in outcomes))


def _say_changed(outcome: Outcome) -> Outcome:
    """No letter of that time any more: it is not told which of both became of it."""
    told = {"changed": "retried, or died again since"}
    return replace(outcome, skipped={task_id: told.get(why, why) for task_id, why in outcome.skipped.items()})


def _ticked() -> tuple[Letter, ...]:
    ticked = read_letters(request.form.getlist("letter"))
    if not ticked:
        raise BadRequest("No row was ticked, so nothing was done.")
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


def _queue() -> str:
    return request.args.get("queue", "")


def _queue_names() -> tuple[str, ...]:
    """For the filter: those with failures, and the one that is chosen."""
    snapshot = g.view.snapshot
    if snapshot is None:
        return ()
    chosen = _queue()
    return tuple(q.name for q in snapshot.queues if q.counts.dead or q.counts.retrying or q.name == chosen)


def _tabs(current: str, *, faults: int | None = None) -> tuple[Tab, ...]:
    snapshot = g.view.snapshot
    queues = [q for q in snapshot.queues if not _queue() or q.name == _queue()] if snapshot else []
    counts = {
        "failures.index": faults if faults is not None else sum(q.fault_count for q in queues),
        "failures.letters": sum(q.counts.dead for q in queues),
        "failures.trash": sum(q.counts.trashed for q in queues),
    }
    names = {"failures.index": "Faults", "failures.letters": "Letters", "failures.trash": "Trash"}
    return tuple(Tab(names[endpoint], endpoint, counts[endpoint], endpoint == current) for endpoint in names)


def _is_over(fault: Fault) -> bool:
    """Nothing of it is dead or waits for another attempt: it stands below the others."""
    return not (fault.dead or fault.retrying)


def _matches(fault: Fault, text: str) -> bool:
    return any(text in part.lower() for part in (fault.title, fault.task_name, fault.queue, fault.frame))


def _key(fault: Fault, column: str) -> object:
    values: dict[str, object] = {
        "fault": fault.title.lower(),
        "queue": (fault.queue, fault.task_name),
        "dead": fault.dead,
        "retrying": fault.retrying,
        "attempts": fault.attempts,
        "first": fault.first_seen_at,
        "last": fault.last_seen_at,
    }
    return values[column]
