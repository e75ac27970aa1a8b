"""`taskyard faults`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from queue_core.cli.options import connect, server_options
from queue_core.cli.output import note_unreadable, print_json, say, terminal_width
from queue_core.cli.tables import table
from queue_core.errors import CorruptQueue, FormatMismatch, UnknownQueue
from queue_core.formats import ago, count
from queue_core.inspector import Inspector
from queue_core.snapshot import Fault

HEADS = ("Fault", "Queue", "Task", "Dead", "Retrying", "Last", "Error")


@click.command("faults")
@click.argument("queue", required=False)
@click.option("--all", "with_past", is_flag=True, help="Also those of which nothing is dead or retrying any more.")
@server_options
def command(queue: str | None, with_past: bool, url: str | None, name: str | None, as_json: bool) -> int:
    """List what fails: each distinct error once.

    With how many tasks it stopped; those with the most dead letters come first. Exit code 1 where one of all queues
    cannot be read.

    \b
    Examples:
      taskyard faults
      taskyard faults billing --all
      taskyard faults --json | jq '.faults[] | select(.dead > 100) | .fingerprint'
    """
    with connect(url, name) as client:
        inspector = Inspector(client=client)
        found: list[Fault] = []
        unreadable: dict[str, str] = {}
        for one in [queue] if queue else inspector.queue_names():
            try:
                found += inspector.faults(one)
            except UnknownQueue:
                if queue:
                    raise
            except (CorruptQueue, FormatMismatch) as error:
                if queue:
                    raise
                unreadable[one] = str(error)
        now_ms = inspector.server_ms()
    shown = [fault for fault in found if with_past or fault.dead or fault.retrying]
    shown.sort(key=lambda fault: (-fault.dead, -fault.retrying, -fault.last_seen_at))
    if as_json:
        print_json({"queue": queue, "faults": shown})
        return note_unreadable("faults", unreadable)
    dead = sum(fault.dead for fault in shown)
    past = len(found) - len(shown)
    also = f"; {count(past)} more of which nothing is left: --all" if past else ""
    say(f"{count(len(shown), 'fault')}, {count(dead, 'dead letter')} in {queue or 'all queues'}{also}")
    if shown:
        say()
        say(as_table(shown, now_ms))
        say(f"\nRetry one: taskyard retry --fault {shown[0].fingerprint} --queue {shown[0].queue}")
    return note_unreadable("faults", unreadable)


def as_table(faults: Sequence[Fault], now_ms: int) -> str:
    rows = [
        (
            fault.fingerprint,
            fault.queue,
            fault.task_name,
            count(fault.dead),
            count(fault.retrying),
            ago(fault.last_seen_at, now_ms),
            f"(muted) {fault.title}" if fault.is_muted(now_ms) else fault.title,
        )
        for fault in faults
    ]
    return table(HEADS, rows, left=3, text=True, most=terminal_width())
