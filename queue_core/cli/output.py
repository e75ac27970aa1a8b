"""What commands print: safe text and colours for people, JSON for programs, progress for those who wait."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from typing import Any, TextIO

import click

from queue_core.formats import one_line, visible

COLOURS = {
    "dead": "red", "no worker": "red", "lost": "red", "books off": "red", "unknown": "red",
    "overdue": "red", "unreadable": "red", "undeclared": "yellow",
    "paused": "yellow", "retrying": "yellow", "trashed": "yellow", "held": "yellow", "stale": "yellow",
    "running": "blue", "completed": "green",
}  # fmt: skip
"""Words that are a state, as they stand in tables and at the beginning of answers."""


def has_colour(stream: TextIO) -> bool:
    """Only a terminal that wants it (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, word: str | None = None) -> str:
    """The text in the colour of the state `word` (else of the text itself), where standard output has colours."""
    colour = COLOURS.get((word or text).lower())
    return click.style(text, fg=colour) if colour and has_colour(sys.stdout) else text


def bold(text: str) -> str:
    return click.style(text, bold=True) if has_colour(sys.stdout) else text


def safe(text: str) -> str:
    """On one line, and nothing in it that a terminal obeys: escapes, direction and zero-width characters are shown."""
    return visible(one_line(text))


def say(text: str = "") -> None:
    """A sentence or a table on standard output. What comes from elsewhere has to be `safe`."""
    click.echo(text, color=True)


def note(text: str) -> None:
    """What is no part of the answer, on standard error."""
    click.echo(visible(text), err=True)


def note_unreadable(command: str, queues: Mapping[str, str]) -> int:
    """Queues that have no part in an answer about all, and why. Returns the exit code: 1 where there are any."""
    for queue, why in queues.items():
        note(f"taskyard {command}: queue {queue} cannot be read: {why}")
    return int(bool(queues))


def terminal_width() -> int | None:
    """Columns into which tables are cut; `None` where nobody looks: a pipe and a file get all of it."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def print_json(value: object) -> None:
    """One document. Values are what `inspector` and `control` return, field by field; a field that ends in `_at`,
    `at`, and what is called `restorable_until` are Unix milliseconds, or null. ASCII: safe in every terminal."""
    click.echo(json.dumps(value, indent=2, default=_plain))


def _plain(value: object) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


class Progress:
    """One line on standard error that is written over; nothing where that is no terminal."""

    def __init__(self, is_shown: bool = True) -> None:
        self._is_shown = is_shown and sys.stderr.isatty()

    def show(self, text: str) -> None:
        if self._is_shown:
            click.echo(f"\r\x1b[K{safe(text)}", nl=False, err=True)

    def clear(self) -> None:
        if self._is_shown:
            click.echo("\r\x1b[K", nl=False, err=True)


@contextmanager
def progress(is_shown: bool = True) -> Iterator[Progress]:
    """Long work: the line is gone when it ends."""
    shown = Progress(is_shown)
    try:
        yield shown
    finally:
        shown.clear()
