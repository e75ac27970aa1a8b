"""`taskyard run-now`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from queue_core.cli.actions import Verb, act_on_ids, acting_options, actor
from queue_core.cli.options import connect, server_options
from queue_core.control import Control
from queue_core.snapshot import Outcome, State, TaskSummary


@click.command("run-now")
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
    """Let scheduled and retrying tasks run at once.

    `-` reads the ids from standard input. Exit code 1 where a task that was named does not wait for a time.

    \b
    Examples:
      taskyard run-now 0kV3mQrvgYBGjfebBMu30d
      taskyard tasks email --state retrying --json | jq -r '.tasks[].id' | taskyard run-now - --yes
    """
    who = actor(by)

    def act(control: Control, queue: str, rows: Sequence[TaskSummary], action_id: str) -> Outcome:
        return control.promote(queue, [row.id for row in rows], by=who, reason=reason, action_id=action_id)

    verb = Verb("Run", "task", "tasks", "ready to run now", _why_not, act)
    with connect(url, name) as client:
        return act_on_ids(verb, ids, queue, client, yes=yes, as_json=as_json)


def _why_not(task: TaskSummary) -> str:
    is_waiting = task.state in (State.SCHEDULED, State.RETRYING)
    return "" if is_waiting else f"{task.state.value}, it waits for no time"
