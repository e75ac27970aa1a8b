"""`taskyard limit`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click

from queue_core import limits
from queue_core.cli.actions import acting_options, actor, ask, new_action_id
from queue_core.cli.options import connect, server_options
from queue_core.cli.output import print_json, safe, say
from queue_core.cli.pause import tell
from queue_core.control import Control
from queue_core.formats import count, duration, when
from queue_core.inspector import Inspector
from queue_core.snapshot import Limits, QueueSnapshot, Rate


class _Value(click.ParamType[Any]):
    """A limit as one writes it, or `none`."""

    def __init__(self, name: str, read: Callable[[str], Any], example: str) -> None:
        self.name = name
        self._read = read
        self._example = example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value is limits.KEEP:
            return value
        if value.lower() == "none":
            return None
        try:
            return self._read(value)
        except ValueError:
            self.fail(f"{value!r:.80} is not accepted: it is {self._example}, or none.", param, ctx)


NUMBER = _Value("n", limits.read_count, "a whole number, such as 10000")
RATE = _Value("n/time", limits.read_rate, "how many in how many seconds, such as 100/60 or 5000/1h")
TIME = _Value("time", limits.read_time, "a time such as 90s, 15min, 12h or 30d")


def _option(name: str, kind: _Value, what: str) -> Callable[[Any], Any]:
    return click.option(f"--{name}", type=kind, default=limits.KEEP, metavar=kind.name.upper(), help=what)


@click.command("limit")
@click.argument("queue")
@_option("max-length", NUMBER, "Tasks beyond which none enters; dead letters and the trash do not count.")
@_option("enqueue-rate", RATE, "How many tasks enter, and how many at once.")
@_option("claim-rate", RATE, "How many tasks all workers together are given, and how many at once.")
@_option("dead-max-age", TIME, "Older dead letters go into the trash.")
@_option("dead-max-count", NUMBER, "The oldest dead letters beyond these go into the trash.")
@_option("dead-warning", NUMBER, "More dead letters than these are a problem in the console.")
@_option("wait-target", TIME, "A ready task that waits for longer is a problem in the console.")
@click.option("--show", is_flag=True, help="Only show the limits, as without any of these.")
@acting_options
@server_options
def command(
    queue: str,
    show: bool,
    reason: str,
    by: str | None,
    yes: bool,
    url: str | None,
    name: str | None,
    as_json: bool,
    **given: Any,
) -> int:
    """Limit what a queue takes, gives out and keeps, or show its limits.

    What is not named stays as it is; `none` ends a limit. Tasks that come back (retried, restored, moved) are never
    refused. Exit code 1 where nothing was changed.

    \b
    Examples:
      taskyard limit email --claim-rate 50/1 --reason "the provider allows 50 a second"
      taskyard limit email --max-length 100000 --enqueue-rate 1000/60 --yes
      taskyard limit email --dead-max-age 30d --dead-max-count none
      taskyard limit email --show
    """
    wanted = {what: value for what, value in given.items() if value is not limits.KEEP}
    if show and wanted:
        raise click.UsageError("--show changes nothing: leave it out, or the limits.")
    if wanted:
        told = limits.told(limits.changes(**wanted))
    with connect(url, name) as client:
        inspector = Inspector(client=client)
        found = inspector.queue(queue)
        if not wanted:
            print_json(asdict(found.limits)) if as_json else say(as_text(found, inspector.server_ms()))
            return 0
        ask(f"Limit {queue}: {told}", yes)
        outcome = Control(client=client).limit(queue, by=actor(by), reason=reason, action_id=new_action_id(), **wanted)
    return tell(outcome, f"{queue} is limited: {told}", "it is limited so already", as_json)


def as_text(queue: QueueSnapshot, now_ms: int) -> str:
    """A line for each limit."""
    limit = queue.limits
    age = "kept" if limit.dead_max_age is None else f"at most {duration(limit.dead_max_age)} old"
    lines = [
        ("Length", "as many as come" if limit.max_length is None else f"at most {count(limit.max_length, 'task')}"),
        ("Enqueue rate", _told(limit.enqueue_rate)),
        ("Claim rate", _told(limit.claim_rate)),
        ("Dead letters", age + ("" if limit.dead_max_count is None else f", at most {count(limit.dead_max_count)}")),
        ("Wait target", duration(limit.wait_target)),
        ("Warning", f"from {count(limit.dead_warning + 1, 'dead letter')} on"),
    ]
    width = max(len(head) for head, _ in lines)
    text = "\n".join(f"{head:<{width}}   {what}" for head, what in lines)
    return f"{text}\n{_who(limit, now_ms)}".rstrip()


def _who(limit: Limits, now_ms: int) -> str:
    return f"Set by {safe(limit.by)} {when(limit.at, now_ms)}." if limit.at else ""


def _told(rate: Rate | None) -> str:
    return "as they come" if rate is None else f"at most {count(rate.tasks)} in {duration(rate.seconds)}"
