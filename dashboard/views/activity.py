"""What people did, newest first, and one piece of bulk work: how far it is, what came of it, and how to steer it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flask import Blueprint, Response, g, request, url_for

from dashboard.actions import action_id, done, reason
from dashboard.bulk import page_of, undo_form
from dashboard.filters import clock, duration, plural, short_id
from dashboard.htmx import render_page, wants_fragment
from dashboard.identity import Role, actor, needs
from dashboard.pagination import PAGE_SIZE
from dashboard.parts import parts
from dashboard.rendering import viewer
from dashboard.toasts import say
from dashboard.wording import VERBS, act, outcome, tasks, title
from queue_core.errors import OperationEnded
from queue_core.inspector import MAX_ROWS
from queue_core.operations import VERBS as STATES_OF
from queue_core.operations import operation_id as id_of
from queue_core.snapshot import AuditEntry, Fault, Operation

blueprint = Blueprint("activity", __name__)

_ONE_TASK = re.compile(r"task ([A-Za-z0-9_-]{1,128})\Z")
_OF_OPERATION = re.compile(r"operation ([0-9a-f]{12})\Z")
_TIME = re.compile(r"(?<=\b(?:since|until) )\d{13}\b")
_AUDIT_ID = re.compile("([0-9]{1,15})-([0-9]{1,15})")
_OF_FAULT = re.compile(r"fault ([A-Za-z0-9]{1,64})\Z")


@dataclass(frozen=True, slots=True)
class Row:
    """`verb`: as buttons say it; `what`: on what; `href`: its page, "" without one; `operation`: what was begun."""

    id: str
    at: int
    by: str
    verb: str
    what: str
    queue: str
    reason: str
    href: str = ""
    operation: Operation | None = None


@dataclass(frozen=True, slots=True)
class Activity:
    """`under_way`: operations, wherever they stand in the list; `waiting`: entries newer than those that are shown."""

    under_way: tuple[Row, ...]
    rows: tuple[Row, ...]
    older: str | None
    known: str
    is_first: bool
    waiting: int


@dataclass(frozen=True, slots=True)
class OperationPage:
    """`per_second`: how fast it goes now, `None` where that is not known; `left_ms`: how long it still takes, so."""

    operation: Operation
    title: str
    outcome: str
    fault: Fault | None
    undone: Operation | None
    """What brings back what this one purged."""
    per_second: float | None
    left_ms: int | None

    @property
    def not_begun(self) -> int:
        """Tasks that it has not looked at."""
        return max(0, self.operation.bound.count - self.operation.looked_at)

    @property
    def rests(self) -> str:
        """`892 dead letters`: those that it has not looked at."""
        return tasks(self.not_begun, self.operation.bound.state)

    @property
    def can_undo(self) -> bool:
        """Whether all that it purged can still be there."""
        operation = self.operation
        is_purge = operation.bound.verb == "trash" and operation.has_ended and operation.done > 0
        return is_purge and self.undone is None and g.now_ms < self.restorable_until

    @property
    def restorable_until(self) -> int:
        """When the first of what it purged is deleted for good."""
        return self.operation.began_at + (self.operation.keep_ms or 0)

    @property
    def done_word(self) -> str:
        words = VERBS.get(self.operation.bound.verb)
        return words.done if words else "done"

    @property
    def rate(self) -> str:
        """`128 a second`, `60 a minute`."""
        assert self.per_second is not None
        return f"{self.per_second:,.0f} a second" if self.per_second >= 2 else f"{self.per_second * 60:,.0f} a minute"

    @property
    def spread(self) -> str:
        return f"{(self.operation.drip or 0) * 60:,.0f}"

    @property
    def left(self) -> str:
        return duration(self.left_ms)

    @property
    def took(self) -> str:
        return duration(max(0, (self.operation.ended_at or 0) - self.operation.began_at))

    @property
    def bar(self) -> tuple[tuple[str, int, int], ...]:
        """The parts of the bar: name, x and width, of 1,000."""
        operation = self.operation
        whole = max(1, operation.bound.count)
        skipped = sum(operation.skipped.values())
        counts = {
            "completed": operation.completed if operation.bound.verb == "requeue" else operation.done,
            "failed": operation.failed,
            "done": operation.under_way + operation.left,
            "skipped": skipped,
        }
        parts_of_bar, x = [], 0
        for name, count in counts.items():
            width = min(1000 - x, -(-count * 1000 // whole))
            if width > 0:
                parts_of_bar.append((name, x, width))
                x += width
        return tuple(parts_of_bar)


@blueprint.get("/activity")
def index() -> Response:
    inspector = parts().inspector
    cursor, known = request.args.get("cursor") or None, request.args.get("known") or ""
    is_refresh = bool(wants_fragment() and known and cursor is None)
    found = inspector.audit(MAX_ROWS if is_refresh else PAGE_SIZE, cursor)
    entries, older = found.rows, found.older
    waiting = sum(_is_newer(entry.id, known) for entry in entries) if is_refresh else 0
    if is_refresh:
        shown = entries[waiting : waiting + PAGE_SIZE]
        older = shown[-1].id if shown and (older or len(entries) > waiting + len(shown)) else None
        entries = shown
    under_way = () if cursor else tuple(o for o in inspector.operations(PAGE_SIZE) if not o.has_ended)
    page = Activity(
        under_way=tuple(_operation_row(operation) for operation in under_way),
        rows=_rows(entries),
        older=older,
        known=known if is_refresh else entries[0].id if entries else "",
        is_first=cursor is None,
        waiting=waiting,
    )
    return render_page(
        "activity/index.html", {"under-way": "activity/_under_way.html", "list": "activity/_list.html"}, page
    )


@blueprint.get("/activity/<operation_id>")
def show(operation_id: str) -> Response:
    page = operation_page(_operation(operation_id))
    return render_page("activity/show.html", {"operation": "activity/_operation.html"}, page)


@blueprint.get("/activity/<operation_id>/cancel")
@needs(Role.OPERATOR)
def cancel_form(operation_id: str) -> Response:
    return render_page("activity/cancel.html", {}, operation_page(_operation(operation_id)))


@blueprint.post("/activity/<operation_id>/pause")
@needs(Role.OPERATOR)
def pause(operation_id: str) -> Response:
    return _steer(operation_id, "pause", "It is paused. What was done stays; nothing more is done until it is resumed.")


@blueprint.post("/activity/<operation_id>/resume")
@needs(Role.OPERATOR)
def resume(operation_id: str) -> Response:
    return _steer(operation_id, "resume", "It goes on.")


@blueprint.post("/activity/<operation_id>/cancel")
@needs(Role.OPERATOR)
def cancel(operation_id: str) -> Response:
    return _steer(operation_id, "cancel", "It is cancelled. What was done stays.")


@blueprint.post("/activity/<operation_id>/undo")
@needs(Role.OPERATOR)
def undo(operation_id: str) -> Response:
    """What it purged is restored, as an operation of its own; pressed again, that one is shown."""
    found = _operation(operation_id)
    page = operation_page(found)
    if page.undone:
        return done(to=page_of(page.undone))
    if not page.can_undo:
        say("There is nothing that could be undone.", kind="warn")
        return done(to=page_of(found))
    keep_ms, ended_at = found.keep_ms or 0, found.ended_at or g.now_ms
    bound = parts().operations.undoing(
        found.bound.queue, found.id, found.done, since=found.began_at + keep_ms, until=ended_at + keep_ms
    )
    begun = parts().operations.start(bound, by=actor(), action_id=undo_form(found.id), reason=reason())
    parts().tender.wake()
    return done(begun.began_at, to=page_of(begun))


def operation_page(operation: Operation) -> OperationPage:
    bound = operation.bound
    per_second = parts().speeds.see(operation, g.now_ms)
    if operation.drip is not None:
        per_second = min(per_second, operation.drip) if per_second is not None else None
    remaining = max(0, bound.count - operation.looked_at)
    return OperationPage(
        operation=operation,
        title=title(bound),
        outcome=outcome(operation),
        fault=_fault(operation),
        undone=_undone(operation),
        per_second=per_second,
        left_ms=int(remaining * 1000 / per_second) if per_second else None,
    )


def _operation(operation_id: str) -> Operation:
    """With the queue named in the address it is found there at once; else all are asked."""
    return parts().inspector.operation(operation_id, request.args.get("queue") or None)


def _steer(operation_id: str, verb: str, sentence: str) -> Response:
    found = _operation(operation_id)
    steer = getattr(parts().operations, verb)
    try:
        steered = steer(found.id, found.bound.queue, by=actor(), action_id=action_id(verb), reason=reason())
    except OperationEnded:
        say("It has ended already, so nothing was changed.", kind="warn")
        return done(to=page_of(found))
    parts().tender.wake()
    say(sentence)
    return done(to=page_of(steered))


def _undone(operation: Operation) -> Operation | None:
    if operation.bound.verb != "trash" or not operation.has_ended:
        return None
    place = (operation.bound.queue, id_of(operation.bound.queue, undo_form(operation.id)))
    return parts().inspector.operations_named([place]).get(place)


def _fault(operation: Operation) -> Fault | None:
    """The one fault that it is about, as far as the shared snapshot knows it."""
    bound, snapshot = operation.bound, g.view.snapshot
    if len(bound.faults) != 1 or snapshot is None:
        return None
    known = (fault for fault in snapshot.faults if fault.queue == bound.queue)
    return next((fault for fault in known if fault.fingerprint == bound.faults[0]), None)


# The list.


def _rows(entries: Iterable[AuditEntry]) -> tuple[Row, ...]:
    """An entry whose form began an operation shows how far that is."""
    entries = tuple(entries)
    began = {entry.id: (entry.queue, id_of(entry.queue, entry.action_id)) for entry in entries if _may_begin(entry)}
    found = parts().inspector.operations_named(began.values()) if began else {}
    return tuple(_row(entry, found, began) for entry in entries)


def _may_begin(entry: AuditEntry) -> bool:
    return entry.verb in STATES_OF and bool(entry.queue)


def _row(entry: AuditEntry, found: Mapping[tuple[str, str], Operation], began: Mapping[str, tuple[str, str]]) -> Row:
    operation = found.get(began[entry.id]) if entry.id in began else None
    if operation:
        return _operation_row(operation, entry)
    return Row(
        entry.id, entry.at, entry.by, act(entry.verb), _what(entry), entry.queue, entry.reason, href=_href(entry)
    )


def _operation_row(operation: Operation, entry: AuditEntry | None = None) -> Row:
    bound = operation.bound
    return Row(
        id=entry.id if entry else operation.id,
        at=operation.began_at,
        by=operation.by,
        verb=act(bound.verb),
        what=tasks(bound.count, bound.state) + (f" to {bound.to_queue}" if bound.to_queue else ""),
        queue=bound.queue,
        reason=operation.reason,
        href=page_of(operation),
        operation=operation,
    )


def _what(entry: AuditEntry) -> str:
    """The target as people read it: times as times, ids by their ends."""
    if found := _ONE_TASK.match(entry.target):
        return f"task {short_id(found[1])}"
    if entry.count > 1 and entry.target.startswith(f"{entry.count:,} tasks, "):
        return plural(entry.count, "task")
    return _TIME.sub(lambda found: clock(int(found[0]), g.now_ms, viewer().zone), entry.target)


def _href(entry: AuditEntry) -> str:
    """The page of what it was done to, where it has one."""
    if found := _OF_OPERATION.match(entry.target):
        return url_for("activity.show", operation_id=found[1], queue=entry.queue)
    if not entry.queue:
        return ""
    if found := _ONE_TASK.match(entry.target):
        return url_for("tasks.show", name=entry.queue, task_id=found[1])
    if found := _OF_FAULT.match(entry.target):
        return url_for("faults.show", name=entry.queue, fingerprint=found[1])
    return ""


def _is_newer(entry_id: str, known: str) -> bool:
    """Ids of the audit are a time and a number within it."""
    return _position(entry_id) > _position(known)


def _position(entry_id: str) -> tuple[int, int]:
    found = _AUDIT_ID.fullmatch(entry_id)
    return (int(found[1]), int(found[2])) if found else (0, 0)
