"""`taskyard note`."""

from __future__ import annotations

import click

from queue_core.cli.actions import actor, by_option, new_action_id
from queue_core.cli.fault_ids import whole_id
from queue_core.cli.options import connect, server_options
from queue_core.cli.pause import tell
from queue_core.control import Control
from queue_core.inspector import Inspector


@click.command("note")
@click.argument("fault")
@click.argument("text")
@click.option("--queue", required=True, help="Where it is.")
@by_option
@server_options
def command(fault: str, text: str, queue: str, by: str | None, url: str | None, name: str | None, as_json: bool) -> int:
    """Write something beside a fault, for whoever looks next.

    On one line, at most 500 characters; the newest ten are kept, as long as the fault is.

    \b
    Examples:
      taskyard note 7f3a9c21d04e "provider status page: status.payments.example" --queue billing
    """
    with connect(url, name) as client:
        fault = whole_id(Inspector(client=client), queue, fault)
        outcome = Control(client=client).note_fault(queue, fault, text, by=actor(by), action_id=new_action_id())
    return tell(outcome, f"Noted beside {fault}", ", ".join(outcome.skipped.values()), as_json)
