"""The workers: who is alive, and what runs now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flask import Blueprint, Response, g, request

from dashboard.htmx import render_page
from dashboard.pagination import Order
from dashboard.problems import shown_workers, worker_condition
from queue_core.snapshot import WorkerSnapshot, is_live

blueprint = Blueprint("workers", __name__)

COLUMNS = ("trouble", "name", "heartbeat", "busy", "completed", "failed", "memory", "started")
_RANKS = {"lost": 0, "stale": 1, "reconnecting": 2, "refused": 2, "stuck": 2, "starting": 3, "stopping": 3, "quiet": 4}


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """`condition`: alive, starting, quiet, stopping, reconnecting, refused, stuck, stale or lost."""

    worker: WorkerSnapshot
    condition: str

    @property
    def name(self) -> str:
        """What it was named, or its host."""
        return self.worker.id.rpartition(":")[0] or self.worker.id

    @property
    def number(self) -> str:
        """Its process id, where the worker's id ends in it."""
        return self.worker.id.rpartition(":")[2] if ":" in self.worker.id else ""

    @property
    def told(self) -> str:
        """Who told it to be as it is; "" where that is not so."""
        command = self.worker.command
        is_told = command and {"quiet": "quiet", "stop": "stopping"}.get(command.verb) == self.condition
        return f"told by {command.by}{f': {command.reason}' if command.reason else ''}" if command and is_told else ""

    @property
    def mark(self) -> str:
        troubles = ("stale", "reconnecting", "refused", "stuck")
        return "bad" if self.condition == "lost" else "warn" if self.condition in troubles else "good"


@dataclass(frozen=True, slots=True)
class Workers:
    rows: tuple[WorkerRow, ...]
    order: Order
    alive: int
    silent: int
    busy: int
    slots: int


def worker_rows(workers: Iterable[WorkerSnapshot], now_ms: int) -> tuple[WorkerRow, ...]:
    """Trouble first, then by name."""
    rows = [WorkerRow(worker, worker_condition(worker, now_ms)) for worker in shown_workers(workers, now_ms)]
    return tuple(sorted(rows, key=lambda row: (_RANKS.get(row.condition, 9), row.worker.id)))


def workers_page(workers: Iterable[WorkerSnapshot], now_ms: int, order: Order) -> Workers:
    rows = worker_rows(workers, now_ms)
    if order.column != "trouble":
        rows = order.apply(rows, lambda row: _key(row, order.column))
    live = [row.worker for row in rows if is_live(row.worker, now_ms)]
    return Workers(
        rows=rows,
        order=order,
        alive=len(live),
        silent=sum(row.condition in ("stale", "lost") for row in rows),
        busy=sum(worker.busy for worker in live),
        slots=sum(worker.concurrency for worker in live),
    )


@blueprint.get("/workers")
def index() -> Response:
    snapshot = g.view.snapshot
    order = Order.read(request.args.get("sort"), COLUMNS, "trouble")
    page = workers_page(snapshot.workers if snapshot else (), g.view.now_ms, order)
    return render_page("workers/index.html", {"workers": "workers/_table.html"}, page)


def _key(row: WorkerRow, column: str) -> object:
    worker = row.worker
    values: dict[str, object] = {
        "name": worker.id,
        "heartbeat": -worker.heartbeat_at,
        "busy": worker.busy,
        "completed": worker.completed,
        "failed": worker.failed,
        "memory": worker.memory_bytes,
        "started": -worker.started_at,
    }
    return values[column]
