"""What people did, as rows that lead to what it was done to; what one form began in several queues is one row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from flask import g, url_for

from dashboard.bulk import page_of
from dashboard.filters import clock, plural, short_id
from dashboard.operation_page import of_form, sum_of
from dashboard.parts import parts
from dashboard.rendering import viewer
from dashboard.wording import act, meant
from queue_core.operations import operation_id as id_of
from queue_core.previews import VERBS as STATES_OF
from queue_core.snapshot import AuditEntry, Operation

_ONE_TASK = re.compile(r"task ([A-Za-z0-9_-]{1,128})(?=\Z|:| to )")
_OF_OPERATION = re.compile(r"operation ([0-9a-f]{12})\Z")
_TIME = re.compile(r"(?<=\b(?:since|until) )\d{13}\b")
_OF_FAULT = re.compile(r"(?:dead letters of )?fault ([A-Za-z0-9]{1,64})(?=\Z|:| )")
_OF_SCHEDULE = re.compile(r"schedule ([A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}?)(?=\Z|: )")
_OF_WORKER = re.compile(r"worker (\S{1,200})\Z")


@dataclass(frozen=True, slots=True)
class Row:
    """`verb`: as buttons say it; `what`: on what; `href`: its page, "" without one; `operation`: what was begun, or the
    sum of what was begun in several queues."""

    id: str
    at: int
    by: str
    verb: str
    what: str
    queue: str
    reason: str
    href: str = ""
    operation: Operation | None = None


def rows_of(entries: Iterable[AuditEntry]) -> tuple[Row, ...]:
    """An entry whose form began an operation shows how far that is; those of one form stand in one row."""
    entries = tuple(entries)
    began = {entry.id: (entry.queue, id_of(entry.queue, entry.action_id)) for entry in entries if _may_begin(entry)}
    found = parts().inspector.operations_named(began.values()) if began else {}
    made: list[Row] = []
    for (form, _), alike in groupby(entries, key=lambda entry: (entry.action_id, entry.verb)):
        of_one = tuple(alike)
        operations = [found[began[entry.id]] for entry in of_one if began.get(entry.id) in found]
        if len(of_one) > 1 and len({operation.id for operation in operations}) == len(of_one):
            made.append(replace(_together(form, operations), id=of_one[0].id, at=of_one[-1].at))
        else:
            made += [_row(entry, found, began) for entry in of_one]
    return tuple(made)


def rows_of_operations(operations: Sequence[Operation], queues: Sequence[str]) -> tuple[Row, ...]:
    """`queues`: all in which those of one form can be."""
    forms: dict[str, list[Operation]] = {}
    for operation in operations:
        forms.setdefault(operation.action_id, []).append(operation)
    return tuple(
        _operation_row(several[0]) if len(several) == 1 else _together(form, of_form(form, queues) or several)
        for form, several in forms.items()
    )


def _may_begin(entry: AuditEntry) -> bool:
    return (entry.verb in STATES_OF or entry.verb == "recall") and bool(entry.queue)


def _row(entry: AuditEntry, found: Mapping[tuple[str, str], Operation], began: Mapping[str, tuple[str, str]]) -> Row:
    operation = found.get(began[entry.id]) if entry.id in began else None
    if operation:
        return replace(_operation_row(operation), id=entry.id)
    return Row(
        entry.id, entry.at, entry.by, act(entry.verb), _what(entry), entry.queue, entry.reason, href=target_page(entry)
    )


def _together(form: str, operations: Sequence[Operation]) -> Row:
    row = _operation_row(sum_of(form, operations))
    return replace(row, what=f"{row.what} in {len(operations):,} queues")


def _operation_row(operation: Operation) -> Row:
    bound = operation.bound
    return Row(
        id=operation.id,
        at=operation.began_at,
        by=operation.by,
        verb=act(bound.verb),
        what=meant(bound) + (f" to {bound.to_queue}" if bound.to_queue else ""),
        queue=bound.queue,
        reason=operation.reason,
        href=page_of(operation),
        operation=operation,
    )


def _what(entry: AuditEntry) -> str:
    """The target as people read it: times as times, ids by their ends."""
    if found := _ONE_TASK.match(entry.target):
        return f"task {short_id(found[1])}{entry.target[found.end() :]}"
    if entry.count > 1 and entry.target.startswith(f"{entry.count:,} tasks, "):
        return plural(entry.count, "task")
    return _TIME.sub(lambda found: clock(int(found[0]), g.now_ms, viewer().zone), entry.target)


def target_page(entry: AuditEntry) -> str:
    """The page of what it was done to: its operation, task, fault, schedule, worker, else its queue."""
    target = entry.target
    if found := _OF_OPERATION.match(target):
        return url_for("activity.show", operation_id=found[1], queue=entry.queue)
    if entry.verb.endswith("_schedule") and (found := _OF_SCHEDULE.match(target)):
        return "" if entry.verb == "remove_schedule" else url_for("schedules.show", name=found[1])
    if not entry.queue:
        found = _OF_WORKER.match(target)
        return url_for("workers.show", worker_id=found[1]) if found else ""
    if found := _ONE_TASK.match(target):
        return url_for("tasks.show", name=entry.queue, task_id=found[1])
    if found := _OF_FAULT.match(target):
        return url_for("faults.show", name=entry.queue, fingerprint=found[1])
    return "" if entry.verb == "delete_queue" else url_for("queues.show", name=entry.queue)
