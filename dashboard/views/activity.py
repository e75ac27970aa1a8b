"""What people did, newest first, and one piece of bulk work: how far it is, what came of it, and how to steer it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from flask import Blueprint, Response, g, request

from dashboard.actions import action_id, done, reason
from dashboard.audit_rows import Row, rows_of, rows_of_operations
from dashboard.bulk import begin_undo, page_of, recall_together, steer_together
from dashboard.bulk import try_more as begin_more
from dashboard.htmx import render_page, wants_fragment
from dashboard.identity import Role, needs
from dashboard.operation_page import operation_page
from dashboard.pagination import PAGE_SIZE
from dashboard.parameters import one_of, typed
from dashboard.parts import parts
from dashboard.toasts import say
from dashboard.wording import ACTS, act
from queue_core.errors import AccessDenied, CorruptQueue
from queue_core.inspector import MAX_ROWS
from queue_core.snapshot import AuditEntry, Operation

blueprint = Blueprint("activity", __name__)

_AUDIT_ID = re.compile("([0-9]{1,15})-([0-9]{1,15})")
T = TypeVar("T")
MOST_BY = 200
"""Characters of a name."""
WHATS = tuple(sorted(set(ACTS.values())))
"""What is done, as buttons say it."""
LOOK_AT_MOST = 1_000
"""Entries, for one page of those that a filter chooses."""


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries are shown. `what`: the word that the button has."""

    queue: str = ""
    by: str = ""
    what: str = ""

    @classmethod
    def read(cls) -> AuditFilter:
        """As it stands in the address. Raises `BadParameter`."""
        return cls(typed("queue", MOST_BY), typed("by", MOST_BY), one_of("what", WHATS))

    @property
    def is_set(self) -> bool:
        return bool(self.queue or self.by or self.what)

    def matches(self, queue: str, by: str, verb: str) -> bool:
        return self.queue in ("", queue) and self.by.lower() in ("", by.lower()) and self.what in ("", act(verb))


@dataclass(frozen=True, slots=True)
class Activity:
    """`under_way`: operations, wherever they stand in the list; `waiting`: entries newer than those that are shown;
    `looked_to`: where a filter finds little, until when its look went back. `unreadable`, `not_under_way`: why what was
    done, or what goes on, cannot be told; operations are listed without the entries that began them."""

    under_way: tuple[Row, ...]
    rows: tuple[Row, ...]
    older: str | None
    known: str
    is_first: bool
    waiting: int
    filter: AuditFilter
    queues: tuple[str, ...]
    words: tuple[str, ...]
    looked_to: int | None
    unreadable: str
    not_under_way: str


@blueprint.get("/activity")
def index() -> Response:
    cursor, known = request.args.get("cursor") or None, request.args.get("known") or ""
    chosen = AuditFilter.read()
    is_refresh = bool(wants_fragment() and known and cursor is None)
    most = MAX_ROWS if is_refresh else PAGE_SIZE
    found, unreadable = _or_why_not(lambda: entries_of(chosen, most, cursor))
    entries, older = found or ((), None)
    waiting = sum(_is_newer(entry.id, known) for entry in entries) if is_refresh else 0
    if is_refresh:
        shown = entries[waiting : waiting + PAGE_SIZE]
        if len(entries) > waiting + len(shown):
            older = shown[-1].id if shown else None
        entries = shown
    queues = tuple(queue.name for queue in g.view.snapshot.queues) if g.view.snapshot else ()
    begun, not_under_way = _or_why_not(lambda: _operations(chosen, with_ended=bool(unreadable)))
    under_way = [one for one in begun or () if not one.has_ended]
    ended = [one for one in begun or () if one.has_ended]
    page = Activity(
        under_way=() if cursor else rows_of_operations(under_way, queues),
        rows=rows_of_operations(ended, queues) if unreadable else rows_of(entries),
        older=older,
        known=known if is_refresh else entries[0].id if entries else "",
        is_first=cursor is None,
        waiting=waiting,
        filter=chosen,
        queues=queues,
        words=WHATS,
        looked_to=_position(older)[0] if older and chosen.is_set and len(entries) < PAGE_SIZE else None,
        unreadable=unreadable,
        not_under_way=not_under_way,
    )
    panels = {"under-way": "activity/_under_way.html", "list": "activity/_list.html"}
    return render_page("activity/index.html", panels, page)


