"""Ends processes in which a handler has outstayed its hard timeout: nothing less is sure to end it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from queue_core.worker.child import Child
from queue_core.worker.keeper import Keeper

log = logging.getLogger("taskyard.worker")

LOOK_SECONDS = 0.5
DRAIN_SECONDS = 5.0
"""What the other tasks of the process get to finish."""


class HardTimeouts:
    def __init__(self, keepers: Sequence[Keeper]) -> None:
        self._keepers = keepers

    async def tick(self) -> None:
        now_ms = time.monotonic_ns() // 1_000_000
        for keeper in self._keepers:
            for child in keeper.children:
                if not child.is_draining:
                    self._look(keeper, child, now_ms)

    def _look(self, keeper: Keeper, child: Child, now_ms: int) -> None:
        late = next((task for task in child.table.read() if task.is_overdue(now_ms)), None)
        if late is None:
            return
        log.error(
            "process %d: task %s, %s, has outstayed its hard timeout: another process takes its place, the others "
            "there have %g s to finish",
            child.pid,
            late.id,
            late.name,
            DRAIN_SECONDS,
        )
        keeper.drain(child)
        asyncio.get_running_loop().call_later(DRAIN_SECONDS, child.kill)
