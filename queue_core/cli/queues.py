"""`taskyard queues`."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from queue_core.cli.options import json_option, namespace_option, url_option
from queue_core.cli.tables import table
from queue_core.formats import count, duration
from queue_core.inspector import Inspector
from queue_core.snapshot import QueueSnapshot, Snapshot

HEADS = ("Queue", "State", "Ready", "Oldest wait", "Scheduled", "Held", "Running", "Retrying", "Dead", "Completed")


@click.command("queues")
@url_option
@namespace_option
@json_option
def command(url: str | None, name: str | None, as_json: bool) -> None:
    """List the queues: what waits, runs and failed.

    \b
    Examples:
      taskyard queues
      taskyard queues --json | jq '.[] | select(.counts.dead > 0) | .name'
    """
    snapshot = Inspector(url, name).snapshot()
    click.echo(as_objects(snapshot) if as_json else as_table(snapshot))
    for queue, why in snapshot.unreadable.items():
        click.echo(f"taskyard queues: queue {queue} cannot be read: {why}", err=True)


def as_table(snapshot: Snapshot) -> str:
    if not snapshot.queues:
        return "There are no queues yet: one begins with its first task."
    return table(HEADS, [_row(queue, snapshot.taken_at) for queue in snapshot.queues], left=2)


def as_objects(snapshot: Snapshot) -> str:
    return json.dumps([{**asdict(queue), "is_balanced": queue.is_balanced} for queue in snapshot.queues], indent=2)


def _row(queue: QueueSnapshot, now_ms: int) -> tuple[str, ...]:
    counts = queue.counts
    waits = "–" if queue.oldest_ready_at is None else duration((now_ms - queue.oldest_ready_at) / 1000)
    state = "paused" if queue.pause else "open" if queue.is_balanced else "books off"
    figures = (counts.scheduled, counts.held, counts.running, counts.retrying, counts.dead, queue.books.completed)
    return (queue.name, state, count(counts.ready), waits, *map(count, figures))
