"""How commands act: they say what they are about to do, ask, do it, and say what was left alone and why."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

import click

from queue_core.cli.options import find_queue
from queue_core.cli.output import note, print_json, safe, say
from queue_core.client import Client
from queue_core.control import Control
from queue_core.errors import UnknownTask
from queue_core.formats import count
from queue_core.inspector import MAX_ROWS, Inspector
from queue_core.snapshot import Outcome, TaskSummary

F = TypeVar("F", bound=Callable[..., Any])
SHOWN_IDS = 5
NO_TASK = "no such task, or it ended and left no record"

yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask. Needed where there is no terminal.")
by_option = click.option("--by", help="Who acts, for the histories.  [default: you@this-host]")
reason_option = click.option("--reason", default="", help="Why, for the histories and for whoever looks later.")


def acting_options(command: F) -> F:
    """--reason, --by and --yes."""
    return reason_option(by_option(yes_option(command)))


def actor(given: str | None) -> str:
    """Who acts: as given, else user@host."""
    if given:
        return given
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = f"uid-{os.getuid()}"
    return safe(f"{user}@{socket.gethostname()}")[:200]


def new_action_id() -> str:
    return f"cli-{secrets.token_urlsafe(12)}"


def ask(what: str, yes: bool, *, details: Sequence[str] = ()) -> None:
    """Go on only when somebody agrees to `what`, such as "Retry 1,204 dead letters"."""
    for line in details:
        note(line)
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{what}? Nobody can be asked here: add --yes.")
    if not click.confirm(f"{safe(what)}?", err=True):
        raise click.ClickException("nothing was done.")


@dataclass
class Done:
    """What came of a command, out of one or more outcomes."""

    verb: str
    done: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """Running ones that were asked to stop."""
    restorable_until: int | None = None

    def add(self, outcome: Outcome) -> None:
        self.done += outcome.done
        self.skipped.update(outcome.skipped)
        self.asked += outcome.asked
        known = [at for at in (self.restorable_until, outcome.restorable_until) if at is not None]
        self.restorable_until = min(known, default=None)


def tell(result: Done, verb: Verb, *, as_json: bool, hint: str = "") -> int:
    """Print what was done, and the way back. Returns the exit code: 1 where something that was asked for was not."""
    if as_json:
        print_json(asdict(result))
    else:
        undo = f" {hint.format(ids=' '.join(result.done[:SHOWN_IDS]))}" if hint and result.done else ""
        asked = f", {count(len(result.asked))} asked to stop" if result.asked else ""
        say(f"{count(len(result.done), verb.one, verb.many)} {verb.participle}{asked}.{undo}")
    tell_skipped(result.skipped)
    return int(bool(result.skipped) or not (result.done or result.asked))


def tell_skipped(skipped: Mapping[str, str]) -> None:
    """Each reason with how many, and the first ids."""
    for why, number in Counter(skipped.values()).most_common():
        ids = [task_id for task_id, reason in skipped.items() if reason == why]
        more = ", …" if number > SHOWN_IDS else ""
        note(f"{count(number)} left alone: {why} ({', '.join(ids[:SHOWN_IDS])}{more})")


# Tasks by their ids.


@dataclass(frozen=True)
class Verb:
    """What a command does to tasks. `why_not`: why a task is left alone, "" where it is not."""

    name: str
    one: str
    many: str
    participle: str
    why_not: Callable[[TaskSummary], str]
    act: Callable[[Control, str, Sequence[TaskSummary], str], Outcome]
    """On tasks of one queue, under an action id."""


def act_on_ids(
    verb: Verb, ids: Sequence[str], queue: str | None, client: Client, *, yes: bool, as_json: bool, hint: str = ""
) -> int:
    """Preview, ask, act on those that can be acted on. Returns the exit code."""
    found, unknown = look_up(Inspector(client=client), read_ids(ids), queue)
    result = Done(verb.name.lower(), skipped=unknown)
    for name, rows in found.items():
        for row in rows:
            if why := verb.why_not(row):
                result.skipped[row.id] = why
        found[name] = [row for row in rows if row.id not in result.skipped]
    number = sum(map(len, found.values()))
    if number:
        where = ", ".join(f"{count(len(rows))} in {name}" for name, rows in found.items() if rows)
        ask(f"{verb.name} {count(number, verb.one, verb.many)} ({where})", yes)
        control = Control(client=client)
        for name, rows in found.items():
            if rows:
                result.add(verb.act(control, name, rows, new_action_id()))
    return tell(result, verb, as_json=as_json, hint=hint)


def look_up(
    inspector: Inspector, ids: Sequence[str], queue: str | None
) -> tuple[dict[str, list[TaskSummary]], dict[str, str]]:
    """Queue → the named tasks as they are now, wherever they are; and id → why, of those that nobody knows."""
    wanted: dict[str, list[str]] = {}
    unknown: dict[str, str] = {}
    for task_id in dict.fromkeys(ids):
        try:
            wanted.setdefault(find_queue(inspector, task_id, queue), []).append(task_id)
        except UnknownTask:
            unknown[task_id] = NO_TASK
    found: dict[str, list[TaskSummary]] = {}
    for name, some in wanted.items():
        starts = range(0, len(some), MAX_ROWS)
        rows = [row for start in starts for row in inspector.summaries(name, some[start : start + MAX_ROWS])]
        known = {row.id for row in rows}
        unknown.update((task_id, NO_TASK) for task_id in some if task_id not in known)
        found[name] = rows
    return found, unknown


def read_ids(ids: Sequence[str]) -> list[str]:
    """The ids of a command line; `-` stands for those on standard input, with white space between them."""
    return list(ids) if list(ids) != ["-"] else sys.stdin.read().split()


def check_choice(ids: Sequence[str], queue: str | None, **filters: object) -> None:
    """Ids, or one filter with a queue. Raises `click.UsageError`."""
    options = " or ".join(f"--{name}" for name in filters)
    given = [name for name, value in filters.items() if value]
    if len(given) + bool(ids) != 1:
        raise click.UsageError(f"Say which: ids, or one of {options} with --queue.")
    if given and not queue:
        raise click.UsageError(f"--{given[0]} is of a queue: add --queue.")
