"""`taskyard run-now`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from queue_core.cli.bulk import Bulk
from queue_core.cli.by_ids import Said, Verb
from queue_core.cli.on_tasks import Asked, ids_argument, on_tasks, queue_option
from queue_core.control import Control
from queue_core.snapshot import Outcome, State, TaskSummary

STATES = [State.SCHEDULED.value, State.RETRYING.value]


@click.command("run-now")
@ids_argument
@click.option("--state", type=click.Choice(STATES), help="All tasks of the queue in this state.")
@queue_option
@on_tasks
def command(asked: Asked, state: str | None) -> int:
    """Let scheduled and retrying tasks run at once.

    `-` reads the ids from standard input. Exit code 1 where a task that was named does not wait for a time.

    \b
    Examples:
      taskyard run-now 0kV3mQrvgYBGjfebBMu30d
      taskyard run-now --state retrying --queue email
    """
    asked.check_choice(state=state)
    verb = Verb("Run", "task", "tasks", "ready to run now", _why_not, _act)
    return asked.act(verb, Bulk("promote", verb, State(state or State.SCHEDULED)))


def _act(control: Control, queue: str, rows: Sequence[TaskSummary], said: Said) -> Outcome:
    return control.promote(queue, [row.id for row in rows], **said)


def _why_not(task: TaskSummary) -> str:
    return "" if task.state in STATES else f"{task.state.value}, it waits for no time"
