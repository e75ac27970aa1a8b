"""For machines: the figures of the pages as JSON. Reads only. Times are ISO 8601, UTC, with milliseconds."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, jsonify, request

from dashboard.filters import iso
from dashboard.parts import parts
from dashboard.problems import Problem
from dashboard.worker_table import worker_rows
from queue_core.errors import InvalidArgument, ServerUnavailable, TaskyardError
from queue_core.snapshot import Counts, Fault, QueueSnapshot, Snapshot, TaskSummary, is_live, takes

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")

MOST_LETTERS = 200
_STATES = ("ready", "held", "scheduled", "blocked", "running", "retrying", "dead", "trashed")


@blueprint.get("/stats")
def stats() -> Response:
    snapshot = _snapshot()
    workers = worker_rows(snapshot.workers, g.now_ms)
    return jsonify(
        taken_at=iso(snapshot.taken_at),
        counts={name: sum(getattr(queue.counts, name) for queue in snapshot.queues) for name in _STATES},
        queues=len(snapshot.queues),
        workers={
            "alive": sum(row.condition not in ("stale", "lost") for row in workers),
            "silent": sum(row.condition in ("stale", "lost") for row in workers),
        },
        problems=[_problem(problem) for problem in g.view.problems],
        server={"product": snapshot.server.product, "version": snapshot.server.version},
    )


@blueprint.get("/queues")
def queues() -> Response:
    snapshot = _snapshot()
    return jsonify(taken_at=iso(snapshot.taken_at), queues=[_queue(queue, snapshot) for queue in snapshot.queues])


@blueprint.get("/failed")
def failed() -> Response:
    """`queue`, `fault`, `cursor` and `limit` (at most 200) choose the dead letters; faults are all of the queue's."""
    queue, fault = request.args.get("queue") or None, request.args.get("fault") or None
    text = request.args.get("limit", "50")
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:6]) <= MOST_LETTERS:
        raise InvalidArgument(f"limit is {text!r}; it must be a whole number from 1 to {MOST_LETTERS}.")
    inspector = parts().inspector
    page = inspector.letters(queue, fingerprint=fault, cursor=request.args.get("cursor"), limit=int(text))
    faults = [_fault(found) for found in inspector.faults(queue) if fault in (None, found.fingerprint)]
    return jsonify(total=page.total, older=page.older, faults=faults, letters=[_letter(task) for task in page.rows])


def _snapshot() -> Snapshot:
    if g.view.is_refused:
        raise TaskyardError(f"Redis {g.view.error}")
    if g.view.snapshot is None or g.view.is_away:
        raise ServerUnavailable
    found = g.view.snapshot
    assert isinstance(found, Snapshot)
    return found


def _counts(counts: Counts) -> dict[str, int]:
    return {name: getattr(counts, name) for name in _STATES}


def _queue(queue: QueueSnapshot, snapshot: Snapshot) -> dict[str, Any]:
    taking = [worker for worker in snapshot.workers if takes(worker, queue.name) and is_live(worker, g.now_ms)]
    pause = {"by": queue.pause.by, "reason": queue.pause.reason, "at": iso(queue.pause.at)} if queue.pause else None
    return {
        "name": queue.name,
        "counts": _counts(queue.counts),
        "oldest_ready_at": iso(queue.oldest_ready_at) or None,
        "next_due_at": iso(queue.next_due_at) or None,
        "pause": pause,
        "workers": len(taking),
        "faults": queue.fault_count,
        "is_balanced": queue.is_balanced,
    }


def _fault(fault: Fault) -> dict[str, Any]:
    return {
        "queue": fault.queue,
        "fingerprint": fault.fingerprint,
        "task": fault.task_name,
        "error": fault.title,
        "frame": fault.frame,
        "attempts": fault.attempts,
        "dead": fault.dead,
        "retrying": fault.retrying,
        "first_seen_at": iso(fault.first_seen_at),
        "last_seen_at": iso(fault.last_seen_at),
    }


def _letter(task: TaskSummary) -> dict[str, Any]:
    return {
        "queue": task.queue,
        "id": task.id,
        "name": task.name,
        "died_at": iso(task.at),
        "attempts": task.attempts,
        "crashes": task.crashes,
        "error": task.error,
        "fault": task.fingerprint,
        "payload": task.payload,
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "kind": problem.kind.name.lower(),
        "title": problem.title,
        "severity": problem.severity,
        "since": iso(problem.since) or None,
        "queues": [queue.name for queue in problem.queues] or sorted({fault.queue for fault in problem.faults}),
        "workers": [worker.id for worker in problem.workers],
        "faults": [fault.fingerprint for fault in problem.faults],
        "tasks": sorted({task.name for task in problem.held}),
        "details": list(problem.server),
    }
