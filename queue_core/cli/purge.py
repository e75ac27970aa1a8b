"""`taskyard purge`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from queue_core.cli.bulk import Bulk, of_state
from queue_core.cli.by_ids import Said, Verb
from queue_core.cli.on_tasks import Asked, fault_option, ids_argument, on_tasks, queue_option
from queue_core.control import Control
from queue_core.snapshot import Outcome, State, TaskSummary

STATES = [state.value for state in (State.READY, State.HELD, State.SCHEDULED, State.RETRYING, State.DEAD)]
UNDO = "Undo: taskyard restore {ids}"
UNDO_ALL = "Undo: taskyard restore --all --queue {queue}"


@click.command("purge")
@ids_argument
@fault_option
@click.option("--state", type=click.Choice(STATES), help="All tasks of the queue in this state.")
@queue_option
@on_tasks
def command(asked: Asked, fault: str | None, state: str | None) -> int:
    """Put tasks into the trash; for a day they can be restored.

    `-` reads the ids from standard input. Exit code 1 where a task that was named was left alone, as running ones are.

    \b
    Examples:
      taskyard purge 0kV3mQrvgYBGjfebBMu30d --reason "duplicate order"
      taskyard purge --fault 7f3a9c21d04e --queue billing
      taskyard purge --state dead --queue billing --yes
    """
    asked.check_choice(fault=fault, state=state)
    verb = Verb("Purge", "task", "tasks", "purged", _why_not, _act)
    chosen = State.DEAD if fault else State(state or State.DEAD)
    undo_all = UNDO_ALL.format(queue=asked.queue)
    return asked.act(verb, Bulk("trash", of_state(verb, chosen), chosen, fault, hint=undo_all), UNDO)


def _act(control: Control, queue: str, rows: Sequence[TaskSummary], said: Said) -> Outcome:
    return control.trash(queue, [row.id for row in rows], **said)


def _why_not(task: TaskSummary) -> str:
    return "" if task.state in STATES else f"{task.state.value}"
