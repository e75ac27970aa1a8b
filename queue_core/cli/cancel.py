"""`taskyard cancel`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from queue_core.cli.actions import Verb, act_on_ids, acting_options, actor
from queue_core.cli.options import connect, server_options
from queue_core.control import Control
from queue_core.snapshot import Outcome, State, TaskSummary

ENDS = (State.COMPLETED, State.CANCELLED, State.EXPIRED, State.DISCARDED)


@click.command("cancel")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--queue", help="Where they are.  [default: looked for in all queues]")
@acting_options
@server_options
def command(
    ids: tuple[str, ...],
    queue: str | None,
    reason: str,
    by: str | None,
    yes: bool,
    url: str | None,
    name: str | None,
    as_json: bool,
) -> int:
    """End tasks before their time: waiting ones at once.

    Running ones are asked to stop, which their workers hear within seconds. Dead letters are purged, not cancelled. `-`
    reads the ids from standard input. Exit code 1 where a task that was named was left alone.

    \b
    Examples:
      taskyard cancel 0kV3mQrvgYBGjfebBMu30d --reason "wrong customer"
      taskyard cancel order-88121 order-88122 --queue billing --yes
    """
    who = actor(by)

    def act(control: Control, queue: str, rows: Sequence[TaskSummary], action_id: str) -> Outcome:
        return control.cancel(queue, [row.id for row in rows], by=who, reason=reason, action_id=action_id)

    verb = Verb("Cancel", "task", "tasks", "cancelled", _why_not, act)
    with connect(url, name) as client:
        return act_on_ids(verb, ids, queue, client, yes=yes, as_json=as_json)


def _why_not(task: TaskSummary) -> str:
    if task.state is State.DEAD:
        return "dead: taskyard purge puts it out of the way"
    return f"{task.state.value}" if task.state in (State.TRASHED, *ENDS) else ""
