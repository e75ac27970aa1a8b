"""`taskyard move`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from queue_core.cli.bulk import Bulk, of_state, pace
from queue_core.cli.by_ids import Said, Verb
from queue_core.cli.on_tasks import Asked, fault_option, ids_argument, on_tasks, per_minute_option, queue_option
from queue_core.control import Control
from queue_core.keys import check_name
from queue_core.snapshot import Outcome, State, TaskSummary

STATES = [state.value for state in (State.READY, State.HELD, State.SCHEDULED, State.RETRYING, State.DEAD)]
ENDED = (State.COMPLETED, State.CANCELLED, State.EXPIRED, State.DISCARDED)


@click.command("move")
@ids_argument
@click.option(
    "--to", "to_queue", metavar="QUEUE", required=True, help="Where they go; it begins with them if it is new."
)
@fault_option
@click.option("--state", type=click.Choice(STATES), help="All tasks of the queue in this state.")
@queue_option
@per_minute_option
@on_tasks
def command(asked: Asked, to_queue: str, fault: str | None, state: str | None, per_minute: float | None) -> int:
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
    asked.check_choice(fault=fault, state=state)

    def act(control: Control, queue: str, rows: Sequence[TaskSummary], said: Said) -> Outcome:
        return control.move(queue, [row.id for row in rows], to_queue, **said)

    def why_not(task: TaskSummary) -> str:
        if task.queue == to_queue:
            return f"in {to_queue} already"
        return task.state.value if task.state in (State.RUNNING, *ENDED) else ""

    verb = Verb("Move", "task", "tasks", f"moved to {to_queue}", why_not, act)
    chosen = State.DEAD if fault else State(state or State.DEAD)
    words = of_state(verb, chosen)
    return asked.act(verb, Bulk("move", words, chosen, fault, pace(per_minute), to_queue=to_queue))
