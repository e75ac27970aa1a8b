"""`taskyard restore`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from queue_core.cli.bulk import Bulk
from queue_core.cli.by_ids import Said, Verb
from queue_core.cli.on_tasks import Asked, ids_argument, on_tasks, queue_option
from queue_core.control import Control
from queue_core.snapshot import Outcome, State, TaskSummary


@click.command("restore")
@ids_argument
@click.option("--all", "every", is_flag=True, help="All that is in the queue's trash.")
@queue_option
@on_tasks
def command(asked: Asked, every: bool) -> int:
    """Take tasks out of the trash, to where they were.

    `-` reads the ids from standard input. Exit code 1 where a task that was named was not in the trash.

    \b
    Examples:
      taskyard restore 0kV3mQrvgYBGjfebBMu30d
      taskyard restore --all --queue billing
    """
    asked.check_choice(all=every)
    verb = Verb("Restore", "task", "tasks", "restored", _why_not, _act)
    return asked.act(verb, Bulk("restore", verb, State.TRASHED))


def _act(control: Control, queue: str, rows: Sequence[TaskSummary], said: Said) -> Outcome:
    return control.restore(queue, [row.id for row in rows], **said)


def _why_not(task: TaskSummary) -> str:
    return "" if task.state is State.TRASHED else f"{task.state.value}, not in the trash"
