"""What became of the newest attempts of tasks that fail: read once for a shared snapshot, however many look."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING

from queue_core.errors import TaskyardError
from queue_core.telemetry import HOUR_MS

if TYPE_CHECKING:
    from queue_core.inspector import Inspector
    from queue_core.snapshot import Fault, NameAttempts, Snapshot

log = logging.getLogger(__name__)

MOST_TASKS = 100
"""Of which it is asked: of others nothing is said."""
QUIET_MS = 60_000
"""A task of which something completed within it is not said to have stopped."""
LEAST_FAILED = 3
"""Attempts since; fewer tell nothing."""

Attempts = Mapping[tuple[str, str], "NameAttempts"]
"""Queue and task name → its newest attempts."""
_Asked = tuple[int | None, frozenset[str]]
"""The number of the queue's changes, and names of tasks."""
NO_ATTEMPTS: Attempts = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Standstill:
    """Since when nothing completes. `is_first_counted`: nothing ever did, as far as it was counted."""

    at: int
    is_first_counted: bool


def nothing_since(faults: Sequence[Fault], attempts: Attempts, now_ms: int) -> Standstill | None:
    """Since when no task of these faults has completed, although some were tried. `None`: some did, or nobody knows."""
    tasks = {(fault.queue, fault.task_name) for fault in faults}
    found = [_quiet_since(attempts[task], now_ms) if task in attempts else None for task in tasks]
    known = [one for one in found if one is not None]
    return max(known, key=lambda one: one.at) if known and len(known) == len(found) else None


def _quiet_since(attempts: NameAttempts, now_ms: int) -> Standstill | None:
    since = attempts.last_completed_at or attempts.since
    if now_ms - since < QUIET_MS or attempts.failed_since_last_completed() < LEAST_FAILED:
        return None
    return Standstill(since, is_first_counted=attempts.last_completed_at is None)


class NewestAttempts:
    """Of the tasks that failed last, within the hour; of a queue that has not changed they are those that were read.
    Not thread-safe: snapshots are taken one at a time."""

    def __init__(self, inspector: Inspector) -> None:
        self._inspector = inspector
        self._kept: dict[str, tuple[_Asked, Attempts]] = {}

    def of(self, snapshot: Snapshot) -> Attempts:
        """One round trip, and none where nothing has changed."""
        first = snapshot.taken_at - HOUR_MS
        tasks = dict.fromkeys((fault.queue, fault.task_name) for fault in snapshot.faults if fault.last_seen_at > first)
        names: dict[str, list[str]] = {}
        for queue, name in islice(tasks, MOST_TASKS):
            names.setdefault(queue, []).append(name)
        asked = {
            queue.name: (queue.changes, frozenset(names[queue.name]))
            for queue in snapshot.queues
            if queue.name in names
        }
        self._kept = {queue: kept for queue, kept in self._kept.items() if _holds(kept[0], asked.get(queue))}
        missing = [queue for queue in asked if queue not in self._kept]
        found = self._read({queue: names[queue] for queue in missing})
        for queue in missing:
            self._kept[queue] = (asked[queue], {task: found[task] for task in found if task[0] == queue})
        return {task: attempts for _, known in self._kept.values() for task, attempts in known.items()}

    def _read(self, names: Mapping[str, Sequence[str]]) -> Attempts:
        try:
            return self._inspector.attempts(names) if names else NO_ATTEMPTS
        except TaskyardError as error:  # what matters is told by the snapshot
            log.warning("when tasks completed last could not be read: %s", error)
            return NO_ATTEMPTS


def _holds(kept: _Asked, asked: _Asked | None) -> bool:
    """`None`, a queue of an older Taskyard: nobody knows whether it has changed."""
    return kept == asked and kept[0] is not None
