"""`taskyard dead`."""

from __future__ import annotations

import click

from queue_core.cli.fault_ids import whole_id
from queue_core.cli.listing import print_page
from queue_core.cli.options import after_option, connect, limit_option, server_options
from queue_core.cli.output import note_unreadable
from queue_core.inspector import Inspector
from queue_core.snapshot import State


@click.command("dead")
@click.argument("queue", required=False)
@click.option("--fault", metavar="F", help="Only those of one fault of the queue, as `taskyard faults` names it.")
@limit_option
@after_option
@server_options
def command(
    queue: str | None,
    fault: str | None,
    limit: int,
    after: str | None,
    url: str | None,
    name: str | None,
    as_json: bool,
) -> int:
    """List dead letters, newest first: of one queue or of all.

    Exit code 1 where one of all queues cannot be read.

    \b
    Examples:
      taskyard dead
      taskyard dead billing --fault 7f3a9c21d04e
      taskyard dead billing --json | jq -r '.tasks[].error' | sort | uniq -c
    """
    if fault and not queue:
        raise click.UsageError("A fault is one of a queue: say taskyard dead QUEUE --fault F.")
    with connect(url, name) as client:
        inspector = Inspector(client=client)
        if fault and queue:
            fault = whole_id(inspector, queue, fault)
        page = inspector.letters(queue, fingerprint=fault, cursor=after, limit=limit)
        now_ms = inspector.server_ms()
    print_page(page, State.DEAD, queue, as_json=as_json, now_ms=now_ms)
    return note_unreadable("dead", page.unreadable)
