"""`taskyard resume`."""

from __future__ import annotations

import click

from queue_core.cli.actions import acting_options, actor, ask, new_action_id
from queue_core.cli.options import connect, server_options
from queue_core.cli.pause import tell
from queue_core.control import Control
from queue_core.formats import count, when
from queue_core.inspector import Inspector
from queue_core.keys import check_name
from queue_core.snapshot import QueueSnapshot


@click.command("resume")
@click.argument("queue")
@click.option("--task", help="Only tasks of this name, which were paused by themselves.")
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
    """Give out a paused queue's tasks again, or those of one name.

    Exit code 1 where it is not paused.

    \b
    Examples:
      taskyard resume exports
      taskyard resume billing --task charge_card --yes
    """
    with connect(url, name) as client:
        inspector = Inspector(client=client)
        found = inspector.queue(queue)
        ask(_question(found, task, inspector.server_ms()), yes)
        control, who = Control(client=client), actor(by)
        if task:
            lane = f"name:{check_name('task', task)}"
            outcome = control.open_lane(queue, lane, by=who, reason=reason, action_id=new_action_id())
        else:
            outcome = control.resume(queue, by=who, reason=reason, action_id=new_action_id())
    return tell(outcome, f"{task or queue} is resumed", f"{task or queue} is not paused", as_json)


def _question(queue: QueueSnapshot, task: str | None, now_ms: int) -> str:
    lane = next((lane for lane in queue.lanes if lane.lane == f"name:{task}" and not lane.is_open), None)
    if task:
        paused = f", paused by {lane.by} {when(lane.closed_at, now_ms)}, {count(lane.held)} held" if lane else ""
        return f"Resume {task} in {queue.name}{paused}"
    pause = queue.pause
    paused = f", paused by {pause.by} {when(pause.at, now_ms)}" if pause else ""
    return f"Resume {queue.name}{paused} ({count(queue.counts.ready)} ready)"
