"""`taskyard cancel`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import click

from queue_core.cli.actions import Verb, act_on_ids, acting_options, actor, check_choice
from queue_core.cli.bulk import Bulk, act_on_all, no_wait_option
from queue_core.cli.options import connect, server_options
from queue_core.control import Control
from queue_core.snapshot import Outcome, State, TaskSummary

STATES = [state.value for state in (State.READY, State.HELD, State.SCHEDULED, State.RETRYING)]
ENDS = (State.COMPLETED, State.CANCELLED, State.EXPIRED, State.DISCARDED)


@click.command("cancel")
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
    """End tasks before their time: waiting ones at once.

    Running ones are asked to stop, which their workers hear within seconds. Dead letters are purged, not cancelled. `-`
    reads the ids from standard input. Exit code 1 where a task that was named was left alone.

    \b
    Examples:
      taskyard cancel 0kV3mQrvgYBGjfebBMu30d --reason "wrong customer"
      taskyard cancel order-88121 order-88122 --queue billing --yes
      taskyard cancel --state scheduled --queue email --reason "campaign is off"
    """
    check_choice(ids, queue, state=state)
    who = actor(by)

    def act(control: Control, queue: str, rows: Sequence[TaskSummary], action_id: str) -> Outcome:
        return control.cancel(queue, [row.id for row in rows], by=who, reason=reason, action_id=action_id)

    verb = Verb("Cancel", "task", "tasks", "cancelled", _why_not, act)
    with connect(url, name) as client:
        if not queue or ids:
            return act_on_ids(verb, ids, queue, client, yes=yes, as_json=as_json)
        chosen = State(state or State.READY)
        words = replace(verb, one=f"{chosen.value} task", many=f"{chosen.value} tasks")
        bulk = Bulk("cancel", words, queue, chosen, None, who, reason)
        return act_on_all(bulk, client, yes=yes, no_wait=no_wait, as_json=as_json)


def _why_not(task: TaskSummary) -> str:
    if task.state is State.DEAD:
        return "dead: taskyard purge puts it out of the way"
    return f"{task.state.value}" if task.state in (State.TRASHED, *ENDS) else ""
