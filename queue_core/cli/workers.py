"""`taskyard workers`."""

from __future__ import annotations

import click

from queue_core.cli.options import connect, server_options
from queue_core.cli.output import print_json, say
from queue_core.cli.tables import table
from queue_core.formats import count, duration
from queue_core.inspector import Inspector
from queue_core.snapshot import Snapshot, WorkerSnapshot

HEADS = ("Worker", "Queues", "State", "Heartbeat", "Busy", "Completed", "Failed", "Memory")
MEBIBYTE = 1024 * 1024


@click.command("workers")
@server_options
def command(url: str | None, name: str | None, as_json: bool) -> None:
    """List the workers: who is alive, and how busy.

    \b
    Examples:
      taskyard workers
      taskyard workers --json | jq '.[].id'
    """
    with connect(url, name) as client:
        snapshot = Inspector(client=client).snapshot()
    if as_json:
        print_json(snapshot.workers)
    else:
        say(as_table(snapshot))


def as_table(snapshot: Snapshot) -> str:
    if not snapshot.workers:
        return "No worker runs. Start one with: taskyard worker module:yard"
    return table(HEADS, [_row(worker, snapshot.taken_at) for worker in snapshot.workers], left=3)


def _row(worker: WorkerSnapshot, now_ms: int) -> tuple[str, ...]:
    queues = ", ".join(f"{name}={weight}" if weight > 1 else name for name, weight in worker.queues.items())
    age = (now_ms - worker.heartbeat_at) / 1000
    return (
        worker.id,
        queues,
        worker.state,
        "now" if age < 1 else f"{duration(age)} ago",
        f"{worker.busy}/{worker.concurrency}",
        count(worker.completed),
        count(worker.failed),
        f"{worker.memory_bytes / MEBIBYTE:.1f} MiB" if worker.memory_bytes else "–",
    )
