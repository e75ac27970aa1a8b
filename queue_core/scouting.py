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
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

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


@dataclass(slots=True, eq=False)
class Try:
    """One try of a call, which may be given up: what `asyncio.timeout` does, for a fifth of the event loop's time."""

    task: asyncio.Task[Any]
    overdue_at: float
    """Since when an answer would be overdue, on the event loop's clock."""
    is_suspicious: bool
    """Whether that says that something is wrong."""
    is_given_up: bool = False

    def give_up(self) -> None:
        self.is_given_up = True
        self.task.cancel()


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
        self._tries: set[Try] = set()
        self._doubt: asyncio.TimerHandle | None = None
        """Looks at what is overdue: one timer for all tries, so that most of them set none."""

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
        task = asyncio.current_task()
        assert task is not None
        patience = 0.0 if is_blocking else DOUBT_SECONDS * 2.0**attempt
        this = Try(task, asyncio.get_running_loop().time() + patience, is_suspicious=not is_blocking)
        cancels = task.cancelling()
        self._tries.add(this)
        if not is_blocking and (self._doubt is None or this.overdue_at < self._doubt.when()):
            self._doubt_at(this.overdue_at)
        try:
            return await send()
        except asyncio.CancelledError:
            if this.is_given_up and task.cancelling() == cancels + 1:  # nobody else has cancelled it
                raise TimeoutError from None
            raise
        finally:
            self._tries.discard(this)
            if this.is_given_up:
                task.uncancel()

    async def found(self) -> None:
        """Waits until the server has answered."""
        self.look()
        await self._is_found.wait()

    def look(self) -> None:
        if self._looking is None or self._looking.done():
            self._is_found.clear()
            self._looking = asyncio.create_task(self._look(), name="taskyard-scout")

    def _doubt_at(self, when: float) -> None:
        if self._doubt is not None:
            self._doubt.cancel()
        self._doubt = asyncio.get_running_loop().call_at(when, self._look_into)

    def _look_into(self) -> None:
        """Some of the tries may not have been answered for so long that it looks as if something were wrong."""
        self._doubt, now = None, asyncio.get_running_loop().time()
        suspicious = [this.overdue_at for this in self._tries if this.is_suspicious]
        if any(overdue_at <= now for overdue_at in suspicious):
            self.look()
        later = [overdue_at for overdue_at in suspicious if overdue_at > now]
        if later:
            self._doubt_at(min(later))

    async def close(self) -> None:
        if self._doubt is not None:
            self._doubt.cancel()
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
        overdue = [this for this in self._tries if this.overdue_at <= asked_at]
        asyncio.get_running_loop().call_later(GRACE_SECONDS, self._give_up, overdue, was_away)

    def _give_up(self, overdue: list[Try], was_away: bool) -> None:
        left = [this for this in overdue if this in self._tries]
        has_lost_some = any(this.is_suspicious for this in left)
        if has_lost_some and not was_away:
            self._epoch += 1
        if has_lost_some or was_away:
            for this in left:
                this.give_up()


def _hush(task: asyncio.Future[None]) -> None:
    """What became of it is of no interest, and asyncio is not to complain that nobody asked."""
    if not task.cancelled():
        task.exception()
