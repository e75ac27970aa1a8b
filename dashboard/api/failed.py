"""Failures: faults and dead letters."""

from __future__ import annotations

from typing import Annotated

from flask import g

from dashboard.api.table import reads
from dashboard.api.values import (
    UNSET,
    Count,
    Cursor,
    Fingerprint,
    Limit,
    Meta,
    Name,
    Query,
    Time,
    UnsetType,
    Value,
    at,
)
from dashboard.parts import known_faults, parts
from queue_core.errors import InvalidArgument
from queue_core.snapshot import Fault, TaskSummary


class FaultOut(Value, frozen=True):
    """Failures of one kind. `attempts`: all that failed, also those that were retried; `versions`: of workers."""

    queue: str
    fingerprint: str
    task: str
    error: str
    error_class: str
    frame: str
    attempts: Count
    dead: Count
    retrying: Count
    first_seen_at: Time | None
    last_seen_at: Time | None
    versions: list[str]
    is_overflow: bool

    @classmethod
    def of(cls, fault: Fault) -> FaultOut:
        return cls(
            queue=fault.queue,
            fingerprint=fault.fingerprint,
            task=fault.task_name,
            error=fault.title,
            error_class=fault.error_class,
            frame=fault.frame,
            attempts=fault.attempts,
            dead=fault.dead,
            retrying=fault.retrying,
            first_seen_at=at(fault.first_seen_at),
            last_seen_at=at(fault.last_seen_at),
            versions=list(fault.versions),
            is_overflow=fault.is_overflow,
        )


class FaultWhole(Value, frozen=True):
    """`traceback`: of its newest failure."""

    fault: FaultOut
    traceback: str


class LetterOut(Value, frozen=True):
    """`payload_start`: at most 120 characters."""

    queue: str
    id: str
    name: str
    died_at: Time | None
    attempts: Count
    crashes: Count
    error: str
    fault: str
    payload_start: str

    @classmethod
    def of(cls, task: TaskSummary) -> LetterOut:
        return cls(
            queue=task.queue,
            id=task.id,
            name=task.name,
            died_at=at(task.at),
            attempts=task.attempts,
            crashes=task.crashes,
            error=task.error,
            fault=task.fingerprint,
            payload_start=task.payload,
        )


class Failed(Value, frozen=True):
    """`total`: letters; `older`: the cursor of the next page, `null` on the last one."""

    total: Count
    older: str | None
    faults: list[FaultOut]
    letters: list[LetterOut]


class FailedQuery(Query, frozen=True):
    queue: Annotated[Name, Meta(description="Only of this queue.")] | UnsetType = UNSET
    fault: Annotated[Fingerprint, Meta(description="Only of this fault; with its queue.")] | UnsetType = UNSET
    cursor: Cursor | UnsetType = UNSET
    limit: Limit = 50


@reads("/failed", Failed, query=FailedQuery)
def failed(query: FailedQuery) -> Failed:
    """Faults, last seen first, and a page of dead letters, newest first."""
    queue, fault = query.queue or None, query.fault or None
    if fault and not queue:
        raise InvalidArgument("fault is not accepted without its queue")
    inspector = parts().inspector
    among, cursor = g.view.queues_where(lambda queue: queue.counts.dead), query.cursor or None
    page = inspector.letters(queue, fingerprint=fault, cursor=cursor, limit=query.limit, among=among)
    faults = [inspector.fault(queue, fault)[0]] if queue and fault else known_faults(queue)
    return Failed(
        total=page.total,
        older=page.older,
        faults=[FaultOut.of(found) for found in faults],
        letters=[LetterOut.of(row) for row in page.rows],
    )


@reads("/queues/<name>/faults/<fingerprint>", FaultWhole)
def fault(name: str, fingerprint: str) -> FaultWhole:
    """One fault, with the traceback of its newest failure."""
    found, traceback = parts().inspector.fault(name, fingerprint)
    return FaultWhole(fault=FaultOut.of(found), traceback=traceback)
