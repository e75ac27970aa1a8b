"""`taskyard peek`."""

from __future__ import annotations

import click

from queue_core.cli.listing import print_page
from queue_core.cli.options import connect, server_options
from queue_core.inspector import Inspector
from queue_core.snapshot import Page, State


@click.command("peek")
@click.argument("queue")
@click.option("-n", "number", type=click.IntRange(1, 200), default=10, show_default=True, help="How many tasks.")
@server_options
def command(queue: str, number: int, url: str | None, name: str | None, as_json: bool) -> None:
    """Show the tasks that are given out next, in their order.

    \b
    Examples:
      taskyard peek email
      taskyard peek email -n 1 --json | jq '.tasks[0].payload'
    """
    with connect(url, name) as client:
        inspector = Inspector(client=client)
        rows = inspector.peek(queue, number)
        counts, now_ms = inspector.queue(queue).counts, inspector.server_ms()
    elsewhere = None if rows else counts
    print_page(Page(rows, counts.ready), State.READY, queue, as_json=as_json, now_ms=now_ms, elsewhere=elsewhere)
