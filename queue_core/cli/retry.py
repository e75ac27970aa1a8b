"""`taskyard retry`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from queue_core.cli.bulk import Bulk, pace
from queue_core.cli.by_ids import Said, Verb
from queue_core.cli.on_tasks import Asked, fault_option, ids_argument, on_tasks, per_minute_option, queue_option
from queue_core.control import Control
from queue_core.snapshot import Outcome, State, TaskSummary


@click.command("retry")
@ids_argument
@fault_option
@click.option("--all", "every", is_flag=True, help="All dead letters of the queue.")
@queue_option
@click.option("--first", type=click.IntRange(1, 1_000), help="Of many: so many first, the rest when they completed.")
@per_minute_option
@on_tasks
def command(asked: Asked, fault: str | None, every: bool, first: int | None, per_minute: float | None) -> int:
    """Let dead letters run again, with a fresh allowance.

    Their history stays. What dies while it works is not touched. `-` reads the ids from standard input. Exit code 1
    where a task that was named was left alone.

    \b
    Examples:
      taskyard retry 0kV3mQrvgYBGjfebBMu30d
      taskyard retry --fault 7f3a9c21d04e --queue billing --reason "provider is back"
      taskyard retry --all --queue billing --first 5 --per-minute 600 --yes
    """
    asked.check_choice(fault=fault, all=every)
    verb = Verb("Retry", "dead letter", "dead letters", "retried", _why_not, _act)
    return asked.act(verb, Bulk("requeue", verb, State.DEAD, fault, pace(per_minute), first or 0))


def _act(control: Control, queue: str, rows: Sequence[TaskSummary], said: Said) -> Outcome:
    return control.requeue(queue, [(row.id, row.at or 0) for row in rows], **said)


def _why_not(task: TaskSummary) -> str:
    if task.state is State.DEAD:
        return ""
    if task.state in (State.RETRYING, State.SCHEDULED):
        return f"{task.state.value}, not dead: taskyard run-now lets it run"
    return f"{task.state.value}, not dead"
