"""`taskyard retry`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from queue_core.cli.actions import Verb, act_on_ids, acting_options, actor, check_choice
from queue_core.cli.bulk import Bulk, act_on_all, no_wait_option, pace
from queue_core.cli.options import connect, server_options
from queue_core.control import Control
from queue_core.snapshot import Outcome, State, TaskSummary


@click.command("retry")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--fault", metavar="F", help="All dead letters of one fault, as `taskyard faults` names it.")
@click.option("--all", "every", is_flag=True, help="All dead letters of the queue.")
@click.option("--queue", help="Where they are.  [default, of ids: looked for in all queues]")
@click.option("--first", type=click.IntRange(1, 1_000), help="Of many: so many first, the rest when they completed.")
@click.option("--per-minute", type=click.FloatRange(1, 6_000_000), help="Of many: at most so many a minute.")
@no_wait_option
@acting_options
@server_options
def command(
    ids: tuple[str, ...],
    fault: str | None,
    every: bool,
    queue: str | None,
    first: int | None,
    per_minute: float | None,
    no_wait: bool,
    reason: str,
    by: str | None,
    yes: bool,
    url: str | None,
    name: str | None,
    as_json: bool,
) -> int:
    """Let dead letters run again, with a fresh allowance.

    Their history stays. What dies while it works is not touched. `-` reads the ids from standard input. Exit code 1
    where a task that was named was left alone.

    \b
    Examples:
      taskyard retry 0kV3mQrvgYBGjfebBMu30d
      taskyard retry --fault 7f3a9c21 --queue billing --reason "provider is back"
      taskyard retry --all --queue billing --first 5 --per-minute 600 --yes
    """
    check_choice(ids, queue, fault=fault, all=every)
    who = actor(by)

    def act(control: Control, queue: str, rows: Sequence[TaskSummary], action_id: str) -> Outcome:
        letters = [(row.id, row.at or 0) for row in rows]
        return control.requeue(queue, letters, by=who, reason=reason, action_id=action_id)

    verb = Verb("Retry", "dead letter", "dead letters", "retried", _why_not, act)
    with connect(url, name) as client:
        if not queue or ids:
            return act_on_ids(verb, ids, queue, client, yes=yes, as_json=as_json)
        bulk = Bulk("requeue", verb, queue, State.DEAD, fault, who, reason, pace(per_minute), first or 0)
        return act_on_all(bulk, client, yes=yes, no_wait=no_wait, as_json=as_json)


def _why_not(task: TaskSummary) -> str:
    if task.state is State.DEAD:
        return ""
    if task.state in (State.RETRYING, State.SCHEDULED):
        return f"{task.state.value}, not dead: taskyard run-now lets it run"
    return f"{task.state.value}, not dead"
