"""How commands act: they say what they are about to do, ask, do it, and say what was left alone and why."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from queue_core.cli.output import note, safe
from queue_core.formats import count

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


def tell_skipped(skipped: Mapping[str, str]) -> None:
    """Each reason with how many, and the first ids."""
    for why, number in Counter(skipped.values()).most_common():
        ids = [task_id for task_id, reason in skipped.items() if reason == why]
        more = ", …" if number > SHOWN_IDS else ""
        note(f"{count(number)} left alone: {why} ({', '.join(ids[:SHOWN_IDS])}{more})")
