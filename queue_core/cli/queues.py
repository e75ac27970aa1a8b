"""`taskyard queues`."""

from __future__ import annotations

from dataclasses import asdict

import click

from queue_core.cli.options import connect, server_options
from queue_core.cli.output import note_unreadable, print_json, say
from queue_core.cli.tables import table
from queue_core.formats import count, duration
from queue_core.inspector import Inspector
from queue_core.snapshot import QueueSnapshot, Snapshot

HEADS = ("Queue", "State", "Ready", "Oldest wait", "Scheduled", "Held", "Running", "Retrying", "Dead", "Completed")


@click.command("queues")
@server_options
def command(url: str | None, name: str | None, as_json: bool) -> None:
    """List the queues: what waits, runs and failed.

    \b
    Examples:
      taskyard queues
      taskyard queues --json | jq '.[] | select(.counts.dead > 0) | .name'
    """
    with connect(url, name) as client:
        snapshot = Inspector(client=client).snapshot()
    if as_json:
        print_json(as_objects(snapshot))
    else:
        say(as_table(snapshot))
    note_unreadable("queues", snapshot.unreadable)


def as_table(snapshot: Snapshot) -> str:
    if not snapshot.queues and snapshot.unreadable:
        return "No queue can be read."
    if not snapshot.queues:
        return "There are no queues yet: one begins with its first task."
    return table(HEADS, [_row(queue, snapshot.taken_at) for queue in snapshot.queues], left=2)


def as_objects(snapshot: Snapshot) -> list[dict[str, object]]:
    return [{**asdict(queue), "is_balanced": queue.is_balanced} for queue in snapshot.queues]


def _row(queue: QueueSnapshot, now_ms: int) -> tuple[str, ...]:
    counts = queue.counts
    waits = "–" if queue.oldest_ready_at is None else duration((now_ms - queue.oldest_ready_at) / 1000)
    state = "paused" if queue.pause else "open" if queue.is_balanced else "books off"
    figures = (counts.scheduled, counts.held, counts.running, counts.retrying, counts.dead, queue.books.completed)
    return (queue.name, state, count(counts.ready), waits, *map(count, figures))
