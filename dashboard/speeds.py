"""How fast operations go, by what this process has seen of them lately."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from queue_core.snapshot import Operation

WINDOW_MS = 30_000
LEAST_MS = 1_000
"""Less tells nothing."""
MOST = 200
"""Operations that are remembered."""


@dataclass(slots=True)
class _Seen:
    """`looks`: when, and how many tasks were looked at by then. `has_stood`: it waited, or was paused, meanwhile."""

    looks: deque[tuple[int, int]] = field(default_factory=deque)
    has_stood: bool = False


class Speeds:
    """Threads share one. An operation of which nothing was seen before goes as it went since it began, unless it may
    have stood still since."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, _Seen] = OrderedDict()

    def see(self, operation: Operation, now_ms: int) -> float | None:
        """Tasks a second; `None` while it does not go on, or too little time has passed since it goes on."""
        with self._lock:
            if operation.has_ended:
                self._seen.pop(operation.id, None)
                return None
            seen = self._seen.setdefault(operation.id, _Seen(has_stood=operation.canary > 0))
            self._seen.move_to_end(operation.id)
            while len(self._seen) > MOST:
                self._seen.popitem(last=False)
            if operation.progress != "running":
                seen.looks.clear()
                seen.has_stood = True
                return None
            while len(seen.looks) > 1 and seen.looks[1][0] <= now_ms - WINDOW_MS:
                seen.looks.popleft()
            seen.looks.append((now_ms, operation.looked_at))
            since, looked_at = seen.looks[0]
            has_stood = seen.has_stood
        if now_ms - since < LEAST_MS and not has_stood:
            since, looked_at = operation.began_at, 0
        elapsed_ms = now_ms - since
        return (operation.looked_at - looked_at) * 1000 / elapsed_ms if elapsed_ms >= LEAST_MS else None
