"""`taskyard retry`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from queue_core.cli.actions import (
    Done,
    Verb,
    act_on_ids,
    acting_options,
    actor,
    ask,
    check_choice,
    new_action_id,
    tell,
    working,
)
from queue_core.cli.options import connect, server_options
from queue_core.client import Client
from queue_core.control import Control
from queue_core.formats import count, one_line, shorten
from queue_core.inspector import Inspector
from queue_core.snapshot import Fault, Outcome, State, TaskSummary


@click.command("retry")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--fault", metavar="F", help="All dead letters of one fault, as `taskyard faults` names it.")
@click.option("--all", "every", is_flag=True, help="All dead letters of the queue.")
@click.option("--queue", help="Where they are.  [default, of ids: looked for in all queues]")
@acting_options
@server_options
def command(
    ids: tuple[str, ...],
    fault: str | None,
    every: bool,
    queue: str | None,
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
      taskyard retry --all --queue billing --yes
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
        return _retry_faults(verb, client, queue, fault, reason=reason, by=who, yes=yes, as_json=as_json)


def _why_not(task: TaskSummary) -> str:
    if task.state is State.DEAD:
        return ""
    if task.state in (State.RETRYING, State.SCHEDULED):
        return f"{task.state.value}, not dead: taskyard run-now lets it run"
    return f"{task.state.value}, not dead"


def _retry_faults(
    verb: Verb, client: Client, queue: str, fingerprint: str | None, *, reason: str, by: str, yes: bool, as_json: bool
) -> int:
    """Fault by fault, what died until now."""
    inspector, control = Inspector(client=client), Control(client=client)
    faults = (inspector.fault(queue, fingerprint)[0],) if fingerprint else inspector.faults(queue)
    faults = tuple(fault for fault in faults if fault.dead)
    until, total = inspector.server_ms(), sum(fault.dead for fault in faults)
    result = Done("retry")
    if total:
        ask(f"Retry {count(total, 'dead letter')} of {queue}", yes, details=[_line(fault) for fault in faults[:10]])
        with working(verb, total, as_json) as show:
            for fault in faults:
                remaining = fault.dead
                while remaining:
                    outcome = control.requeue_fault(
                        queue, fault.fingerprint, until=until, by=by, reason=reason, action_id=new_action_id()
                    )
                    result.add(outcome)
                    show(len(result.done))
                    remaining = outcome.remaining if outcome.done else 0
    tell(result, verb, as_json=as_json)
    return 0


def _line(fault: Fault) -> str:
    return f"  {count(fault.dead)} × {fault.task_name}: {shorten(one_line(fault.title), 90)}"
