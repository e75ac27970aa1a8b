"""Tasks that are named by their ids: looked up, asked about, acted on; why some are left alone is told."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TypedDict

from queue_core.cli.actions import SHOWN_IDS, ask, new_action_id, tell_skipped
from queue_core.cli.options import find_queue
from queue_core.cli.output import print_json, say
from queue_core.client import Client
from queue_core.control import Control
from queue_core.errors import UnknownTask
from queue_core.formats import count
from queue_core.inspector import MAX_ROWS, Inspector
from queue_core.snapshot import Outcome, TaskSummary

NO_TASK = "no such task, or it ended and left no record"


class Said(TypedDict):
    """Who acts, why, and by which form."""

    by: str
    reason: str
    action_id: str


@dataclass(frozen=True)
class Verb:
    """What a command does to tasks. `why_not`: why a task is left alone, "" where it is not."""

    name: str
    one: str
    many: str
    participle: str
    why_not: Callable[[TaskSummary], str]
    act: Callable[[Control, str, Sequence[TaskSummary], Said], Outcome]
    """On tasks of one queue."""


def act_on_ids(
    verb: Verb,
    ids: Sequence[str],
    queue: str | None,
    client: Client,
    *,
    by: str,
    reason: str,
    yes: bool,
    as_json: bool,
    hint: str = "",
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
                said = Said(by=by, reason=reason, action_id=new_action_id())
                result.add(verb.act(control, name, rows, said))
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
