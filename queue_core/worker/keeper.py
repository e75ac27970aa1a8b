"""Keeps one process of a worker at work: starts it, sees to what it held when it dies, replaces it."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import time
from collections.abc import Callable

from queue_core.worker.aftermath import Aftermath
from queue_core.worker.child import Child

log = logging.getLogger("taskyard.worker")

QUICK_DEATH_SECONDS = 5.0
MAX_RESTART_SECONDS = 30.0
GOODBYE_SECONDS = 5.0
"""How long what a process held at its end is offered to a server that does not answer."""
LOADING_SECONDS = 60.0
"""A successor that has not loaded its application by then does not come."""


class Keeper:
    """One process at a time, but for those that finish beside their successor.

    `start` starts one, and is given whom it tells its news; `grace_seconds`: what running tasks get to finish.
    """

    def __init__(
        self, start: Callable[[Callable[[], None]], Child], aftermath: Aftermath, grace_seconds: float
    ) -> None:
        self._aftermath = aftermath
        self._grace_seconds = grace_seconds
        self._news = asyncio.Event()
        self._start: Callable[[], Child] = lambda: start(self._news.set)
        self._deaths = 0
        self._others: list[Child] = []
        self.child: Child | None = None
        self.failed_starts = 0
        """Processes that did not come to work, one after another."""
        self.completed = 0
        self.failed = 0
        """By processes that are gone."""

    @property
    def children(self) -> list[Child]:
        """Those that live: the one that works, what finishes, and what is about to take its place."""
        return [child for child in (self.child, *self._others) if child and not child.has_ended]

    async def run(self) -> None:
        """For ever: whatever has died, or is about to be ended, is replaced, at once or, where that happens again and
        again, later and later. What it held is seen to meanwhile: that may have to wait for the server."""
        async with asyncio.TaskGroup() as burials:
            while True:
                if self.child is None:
                    await self._begin()
                await self._news.wait()
                self._news.clear()
                child = self.child
                if child and child.has_come:
                    self.failed_starts = 0
                if child and (child.has_ended or child.is_draining):
                    self.child = None
                    self._others.append(child)
                    self.failed_starts += not child.has_come
                    burials.create_task(self._see_to(child))
                    await self._rest(child)

    def drain(self, child: Child) -> None:
        """A handler there has outstayed its hard timeout: another process takes its place while the others finish."""
        child.drain()
        self._news.set()

    async def replace(self, why: str, grace_seconds: float | None = None) -> str:
        """Start another process; when that works, the present one finishes. Shape: what is wrong with the new one, and
        then everything stays as it was; else ""."""
        log.info("%s: another process is started", why)
        try:
            successor = self._start()
        except OSError as error:
            return f"it cannot be started: {error}"
        self._others.append(successor)
        try:
            async with asyncio.timeout(LOADING_SECONDS):
                complaint = (await successor.introduced()).complaint
        except TimeoutError:
            complaint = f"it has not loaded the application within {LOADING_SECONDS:g} s"
        if complaint:
            successor.kill()
            await successor.wait()
            self._forget(successor)
            return complaint
        self._others.remove(successor)
        former, self.child = self.child, successor
        self._deaths = 0
        self._news.set()
        if former:
            self._others.append(former)
            grace_seconds = self._grace_seconds if grace_seconds is None else grace_seconds
            await self._dismiss(former, grace_seconds, "its process was replaced")
        return ""

    async def finish(self) -> None:
        """All end: running tasks have the grace time, what is left then is given back. `run` and `replace` are not to
        go on meanwhile."""
        children = [child for child in (self.child, *self._others) if child]
        self.child, self._others = None, children
        why = "the worker was stopped"
        await asyncio.gather(*(self._dismiss(child, self._grace_seconds, why) for child in children))

    def kill(self) -> None:
        for child in self.children:
            child.kill()

    async def _begin(self) -> None:
        try:
            self.child = self._start()
        except OSError as error:  # the system has no room for it now
            log.error("no process can be started: %s", error)
            self._deaths += 1
            self.failed_starts += 1
            await asyncio.sleep(self._pause_seconds())
            self._news.set()

    async def _rest(self, child: Child) -> None:
        self._deaths = self._deaths + 1 if child.age_seconds < QUICK_DEATH_SECONDS else 0
        if self._deaths > 1:
            wait = self._pause_seconds()
            log.warning("it had lived for %.1f s; the next one is started in %.1f s", child.age_seconds, wait)
            await asyncio.sleep(wait)

    def _pause_seconds(self) -> float:
        """Half of it by chance: processes that fell together do not rise together."""
        return min(0.25 * 2.0 ** min(self._deaths, 10), MAX_RESTART_SECONDS) * (0.5 + 0.5 * random.random())

    async def _see_to(self, child: Child) -> None:
        await child.wait()
        if not child.is_draining:
            log.error("the worker's process %d has died: %s", child.pid, _how_it_ended(child))
        await self._bury(child)

    async def _bury(self, child: Child) -> None:
        """See to what a process held that has died, or was ended because a handler had outstayed its hard timeout."""
        held = list(child.table.read())
        if child.is_draining and (child.was_killed or await child.wait() == 0):
            now_ms = time.monotonic_ns() // 1_000_000
            overdue = [task for task in held if task.is_overdue(now_ms)]
            foresights = child.introduction.foresights if child.introduction else {}
            self.failed += await self._aftermath.end_overdue(overdue, child.table.read_will(), foresights, now_ms)
            neighbours = [task for task in held if not task.is_overdue(now_ms)]
            await self._aftermath.release(neighbours, "another task of its process had outstayed its hard timeout")
            await self._aftermath.give_back_claimed(child, held)
            self._forget(child)
            return
        evidence = {
            "evidence": child.how_it_ended(),
            "memory_bytes": child.peak_memory_bytes,
            "host": socket.gethostname(),
        }
        await self._aftermath.recover(held, evidence)
        await self._aftermath.give_back_claimed(child, held)
        self._forget(child)

    async def _dismiss(self, child: Child, grace_seconds: float, why: str) -> None:
        """Let a process finish what runs; what is left when it has ended is released."""
        child.dismiss()
        try:
            async with asyncio.timeout(grace_seconds):
                await child.wait()
        except TimeoutError:
            child.kill()
        has_died = await child.wait() != 0 and not child.was_killed
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                if has_died:
                    log.error("the worker's process %d has died: %s", child.pid, child.how_it_ended())
                if has_died or child.is_draining:
                    await self._bury(child)
                else:
                    held = list(child.table.read())
                    await self._aftermath.release(held, why)
                    if child.was_killed:  # one that ends by itself has nothing under way
                        await self._aftermath.give_back_claimed(child, held)
        except TimeoutError:
            log.error("Redis does not answer: what the process held comes back when its leases have run out")
        self._forget(child)

    def _forget(self, child: Child) -> None:
        if child in self._others:
            self._others.remove(child)
            completed, failed, _, _ = child.table.read_header()
            self.completed, self.failed = self.completed + completed, self.failed + failed
            child.close()


def _how_it_ended(child: Child) -> str:
    introduction = child.introduction
    return f"{child.how_it_ended()}{f': {introduction.complaint}' if introduction and introduction.complaint else ''}"
