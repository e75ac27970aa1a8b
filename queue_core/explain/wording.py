"""Pieces of the sentences."""

from __future__ import annotations

from queue_core.formats import one_line, shorten
from queue_core.snapshot import Fault


def title_of(fault: Fault) -> str:
    return shorten(one_line(fault.title), 90)


def with_stop(sentence: str) -> str:
    return sentence if sentence.endswith(("…", ".", "!", "?")) else f"{sentence}."


def quoted(reason: str) -> str:
    return f", “{reason}”" if reason else ""


def command_for(verb: str, task_id: str) -> str:
    return f"taskyard {verb} {'-- ' if task_id.startswith('-') else ''}{task_id}"
