"""`taskyard delete-queue`."""

from __future__ import annotations

from dataclasses import asdict

import click

from queue_core.cli.actions import acting_options, actor, ask, new_action_id
from queue_core.cli.options import connect, server_options
from queue_core.cli.output import print_json, say
from queue_core.control import Control
from queue_core.formats import count
from queue_core.inspector import Inspector
from queue_core.snapshot import QueueSnapshot

LISTENS = "  listens to it and will make it again: {}"


@click.command("delete-queue")
@click.argument("queue")
@click.option("--force", is_flag=True, help="Also with tasks in it: they are deleted for good.")
@acting_options
@server_options
def command(
    queue: str, force: bool, reason: str, by: str | None, yes: bool, url: str | None, name: str | None, as_json: bool
) -> int:
    """Delete a queue that is empty: its faults, its books, its pauses.

    With --force also one with tasks, which no restore brings back; one whose tasks run never. A worker that listens to
    the queue makes it again, empty, with its next claim: stop it first. Exit code 1 where the queue stays.

    \b
    Examples:
      taskyard delete-queue images
      taskyard delete-queue images --force --yes --reason "the shop has no pictures any more"
    """
    with connect(url, name) as client:
        inspector = Inspector(client=client)
        found = inspector.queue(queue)
        ask(_question(found, force), yes, details=[LISTENS.format(worker.id) for worker in inspector.workers_of(queue)])
        outcome = Control(client=client).delete_queue(
            queue,
            by=actor(by),
            action_id=new_action_id(),
            reason=reason,
            force=force,
            at_most=found.counts.total if force else None,
        )
    if as_json:
        print_json({"verb": outcome.verb, "done": outcome.done, "served_by": outcome.served_by})
    else:
        again = f" {count(len(outcome.served_by), 'worker')} will make it again." if outcome.served_by else ""
        say(f"{queue} is deleted.{again}")
    return 0


def _question(queue: QueueSnapshot, force: bool) -> str:
    tasks = queue.counts.total
    if not (force and tasks):
        return f"Delete the queue {queue.name}"
    states = ", ".join(f"{count(number)} {state}" for state, number in asdict(queue.counts).items() if number)
    return f"Delete the queue {queue.name} and for good {count(tasks, 'task')} ({states})"
