"""`taskyard fsck`."""

from __future__ import annotations

import sys

import click

from queue_core import fsck
from queue_core.cli.options import connect, server_options
from queue_core.cli.output import print_json, progress, safe, say
from queue_core.errors import CorruptQueue, UnknownQueue
from queue_core.inspector import Inspector


@click.command("fsck")
@click.argument("queues", nargs=-1)
@click.option("--repair", is_flag=True, help="Put in order what is found; without it nothing is changed.")
@server_options
def command(queues: tuple[str, ...], repair: bool, url: str | None, name: str | None, as_json: bool) -> None:
    """Check that each task has one place and that the books balance.

    Reads a live server in slices, so it may run at any time. Without names it checks every queue. Exit code 1 when
    something is wrong and was not repaired.

    \b
    Examples:
      taskyard fsck                    look at all queues
      taskyard fsck email --repair     look at one, and repair it
    """
    left = 0
    answer: dict[str, list[object]] = {"queues": [], "breaches": []}
    with connect(url, name) as client, progress(not as_json) as line:
        if not queues:
            queues = Inspector(client=client).queue_names()
        if not queues and not as_json:
            say("There are no queues yet: nothing to check.")
        for queue in queues:

            def show(walk: str, count: int, queue: str = queue) -> None:
                line.show(f"{queue}: {walk}, {count:,} ids")

            breaches = []
            try:
                for breach in fsck.check(client, queue, repair=repair, on_progress=show):
                    breaches.append(breach)
                    left += not breach.repaired
            except UnknownQueue as error:
                raise UnknownQueue(str(error), queue=queue) from None
            except CorruptQueue as error:
                breaches.append(fsck.Breach(queue, "", str(error)))
                left += 1
            line.clear()
            if as_json:
                answer["queues"].append(queue)
                answer["breaches"] += breaches
            else:
                say(f"{queue}: {_count(len(breaches))}")
                for breach in breaches:
                    about = f"task {breach.task_id} {breach.what}" if breach.task_id else breach.what
                    say("  " + safe(f"{about}{f' — repaired: {breach.repaired}' if breach.repaired else ''}"))
    if as_json:
        print_json(answer)
    if left:
        if not repair and not as_json:
            say("Nothing was changed. Repair with: taskyard fsck --repair")
        sys.exit(1)


def _count(breaches: int) -> str:
    if not breaches:
        return "all is well"
    return "1 thing is wrong" if breaches == 1 else f"{breaches:,} things are wrong"
