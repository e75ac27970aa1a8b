"""Replaces a worker's processes while it works, one after another: each new one is at work before the old one finishes.

When their code is to be loaded anew all of them go; else those that have done, or grown, as much as they may.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Sequence
from weakref import WeakKeyDictionary

from queue_core.formats import size
from queue_core.worker.child import Child
from queue_core.worker.keeper import Keeper

log = logging.getLogger("taskyard.worker")

REST_SECONDS = 30.0
"""For so long no process is replaced for what it has done when the last new one did not come to work."""
LOOK_SECONDS = 0.5
"""Between two looks at what the processes have done."""
JITTER = 0.1
"""By how much a process may end before it has done all that it may: those that began together are not to end so."""


class Renewal:
    """`max_tasks`: attempts of a process; `max_memory`: bytes that are resident in one and its isolated children.
    `on_complaint` gets what is wrong with a process that does not come to work. `on_restart` is called when all are
    about to be replaced, `on_restarted` when that is over, with what was wrong, if anything."""

    def __init__(
        self,
        keepers: Sequence[Keeper],
        on_complaint: Callable[[str], None],
        max_tasks: int | None = None,
        max_memory: int | None = None,
        on_restart: Callable[[], None] = lambda: None,
        on_restarted: Callable[[str], None] = lambda complaint: None,
    ) -> None:
        self._keepers = keepers
        self._on_complaint = on_complaint
        self._max_tasks = max_tasks
        self._max_memory = max_memory
        self._on_restart = on_restart
        self._on_restarted = on_restarted
        self._is_watching = max_tasks is not None or max_memory is not None
        self._shares: WeakKeyDictionary[Child, float] = WeakKeyDictionary()
        self._why = ""
        self._is_due = asyncio.Event()
        self._rests_until = 0.0

    def restart(self, why: str) -> None:
        """All processes are to be replaced, by such as load the application anew."""
        self._why = why
        self._is_due.set()

    async def run(self) -> None:
        """For ever. One task replaces all: so no two are replaced at the same time."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS if self._is_watching else None):
                    await self._is_due.wait()
            if self._is_due.is_set():
                await self._restart()
            for keeper in self._keepers:
                if (child := keeper.child) and (why := self._outgrown(child)):
                    await self._replace(keeper, f"process {child.pid} {why}")

    async def _restart(self) -> None:
        """One that is overtaken by another ends with that."""
        complaint = ""
        while self._is_due.is_set():
            self._is_due.clear()
            self._on_restart()
            complaint = await self._replace_all(self._why)
        self._on_restarted(complaint)

    async def _replace_all(self, why: str) -> str:
        for keeper in self._keepers:
            complaint = await self._replace(keeper, why)
            if complaint or self._is_due.is_set():  # what was meant is overtaken
                return complaint
        log.info("%s: all processes are new ones", why)
        return ""

    async def _replace(self, keeper: Keeper, why: str) -> str:
        """What is wrong with the new one, or ""."""
        complaint = await keeper.replace(why)
        if complaint:
            log.error("THE NEW PROCESS CANNOT WORK, the old ones go on with the code that they have: %s", complaint)
            self._rests_until = time.monotonic() + REST_SECONDS
            self._on_complaint(complaint)
        return complaint

    def _outgrown(self, child: Child) -> str:
        """Why a process is to go; "" where it is not."""
        if not self._is_watching or child.has_ended or child.is_leaving or time.monotonic() < self._rests_until:
            return ""
        completed, failed, _, _ = child.table.read_header()
        share = self._shares.setdefault(child, 1 - JITTER * random.random())
        if self._max_tasks is not None and completed + failed >= self._max_tasks * share:
            return f"has run {completed + failed:,} tasks"
        if self._max_memory is not None and (memory := child.memory_bytes) > self._max_memory:
            return f"has grown to {size(memory)}"
        return ""
