"""Bulk work: previewed first, bound to what was shown, begun by what the preview gave; steered and watched."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from flask import g
from werkzeug.exceptions import Conflict

from dashboard.api.requests import Act
from dashboard.api.table import changes, reads
from dashboard.api.tasks import Place, TaskOut
from dashboard.api.values import (
    UNSET,
    Change,
    Count,
    Limit,
    Meta,
    Moment,
    Name,
    OperationId,
    Query,
    Time,
    UnsetType,
    Value,
    at,
    ms_of,
    time,
)
from dashboard.bulk import begin_undo
from dashboard.identity import actor
from dashboard.operation_page import OperationPage, operation_page
from dashboard.parts import parts
from dashboard.selections import FRESH_MS, MOST_SIGNED, Selection
from queue_core.bounds import MAX_CANARY, MAX_DRIP, MIN_DRIP
from queue_core.errors import InvalidArgument, UnknownOperation
from queue_core.operations import operation_id
from queue_core.previews import VERBS
from queue_core.snapshot import Bound, FaultShare, Operation, Preview, State

Verb = Literal["requeue", "trash", "restore", "delete", "promote", "cancel", "move"]


class BoundOut(Value, frozen=True):
    """What an operation is bound to: what came later is not touched, and more than `count` cannot be."""

    queue: str
    verb: str
    state: str
    taken_at: Time
    count: Count
    faults: list[str]
    since: Time | None
    until: Time | None
    to_queue: str

    @classmethod
    def of(cls, bound: Bound) -> BoundOut:
        return cls(
            queue=bound.queue,
            verb=bound.verb,
            state=bound.state.value,
            taken_at=time(bound.taken_at),
            count=bound.count,
            faults=list(bound.faults),
            since=at(bound.since),
            until=at(bound.until),
            to_queue=bound.to_queue,
        )


class ShareOut(Value, frozen=True):
    fault: str
    task: str
    error: str
    count: Count

    @classmethod
    def of(cls, share: FaultShare) -> ShareOut:
        error = f"{share.error_class}: {share.message}" if share.message else share.error_class
        return cls(fault=share.fingerprint, task=share.task_name, error=error, count=share.count)


class PreviewOut(Value, frozen=True):
    """`selection`: what the operation is begun with, for 15 minutes and by the same token; `null`: there is nothing to
    do, and `why`. `oldest_at`, `newest_at`: the state's own times. `about_bytes`: of the
    server's memory, an estimate."""

    bound: BoundOut
    by_fault: list[ShareOut]
    oldest_at: Time | None
    newest_at: Time | None
    samples: list[TaskOut]
    about_bytes: int | None
    selection: str | None
    why: str


class OperationOut(Value, frozen=True):
    """`progress`: running, waiting (for what becomes of the first tasks), paused, ended or cancelled. Where one of the
    first fails again or ends without completing, it pauses itself, and `why` says that. What was requeued
    has `completed`, `failed` again, `left` otherwise, was `recalled`, or is `under_way`. `undoes`: of a restore or a
    recall the operation, or the form, whose tasks these are."""

    id: str
    bound: BoundOut
    by: str
    reason: str
    action_id: str
    began_at: Time | None
    ended_at: Time | None
    progress: str
    why: str
    looked_at: Count
    done: Count
    skipped: dict[str, int]
    skipped_ids: dict[str, str]
    completed: Count
    failed: Count
    left: Count
    recalled: Count
    under_way: Count
    per_second: float | None
    first: Count
    undoes: str

    @classmethod
    def of(cls, operation: Operation) -> OperationOut:
        return cls(
            id=operation.id,
            bound=BoundOut.of(operation.bound),
            by=operation.by,
            reason=operation.reason,
            action_id=operation.action_id,
            began_at=at(operation.began_at),
            ended_at=at(operation.ended_at),
            progress=operation.progress,
            why=operation.why,
            looked_at=operation.looked_at,
            done=operation.done,
            skipped=dict(operation.skipped),
            skipped_ids=dict(operation.skipped_ids),
            completed=operation.completed,
            failed=operation.failed,
            left=operation.left,
            recalled=operation.recalled,
            under_way=operation.under_way,
            per_second=operation.drip,
            first=operation.canary,
            undoes=operation.bound.undoes,
        )


class OperationWhole(OperationOut, frozen=True):
    """`outcome`: in words; `undone_by`: the operation that brings back what it purged; `can_undo`: there is none, and
    one could; `recalled_by`: the last operation that pulls back what it retried; `can_recall`: how many of its tasks
    could be. `tasks_per_second`: as fast as it goes now; `seconds_left`: so long it takes, so; `null`: not known."""

    outcome: str
    undone_by: str | None
    can_undo: bool
    recalled_by: str | None
    can_recall: Count
    tasks_per_second: float | None
    seconds_left: float | None

    @classmethod
    def of_page(cls, page: OperationPage) -> OperationWhole:
        return cls(
            **msgspec.structs.asdict(OperationOut.of(page.operation)),
            outcome=page.outcome,
            undone_by=page.undone.id if page.undone else None,
            can_undo=bool(page.undoable),
            recalled_by=page.recalled.id if page.recalled else None,
            can_recall=page.to_recall,
            tasks_per_second=page.per_second,
            seconds_left=None if page.left_ms is None else page.left_ms / 1000,
        )


