"""Workers: who is there and what runs; telling them what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from flask import g
from werkzeug.exceptions import Conflict

from dashboard.api.outcomes import OutcomeOut
from dashboard.api.overview import shared_snapshot
from dashboard.api.pages import PageQuery, page_of
from dashboard.api.requests import Act
from dashboard.api.table import changes, reads
from dashboard.api.tasks import TaskOut
from dashboard.api.values import (
    UNSET,
    Change,
    Count,
    Meta,
    Query,
    Time,
    UnsetType,
    Value,
    WorkerId,
    at,
    given,
    time,
)
from dashboard.identity import actor
from dashboard.parts import parts
from dashboard.problems import worker_condition
from dashboard.telling import tell, would_tell
from dashboard.views.workers import became_of, by_hand, known_worker
from dashboard.worker_choice import WorkerChoice
from dashboard.worker_table import WorkerFilter, WorkerRow, became, worker_rows
from queue_core.errors import InvalidArgument
from queue_core.snapshot import WorkerSnapshot

Words = Annotated[str, Meta(max_length=128)]
Command = Literal["quiet", "resume", "stop"]


class RunningOut(Value, frozen=True):
    queue: str
    id: str
    name: str
    started_at: Time | None


class ProcessOut(Value, frozen=True):
    pid: int
    state: str
    busy: Count
    completed: Count
    failed: Count
    memory_bytes: Count
    started_at: Time | None


class CommandOut(Value, frozen=True):
    """What it was told last, and did."""

    verb: str
    by: str
    reason: str
    at: Time | None


class WorkerOut(Value, frozen=True):
    """`condition`: alive, starting, quiet, stopping, reconnecting, refused, stuck, stale or lost; `queues`: with their
    weights; `version_since`: when the first of its processes came with it, `null`: it does not say."""

    id: str
    host: str
    pid: int
    condition: str
    version: str
    version_since: Time | None
    queues: dict[str, int]
    task_names: list[str]
    slots: Count
    busy: Count
    completed: Count
    failed: Count
    memory_bytes: Count
    started_at: Time | None
    heartbeat_at: Time | None
    running: list[RunningOut]
    processes: list[ProcessOut]
    complaint: str
    command: CommandOut | None

    @classmethod
    def of(cls, worker: WorkerSnapshot) -> WorkerOut:
        told = worker.command
        return cls(
            id=worker.id,
            host=worker.host,
            pid=worker.pid,
            condition=worker_condition(worker, g.now_ms),
            version=worker.version,
            version_since=at(worker.version_since),
            queues=dict(worker.queues),
            task_names=list(worker.task_names),
            slots=worker.concurrency,
            busy=worker.busy,
            completed=worker.completed,
            failed=worker.failed,
            memory_bytes=worker.memory_bytes,
            started_at=at(worker.started_at),
            heartbeat_at=at(worker.heartbeat_at),
            running=[
                RunningOut(queue=task.queue, id=task.task_id, name=task.task_name, started_at=at(task.started_at))
                for task in worker.running
            ],
            processes=[
                ProcessOut(
                    pid=process.pid,
                    state=process.state,
                    busy=process.busy,
                    completed=process.completed,
                    failed=process.failed,
                    memory_bytes=process.memory_bytes,
                    started_at=at(process.started_at),
                )
                for process in worker.processes
            ],
            complaint=worker.complaint,
            command=CommandOut(verb=told.verb, by=told.by, reason=told.reason, at=at(told.at)) if told else None,
        )


class Workers(Value, frozen=True):
    """`total`: all that are known; `older`: the cursor of the next page, `null` on the last one."""

    taken_at: Time
    total: Count
    older: str | None
    workers: list[WorkerOut]


class WorkerWhole(Value, frozen=True):
    """`became`: of what it ran, where it is lost; `tasks`: where they are now, as far as that is known. `by_hand`:
    what to type where there is a shell."""

    worker: WorkerOut
    became: str
    tasks: list[TaskOut]
    by_hand: dict[str, str]


class WorkersQuery(PageQuery, frozen=True):
    """As the page of workers is filtered."""

    text: Annotated[Words, Meta(description="Only those with this in id, host, queues, version or condition.")] = ""
    version: Annotated[Words, Meta(description="Only those with this version of the application.")] | UnsetType = UNSET

    def of(self, rows: Iterable[WorkerRow]) -> list[WorkerSnapshot]:
        version = None if isinstance(self.version, UnsetType) else self.version
        return [row.worker for row in WorkerFilter(text=self.text.strip(), version=version).of(rows)]


class TellQuery(Query, frozen=True):
    """Without any of the last three all that are known."""

    verb: Annotated[Command, Meta(description="What they would be told.")] = "quiet"
    ids: (
        Annotated[str, Meta(min_length=1, max_length=30_000, description="Only these, with commas between.")]
        | UnsetType
    ) = UNSET
    text: Annotated[Words, Meta(description="Only those with this in id, host, queues, version or condition.")] = ""
    version: Annotated[Words, Meta(description="Only those with this version of the application.")] | UnsetType = UNSET


class TellPreviewOut(Value, frozen=True):
    """`workers`: those that would do it; `skipped`: id → why not; `forsaken`: queues that nobody would take any more;
    `running`: tasks that run there now. `selection`: what tells exactly these, for 15 minutes and by the same token:
    neither who came later nor a later one of the same id; `null` where nobody would do it."""

    workers: list[str]
    skipped: dict[str, str]
    forsaken: list[str]
    running: Count
    selection: str | None


class WorkersIn(Change, frozen=True):
    """Either the workers, as they are now, or those of a preview, as they were then."""

    rules: ClassVar[Mapping[str, Any]] = {"oneOf": [{"required": ["workers"]}, {"required": ["selection"]}]}

    workers: (
        Annotated[list[WorkerId], Meta(min_length=1, max_length=200, description="Ids, as /workers lists them.")]
        | UnsetType
    ) = UNSET
    selection: (
        Annotated[str, Meta(min_length=1, max_length=100_000, description="As /preview/workers gave it.")] | UnsetType
    ) = UNSET


@reads("/workers", Workers, query=WorkersQuery)
def workers(query: WorkersQuery) -> Workers:
    """Workers that were heard of within the last hour, by id, a page at a time. At most about a second old, as
    `taken_at` says."""
    snapshot = shared_snapshot()
    known = query.of(worker_rows(snapshot.workers, g.now_ms))
    shown, older = page_of(known, lambda worker: worker.id, query)
    return Workers(
        taken_at=time(snapshot.taken_at),
        total=len(known),
        older=older,
        workers=[WorkerOut.of(worker) for worker in shown],
    )


@reads("/workers/<worker_id>", WorkerWhole)
def worker(worker_id: str) -> WorkerWhole:
    """One worker, and what became of its tasks where it is lost."""
    shared_snapshot()
    row = known_worker(worker_id)
    found = became_of([row])
    return WorkerWhole(
        worker=WorkerOut.of(row.worker),
        became=became(row.worker, found) if row.condition == "lost" else "",
        tasks=[TaskOut.of(task) for task in found.values()],
        by_hand=dict(by_hand(row.worker)),
    )


@reads("/preview/workers", TellPreviewOut, query=TellQuery)
def tell_preview(query: TellQuery) -> TellPreviewOut:
    """What telling workers something would do. Changes nothing; its `selection` tells them."""
    every = shared_snapshot().workers
    chosen = WorkerFilter(
        text=query.text.strip(),
        version=None if isinstance(query.version, UnsetType) else query.version,
        ids=frozenset() if isinstance(query.ids, UnsetType) else frozenset(query.ids.split(",")),
    )
    rows = chosen.of(worker_rows(every, g.now_ms))
    found = would_tell(query.verb, [row.worker for row in rows], every)
    return TellPreviewOut(
        workers=[worker.id for worker in found.able],
        skipped=dict(found.unable),
        forsaken=list(found.forsaken),
        running=sum(worker.busy for worker in found.able),
        selection=found.choice or None,
    )


@changes("/workers/quiet", OutcomeOut, body=WorkersIn, may_fail=(409,))
def quiet(body: WorkersIn, act: Act) -> OutcomeOut:
    """Have workers claim nothing more; what runs goes on. They hear of it within seconds."""
    return _tell("quiet", body, act)


@changes("/workers/resume", OutcomeOut, body=WorkersIn, may_fail=(409,))
def resume(body: WorkersIn, act: Act) -> OutcomeOut:
    """Have workers claim again."""
    return _tell("resume", body, act)


@changes("/workers/stop", OutcomeOut, body=WorkersIn, may_fail=(409,))
def stop(body: WorkersIn, act: Act) -> OutcomeOut:
    """End workers, as on SIGTERM: what runs has their grace time. Nobody starts them again from here."""
    return _tell("stop", body, act)


def _tell(verb: str, body: WorkersIn, act: Act) -> OutcomeOut:
    if given(body.workers) == given(body.selection):
        raise InvalidArgument("either workers or a selection is accepted: one of them")
    if isinstance(body.selection, UnsetType):
        telling = getattr(parts().control, f"{verb}_workers")
        return OutcomeOut.of(telling(body.workers, **act.facts), act.action_id)
    choice = WorkerChoice.read(body.selection)
    if choice is None or choice.verb != verb or choice.by != actor() or not choice.is_fresh(g.now_ms):
        raise Conflict(
            f"The selection is none of a preview of {verb}, too old, or another token's. Preview it again. "
            "Nothing was done."
        )
    return OutcomeOut.of(tell(choice, form=act.action_id, because=act.reason), act.action_id)
