"""Failures: faults and dead letters; what is said of a fault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from flask import g

from dashboard.api.chosen import ChosenQuery
from dashboard.api.figures import NameAttemptsOut
from dashboard.api.operations import OperationOut
from dashboard.api.outcomes import OutcomeOut
from dashboard.api.pages import PageQuery, page_of
from dashboard.api.requests import Act
from dashboard.api.table import changes, reads
from dashboard.api.tasks import TaskList, TaskOut
from dashboard.api.values import (
    LAST_MS,
    UNSET,
    Change,
    Count,
    Cursor,
    Fingerprint,
    Limit,
    Meta,
    Moment,
    Name,
    OldestFirst,
    Time,
    UnsetType,
    Value,
    at,
    given,
    ms_of,
    time,
)
from dashboard.chance import Clock
from dashboard.parts import known_faults, parts
from dashboard.views.failures import faults_of
from dashboard.views.faults import OPERATIONS, chance_of, is_of, well_versions
from queue_core.errors import UnknownFault
from queue_core.snapshot import Fault, Mute, TaskSummary

MOST_ATTEMPTS = 10**9
RECENT_MS = 7 * 3_600_000
"""Beyond, what is stored of attempts by time is left over."""


class MuteOut(Value, frozen=True):
    """Somebody knows of the fault: it is no problem `until` then, or until so many `attempts` have failed in all;
    `null`: whenever, however many."""

    by: str
    reason: str
    at: Time | None
    until: Time | None
    attempts: int | None

    @classmethod
    def of(cls, mute: Mute) -> MuteOut:
        return cls(by=mute.by, reason=mute.reason, at=at(mute.at), until=at(mute.until), attempts=mute.attempts)


class FaultOut(Value, frozen=True):
    """Failures of one kind. `attempts`: all that failed, also those that were retried; `versions`: of workers; `mute`:
    `null` also of one that has ended."""

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
    mute: MuteOut | None

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
            mute=MuteOut.of(fault.mute) if fault.mute and fault.is_muted(g.now_ms) else None,
        )


class NoteOut(Value, frozen=True):
    """What somebody wrote beside a fault."""

    by: str
    text: str
    at: Time | None


class AttemptsOut(Value, frozen=True):
    """Failed attempts since `at`: in a minute, of what lies more than an hour back in up to five."""

    at: Time
    count: Count


class FaultWhole(Value, frozen=True):
    """`traceback`: of its newest failure; `notes` and `attempts_by_time`: newest first, the latter for seven hours;
    `next_retry_at`: when the first of its tasks is tried again, `null` also where none of the queue's next 100 retries
    is of it. `versions_without`: of present workers that could run it. `would_work`: whether a retry would, and why;
    `task_attempts`: the newest of its task, whatever became of them; `null`: no worker told of any. `operations`: of
    the queue's newest 20 those on its letters."""

    fault: FaultOut
    traceback: str
    notes: list[NoteOut]
    attempts_by_time: list[AttemptsOut]
    next_retry_at: Time | None
    versions_without: list[str]
    would_work: str
    would_work_why: str
    task_attempts: NameAttemptsOut | None
    operations: list[OperationOut]


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
    """`total`: letters; `older`: the cursor of their next page, `null` on the last one. `faults`: at most `limit`,
    those seen last; `fault_count`: how many there are, which /faults lists."""

    total: Count
    older: str | None
    fault_count: Count
    faults: list[FaultOut]
    letters: list[LetterOut]


class FaultList(Value, frozen=True):
    """`older`: the cursor of the next page; `null` on the last one."""

    total: Count
    older: str | None
    faults: list[FaultOut]


class FaultsQuery(ChosenQuery, frozen=True):
    """As the page of faults is filtered. With a time those with letters that died then, and `dead` counts these."""

    cursor: Cursor | UnsetType = UNSET
    limit: Limit = 50
    muted: Annotated[bool, Meta(description="Only those of which somebody has said that they know.")] = False


class FailedQuery(ChosenQuery, frozen=True):
    """As the page of letters is filtered."""

    cursor: Cursor | UnsetType = UNSET
    limit: Limit = 50
    fault: Annotated[Fingerprint, Meta(description="Only of this fault, in whichever queue.")] | UnsetType = UNSET
    oldest_first: OldestFirst = False


class TrashQuery(PageQuery, frozen=True):
    queue: Annotated[Name, Meta(description="Only of this queue.")] | UnsetType = UNSET
    oldest_first: OldestFirst = False


@reads("/failed", Failed, query=FailedQuery)
def failed(query: FailedQuery) -> Failed:
    """The faults that were seen last, and a page of the dead letters of all, newest first."""
    chosen, inspector, cursor = query.filter, parts().inspector, query.cursor or None
    faults = chosen.of(known_faults(chosen.queue))
    if given(query.fault):
        faults = tuple(fault for fault in faults if fault.fingerprint == query.fault)
        if not faults:
            raise UnknownFault(f"there is no fault {query.fault} in {chosen.queue or 'any queue'}")
    if chosen.chooses or chosen.is_timed or given(query.fault):
        named = [(fault.queue, fault.fingerprint) for fault in faults if fault.dead]
        page = inspector.letters_of(
            named,
            since=chosen.since,
            until=chosen.until,
            cursor=cursor,
            limit=query.limit,
            oldest_first=query.oldest_first,
        )
    else:
        among = g.view.queues_where(lambda queue: queue.counts.dead)
        page = inspector.letters(
            chosen.queue or None, cursor=cursor, limit=query.limit, among=among, oldest_first=query.oldest_first
        )
    return Failed(
        total=page.total,
        older=page.older,
        fault_count=len(faults),
        faults=[FaultOut.of(found) for found in faults[: query.limit]],
        letters=[LetterOut.of(row) for row in page.rows],
    )