class OperationList(Value, frozen=True):
    operations: list[OperationOut]


class OperationsQuery(Query, frozen=True):
    limit: Limit = 50


class OperationQuery(Query, frozen=True):
    queue: Annotated[Name, Meta(description="Its queue: then no other one is asked.")] | UnsetType = UNSET


class PreviewQuery(Query, frozen=True):
    """`faults`, `since` and `until` are for dead letters."""

    verb: Annotated[Verb, Meta(description="What would be done.")] = "requeue"
    state: (
        Annotated[Place, Meta(description="To all tasks of this state; else the first that the verb is for.")]
        | UnsetType
    ) = UNSET
    faults: (
        Annotated[
            str,
            Meta(
                max_length=4_000,
                pattern=r"^[A-Za-z0-9_-]{1,64}(,[A-Za-z0-9_-]{1,64})*$",
                description="Only dead letters of these faults, with commas between.",
            ),
        ]
        | UnsetType
    ) = UNSET
    since: Annotated[Moment, Meta(description="Only dead letters that died at or after this.")] | UnsetType = UNSET
    until: Annotated[Moment, Meta(description="Only dead letters that died at or before this.")] | UnsetType = UNSET
    to_queue: Annotated[Name, Meta(description="Where a move takes them.")] | UnsetType = UNSET


class StartIn(Change, frozen=True):
    """`first`: so many go first, the others when all of those have completed; where one ends otherwise it pauses.
    `per_second`: at most so fast."""

    selection: Annotated[str, Meta(min_length=1, max_length=MOST_SIGNED, description="As the preview gave it.")]
    first: Annotated[int, Meta(ge=1, le=MAX_CANARY)] | UnsetType = UNSET
    per_second: Annotated[float, Meta(ge=MIN_DRIP, le=MAX_DRIP)] | UnsetType = UNSET
    count: Annotated[int, Meta(ge=1, description="The previewed number: needed to delete for good.")] | UnsetType = (
        UNSET
    )


class SteerIn(Change, frozen=True):
    queue: Annotated[Name, Meta(description="Its queue: then no other one is asked.")] | UnsetType = UNSET


@reads("/queues/<name>/preview", PreviewOut, query=PreviewQuery)
def preview(name: str, query: PreviewQuery) -> PreviewOut:
    """What an operation would act on. Changes nothing; its `selection` begins the operation."""
    states = VERBS[query.verb]
    usual = State.DEAD if State.DEAD in states else State.TRASHED if State.TRASHED in states else State.READY
    usual = usual if usual in states else State.SCHEDULED
    state = usual if isinstance(query.state, UnsetType) else State(query.state)
    why = ""
    try:
        found = parts().operations.preview(
            name,
            query.verb,
            state=state,
            faults=() if isinstance(query.faults, UnsetType) else tuple(dict.fromkeys(query.faults.split(","))),
            since=None if isinstance(query.since, UnsetType) else ms_of(query.since),
            until=None if isinstance(query.until, UnsetType) else ms_of(query.until),
            to_queue=query.to_queue or "",
        )
    except InvalidArgument as error:  # each of them is one, but they do not go together
        found, why = Preview(Bound(name, query.verb, state, g.now_ms, 0), (), None, None, ()), str(error)
    return PreviewOut(
        bound=BoundOut.of(found.bound),
        by_fault=[ShareOut.of(share) for share in found.by_fault],
        oldest_at=at(found.oldest_at),
        newest_at=at(found.newest_at),
        samples=[TaskOut.of(task) for task in found.samples],
        about_bytes=found.size,
        selection=Selection((found.bound,), actor()).sign() if found.bound.count else None,
        why=why or ("" if found.count else _why_nothing(name, state, query)),
    )


def _why_nothing(queue: str, state: State, query: PreviewQuery) -> str:
    if not isinstance(query.faults, UnsetType):
        known = {fault.fingerprint for fault in parts().inspector.faults(queue)}
        if unknown := [one for one in query.faults.split(",") if one not in known]:
            return f"there is no fault {', '.join(unknown[:5])} in {queue}: the ids are whole, as /faults has them"
    what = "dead letter" if state is State.DEAD else f"{state.value} task"
    if (
        isinstance(query.faults, UnsetType)
        and isinstance(query.since, UnsetType)
        and isinstance(query.until, UnsetType)
    ):
        return f"there is no {what} in {queue}"
    return f"no {what} of {queue} matches"


@reads("/operations", OperationList, query=OperationsQuery)
def operations(query: OperationsQuery) -> OperationList:
    """Operations of all queues. Those under way first, each kind newest first."""
    among = g.view.queues_where(lambda queue: queue.operation_count)
    operations = parts().inspector.operations(query.limit, among=among)
    return OperationList(operations=[OperationOut.of(found) for found in operations])


