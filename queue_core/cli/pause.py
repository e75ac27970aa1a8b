"""`taskyard pause`."""

from __future__ import annotations

import click

from queue_core.cli.actions import acting_options, actor, ask, new_action_id
from queue_core.cli.options import connect, server_options
from queue_core.cli.output import note, print_json, say
from queue_core.control import Control
from queue_core.formats import count, when
from queue_core.inspector import Inspector
from queue_core.keys import check_name
from queue_core.snapshot import Outcome, QueueSnapshot


@click.command("pause")
@click.argument("queue")
@click.option("--task", help="Only tasks of this name.")
@acting_options
@server_options
def command(
    queue: str,
    task: str | None,
    reason: str,
    by: str | None,
    yes: bool,
    url: str | None,
    name: str | None,
    as_json: bool,
) -> int:
    """Give out nothing of a queue, or no tasks of one name.

    Until it is resumed; what runs goes on. Who paused it first, and why, stays. Exit code 1 where it was
    paused already.

    \b
    Examples:
      taskyard pause exports --reason "partner maintenance"
      taskyard pause billing --task charge_card --reason "bad release" --yes
    """
    with connect(url, name) as client:
        found = Inspector(client=client).queue(queue)
        ask(_question(found, task), yes)
        control, who = Control(client=client), actor(by)
        if task:
            lane = f"name:{check_name('task', task)}"
            outcome = control.close_lane(queue, lane, by=who, reason=reason, action_id=new_action_id())
        else:
            outcome = control.pause(queue, by=who, reason=reason, action_id=new_action_id())
    return tell(outcome, f"{task or queue} is paused", _before(found, task, outcome.server_ms), as_json)


def tell(outcome: Outcome, done: str, why_not: str, as_json: bool) -> int:
    """What became of a switch. Returns the exit code."""
    if as_json:
        print_json({"verb": outcome.verb, "done": outcome.done, "skipped": outcome.skipped})
    elif outcome.done:
        say(f"{done}.")
    else:
        note(f"Nothing was changed: {why_not}.")
    return int(not outcome.done)


def _question(queue: QueueSnapshot, task: str | None) -> str:
    counts = queue.counts
    there = f"{count(counts.ready)} ready, {count(counts.running)} running which go on"
    return f"Pause {f'{task} in {queue.name}' if task else queue.name} ({there})"


def _before(queue: QueueSnapshot, task: str | None, now_ms: int) -> str:
    if task is None and queue.pause:
        return f"{queue.name} was paused by {queue.pause.by} {when(queue.pause.at, now_ms)}"
    lane = next((lane for lane in queue.lanes if lane.lane == f"name:{task}"), None)
    return f"{task} was paused by {lane.by} {when(lane.closed_at, now_ms)}" if lane else "it is paused already"
