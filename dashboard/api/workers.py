"""Workers: who is there and what runs; telling them what to do."""

from __future__ import annotations

from typing import Annotated

from flask import g

from dashboard.api.outcomes import OutcomeOut
from dashboard.api.overview import shared_snapshot
from dashboard.api.pages import PageQuery, page_of
from dashboard.api.requests import Act
from dashboard.api.table import changes, reads
from dashboard.api.values import Change, Count, Meta, Time, Value, at, time
from dashboard.parts import parts
from dashboard.problems import shown_workers, worker_condition
from queue_core.snapshot import WorkerSnapshot


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
    weights."""

    id: str
    host: str
    pid: int
    condition: str
    version: str
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


WorkerId = Annotated[str, Meta(min_length=1, max_length=128)]


class WorkersIn(Change, frozen=True):
    workers: Annotated[list[WorkerId], Meta(min_length=1, max_length=200, description="Ids, as /workers lists them.")]


@reads("/workers", Workers, query=PageQuery)
def workers(query: PageQuery) -> Workers:
    """Workers that were heard of within the last hour, by id, a page at a time. At most about a second old, as
    `taken_at` says."""
    snapshot = shared_snapshot()
    known = shown_workers(snapshot.workers, g.now_ms)
    shown, older = page_of(known, lambda worker: worker.id, query)
    return Workers(
        taken_at=time(snapshot.taken_at),
        total=len(known),
        older=older,
        workers=[WorkerOut.of(worker) for worker in shown],
    )


@changes("/workers/quiet", OutcomeOut, body=WorkersIn)
def quiet(body: WorkersIn, act: Act) -> OutcomeOut:
    """Have workers claim nothing more; what runs goes on. They hear of it within seconds."""
    return OutcomeOut.of(parts().control.quiet_workers(body.workers, **act.facts), act.action_id)


@changes("/workers/resume", OutcomeOut, body=WorkersIn)
def resume(body: WorkersIn, act: Act) -> OutcomeOut:
    """Have workers claim again."""
    return OutcomeOut.of(parts().control.resume_workers(body.workers, **act.facts), act.action_id)


@changes("/workers/stop", OutcomeOut, body=WorkersIn)
def stop(body: WorkersIn, act: Act) -> OutcomeOut:
    """End workers, as on SIGTERM: what runs has their grace time. Nobody starts them again from here."""
    return OutcomeOut.of(parts().control.stop_workers(body.workers, **act.facts), act.action_id)