@reads("/operations/<operation_id>", OperationWhole, query=OperationQuery)
def operation(operation_id: str, query: OperationQuery) -> OperationWhole:
    """One operation, for 7 days after its end."""
    return OperationWhole.of_page(operation_page(parts().inspector.operation(operation_id, query.queue or None)))


@changes("/operations", OperationOut, body=StartIn, may_fail=(409,))
def start(body: StartIn, act: Act) -> OperationOut:
    """Begin what was previewed. It goes on by itself; 409 where the preview is too old, not this token's, or of a verb
    that cannot be done so."""
    selection = Selection.read(body.selection)
    if selection is not None and len(selection.bounds) != 1:
        raise Conflict("The selection is of several queues: send it to /operations/together. Nothing was done.")
    if selection and (begun := _begun(selection.bound, act)):
        return OperationOut.of(begun)
    bound = read_selection(body, selection).bound
    try:
        started = parts().operations.start(
            bound,
            by=act.by,
            reason=act.reason,
            action_id=act.action_id,
            canary=body.first or 0,
            drip=None if isinstance(body.per_second, UnsetType) else body.per_second,
        )
    except InvalidArgument as error:  # each of them is accepted, but not of what was previewed
        raise Conflict(f"{error}. Nothing was done.") from None
    parts().tender.wake()
    return OperationOut.of(started)


@changes("/operations/<operation_id>/pause", OperationOut, body=SteerIn, may_fail=(409,))
def pause(operation_id: str, body: SteerIn, act: Act) -> OperationOut:
    """Do nothing more until it is resumed. What was done stays."""
    return _steer("pause", operation_id, body, act)


@changes("/operations/<operation_id>/resume", OperationOut, body=SteerIn, may_fail=(409,))
def resume(operation_id: str, body: SteerIn, act: Act) -> OperationOut:
    """Go on. One that waits for what becomes of its first tasks no longer does."""
    return _steer("resume", operation_id, body, act)


@changes("/operations/<operation_id>/cancel", OperationOut, body=SteerIn, may_fail=(409,))
def cancel(operation_id: str, body: SteerIn, act: Act) -> OperationOut:
    """End it here. What was done stays."""
    return _steer("cancel", operation_id, body, act)


@changes("/operations/<operation_id>/undo", OperationOut, body=SteerIn, may_fail=(409,))
def undo(operation_id: str, body: SteerIn, act: Act) -> OperationOut:
    """Restore what a purge put into the trash, as an operation of its own: asked again, the same one."""
    purge = operation_page(parts().inspector.operation(operation_id, body.queue or None))
    if purge.undone:
        return OperationOut.of(purge.undone)
    if not purge.undoable:
        raise Conflict("There is nothing that could be undone: no purge that has ended, or its tasks are gone.")
    begun = begin_undo(purge.operation, act.reason)
    parts().tender.wake()
    return OperationOut.of(begun)


@changes("/operations/<operation_id>/recall", OperationOut, body=SteerIn, may_fail=(409,))
def recall(operation_id: str, body: SteerIn, act: Act) -> OperationOut:
    """Make dead letters again of what a retry has put back and nobody has begun, as an operation of its own: asked
    again, the same one. A retry that is still under way ends by it."""
    found = parts().inspector.operation(operation_id, body.queue or None)
    try:
        begun = parts().operations.recall(found.id, found.bound.queue, by=act.by, reason=act.reason)
    except InvalidArgument as error:
        raise Conflict(f"{error}. Nothing was done.") from None
    parts().tender.wake()
    return OperationOut.of(begun)


def read_selection(body: StartIn, selection: Selection | None) -> Selection:
    """What can be begun now. Raises `Conflict`."""
    if selection is None:
        raise Conflict("The selection is none that this console has given. Preview it again. Nothing was done.")
    if selection.by != actor():
        raise Conflict(f"The preview was made for {selection.by}. Preview it again. Nothing was done.")
    if not selection.is_fresh(g.now_ms):
        raise Conflict(f"The preview is older than {FRESH_MS // 60_000} minutes. Preview it again. Nothing was done.")
    if selection.bound.verb == "delete" and body.count != selection.count:
        count = selection.count
        raise Conflict(f"To delete them for good, count must be the previewed number, {count}. Nothing was done.")
    return selection


def _begun(bound: Bound, act: Act) -> Operation | None:
    """What the same request has begun before."""
    try:
        return parts().inspector.operation(operation_id(bound.queue, act.action_id), bound.queue)
    except UnknownOperation:
        return None


def _steer(verb: str, name: OperationId, body: SteerIn, act: Act) -> OperationOut:
    found = parts().inspector.operation(name, body.queue or None)
    steered = getattr(parts().operations, verb)(found.id, found.bound.queue, **act.facts)
    parts().tender.wake()
    return OperationOut.of(steered)
