"""`taskyard move`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import click

from queue_core.cli.actions import Verb, act_on_ids, acting_options, actor, check_choice
from queue_core.cli.bulk import Bulk, act_on_all, no_wait_option, pace
from queue_core.cli.options import connect, server_options
from queue_core.control import Control
from queue_core.keys import check_name
from queue_core.snapshot import Outcome, State, TaskSummary

STATES = [state.value for state in (State.READY, State.HELD, State.SCHEDULED, State.RETRYING, State.DEAD)]
ENDED = (State.COMPLETED, State.CANCELLED, State.EXPIRED, State.DISCARDED)


@click.command("move")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option(
    "--to", "to_queue", metavar="QUEUE", required=True, help="Where they go; it begins with them if it is new."
)
@click.option("--fault", metavar="F", help="All dead letters of one fault, as `taskyard faults` names it.")
@click.option("--state", type=click.Choice(STATES), help="All tasks of the queue in this state.")
@click.option("--queue", help="Where they are.  [default, of ids: looked for in all queues]")
@click.option("--per-minute", type=click.FloatRange(1, 6_000_000), help="Of many: at most so many a minute.")
@no_wait_option
@acting_options
@server_options
def command(
    ids: tuple[str, ...],
    to_queue: str,
    fault: str | None,
    state: str | None,
    queue: str | None,
    per_minute: float | None,
    no_wait: bool,
    reason: str,
    by: str | None,
    yes: bool,
    url: str | None,
    name: str | None,
    as_json: bool,
) -> int:
    """Move tasks to another queue as they are.

    State, times, history and priority stay; a dead letter is one there, too. Running tasks are left alone. `-` reads
    the ids from standard input. Where it is cut off, tasks may be in the trash, "moving to QUEUE": the same command
    goes on with them, `taskyard restore` puts them back; of many, the workers go on with them. Exit code 1 where a task
    that was named was left alone.

    \b
    Examples:
      taskyard move 0kV3mQrvgYBGjfebBMu30d --to slow-images --reason "the large one"
      taskyard tasks images --state dead --json | jq -r '.tasks[].id' | taskyard move - --to broken-images --yes
      taskyard move --state ready --queue images --to slow-images --per-minute 600
    """
    check_name("queue", to_queue)
    check_choice(ids, queue, fault=fault, state=state)
    who = actor(by)

    def act(control: Control, queue: str, rows: Sequence[TaskSummary], action_id: str) -> Outcome:
        return control.move(queue, [row.id for row in rows], to_queue, by=who, reason=reason, action_id=action_id)

    def why_not(task: TaskSummary) -> str:
        if task.queue == to_queue:
            return f"in {to_queue} already"
        return task.state.value if task.state in (State.RUNNING, *ENDED) else ""

    verb = Verb("Move", "task", "tasks", f"moved to {to_queue}", why_not, act)
    with connect(url, name) as client:
        if not queue or ids:
            return act_on_ids(verb, ids, queue, client, yes=yes, as_json=as_json)
        chosen = State.DEAD if fault else State(state or State.DEAD)
        one = "dead letter" if chosen is State.DEAD else f"{chosen.value} task"
        words = replace(verb, one=one, many=f"{one}s")
        bulk = Bulk("move", words, queue, chosen, fault, who, reason, pace(per_minute), to_queue=to_queue)
        return act_on_all(bulk, client, yes=yes, no_wait=no_wait, as_json=as_json)
