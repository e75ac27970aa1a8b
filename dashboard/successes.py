"""Since when nothing of a task has completed any more: read once for a shared snapshot, of the problems that are shown,
however many look."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dashboard.problems import Problem, first_lines
from queue_core.errors import TaskyardError

if TYPE_CHECKING:
    from dashboard.live import View
    from queue_core.inspector import Inspector
    from queue_core.snapshot import Fault, NameAttempts

log = logging.getLogger(__name__)

MOST_TASKS = 20
"""Of one problem, whatever their faults: of one with more nothing is said."""
QUIET_MS = 60_000
"""A task of which something completed within it is not said to have stopped."""
LEAST_FAILED = 3
"""Attempts since; fewer tell nothing."""

Attempts = Mapping[tuple[str, str], "NameAttempts"]
"""Queue and task name → its newest attempts."""


def nothing_since(faults: Sequence[Fault], attempts: Attempts, now_ms: int) -> int | None:
    """Since when no task of these faults has completed, although some were tried. `None`: some did, or nobody knows."""
    tasks = {(fault.queue, fault.task_name) for fault in faults}
    times = [_quiet_since(attempts[task], now_ms) if task in attempts else None for task in tasks]
    known = [at for at in times if at is not None]
    return max(known) if known and len(known) == len(times) else None


def _quiet_since(attempts: NameAttempts, now_ms: int) -> int | None:
    since = attempts.last_completed_at or attempts.since
    if now_ms - since < QUIET_MS or attempts.failed_since_last_completed() < LEAST_FAILED:
        return None
    return since


class Successes:
    """Thread-safe."""

    def __init__(self, inspector: Inspector) -> None:
        self._inspector = inspector
        self._reading = threading.Lock()
        self._read_for = 0
        self._attempts: Attempts = {}

    def of(self, view: View) -> Attempts:
        """Of the tasks whose faults are among the problems that are shown, as of the view's snapshot or later. While
        the server is away: as they were."""
        if view.snapshot is None or view.is_away:
            return self._attempts
        with self._reading:
            if self._read_for < view.snapshot.taken_at:
                self._attempts, self._read_for = self._read(first_lines(view.problems)), view.snapshot.taken_at
            return self._attempts

    def _read(self, problems: Sequence[Problem]) -> Attempts:
        asked: dict[str, set[str]] = {}
        for problem in problems:
            tasks = {(fault.queue, fault.task_name) for fault in problem.faults}
            for queue, name in tasks if len(tasks) <= MOST_TASKS else ():
                asked.setdefault(queue, set()).add(name)
        try:
            return self._inspector.attempts(asked) if asked else {}
        except TaskyardError as error:  # the page tells it by the snapshot
            log.warning("when tasks completed last could not be read: %s", error)
            return {}