@reads("/faults", FaultList, query=FaultsQuery)
def faults(query: FaultsQuery) -> FaultList:
    """Faults, last seen first, a page at a time. At most about a second old."""
    found = faults_of(query.filter)
    if query.muted:
        found = tuple(fault for fault in found if fault.is_muted(g.now_ms))
    shown, older = page_of(found, _place, query)
    return FaultList(total=len(found), older=older, faults=[FaultOut.of(fault) for fault in shown])


@reads("/trash", TaskList, query=TrashQuery)
def trash(query: TrashQuery) -> TaskList:
    """What was put into the trash, in all queues or one, newest first."""
    among = g.view.queues_where(lambda queue: queue.counts.trashed)
    page = parts().inspector.trash(
        query.queue or None,
        cursor=query.cursor or None,
        limit=query.limit,
        among=among,
        oldest_first=query.oldest_first,
    )
    return TaskList(total=page.total, older=page.older, tasks=[TaskOut.of(row) for row in page.rows])


@reads("/queues/<name>/faults/<fingerprint>", FaultWhole)
def fault(name: str, fingerprint: str) -> FaultWhole:
    """One fault, with the traceback of its newest failure, and what was done about it."""
    inspector = parts().inspector
    found, traceback = inspector.fault(name, fingerprint)
    told, done = chance_of(found, Clock(g.now_ms, time, time)), inspector.operations(OPERATIONS, name)
    attempts = inspector.attempts({name: [found.task_name]}).get((name, found.task_name))
    return FaultWhole(
        fault=FaultOut.of(found),
        traceback=traceback,
        notes=[NoteOut(by=note.by, text=note.text, at=at(note.at)) for note in found.notes or ()],
        attempts_by_time=[
            AttemptsOut(at=time(since), count=count)
            for since, count in found.recent or ()
            if since > g.now_ms - RECENT_MS
        ],
        next_retry_at=at(found.next_retry_at),
        versions_without=well_versions(found, g.view.snapshot.workers if g.view.snapshot else (), g.now_ms),
        would_work=told.verdict,
        would_work_why=told.why,
        task_attempts=NameAttemptsOut.of(found.task_name, attempts) if attempts else None,
        operations=[OperationOut.of(one) for one in done if is_of(one.bound, fingerprint)],
    )


class MuteIn(Change, frozen=True):
    """At least one of both: nothing is muted for ever."""

    rules: ClassVar[Mapping[str, Any]] = {"anyOf": [{"required": ["until"]}, {"required": ["attempts"]}]}

    until: Annotated[Moment, Meta(description="Until then.")] | UnsetType = UNSET
    attempts: (
        Annotated[int, Meta(ge=1, le=MOST_ATTEMPTS, description="For so many more failed attempts.")] | UnsetType
    ) = UNSET


class NoteIn(Change, frozen=True):
    text: Annotated[str, Meta(max_length=500, pattern=r"\w", description="On one line, with words in it.")]


@changes("/queues/<name>/faults/<fingerprint>/mute", OutcomeOut, body=MuteIn)
def mute(name: str, fingerprint: str, body: MuteIn, act: Act) -> OutcomeOut:
    """Say that a fault is known: it is no problem for a while. It counts on, and is retried as before."""
    until = None if isinstance(body.until, UnsetType) else ms_of(body.until)
    attempts = None if isinstance(body.attempts, UnsetType) else body.attempts
    outcome = parts().control.mute_fault(name, fingerprint, until=until, attempts=attempts, **act.facts)
    return OutcomeOut.of(outcome, act.action_id)


@changes("/queues/<name>/faults/<fingerprint>/unmute", OutcomeOut)
def unmute(name: str, fingerprint: str, body: object, act: Act) -> OutcomeOut:
    """Let a muted fault be a problem again."""
    return OutcomeOut.of(parts().control.unmute_fault(name, fingerprint, **act.facts), act.action_id)


@changes("/queues/<name>/faults/<fingerprint>/note", OutcomeOut, body=NoteIn)
def note(name: str, fingerprint: str, body: NoteIn, act: Act) -> OutcomeOut:
    """Write something beside a fault, for whoever looks next; the newest ten are kept."""
    return OutcomeOut.of(parts().control.note_fault(name, fingerprint, body.text, **act.facts), act.action_id)


def _place(fault: Fault) -> str:
    """Its own among all of them: last seen first."""
    return f"{LAST_MS - min(fault.last_seen_at, LAST_MS):013}/{fault.queue}/{fault.fingerprint}"
