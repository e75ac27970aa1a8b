"""`taskyard tasks`."""

from __future__ import annotations

import click

from queue_core.cli.listing import print_page
from queue_core.cli.options import after_option, connect, limit_option, server_options
from queue_core.errors import UnknownQueue
from queue_core.inspector import Inspector
from queue_core.reading import SORTED_STATES
from queue_core.snapshot import State

STATES = [state.value for state in State if state in SORTED_STATES or state in (State.READY, State.RUNNING)]
"""Those that a queue keeps tasks in."""


@click.command("tasks")
@click.argument("queue", required=False)
@click.option("--state", type=click.Choice(STATES), help="Where the tasks are.  [default: ready]")
@limit_option
@after_option
@server_options
def command(
    queue: str | None,
    state: str | None,
    limit: int,
    after: str | None,
    url: str | None,
    name: str | None,
    as_json: bool,
) -> None:
    """List a queue's tasks in one state, a page at a time.

    Ready tasks come as workers will be given them, running ones longest running first, scheduled and retrying ones
    soonest first, dead and trashed ones newest first. QUEUE may be left out where there is only one.

    \b
    Examples:
      taskyard tasks email
      taskyard tasks email --state retrying --limit 50
      taskyard tasks email --state dead --json | jq -r '.tasks[].id'
    """
    chosen = State(state or State.READY)
    with connect(url, name) as client:
        inspector = Inspector(client=client)
        queue = queue or only_queue(inspector)
        page = inspector.tasks(queue, chosen, cursor=after, limit=limit)
        now_ms = inspector.server_ms()
        elsewhere = None if page.total else inspector.queue(queue).counts
    print_page(page, chosen, queue, as_json=as_json, now_ms=now_ms, elsewhere=elsewhere)


def only_queue(inspector: Inspector) -> str:
    names = inspector.queue_names()
    if len(names) == 1:
        return names[0]
    if not names:
        raise UnknownQueue("there are no queues yet: one begins with its first task")
    raise click.UsageError(f"Say which queue: {', '.join(names[:20])}.")
