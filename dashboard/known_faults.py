"""All faults of all queues: those that the shared snapshot has, and read once for it where it has not all of a queue.

A page of faults is one part of them all, sorted by any column: they are at hand, however many look.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dashboard.live import View
    from queue_core.inspector import Inspector
    from queue_core.snapshot import Fault


class KnownFaults:
    """Thread-safe."""

    def __init__(self, inspector: Inspector) -> None:
        self._inspector = inspector
        self._reading = threading.Lock()
        self._read_for = 0
        self._faults: tuple[Fault, ...] = ()

    def of(self, view: View, queue: str | None = None) -> tuple[Fault, ...]:
        """Of one queue, or of all that can be read; last seen first, and as of the view's snapshot or later. A queue
        that it does not have, and a server that is away, are asked for them, and raise what they do then."""
        snapshot = view.snapshot
        if snapshot is None or view.is_away:
            return self._inspector.faults(queue)
        asked = [known for known in snapshot.queues if queue in (None, known.name)]
        if queue is not None and not asked:
            return self._inspector.faults(queue)
        found = Counter(fault.queue for fault in snapshot.faults)
        has_all = all(found[known.name] >= known.fault_count for known in asked)
        faults = snapshot.faults if has_all else self._all(view, snapshot.taken_at)
        return faults if queue is None else tuple(fault for fault in faults if fault.queue == queue)

    def _all(self, view: View, taken_at: int) -> tuple[Fault, ...]:
        with self._reading:
            if self._read_for < taken_at:
                among = view.queues_where(lambda queue: queue.fault_count)
                self._faults, self._read_for = self._inspector.faults(among=among), taken_at
            return self._faults
