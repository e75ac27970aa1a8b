"""`taskyard move`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from queue_core.cli.actions import Verb, act_on_ids, acting_options, actor
from queue_core.cli.options import connect, server_options
from queue_core.control import Control
from queue_core.keys import check_name
from queue_core.snapshot import Outcome, State, TaskSummary

ENDED = (State.COMPLETED, State.CANCELLED, State.EXPIRED, State.DISCARDED)


@click.command("move")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option(
    "--to", "to_queue", metavar="QUEUE", required=True, help="Where they go; it begins with them if it is new."
)
@click.option("--queue", help="Where they are.  [default: looked for in all queues]")
@acting_options
@server_options
def command(
    ids: tuple[str, ...],
    to_queue: str,
    queue: str | None,
    reason: str,
    by: str | None,
    yes: bool,
    url: str | None,
    name: str | None,
    as_json: bool,
) -> int:
    """Move tasks to another queue as they are.

    State, times, history and priority stay; a dead letter is one there, too. Running tasks are left alone. `-` reads
    the ids from standard input. Where it is cut off, tasks may be in the trash, "moving to QUEUE": the same command
    goes on with them, `taskyard restore` puts them back. Exit code 1 where a task that was named was left alone.

    \b
    Examples:
      taskyard move 0kV3mQrvgYBGjfebBMu30d --to slow-images --reason "the large one"
      taskyard tasks images --state dead --json | jq -r '.tasks[].id' | taskyard move - --to broken-images --yes
    """
    check_name("queue", to_queue)
    who = actor(by)

    def act(control: Control, queue: str, rows: Sequence[TaskSummary], action_id: str) -> Outcome:
        return control.move(queue, [row.id for row in rows], to_queue, by=who, reason=reason, action_id=action_id)

    def why_not(task: TaskSummary) -> str:
        if task.queue == to_queue:
            return f"in {to_queue} already"
        return task.state.value if task.state in (State.RUNNING, *ENDED) else ""

    verb = Verb("Move", "task", "tasks", f"moved to {to_queue}", why_not, act)
    with connect(url, name) as client:
        return act_on_ids(verb, ids, queue, client, yes=yes, as_json=as_json)
