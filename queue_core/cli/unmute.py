"""`taskyard unmute`."""

from __future__ import annotations

import click

from queue_core.cli.actions import acting_options, actor, ask, new_action_id
from queue_core.cli.fault_ids import whole_id
from queue_core.cli.mute import before
from queue_core.cli.options import connect, server_options
from queue_core.cli.output import safe
from queue_core.cli.pause import tell
from queue_core.control import Control
from queue_core.inspector import Inspector


@click.command("unmute")
@click.argument("fault")
@click.option("--queue", required=True, help="Where it is.")
@acting_options
@server_options
def command(
    fault: str,
    queue: str,
    reason: str,
    by: str | None,
    yes: bool,
    url: str | None,
    name: str | None,
    as_json: bool,
) -> int:
    """Let a muted fault be a problem again.

    Exit code 1 where it is not muted.

    \b
    Examples:
      taskyard unmute 7f3a9c21d04e --queue billing
    """
    with connect(url, name) as client:
        inspector = Inspector(client=client)
        fault = whole_id(inspector, queue, fault)
        found, _ = inspector.fault(queue, fault)
        ask(f"Unmute {safe(found.title)}{before(found, inspector.server_ms())}", yes)
        outcome = Control(client=client).unmute_fault(
            queue, fault, by=actor(by), reason=reason, action_id=new_action_id()
        )
    return tell(outcome, f"{fault} is not muted any more", f"{fault} is not muted", as_json)
