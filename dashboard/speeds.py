"""How fast operations go, by what this process has seen of them lately."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque

from queue_core.snapshot import Operation

WINDOW_MS = 30_000
LEAST_MS = 1_000
"""Less tells nothing."""
MOST = 200
"""Operations that are remembered."""


class Speeds:
    """Threads share one. An operation of which nothing was seen before goes as it went since it began."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._looks: OrderedDict[str, deque[tuple[int, int]]] = OrderedDict()

    def see(self, operation: Operation, now_ms: int) -> float | None:
        """Tasks a second; `None` while it does not go on, or too little time has passed."""
        if operation.progress != "running":
            self._forget(operation.id)
            return None
        with self._lock:
            looks = self._looks.setdefault(operation.id, deque())
            self._looks.move_to_end(operation.id)
            while len(self._looks) > MOST:
                self._looks.popitem(last=False)
            while len(looks) > 1 and looks[1][0] <= now_ms - WINDOW_MS:
                looks.popleft()
            looks.append((now_ms, operation.looked_at))
            since, looked_at = looks[0]
        if now_ms - since < LEAST_MS:
            since, looked_at = operation.began_at, 0
        elapsed_ms = now_ms - since
        return (operation.looked_at - looked_at) * 1000 / elapsed_ms if elapsed_ms >= LEAST_MS else None

    def _forget(self, operation_id: str) -> None:
        with self._lock:
            self._looks.pop(operation_id, None)
