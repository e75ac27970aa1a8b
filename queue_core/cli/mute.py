"""`taskyard mute`."""

from __future__ import annotations

from typing import Any

import click

from queue_core import limits
from queue_core.cli.actions import acting_options, actor, ask, new_action_id
from queue_core.cli.fault_ids import whole_id
from queue_core.cli.options import connect, server_options
from queue_core.cli.output import safe
from queue_core.cli.pause import tell
from queue_core.control import Control
from queue_core.formats import count, duration, when
from queue_core.inspector import Inspector
from queue_core.snapshot import Fault


class Time(click.ParamType[Any]):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return limits.read_time(value)
        except ValueError:
            self.fail(f"{value!r:.80} is not accepted: it is a time such as 90s, 15min, 12h or 30d.", param, ctx)


@click.command("mute")
@click.argument("fault")
@click.option("--queue", required=True, help="Where it is.")
@click.option("--for", "seconds", type=Time(), metavar="TIME", help="For so long.")
@click.option("--attempts", type=click.IntRange(1, 10**9), help="For so many more failed attempts.")
@acting_options
@server_options
def command(
    fault: str,
    queue: str,
    seconds: float | None,
    attempts: int | None,
    reason: str,
    by: str | None,
    yes: bool,
    url: str | None,
    name: str | None,
    as_json: bool,
) -> int:
    """Say that a fault is known: it is no problem in the console.

    For a time, for so many more failed attempts, or for both, whichever ends first. It counts on, and what failed is
    retried as before. What was said before holds no more.

    \b
    Examples:
      taskyard mute 7f3a9c21d04e --queue billing --for 4h --reason "the partner repairs it"
      taskyard mute 7f3a9c21d04e --queue billing --for 7d --attempts 1000 --yes
    """
    ends = [] if seconds is None else [f"for {duration(seconds)}"]
    ends += [] if attempts is None else [f"for {count(attempts, 'more failed attempt')}"]
    if not ends:
        raise click.UsageError("Say for how long: --for, --attempts, or both.")
    told = " or ".join(ends)
    with connect(url, name) as client:
        inspector = Inspector(client=client)
        fault = whole_id(inspector, queue, fault)
        found, _ = inspector.fault(queue, fault)
        ask(f"Mute {safe(found.title)} {told}{before(found, inspector.server_ms())}", yes)
        until = None if seconds is None else inspector.server_ms() + int(seconds * 1000)
        outcome = Control(client=client).mute_fault(
            queue, fault, until=until, attempts=attempts, by=actor(by), reason=reason, action_id=new_action_id()
        )
    return tell(outcome, f"{fault} is muted {told}", ", ".join(outcome.skipped.values()), as_json)


def before(fault: Fault, now_ms: int) -> str:
    """Who has muted it already."""
    if fault.mute is None or not fault.is_muted(now_ms):
        return ""
    return f", which {safe(fault.mute.by)} muted {when(fault.mute.at, now_ms)}"
