"""A dead letter is edited and retried: what would change is told first, and the edit is bound to that."""

from __future__ import annotations

from typing import Annotated

from werkzeug.exceptions import Conflict

from dashboard.api.outcomes import OutcomeOut
from dashboard.api.requests import Act
from dashboard.api.table import changes
from dashboard.api.values import UNSET, Change, Count, Meta, Moment, UnsetType, Value, given, ms_of
from dashboard.identity import may_edit
from dashboard.letter_edit import (
    MOST_EDITED,
    Wanted,
    edit_of,
    is_as_shown,
    is_signed,
    refusal,
    seen,
    sign,
    stored,
    unchanged,
)
from dashboard.parts import parts
from dashboard.redacting import unguarded
from queue_core.snapshot import TaskDetail
from queue_core.task import MAX_ALLOWED_RETRIES, MAX_PRIORITY


class EditIn(Change, frozen=True, kw_only=True):
    """What is not named stays as it is. In `payload_json` a mask that stands where `payload_json` of the task has it
    is the value that is stored."""

    died_at: Annotated[Moment, Meta(description="As the task tells it (at): one that died again is left alone.")]
    payload_json: (
        Annotated[str, Meta(min_length=2, max_length=MOST_EDITED, description="The whole payload.")] | UnsetType
    ) = UNSET
    priority: Annotated[int, Meta(ge=-MAX_PRIORITY, le=MAX_PRIORITY)] | UnsetType = UNSET
    max_retries: Annotated[int, Meta(ge=0, le=MAX_ALLOWED_RETRIES)] | UnsetType = UNSET

    @property
    def typed(self) -> Wanted:
        """As it was sent, which a preview signs: sent again, it is the same, whatever has become of the task."""
        return Wanted(
            payload="" if isinstance(self.payload_json, UnsetType) else seen(self.payload_json),
            priority=str(self.priority) if given(self.priority) else "",
            max_retries=str(self.max_retries) if given(self.max_retries) else "",
            died_at=ms_of(self.died_at),
        )

    def wanted(self, task: TaskDetail) -> Wanted:
        typed, now = self.typed, stored(task)
        return Wanted(
            payload=typed.payload if given(self.payload_json) else now.payload,
            priority=typed.priority or now.priority,
            max_retries=typed.max_retries or now.max_retries,
            died_at=typed.died_at,
        )


class ShownEditIn(EditIn, frozen=True):
    selection: Annotated[
        str, Meta(min_length=1, max_length=2_000, description="As the preview of the same content gave it.")
    ]


class ChangeOut(Value, frozen=True):
    """`before`, `after`: JSON, without what is hidden; "" where there is nothing. `note`: such as `number → text`."""

    path: str
    before: str
    after: str
    note: str


class EditPreviewOut(Value, frozen=True):
    """`hidden`: how many values of the payload are; `selection`: what the edit is sent with, by the same token."""

    changes: list[ChangeOut]
    hidden: Count
    selection: str


@changes("/queues/<name>/tasks/<task_id>/edit/preview", EditPreviewOut, body=EditIn, may_fail=(409,))
@may_edit
def edit_preview(name: str, task_id: str, body: EditIn, act: Act) -> EditPreviewOut:
    """What an edit of a dead letter would change. Changes nothing; its `selection` makes the edit."""
    task = unguarded(parts().inspector).task(name, task_id)
    if why := refusal(task):
        raise Conflict(why)
    return EditPreviewOut(
        changes=[
            ChangeOut(path=change.path, before=change.before, after=change.after, note=change.note)
            for change in edit_of(task, body.wanted(task)).changes
        ],
        hidden=parts().redactor.payload(task.payload_json).hidden,
        selection=sign(task, body.typed),
    )


@changes("/queues/<name>/tasks/<task_id>/edit", OutcomeOut, body=ShownEditIn, may_fail=(409,))
@may_edit
def edit(name: str, task_id: str, body: ShownEditIn, act: Act) -> OutcomeOut:
    """Edit a dead letter and put it back: it runs again, with a fresh allowance of attempts. The role is another one
    where the console is set so; 409 where this is not what was previewed."""
    task = unguarded(parts().inspector).task(name, task_id)
    if not is_signed(task, body.typed, body.selection):
        raise Conflict("This is not what was previewed, or by another token. Preview it again. Nothing was done.")
    wanted = body.wanted(task)
    made = edit_of(task, wanted) if is_as_shown(task, wanted) else unchanged(task)
    outcome = parts().control.edit(
        name,
        task_id,
        wanted.died_at,
        payload=made.payload.encode(),
        priority=made.priority,
        max_retries=made.max_retries,
        changes=made.words[:280],
        **act.facts,
    )
    return OutcomeOut.of(outcome, act.action_id)
