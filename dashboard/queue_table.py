"""The table of queues: one row each, trouble first, groups where there are many. Pure: from a view to rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dashboard.live import View
from dashboard.pagination import Order, Part, part_of
from dashboard.problem import Kind, Problem
from dashboard.problems import live_by_queue
from dashboard.trends import UNKNOWN, Trend
from queue_core.snapshot import Counts, QueueSnapshot, WorkerSnapshot

MANY = 20
"""Above this there are a filter box, groups and pages, and quiet queues are folded."""


@dataclass(frozen=True, slots=True)
class QueueRow:
    """`mark`: bad, warn, paused or good. `note`: what is wrong in two words. `slots`: what its workers can hold."""

    queue: QueueSnapshot
    mark: str
    rank: int
    note: str
    slots: int
    workers: int
    trend: Trend = UNKNOWN

    @property
    def name(self) -> str:
        return self.queue.name

    @property
    def counts(self) -> Counts:
        return self.queue.counts

    @property
    def is_quiet(self) -> bool:
        """Nothing to do, nothing failed, nothing wrong."""
        counts = self.counts
        return self.mark == "good" and not (
            counts.ready or counts.held or counts.running or counts.retrying or counts.dead
        )

    @property
    def clears_in_ms(self) -> float | None:
        """Until nothing is ready, if all goes on; infinite: it grows; `None`: nobody can tell, or nothing is."""
        if self.why_stuck:
            return None
        seconds = self.trend.clears_in_seconds(self.counts.ready)
        return None if seconds is None else seconds * 1000

    @property
    def why_stuck(self) -> str:
        """What keeps ready tasks from being taken at all; a rate of the last minutes would say nothing of them."""
        if not self.counts.ready:
            return ""
        if self.queue.pause:
            return "paused"
        return "" if self.workers else "no worker"


@dataclass(frozen=True, slots=True)
class Group:
    """Queues with the same part before the first `.` or `:`; the figures are sums. `folded`: quiet ones, not shown."""

    name: str
    rows: tuple[QueueRow, ...]
    total: int
    folded: int
    ready: int
    running: int
    scheduled: int
    retrying: int
    dead: int
    completed_per_minute: float | None


@dataclass(frozen=True, slots=True)
class QueueTable:
    """`groups` is empty where there are few queues; then all rows are in `part`. `unreadable`: name → why nothing is
    known of it."""

    total: int
    part: Part[QueueRow]
    groups: tuple[Group, ...]
    folded: int
    order: Order
    text: str
    shows_quiet: bool
    unreadable: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_large(self) -> bool:
        return self.total > MANY


KEYS: Mapping[str, Callable[[QueueRow], object]] = {
    "trouble": lambda row: (row.rank, row.is_quiet, row.name),
    "name": lambda row: row.name,
    "ready": lambda row: row.counts.ready,
    "wait": lambda row: (
        -row.queue.oldest_ready_at if row.queue.oldest_ready_at is not None and row.counts.ready else None
    ),
    "running": lambda row: row.counts.running,
    "scheduled": lambda row: row.counts.scheduled,
    "retrying": lambda row: row.counts.retrying,
    "dead": lambda row: row.counts.dead,
    "done": lambda row: row.trend.completed_per_minute,
    "hour": lambda row: row.trend.attempts or None,
    "failed": lambda row: row.trend.failed / row.trend.attempts if row.trend.attempts else None,
    "p95": lambda row: row.trend.p95_run_ms,
    "clears": lambda row: math.inf if row.why_stuck else row.clears_in_ms,
    "workers": lambda row: row.workers,
}
"""What a table is sorted by, by column."""
COLUMNS = tuple(KEYS)


def queue_rows(view: View, trends: Mapping[str, Trend]) -> tuple[QueueRow, ...]:
    if view.snapshot is None:
        return ()
    troubles = _troubles(view.problems)
    live = live_by_queue(view.snapshot.workers, view.told_at)
    return tuple(
        _row(queue, troubles.get(queue.name), live.get(queue.name, ()), trends.get(queue.name, UNKNOWN))
        for queue in view.snapshot.queues
    )


def queue_table(
    view: View,
    trends: Mapping[str, Trend],
    *,
    order: Order,
    text: str = "",
    page: int = 1,
    shows_quiet: bool = False,
) -> QueueTable:
    every = queue_rows(view, trends)
    unreadable = view.snapshot.unreadable if view.snapshot else {}
    total = len(every) + len(unreadable)
    rows = order.apply([row for row in every if text.lower() in row.name.lower()], KEYS[order.column])
    folded = 0
    if total > MANY and not shows_quiet and not text:
        folded = sum(row.is_quiet for row in rows)
        rows = tuple(row for row in rows if not row.is_quiet)
    part = part_of(rows, page)
    groups = _groups(part.rows, every) if total > MANY and order.column in ("trouble", "name") else ()
    named = {name: why for name, why in sorted(unreadable.items()) if text.lower() in name.lower() and page == 1}
    return QueueTable(total, part, groups, folded, order, text, shows_quiet, named)


def group_name(queue: str) -> str:
    """`billing.eu.cards` → `billing`; a name without `.` or `:` stands for itself."""
    for position, character in enumerate(queue):
        if character in ".:":
            return queue[:position]
    return queue


def _row(queue: QueueSnapshot, kind: Kind | None, assigned: Sequence[WorkerSnapshot], trend: Trend) -> QueueRow:
    mark, note = "good", ""
    if kind is Kind.NO_WORKER:
        mark, note = "bad", "no worker"
    elif kind is Kind.BOOKS_OFF:
        mark, note = "bad", "books off"
    elif kind is Kind.UNKNOWN_TASK:
        mark, note = "bad", "unknown task"
    elif kind is Kind.NEW_FAULT:
        mark, note = "bad", "new fault"
    elif kind is Kind.RISING_FAULT:
        mark, note = "bad", "rising fault"
    elif kind is Kind.LASTING_FAULT:
        mark, note = "bad", "lasting fault"
    elif kind is Kind.WAITS_TOO_LONG:
        mark, note = "warn", "waits too long"
    elif queue.pause:
        mark, note = "paused", "paused"
    elif kind is Kind.PAUSED:
        mark, note = "paused", "task paused"
    elif trend.mostly_fails:
        mark, note = "warn", "mostly fails"
    elif kind is Kind.FAULT_OVER:
        mark, note = "warn", "fault over"
    elif kind is Kind.TOO_MANY_DEAD:
        mark, note = "warn", "many dead letters"
    return QueueRow(
        queue=queue,
        mark=mark,
        rank={"bad": 0, "warn": 1, "paused": 2, "good": 3}[mark],
        note=note,
        slots=sum(worker.concurrency for worker in assigned),
        workers=len(assigned),
        trend=trend,
    )


def _troubles(problems: Iterable[Problem]) -> dict[str, Kind]:
    """Queue → the worst that is wrong with it. What stops a queue weighs more than a fault in it."""
    found: dict[str, Kind] = {}
    for problem in problems:
        names = [queue.name for queue in problem.queues] + [fault.queue for fault in problem.faults]
        for name in names:
            if problem.kind is Kind.NO_WORKER or name not in found:
                found[name] = problem.kind
    return found


def _groups(rows: Sequence[QueueRow], every: Sequence[QueueRow]) -> tuple[Group, ...]:
    """Groups of two queues or more, in the order of their first row; the sums are of all queues of the group."""
    members: dict[str, list[QueueRow]] = {}
    for row in every:
        members.setdefault(group_name(row.name), []).append(row)
    shown: dict[str, list[QueueRow]] = {}
    for row in rows:
        shown.setdefault(group_name(row.name), []).append(row)
    return tuple(
        Group(
            name=name,
            rows=tuple(listed),
            total=len(members[name]),
            folded=len(members[name]) - len(listed),
            ready=sum(row.counts.ready for row in members[name]),
            running=sum(row.counts.running for row in members[name]),
            scheduled=sum(row.counts.scheduled for row in members[name]),
            retrying=sum(row.counts.retrying for row in members[name]),
            dead=sum(row.counts.dead for row in members[name]),
            completed_per_minute=_total(row.trend.completed_per_minute for row in members[name]),
        )
        for name, listed in shown.items()
    )


def _total(values: Iterable[float | None]) -> float | None:
    """Of those that are known."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None
