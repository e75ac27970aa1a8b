"""`taskyard run-now`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from queue_core.cli.actions import Verb, act_on_ids, acting_options, actor, check_choice
from queue_core.cli.bulk import Bulk, act_on_all, no_wait_option
from queue_core.cli.options import connect, server_options
from queue_core.control import Control
from queue_core.snapshot import Outcome, State, TaskSummary

STATES = [State.SCHEDULED.value, State.RETRYING.value]


@click.command("run-now")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--state", type=click.Choice(STATES), help="All tasks of the queue in this state.")
@click.option("--queue", help="Where they are.  [default, of ids: looked for in all queues]")
@no_wait_option
@acting_options
@server_options
def command(
    ids: tuple[str, ...],
    state: str | None,
    queue: str | None,
    no_wait: bool,
    reason: str,
    by: str | None,
    yes: bool,
    url: str | None,
    name: str | None,
    as_json: bool,
) -> int:
    """Let scheduled and retrying tasks run at once.

    `-` reads the ids from standard input. Exit code 1 where a task that was named does not wait for a time.

    \b
    Examples:
      taskyard run-now 0kV3mQrvgYBGjfebBMu30d
      taskyard run-now --state retrying --queue email
    """
    check_choice(ids, queue, state=state)
    who = actor(by)

    def act(control: Control, queue: str, rows: Sequence[TaskSummary], action_id: str) -> Outcome:
        return control.promote(queue, [row.id for row in rows], by=who, reason=reason, action_id=action_id)

    verb = Verb("Run", "task", "tasks", "ready to run now", _why_not, act)
    with connect(url, name) as client:
        if not queue or ids:
            return act_on_ids(verb, ids, queue, client, yes=yes, as_json=as_json)
        bulk = Bulk("promote", verb, queue, State(state or State.SCHEDULED), None, who, reason)
        return act_on_all(bulk, client, yes=yes, no_wait=no_wait, as_json=as_json)


def _why_not(task: TaskSummary) -> str:
    return "" if task.state in STATES else f"{task.state.value}, it waits for no time"
