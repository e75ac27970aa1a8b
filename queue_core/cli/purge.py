"""`taskyard purge`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import click

from queue_core.cli.actions import Verb, act_on_ids, acting_options, actor, check_choice
from queue_core.cli.bulk import Bulk, act_on_all, no_wait_option
from queue_core.cli.options import connect, server_options
from queue_core.control import Control
from queue_core.snapshot import Outcome, State, TaskSummary

STATES = [state.value for state in (State.READY, State.HELD, State.SCHEDULED, State.RETRYING, State.DEAD)]
UNDO = "Undo: taskyard restore {ids}"
UNDO_ALL = "Undo: taskyard restore --all --queue {queue}"


@click.command("purge")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--fault", metavar="F", help="All dead letters of one fault, as `taskyard faults` names it.")
@click.option("--state", type=click.Choice(STATES), help="All tasks of the queue in this state.")
@click.option("--queue", help="Where they are.  [default, of ids: looked for in all queues]")
@no_wait_option
@acting_options
@server_options
def command(
    ids: tuple[str, ...],
    fault: str | None,
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
    """Put tasks into the trash; for a day they can be restored.

    `-` reads the ids from standard input. Exit code 1 where a task that was named was left alone, as running ones are.

    \b
    Examples:
      taskyard purge 0kV3mQrvgYBGjfebBMu30d --reason "duplicate order"
      taskyard purge --fault 7f3a9c21 --queue billing
      taskyard purge --state dead --queue billing --yes
    """
    check_choice(ids, queue, fault=fault, state=state)
    who = actor(by)

    def act(control: Control, queue: str, rows: Sequence[TaskSummary], action_id: str) -> Outcome:
        return control.trash(queue, [row.id for row in rows], by=who, reason=reason, action_id=action_id)

    verb = Verb("Purge", "task", "tasks", "purged", _why_not, act)
    with connect(url, name) as client:
        if not queue or ids:
            return act_on_ids(verb, ids, queue, client, yes=yes, as_json=as_json, hint=UNDO)
        chosen = State.DEAD if fault else State(state or State.DEAD)
        one = "dead letter" if chosen is State.DEAD else f"{chosen.value} task"
        words = replace(verb, one=one, many=f"{one}s")
        bulk = Bulk("trash", words, queue, chosen, fault, who, reason, hint=UNDO_ALL.format(queue=queue))
        return act_on_all(bulk, client, yes=yes, no_wait=no_wait, as_json=as_json)


def _why_not(task: TaskSummary) -> str:
    return "" if task.state in STATES else f"{task.state.value}"
