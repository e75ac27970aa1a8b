"""`taskyard cancel`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from queue_core.cli.bulk import Bulk, of_state
from queue_core.cli.by_ids import Said, Verb
from queue_core.cli.on_tasks import Asked, ids_argument, on_tasks, queue_option
from queue_core.control import Control
from queue_core.snapshot import Outcome, State, TaskSummary

STATES = [state.value for state in (State.READY, State.HELD, State.SCHEDULED, State.RETRYING)]
ENDS = (State.COMPLETED, State.CANCELLED, State.EXPIRED, State.DISCARDED)


@click.command("cancel")
@ids_argument
@click.option("--state", type=click.Choice(STATES), help="All tasks of the queue in this state.")
@queue_option
@on_tasks
def command(asked: Asked, state: str | None) -> int:
    """End tasks before their time: waiting ones at once.

    Running ones are asked to stop, which their workers hear within seconds. Dead letters are purged, not cancelled. `-`
    reads the ids from standard input. Exit code 1 where a task that was named was left alone.

    \b
    Examples:
      taskyard cancel 0kV3mQrvgYBGjfebBMu30d --reason "wrong customer"
      taskyard cancel order-88121 order-88122 --queue billing --yes
      taskyard cancel --state scheduled --queue email --reason "campaign is off"
    """
    asked.check_choice(state=state)
    verb = Verb("Cancel", "task", "tasks", "cancelled", _why_not, _act)
    chosen = State(state or State.READY)
    return asked.act(verb, Bulk("cancel", of_state(verb, chosen), chosen))


def _act(control: Control, queue: str, rows: Sequence[TaskSummary], said: Said) -> Outcome:
    return control.cancel(queue, [row.id for row in rows], **said)


def _why_not(task: TaskSummary) -> str:
    if task.state is State.DEAD:
        return "dead: taskyard purge puts it out of the way"
    return f"{task.state.value}" if task.state in (State.TRASHED, *ENDS) else ""
