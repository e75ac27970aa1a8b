"""Commands that act on tasks: on those that are named, or on all of a queue that match."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from typing import Any

import click

from queue_core.cli.actions import acting_options, actor
from queue_core.cli.bulk import Bulk, act_on_all
from queue_core.cli.by_ids import Verb, act_on_ids
from queue_core.cli.options import connect, server_options

ids_argument = click.argument("ids", metavar="[ID]...", nargs=-1)
queue_option = click.option("--queue", help="Where they are.  [default, of ids: looked for in all queues]")
fault_option = click.option(
    "--fault", metavar="F", help="All dead letters of one fault: its id as `taskyard faults` has it, or the beginning."
)
per_minute_option = click.option(
    "--per-minute", type=click.FloatRange(1, 6_000_000), help="Of many: at most so many a minute."
)
no_wait_option = click.option(
    "--no-wait", is_flag=True, help="Of many: begin it and leave it to the workers, which go on in the background."
)


@dataclass(frozen=True)
class Asked:
    """What such a command was asked for, beside what it alone has."""

    ids: tuple[str, ...]
    queue: str | None
    no_wait: bool
    reason: str
    by: str | None
    yes: bool
    url: str | None
    name: str | None
    as_json: bool

    def check_choice(self, **filters: object) -> None:
        """Ids, or one filter with a queue. Raises `click.UsageError`."""
        options = " or ".join(f"--{name}" for name in filters)
        given = [name for name, value in filters.items() if value]
        if len(given) + bool(self.ids) != 1:
            raise click.UsageError(f"Say which: ids, or one of {options} with --queue.")
        if given and not self.queue:
            raise click.UsageError(f"--{given[0]} is of a queue: add --queue.")

    def act(self, verb: Verb, bulk: Bulk, hint: str = "") -> int:
        """By `verb` on the tasks that are named, else `bulk` on all that match. Returns the exit code."""
        who = actor(self.by)
        with connect(self.url, self.name) as client:
            if not self.queue or self.ids:
                return act_on_ids(
                    verb,
                    self.ids,
                    self.queue,
                    client,
                    by=who,
                    reason=self.reason,
                    yes=self.yes,
                    as_json=self.as_json,
                    hint=hint,
                )
            return act_on_all(
                bulk,
                self.queue,
                client,
                by=who,
                reason=self.reason,
                yes=self.yes,
                no_wait=self.no_wait,
                as_json=self.as_json,
            )


def on_tasks(command: Callable[..., int]) -> Callable[..., int]:
    """--no-wait, --reason, --by, --yes and those of the server; with `ids_argument` and `queue_option` they become the
    command's first argument."""

    @wraps(command)
    def run(**given: Any) -> int:
        asked = Asked(**{field.name: given.pop(field.name) for field in fields(Asked)})
        return command(asked, **given)

    return no_wait_option(acting_options(server_options(run)))
