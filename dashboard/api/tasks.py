"""Tasks: lists by state, one in full, and what is done to some of them by their ids."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from dashboard.actions import new_action_id
from dashboard.api.outcomes import OutcomeOut
from dashboard.api.requests import Act
from dashboard.api.table import changes, reads
from dashboard.api.values import (
    UNSET,
    Change,
    Count,
    Cursor,
    Limit,
    Meta,
    Moment,
    Name,
    OldestFirst,
    Query,
    TaskId,
    Time,
    UnsetType,
    Value,
    at,
    ms_of,
)
from dashboard.identity import Role
from dashboard.listing import BY_TIME
from dashboard.parts import parts
from dashboard.redacting import unguarded
from queue_core.errors import UnknownTask
from queue_core.explain import explain_task, look_around
from queue_core.settings import TRASH_SECONDS
from queue_core.snapshot import Progress, State, TaskDetail, TaskSummary

MOST_IDS = 1_000
MOST_PAYLOAD = 2_000_000
"""Characters. What Taskyard stores is smaller, also with its masks."""
Place = Literal["ready", "running", "scheduled", "retrying", "held", "blocked", "dead", "trashed"]


class ProgressOut(Value, frozen=True):
    done: float
    total: float | None
    note: str
    at: Time | None

    @classmethod
    def of(cls, progress: Progress | None) -> ProgressOut | None:
        if progress is None:
            return None
        return cls(done=progress.done, total=progress.total, note=progress.note, at=at(progress.at))


class TaskOut(Value, frozen=True):
    """A row. `at`: ready since, due, started, died or deleted for good at; `payload_start`: at most 120 characters."""

    queue: str
    id: str
    name: str
    state: str
    payload_start: str
    priority: int
    at: Time | None
    attempts: Count
    crashes: Count
    error: str
    fault: str
    worker: str
    lane: str
    trashed_from: str
    progress: ProgressOut | None

    @classmethod
    def of(cls, task: TaskSummary) -> TaskOut:
        return cls(
            queue=task.queue,
            id=task.id,
            name=task.name,
            state=task.state.value,
            payload_start=task.payload,
            priority=task.priority,
            at=at(task.at),
            attempts=task.attempts,
            crashes=task.crashes,
            error=task.error,
            fault=task.fingerprint,
            worker=task.worker,
            lane=task.lane,
            trashed_from=task.trashed_from,
            progress=ProgressOut.of(task.progress),
        )


class TaskList(Value, frozen=True):
    """`older`: the cursor of the next page; `null` on the last one."""

    total: Count
    older: str | None
    tasks: list[TaskOut]


class HistoryOut(Value, frozen=True):
    at: Time | None
    kind: str
    facts: dict[str, str | int | float]


class ExplanationOut(Value, frozen=True):
    """Why the task is in its state, what happens next, and what helps."""

    cause: str
    sentence: str
    remedy: str
    remedy_command: str


class TaskWhole(Value, frozen=True):
    """`at`: the state's own time. `payload_json`: JSON as it is stored, so that numbers stay as they are; "" where it
    cannot be read (`unreadable` says why) or has more than two million characters. `result_json`: the same; "" where
    nothing is kept."""

    queue: str
    id: str
    name: str
    state: str
    explanation: ExplanationOut
    at: Time | None
    enqueued_at: Time | None
    expires_at: Time | None
    priority: int
    attempts: Count
    attempts_before: Count
    crashes: Count
    releases: Count
    max_retries: int
    payload_json: str
    payload_bytes: Count
    unreadable: str
    history: list[HistoryOut]
    fault: str
    traceback: str
    worker: str
    lease_expires_at: Time | None
    lane: str
    trashed_from: str
    trashed_by: str
    trashed_reason: str
    moving_to: str
    cancelled_by: str
    cancelled_reason: str
    progress: ProgressOut | None
    result_json: str
    result_bytes: Count
    result_missing: str
    result_expires_at: Time | None


class FoundOut(Value, frozen=True):
    id: str
    queues: list[str]


class UnmaskedOut(Value, frozen=True):
    """As they are stored."""

    payload_json: str
    result_json: str


class TasksQuery(Query, frozen=True):
    state: Annotated[Place, Meta(description="In which state.")] = "ready"
    cursor: Cursor | UnsetType = UNSET
    limit: Limit = 50
    oldest_first: OldestFirst = False


Ids = Annotated[list[TaskId], Meta(min_length=1, max_length=MOST_IDS, description="Whole ids of tasks of the queue.")]


class IdsIn(Change, frozen=True):
    ids: Ids


Seen = Annotated[
    Literal["ready", "running", "scheduled", "retrying", "held", "dead"],
    Meta(description="In which state they were seen: those in another one are left alone, as `ready now`."),
]
DiedAt = Annotated[
    dict[TaskId, Moment],
    Meta(
        max_length=MOST_IDS,
        description="Id → when it died, of dead letters: one that was retried or died again is left alone.",
    ),
]


class CancelIn(Change, frozen=True):
    ids: Ids
    state: Seen | UnsetType = UNSET


class TrashIn(Change, frozen=True):
    ids: Ids
    state: Seen | UnsetType = UNSET
    died_at: DiedAt | UnsetType = UNSET
    keep_seconds: Annotated[float, Meta(ge=1, le=366 * 86_400, description="How long they can be restored.")] = float(
        TRASH_SECONDS
    )


class MoveIn(Change, frozen=True):
    ids: Ids
    to_queue: Name
    state: Seen | UnsetType = UNSET
    died_at: DiedAt | UnsetType = UNSET


class Letter(Value, frozen=True):
    """A dead letter: one that died again since is left alone."""

    id: TaskId
    died_at: Moment


class LettersIn(Change, frozen=True):
    letters: Annotated[list[Letter], Meta(min_length=1, max_length=MOST_IDS, description="As /failed lists them.")]


@reads("/queues/<name>/tasks", TaskList, query=TasksQuery)
def tasks(name: str, query: TasksQuery) -> TaskList:
    """Tasks of a queue in one state. Ready ones as claims give them out, running ones by their start, scheduled and
    retrying ones by when they are due, held ones by lane, dead and trashed ones newest first."""
    state = State(query.state)
    page = parts().inspector.tasks(
        name,
        state,
        cursor=query.cursor or None,
        limit=query.limit,
        oldest_first=query.oldest_first and state in BY_TIME,
    )
    return TaskList(total=page.total, older=page.older, tasks=[TaskOut.of(row) for row in page.rows])


@reads("/queues/<name>/tasks/<task_id>", TaskWhole)
def task(name: str, task_id: str) -> TaskWhole:
    """One task in full, in every state. One that simply completed leaves no record; one with a history is kept for 24
    hours after its end."""
    inspector = parts().inspector
    found = inspector.task(name, task_id)
    told = explain_task(found, look_around(inspector, found))
    return TaskWhole(
        explanation=ExplanationOut(
            cause=told.cause.value,
            sentence=told.sentence,
            remedy=told.remedy,
            remedy_command=told.remedy_command,
        ),
        **_facts(found),
    )


@reads("/tasks/<task_id>", FoundOut)
def find(task_id: str) -> FoundOut:
    """In which queues a task is, or left a record. By its whole id."""
    found = parts().inspector.find(task_id)
    if not found:
        raise UnknownTask(f"there is no task {task_id} in any queue, or it ended and left no record")
    return FoundOut(id=task_id, queues=list(found))


@changes("/queues/<name>/tasks/<task_id>/unmask", UnmaskedOut, role=Role.ADMIN)
def unmask(name: str, task_id: str, body: object, act: Act) -> UnmaskedOut:
    """What is hidden of a task. Each time it is shown stands in the audit stream before."""
    task = unguarded(parts().inspector).task(name, task_id)
    parts().control.unmask(name, task_id, **{**act.facts, "action_id": new_action_id()})
    return UnmaskedOut(payload_json=task.payload_json, result_json=task.result_json)


@changes("/queues/<name>/requeue", OutcomeOut, body=LettersIn)
def requeue(name: str, body: LettersIn, act: Act) -> OutcomeOut:
    """Put dead letters back: they run again, with a fresh allowance of attempts."""
    letters = [(letter.id, ms_of(letter.died_at)) for letter in body.letters]
    return OutcomeOut.of(parts().control.requeue(name, letters, **act.facts), act.action_id)


@changes("/queues/<name>/trash", OutcomeOut, body=TrashIn)
def trash(name: str, body: TrashIn, act: Act) -> OutcomeOut:
    """Put tasks out of the way, restorable for a while: with `state` or `died_at` only as they were seen."""
    outcome = parts().control.trash(name, body.ids, keep_seconds=body.keep_seconds, **_seen(body), **act.facts)
    return OutcomeOut.of(outcome, act.action_id)


@changes("/queues/<name>/restore", OutcomeOut, body=IdsIn)
def restore(name: str, body: IdsIn, act: Act) -> OutcomeOut:
    """Take tasks out of the trash, to where they were."""
    return OutcomeOut.of(parts().control.restore(name, body.ids, **act.facts), act.action_id)


@changes("/queues/<name>/promote", OutcomeOut, body=IdsIn)
def promote(name: str, body: IdsIn, act: Act) -> OutcomeOut:
    """Make scheduled and retrying tasks ready now."""
    return OutcomeOut.of(parts().control.promote(name, body.ids, **act.facts), act.action_id)


@changes("/queues/<name>/cancel", OutcomeOut, body=CancelIn)
def cancel(name: str, body: CancelIn, act: Act) -> OutcomeOut:
    """End tasks before their time. What waits ends at once; what runs is asked to stop (`asked`)."""
    return OutcomeOut.of(parts().control.cancel(name, body.ids, state=_state(body), **act.facts), act.action_id)


@changes("/queues/<name>/delete", OutcomeOut, body=IdsIn)
def delete(name: str, body: IdsIn, act: Act) -> OutcomeOut:
    """Delete tasks in the trash for good."""
    return OutcomeOut.of(parts().control.delete(name, body.ids, **act.facts), act.action_id)


@changes("/queues/<name>/move", OutcomeOut, body=MoveIn)
def move(name: str, body: MoveIn, act: Act) -> OutcomeOut:
    """Take tasks to another queue, as they are."""
    outcome = parts().control.move(name, body.ids, body.to_queue, **_seen(body), **act.facts)
    return OutcomeOut.of(outcome, act.action_id)


def _state(body: CancelIn | TrashIn | MoveIn) -> State | None:
    return None if isinstance(body.state, UnsetType) else State(body.state)


def _seen(body: TrashIn | MoveIn) -> dict[str, Any]:
    """As `Control` wants to know it."""
    died = {} if isinstance(body.died_at, UnsetType) else body.died_at
    return {"state": _state(body), "died": {task_id: ms_of(moment) for task_id, moment in died.items()}}


def _facts(found: TaskDetail) -> dict[str, Any]:
    names = (
        *("queue", "id", "name", "priority", "attempts", "attempts_before", "crashes", "releases", "max_retries"),
        *("payload_bytes", "worker", "lane", "trashed_from", "trashed_by", "moving_to", "cancelled_by", "result_bytes"),
    )
    times = ("at", "enqueued_at", "expires_at", "lease_expires_at", "result_expires_at")
    texts = ("unreadable", "traceback", "trashed_reason", "cancelled_reason", "result_missing")
    return {
        **{name: getattr(found, name) for name in names},
        **{name: at(getattr(found, name)) for name in times},
        **{name: getattr(found, name) for name in texts},
        "state": found.state.value,
        "fault": found.fingerprint,
        "payload_json": found.payload_json if len(found.payload_json) <= MOST_PAYLOAD else "",
        "result_json": found.result_json,
        "progress": ProgressOut.of(found.progress),
        "history": [
            HistoryOut(
                at=at(entry.at), kind=entry.kind, facts={name: _fact(value) for name, value in entry.facts.items()}
            )
            for entry in found.history
        ],
    }


def _fact(value: object) -> str | int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return value
