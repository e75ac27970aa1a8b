"""Bulk work in several queues at once: previewed, begun, watched and steered as one."""

from __future__ import annotations

from typing import Annotated, Literal

from werkzeug.exceptions import Conflict

from dashboard.api.chosen import ChosenQuery
from dashboard.api.operations import BoundOut, OperationOut, StartIn, read_selection
from dashboard.api.overview import shared_snapshot
from dashboard.api.requests import Act
from dashboard.api.table import changes, reads
from dashboard.api.tasks import TaskOut
from dashboard.api.values import Change, Count, Meta, UnsetType, Value
from dashboard.bulk import begin_undo, preview_together, recall_together, start_together, steer_together
from dashboard.identity import actor
from dashboard.operation_page import OperationPage, of_form, page_of_form, sum_of, undoing
from dashboard.parts import parts
from dashboard.selections import Selection
from queue_core.errors import InvalidArgument, OperationEnded
from queue_core.snapshot import Operation, State


class TogetherPreviewOut(Value, frozen=True):
    """`selection`: what the operations are begun with, for 15 minutes and by the same token; `null`: there is nothing
    to do. `about_bytes`: of the server's memory, an estimate."""

    count: Count
    queues: list[BoundOut]
    samples: list[TaskOut]
    about_bytes: int | None
    selection: str | None
    why: str


class TogetherOut(Value, frozen=True):
    """`whole`: their sum, of no queue, with the act's id; `operations`: one in each queue; `left_out`: queues in which
    none could be begun, and why."""

    whole: OperationOut
    operations: list[OperationOut]
    left_out: dict[str, str]

    @classmethod
    def of(cls, act: str, several: tuple[Operation, ...], left_out: dict[str, str] | None = None) -> TogetherOut:
        return cls(
            whole=OperationOut.of(sum_of(act, several)),
            operations=[OperationOut.of(operation) for operation in several],
            left_out=left_out or {},
        )


class TogetherQuery(ChosenQuery, frozen=True):
    """What is in the trash is chosen by `queue` alone."""

    verb: Annotated[
        Literal["requeue", "trash", "restore", "delete"],
        Meta(description="What would be done: to dead letters, or to what is in the trash."),
    ] = "requeue"


@reads("/preview", TogetherPreviewOut, query=TogetherQuery)
def together_preview(query: TogetherQuery) -> TogetherPreviewOut:
    """What operations in several queues would act on: in each where something matches. Changes nothing; its `selection`
    begins them."""
    shared_snapshot()
    state = State.DEAD if query.verb in ("requeue", "trash") else State.TRASHED
    why = ""
    try:
        found = preview_together(query.verb, state, query.filter)
        selection = Selection(tuple(preview.bound for preview in found), actor()).sign() if found else None
    except InvalidArgument as error:  # each of them is one, but they do not go together, or are too many
        found, selection, why = (), None, str(error)
    sizes = [preview.size for preview in found if preview.size is not None]
    return TogetherPreviewOut(
        count=sum(preview.count for preview in found),
        queues=[BoundOut.of(preview.bound) for preview in found],
        samples=[TaskOut.of(task) for preview in found for task in preview.samples],
        about_bytes=sum(sizes) if len(sizes) == len(found) else None,
        selection=selection,
        why=why or ("" if found else "nothing matches in any queue"),
    )


@changes("/operations/together", TogetherOut, body=StartIn)
def together_start(body: StartIn, act: Act) -> TogetherOut:
    """Begin what was previewed in several queues, an operation in each. They go on by themselves; 409 as for one."""
    selection = Selection.read(body.selection)
    queues = [bound.queue for bound in selection.bounds] if selection else []
    if begun := of_form(act.action_id, queues):
        return TogetherOut.of(act.action_id, begun)
    selection = read_selection(body, selection)
    try:
        begun, left_out = start_together(
            selection,
            form=act.action_id,
            because=act.reason,
            canary=body.first or 0,
            drip=None if isinstance(body.per_second, UnsetType) else body.per_second,
        )
    except InvalidArgument as error:  # each of them is accepted, but not of what was previewed
        raise Conflict(f"{error}. Nothing was done.") from None
    if not begun:
        raise Conflict(" ".join(f"{queue}: {why}." for queue, why in list(left_out.items())[:4]))
    return TogetherOut.of(act.action_id, begun, left_out)


@reads("/operations/together/<action_id>", TogetherOut)
def together(action_id: str) -> TogetherOut:
    """What one act has begun in several queues, for 7 days after its end. By the `action_id` of its operations."""
    return TogetherOut.of(action_id, _page(action_id).several)


@changes("/operations/together/<action_id>/pause", TogetherOut)
def together_pause(action_id: str, body: Change, act: Act) -> TogetherOut:
    """Do nothing more in any of the queues until it is resumed. What was done stays."""
    return _steer("pause", action_id, act)


@changes("/operations/together/<action_id>/resume", TogetherOut)
def together_resume(action_id: str, body: Change, act: Act) -> TogetherOut:
    """Go on in all of the queues."""
    return _steer("resume", action_id, act)


@changes("/operations/together/<action_id>/cancel", TogetherOut)
def together_cancel(action_id: str, body: Change, act: Act) -> TogetherOut:
    """End all of them here. What was done stays."""
    return _steer("cancel", action_id, act)


@changes("/operations/together/<action_id>/undo", TogetherOut)
def together_undo(action_id: str, body: Change, act: Act) -> TogetherOut:
    """Restore what the purges of one act put into the trash, by an operation in each queue: asked again, the same
    ones."""
    page = _page(action_id)
    begun = tuple(begin_undo(purge, act.reason) for purge in page.undoable)
    if begun:
        parts().tender.wake()
    found = (*undoing(page.several), *begun) if page.undone else begun
    if not found:
        raise Conflict("There is nothing that could be undone: no purge that has ended, or its tasks are gone.")
    return TogetherOut.of(action_id, tuple({operation.id: operation for operation in found}.values()))


@changes("/operations/together/<action_id>/recall", TogetherOut)
def together_recall(action_id: str, body: Change, act: Act) -> TogetherOut:
    """Make dead letters again of what the retries of one act have put back and nobody has begun, by an operation in
    each queue: asked again, the same ones."""
    page = _page(action_id)
    recall_together(page.recallable, act.reason)
    retries = [(retry.bound.queue, retry.id) for retry in page.several]
    found = tuple(recall for begun in parts().operations.recalls(retries).values() for recall in begun[-1:])
    if not found:
        raise Conflict("There is nothing that could be pulled back: no retry, or all of it has begun.")
    return TogetherOut.of(action_id, found)


def _steer(verb: str, action_id: str, act: Act) -> TogetherOut:
    if not steer_together(_page(action_id).several, verb, action_id=act.action_id, because=act.reason):
        raise OperationEnded("it has ended already, so nothing was changed", operation_id=action_id)
    return TogetherOut.of(action_id, _page(action_id).several)


def _page(action_id: str) -> OperationPage:
    return page_of_form(action_id, parts().inspector.queue_names())
