"""A small loop in the background: one tick after another, a failed one is logged and the loop goes on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger("taskyard.worker")


class Loop:
    """Calls `tick` every `seconds`, the first time at once; sooner where a tick says after how many seconds."""

    def __init__(self, name: str, seconds: float, tick: Callable[[], Awaitable[float | None]]) -> None:
        self._name = name
        self._seconds = seconds
        self.tick = tick
        self._task: asyncio.Task[None] | None = None
        self._is_due = asyncio.Event()

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"taskyard-{self._name}")

    def tick_soon(self) -> None:
        """The next tick does not wait for its time."""
        self._is_due.set()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        while True:
            self._is_due.clear()
            sooner = None
            try:
                sooner = await self.tick()
            except Exception as error:
                log.error("%s: %s: %s", self._name, type(error).__name__, error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._seconds if sooner is None else min(sooner, self._seconds)):
                    await self._is_due.wait()
