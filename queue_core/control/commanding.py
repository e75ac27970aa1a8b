"""What workers are told: a command is written for each that is there, and hears of it at once or with its heartbeat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from queue_core import audit, decoding, protocol
from queue_core.audit import Act
from queue_core.client import Client
from queue_core.errors import InvalidArgument
from queue_core.formats import duration
from queue_core.inspector import Inspector
from queue_core.keys import NO_QUEUE
from queue_core.snapshot import STALE_MS, Outcome, WorkerCommand, WorkerSnapshot

NO_WORKER = "no such worker"
COMMAND_MS = 60_000
"""What a worker has not read by then it does not do."""


def command_workers(client: Client, act: Act, ids: Sequence[str]) -> Outcome:
    """`act.verb`: quiet, resume, stop."""
    if not ids:
        raise InvalidArgument(f"no worker was named to {act.verb}")
    inspector = Inspector(client=client)
    known, now_ms = {worker.id: worker for worker in inspector.workers()}, inspector.server_ms()
    found = {worker_id: known.get(worker_id) for worker_id in dict.fromkeys(map(str, ids))}
    told = [worker for worker in found.values() if worker and not why_not_told(worker, now_ms)]
    skipped = {
        decoding.line(worker_id, 128): why_not_told(worker, now_ms) if worker else NO_WORKER
        for worker_id, worker in found.items()
        if worker not in told
    }
    if told:
        audit.record(client, "", act, audit.target_of([worker.id for worker in told], "worker"), len(told))
    for worker in told:
        command = WorkerCommand(act.verb, act.by, act.reason, now_ms, worker.started_at, act.action_id)
        place = client.queue(NO_QUEUE)
        client.run(protocol.command_worker(place, worker.id, asdict(command), COMMAND_MS))
    return Outcome(act.verb, tuple(worker.id for worker in told), skipped, now_ms)


def why_not_told(worker: WorkerSnapshot, now_ms: int) -> str:
    """Why a worker would do nothing that it is told; "" where it would."""
    if not worker.queues or not worker.started_at:
        return "it says nothing that can be read"
    if worker.state in ("stopping", "stopped"):
        return "stopping already"
    silent_ms = now_ms - worker.heartbeat_at
    return f"silent for {duration(silent_ms / 1000)}" if silent_ms >= STALE_MS else ""
