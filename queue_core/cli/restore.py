"""`taskyard restore`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from queue_core.cli.actions import Verb, act_on_ids, acting_options, actor, check_choice
from queue_core.cli.bulk import Bulk, act_on_all, no_wait_option
from queue_core.cli.options import connect, server_options
from queue_core.control import Control
from queue_core.snapshot import Outcome, State, TaskSummary


@click.command("restore")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All that is in the queue's trash.")
@click.option("--queue", help="Where they are.  [default, of ids: looked for in all queues]")
@no_wait_option
@acting_options
@server_options
def command(
    ids: tuple[str, ...],
    every: bool,
    queue: str | None,
    no_wait: bool,
    reason: str,
    by: str | None,
    yes: bool,
    url: str | None,
    name: str | None,
    as_json: bool,
) -> int:
    """Take tasks out of the trash, to where they were.

    `-` reads the ids from standard input. Exit code 1 where a task that was named was not in the trash.

    \b
    Examples:
      taskyard restore 0kV3mQrvgYBGjfebBMu30d
      taskyard restore --all --queue billing
    """
    check_choice(ids, queue, all=every)
    who = actor(by)

    def act(control: Control, queue: str, rows: Sequence[TaskSummary], action_id: str) -> Outcome:
        return control.restore(queue, [row.id for row in rows], by=who, reason=reason, action_id=action_id)

    verb = Verb("Restore", "task", "tasks", "restored", _why_not, act)
    with connect(url, name) as client:
        if not queue or ids:
            return act_on_ids(verb, ids, queue, client, yes=yes, as_json=as_json)
        bulk = Bulk("restore", verb, queue, State.TRASHED, None, who, reason)
        return act_on_all(bulk, client, yes=yes, no_wait=no_wait, as_json=as_json)


def _why_not(task: TaskSummary) -> str:
    return "" if task.state is State.TRASHED else f"{task.state.value}, not in the trash"
