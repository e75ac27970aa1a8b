"""`taskyard operations`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import click

from queue_core.cli.actions import acting_options, actor, ask, new_action_id
from queue_core.cli.options import connect, server_options
from queue_core.cli.output import bold, paint, print_json, progress, safe, say
from queue_core.cli.tables import table
from queue_core.client import Client
from queue_core.formats import ago, count
from queue_core.inspector import Inspector
from queue_core.operations import Operations
from queue_core.snapshot import Operation, State

HEADS = ("Operation", "State", "Queue", "Verb", "What", "Done", "Of", "Skipped", "Began", "By")
SHOWN_IDS = 5


@click.command("operations")
@click.argument("action", type=click.Choice(["list", "show", "pause", "resume", "cancel", "pull-back"]), default="list")
@click.argument("operation_id", metavar="[ID]", required=False)
@click.option("--wait", is_flag=True, help="With show: run it, or watch, until it has ended or is paused.")
@click.option("--limit", "-n", type=click.IntRange(1, 200), default=20, show_default=True, help="Rows of the list.")
@acting_options
@server_options
def command(
    action: str,
    operation_id: str | None,
    wait: bool,
    limit: int,
    reason: str,
    by: str | None,
    yes: bool,
    url: str | None,
    name: str | None,
    as_json: bool,
) -> None:
    """List bulk work that is under way or has ended, show one, or steer it.

    Those under way come first. An operation goes on in the background as long as a worker, the console or a command
    that waits is there; pause and cancel take effect before its next chunk, and what was done stays.
    Pull-back makes dead letters again of what a retry has put back and nobody has begun; a retry that is still
    under way ends by it. Pause, resume, cancel and pull-back ask first.

    \b
    Examples:
      taskyard operations
      taskyard operations show 3f9a0c17be52 --wait
      taskyard operations pause 3f9a0c17be52 --reason "too fast for the partner" --yes
      taskyard operations pull-back 3f9a0c17be52 --reason "the provider is still down"
      taskyard operations --json | jq '.operations[] | select(.failed > 0) | .id'
    """
    if (action == "list") != (operation_id is None):
        raise click.UsageError("Say which operation: list takes no ID, everything else takes one.")
    if wait and action != "show":
        raise click.UsageError("--wait is for show.")
    with connect(url, name) as client:
        inspector = Inspector(client=client)
        if operation_id is None:
            found = inspector.operations(limit)
            if as_json:
                print_json({"operations": [_as_object(operation) for operation in found]})
            else:
                say(as_table(found, inspector.server_ms()))
            return
        operation = inspector.operation(operation_id)
        if wait:
            operation = _follow(client, operation, as_json)
        elif action == "pull-back":
            operation = _pull_back(client, operation, by, reason, yes)
        elif action != "show":
            ask(f"{action.capitalize()} operation {operation.id}", yes, details=[as_text(operation)])
            steer = getattr(Operations(client=client), action)
            operation = steer(
                operation.id, operation.bound.queue, by=actor(by), reason=reason, action_id=new_action_id()
            )
    if as_json:
        print_json(_as_object(operation))
    else:
        say(as_text(operation))


def as_table(operations: Sequence[Operation], now_ms: int) -> str:
    if not operations:
        return "There are no operations: one begins with an action on all that match."
    return table(HEADS, [_row(operation, now_ms) for operation in operations], left=5)


def as_text(operation: Operation) -> str:
    bound = operation.bound
    state = paint(operation.progress.capitalize(), operation.progress)
    why = f" ({safe(operation.why)})" if operation.why else ""
    who = f"by {safe(operation.by)}{f': {safe(operation.reason)}' if operation.reason else ''}"
    lines = [
        f"{state}{why}: {count(operation.done)} of {count(bound.count, 'task')} done",
        f"{bold(safe(operation.id))} {safe(bound.verb)} of {_what(operation)} in {safe(bound.queue)}, {who}",
    ]
    if bound.verb == "requeue":
        left = f", {count(operation.left)} ended otherwise" if operation.left else ""
        left += f", {count(operation.recalled)} pulled back" if operation.recalled else ""
        lines.append(
            f"{count(operation.completed)} completed, {count(operation.failed)} failed again, "
            f"{count(operation.under_way)} still under way{left}"
        )
    for why_not, number in operation.skipped.items():
        ids = [safe(task_id) for task_id, reason in operation.skipped_ids if reason.startswith(why_not)]
        shown = f" ({', '.join(ids[:SHOWN_IDS])}{', …' if number > SHOWN_IDS else ''})" if ids else ""
        lines.append(f"{count(number)} skipped: {safe(why_not)}{shown}")
    return "\n".join(lines)


def _pull_back(client: Client, operation: Operation, by: str | None, reason: str, yes: bool) -> Operation:
    """Returns what does it, or was begun to do it before."""
    operations, at = Operations(client=client), (operation.bound.queue, operation.id)
    if not operations.recalls([at])[at]:
        number = operations.recalling(operation.bound.queue, operation.id).count
        ask(f"Pull back {count(number, 'task')} not yet started", yes, details=[as_text(operation)])
    return operations.recall(operation.id, operation.bound.queue, by=actor(by), reason=reason)


def _follow(client: Client, operation: Operation, as_json: bool) -> Operation:
    with progress(not as_json) as line:
        return Operations(client=client).wait(
            operation.id,
            operation.bound.queue,
            lambda now: line.show(f"{now.progress}: {count(now.done)} of {count(now.bound.count, 'task')}"),
        )


def _row(operation: Operation, now_ms: int) -> tuple[str, ...]:
    bound = operation.bound
    return (
        operation.id,
        operation.progress,
        bound.queue,
        bound.verb,
        _what(operation),
        count(operation.done),
        count(bound.count),
        count(sum(operation.skipped.values())),
        ago(operation.began_at, now_ms),
        safe(operation.by),
    )


def _what(operation: Operation) -> str:
    bound = operation.bound
    if bound.verb == "recall":
        return f"what {safe(bound.undoes)} requeued"
    to = f" to {safe(bound.to_queue)}" if bound.to_queue else ""
    if bound.state is not State.DEAD:
        return f"{bound.state.value} tasks{to}"
    return f"letters of {count(len(bound.faults), 'fault')}{to}" if bound.faults else f"dead letters{to}"


def _as_object(operation: Operation) -> dict[str, object]:
    return {**asdict(operation), "under_way": operation.under_way}