def entries_of(chosen: AuditFilter, most: int, cursor: str | None) -> tuple[tuple[AuditEntry, ...], str | None]:
    """At most so many entries, and where the next ones begin."""
    inspector = parts().inspector
    if not chosen.is_set:
        found = inspector.audit(most, cursor)
        return found.rows, found.older
    matching: list[AuditEntry] = []
    for _ in range(LOOK_AT_MOST // MAX_ROWS):
        page = inspector.audit(MAX_ROWS, cursor)
        matching += [entry for entry in page.rows if chosen.matches(entry.queue, entry.by, entry.verb)]
        cursor = page.older
        if len(matching) > most:
            return tuple(matching[:most]), matching[most - 1].id
        if cursor is None:
            break
    return tuple(matching), cursor


def _operations(chosen: AuditFilter, *, with_ended: bool) -> tuple[Operation, ...]:
    """The newest ones; of those that have ended only some, unless they are asked for."""
    among = None if with_ended else g.view.queues_where(lambda queue: queue.operations_under_way)
    found = parts().inspector.operations(PAGE_SIZE, among=among)
    return tuple(one for one in found if chosen.matches(one.bound.queue, one.by, one.bound.verb))


def _or_why_not(read: Callable[[], T]) -> tuple[T | None, str]:
    """What can be read, and "": else why it cannot. The rest of the page is shown all the same."""
    try:
        return read(), ""
    except (AccessDenied, CorruptQueue) as error:
        return None, str(error)


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


@blueprint.post("/activity/<operation_id>/try-more")
@needs(Role.OPERATOR)
def try_more(operation_id: str) -> Response:
    """Of the rest a few go first again, as an operation of its own; pressed again, that one is shown."""
    found = _operation(operation_id)
    begun = begin_more(found, reason())
    if begun is None:
        say("It is not held back by its first any more, so nothing was changed.", kind="warn")
        return done(to=page_of(found))
    return done(begun.began_at, to=page_of(begun))


@blueprint.post("/activity/<operation_id>/undo")
@needs(Role.OPERATOR)
def undo(operation_id: str) -> Response:
    """What it purged is restored, as an operation of its own; pressed again, that one is shown."""
    found = _operation(operation_id)
    page = operation_page(found)
    if page.undone:
        return done(to=page_of(page.undone))
    if not page.undoable:
        say("There is nothing that could be undone.", kind="warn")
        return done(to=page_of(found))
    begun = begin_undo(found, reason())
    parts().tender.wake()
    return done(begun.began_at, to=page_of(begun))


@blueprint.get("/activity/<operation_id>/recall")
@needs(Role.OPERATOR)
def recall_form(operation_id: str) -> Response:
    return render_page("activity/recall.html", {}, operation_page(_operation(operation_id)))


@blueprint.post("/activity/<operation_id>/recall")
@needs(Role.OPERATOR)
def recall(operation_id: str) -> Response:
    """What it retried and has not started is dead again, by an operation of its own; pressed again, it is shown."""
    found = _operation(operation_id)
    begun = recall_together([found], reason())
    if not begun:
        say("There is nothing that could be pulled back.", kind="warn")
        return done(to=page_of(found))
    return done(begun[0].began_at, to=page_of(begun[0]))


def _operation(operation_id: str) -> Operation:
    """With the queue named in the address it is found there at once; else all are asked."""
    return parts().inspector.operation(operation_id, request.args.get("queue") or None)


def _steer(operation_id: str, verb: str, sentence: str) -> Response:
    found = _operation(operation_id)
    if steer_together([found], verb, action_id=action_id(verb), because=reason()):
        say(sentence)
    else:
        say("It has ended already, so nothing was changed.", kind="warn")
    return done(to=page_of(found))


def _is_newer(entry_id: str, known: str) -> bool:
    """Ids of the audit are a time and a number within it."""
    return _position(entry_id) > _position(known)


def _position(entry_id: str) -> tuple[int, int]:
    found = _AUDIT_ID.fullmatch(entry_id)
    return (int(found[1]), int(found[2])) if found else (0, 0)
