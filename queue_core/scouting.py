"""Finds out whether a server can be reached: beside the calls of a client that go on until they are answered.

While it is away one of them asks for it, and the calls wait: the number of attempts does not grow with theirs.
A network that swallows what is sent cuts nothing off, so a call that is not answered for a while is looked into: where
a new connection is answered and the old one still is not, it is given up and sent again.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from queue_core import connection

T = TypeVar("T")


class Channel(Protocol):
    """A connection. `epoch`: how often the server had been found when it was opened."""

    epoch: int

    async def drop(self) -> None: ...


DOUBT_SECONDS = 0.75
"""When a call is not answered for so long it is looked whether the server answers others; each time that it is sent
again it is given twice as long, so that what takes its time comes to its end."""
GRACE_SECONDS = 0.2
"""What a call's answer gets when the server has answered another."""
MAX_PAUSE_SECONDS = 0.8
"""Between two attempts: a server that comes back is found within so long."""


class Scout:
    """`ask` asks the server something on a connection of its own, and raises what is wrong.

    `on_trouble` is told once when the server is away, with the error, and with `None` when it is back.
    """

    def __init__(self, ask: Callable[[], Awaitable[None]], on_trouble: Callable[[BaseException | None], None]) -> None:
        self._ask = ask
        self._on_trouble = on_trouble
        self.is_away = False
        self.found_at = -math.inf
        """When the server was last back, on the event loop's clock."""
        self._epoch = 0
        self._is_found = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._calls: dict[asyncio.Timeout, tuple[float, bool]] = {}
        """Of each try that is under way: since when an answer would be overdue, and whether that is suspicious."""

    async def watch(
        self, channel: Channel, attempt: int, send: Callable[[], Awaitable[T]], *, is_blocking: bool = False
    ) -> T:
        """One try of a call. Raises `TimeoutError` when it is given up: the server answers others.

        `is_blocking`: its answer may take as long as it likes; it is given up when the server was away meanwhile.
        """
        if self.is_away:
            await self.found()
        if channel.epoch != self._epoch:  # it was open while the server was away: nobody may be there any more
            await channel.drop()
            channel.epoch = self._epoch
        loop = asyncio.get_running_loop()
        patience = 0.0 if is_blocking else DOUBT_SECONDS * 2.0**attempt
        doubt = None if is_blocking else loop.call_later(patience, self.look)
        async with asyncio.timeout(None) as timeout:
            self._calls[timeout] = (loop.time() + patience, not is_blocking)
            try:
                return await send()
            finally:
                del self._calls[timeout]
                if doubt is not None:
                    doubt.cancel()

    async def found(self) -> None:
        """Waits until the server has answered."""
        self.look()
        await self._is_found.wait()

    def look(self) -> None:
        if self._looking is None or self._looking.done():
            self._is_found.clear()
            self._looking = asyncio.create_task(self._look(), name="taskyard-scout")

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _look(self) -> None:
        """Until the server answers. An attempt that hangs is not waited for: the next one is made beside it."""
        loop = asyncio.get_running_loop()
        began, attempt = loop.time(), 0
        tries: dict[asyncio.Future[None], float] = {}
        try:
            while True:
                tries[asyncio.ensure_future(self._ask())] = loop.time()
                next_at = loop.time() + connection.backoff_seconds(attempt + 1, random.random(), MAX_PAUSE_SECONDS)
                while tries and (wait := next_at - loop.time()) > 0:
                    done, _ = await asyncio.wait(tries, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
                    for ended in done:
                        asked_at = tries.pop(ended)
                        error = ended.exception()
                        if error is None:
                            self._find(asked_at)
                            return
                        self._miss(error)
                if loop.time() - began > DOUBT_SECONDS:
                    self._miss(TimeoutError())
                await asyncio.sleep(max(next_at - loop.time(), 0))
                attempt += 1
        finally:
            self._is_found.set()
            for left in tries:
                left.add_done_callback(_hush)
                left.cancel()

    def _miss(self, error: BaseException) -> None:
        if not self.is_away:
            self.is_away = True
            self._on_trouble(error)

    def _find(self, asked_at: float) -> None:
        """The server answers what was asked at that time: what had been overdue by then is to be answered now."""
        was_away, self.is_away = self.is_away, False
        if was_away:
            self._epoch += 1
            self.found_at = asyncio.get_running_loop().time()
            self._on_trouble(None)
        overdue = [call for call, (since, _) in self._calls.items() if since <= asked_at]
        asyncio.get_running_loop().call_later(GRACE_SECONDS, self._give_up, overdue, was_away)

    def _give_up(self, overdue: list[asyncio.Timeout], was_away: bool) -> None:
        left = [call for call in overdue if call in self._calls]
        has_lost_some = any(self._calls[call][1] for call in left)
        if has_lost_some and not was_away:
            self._epoch += 1
        if has_lost_some or was_away:
            for call in left:
                call.reschedule(0.0)


def _hush(task: asyncio.Future[None]) -> None:
    """What became of it is of no interest, and asyncio is not to complain that nobody asked."""
    if not task.cancelled():
        task.exception()
