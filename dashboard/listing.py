"""A list of tasks that does not move: what it shows stays, new rows wait behind a pill, rows that left are dimmed.

The page names the rows that it shows (`rows=queue/id,id;queue/id`), a refresh gets exactly those back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from flask import request

from dashboard.htmx import wants_fragment
from dashboard.parameters import one_of
from queue_core.errors import CorruptQueue, InvalidArgument
from queue_core.ids import is_task_id
from queue_core.snapshot import Page, State, TaskSummary

if TYPE_CHECKING:
    from queue_core.inspector import Inspector

MOST_ROWS = 50
BY_TIME = (State.DEAD, State.TRASHED)
"""Listed newest first, or oldest first where somebody wants it."""


@dataclass(frozen=True, slots=True)
class Row:
    """`left`: the task is not in this list any more; its state says where it is. `is_gone`: nothing is known of it any
    more, as it ended, or, `is_hidden`, as its queue cannot be read."""

    task: TaskSummary
    left: bool = False
    is_gone: bool = False
    is_hidden: bool = False

    @property
    def has_page(self) -> bool:
        """Whether the id is one: anything may have been written into a list."""
        return is_task_id(self.task.id)

    @property
    def is_unreadable(self) -> bool:
        """No task has such an id, or nothing is stored for it: there is nothing that could run."""
        return not self.has_page or not (self.task.name or self.is_gone)

    @property
    def key(self) -> str:
        return f"{self.task.queue}/{self.task.id}"

    @property
    def dom_id(self) -> str:
        return f"row-{self.task.queue}-{self.task.id}"

    @property
    def letter(self) -> str:
        return f"{self.task.queue}/{self.task.id}/{self.task.at or 0}"


@dataclass(frozen=True, slots=True)
class Listing:
    """`waiting`: rows that are not shown although they belong on this page; `is_first`: of the first
    page."""

    rows: tuple[Row, ...]
    total: int
    older: str | None
    newer: str | None
    waiting: int = 0
    is_first: bool = True

    @property
    def oldest_first(self) -> bool:
        return oldest_first()

    @property
    def keys(self) -> str:
        """The rows, as a refresh names them: a queue is named once for the rows that follow each other."""
        parts: list[str] = []
        named = [row for row in self.rows if row.has_page]
        for queue, rows in groupby(named, key=lambda row: row.task.queue):
            parts.append(f"{queue}/{','.join(row.task.id for row in rows)}")
        return ";".join(parts)


def oldest_first() -> bool:
    """Of a list `BY_TIME`. Raises `BadParameter`."""
    return one_of("order", ("newest", "oldest"), "newest") == "oldest"


def listing(page: Page, inspector: Inspector, *, state: State, fingerprint: str = "") -> Listing:
    """The page as it was read, or, in a refresh, the rows that stand in the browser with what became of them."""
    first = request.args.get("cursor") is None
    fresh = Listing(tuple(Row(task) for task in page.rows), page.total, page.older, page.newer, is_first=first)
    shown = _shown_keys()
    if not wants_fragment() or not shown:
        return fresh
    current = {f"{task.queue}/{task.id}": task for task in page.rows}
    missing = [key for key in shown if "/".join(key) not in current]
    found, hidden = _summaries(inspector, missing)
    rows = []
    for queue, task_id in shown:
        key = f"{queue}/{task_id}"
        task = current.get(key) or found.get(key)
        if task is None:
            rows.append(Row(_gone(queue, task_id), left=True, is_gone=True, is_hidden=queue in hidden))
        else:
            left = task.state is not state or bool(fingerprint and task.fingerprint not in ("", fingerprint))
            rows.append(Row(task, left=left))
    known = {"/".join(pair) for pair in shown}
    waiting = sum(key not in known and is_task_id(task.id) for key, task in current.items())
    for position, task in enumerate(page.rows):
        if not is_task_id(task.id):  # it cannot be named, so it stands where it stood
            rows.insert(position, Row(task))
    return replace(fresh, rows=tuple(rows), waiting=waiting)


def _shown_keys() -> tuple[tuple[str, str], ...]:
    """Each once, in the order in which they stand on the page."""
    keys: dict[tuple[str, str], None] = {}
    for part in filter(None, request.args.get("rows", "").split(";")):
        queue, slash, ids = part.partition("/")
        if not slash or not all(ids.split(",")):
            raise InvalidArgument(f"{part!r} does not name rows.")
        keys.update({(queue, task_id): None for task_id in ids.split(",")})
    return tuple(keys)[:MOST_ROWS]


def _summaries(
    inspector: Inspector, keys: Iterable[tuple[str, str]]
) -> tuple[Mapping[str, TaskSummary], frozenset[str]]:
    """And the queues that cannot be read."""
    ids: dict[str, list[str]] = {}
    for queue, task_id in keys:
        ids.setdefault(queue, []).append(task_id)
    found: dict[str, TaskSummary] = {}
    hidden = set()
    for queue, wanted in ids.items():
        try:
            summaries: Sequence[TaskSummary] = inspector.summaries(queue, wanted)
        except CorruptQueue:
            hidden.add(queue)
        else:
            found.update({f"{queue}/{task.id}": task for task in summaries})
    return found, frozenset(hidden)


def _gone(queue: str, task_id: str) -> TaskSummary:
    """Ended, and nothing was kept of it: a task that simply succeeds leaves no record."""
    return TaskSummary(
        queue=queue, id=task_id, name="", state=State.COMPLETED, payload="", priority=0, at=None, attempts=0
    )
