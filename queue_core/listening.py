"""Listening to channels. What is said there is a hint: whoever waits looks for itself when it has begun to listen, when
it has heard something, after each trouble, and every few seconds all the same."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from typing import Any

import redis
import redis.asyncio

from queue_core import connection

LOOK_SECONDS = 5.0
AFTER_ERROR_SECONDS = 0.5
SILENT_SECONDS = 5.0
"""A connection on which nothing is heard for so long is asked for a sign of life; one that then gives none for as long
is given up: a network may have swallowed it."""


class Listener:
    """Listens to one channel, on a connection of its own."""

    def __init__(self, pool: redis.ConnectionPool, channel: str) -> None:
        self._pool = pool
        self._channel = channel
        self._pubsub: Any = None

    def wait(self, seconds: float) -> None:
        """Until it is time to look: at most so long, and at once when it has just begun to listen."""
        try:
            if self._pubsub is None:
                client: Any = redis.Redis(connection_pool=self._pool)
                self._pubsub = client.pubsub()
                self._pubsub.subscribe(self._channel)
                self._pubsub.get_message(timeout=connection.ANSWER_SECONDS)  # that it listens from now on
            else:
                self._pubsub.get_message(timeout=min(seconds, LOOK_SECONDS))
        except connection.SERVER_ERRORS:
            self.close()
            time.sleep(min(seconds, AFTER_ERROR_SECONDS))

    def close(self) -> None:
        pubsub, self._pubsub = self._pubsub, None
        if pubsub is not None:
            with contextlib.suppress(*connection.SERVER_ERRORS):
                pubsub.close()


class AsyncListener:
    """Listens to all channels that anybody on its event loop waits for, on one connection."""

    def __init__(self, pool: redis.asyncio.ConnectionPool) -> None:
        self._pool = pool
        self._events: dict[str, list[asyncio.Event]] = {}
        self._pubsub: Any = None
        self._reader: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._lock = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def listen(self, channel: str) -> AsyncIterator[asyncio.Event]:
        """Gives an event that is set when it is time to look."""
        event = asyncio.Event()
        is_new = channel not in self._events
        self._events.setdefault(channel, []).append(event)
        if not is_new:
            event.set()
        elif self._reader is None:
            self._reader = asyncio.create_task(self._read(), name="taskyard-listener")
        else:
            await self._send("subscribe", channel)
        try:
            yield event
        finally:
            self._events[channel].remove(event)
            if not self._events[channel]:
                del self._events[channel]
                if self._events:
                    await self._send("unsubscribe", channel)
                else:
                    await self.close()

    async def close(self) -> None:
        reader, self._reader = self._reader, None
        while reader is not None and not reader.done():
            reader.cancel()  # more than once: before Python 3.12 a `wait_for` in redis-py may swallow it
            await asyncio.wait([reader], timeout=0.05)
        if self._closing:
            await asyncio.wait(self._closing)

    async def _send(self, verb: str, *channels: str) -> None:
        """While there is no connection nothing is to be done: the next one begins with all channels."""
        async with self._lock:
            # The reader hears of what fails; where it has just been disconnected redis-py raises whatever comes.
            with contextlib.suppress(Exception):
                if self._pubsub is not None:
                    await getattr(self._pubsub, verb)(*channels)

    async def _read(self) -> None:
        failures = 0
        while True:
            pubsub: Any = redis.asyncio.Redis(connection_pool=self._pool).pubsub()
            try:
                await pubsub.connect()
                self._pubsub = pubsub
                await pubsub.subscribe(*self._events)
                failures = 0
                is_asked = False
                while True:
                    message = await pubsub.get_message(timeout=SILENT_SECONDS)
                    if message is None and is_asked:
                        raise TimeoutError
                    is_asked = message is None
                    if message is None:
                        await self._send("ping")
                    elif message["channel"] is not None:  # that of a sign of life
                        self._wake(message["channel"].decode("utf-8", "replace"))
            except Exception:  # whatever it was, the next connection begins anew
                self._wake(*self._events)
            finally:
                # A task of its own: the reader may be cancelled again meanwhile, and the connection must not stay.
                closing = asyncio.create_task(self._drop(pubsub), name="taskyard-listener-closing")
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)
                await asyncio.shield(closing)
            await asyncio.sleep(connection.backoff_seconds(failures, random.random()))
            failures += 1

    async def _drop(self, pubsub: Any) -> None:
        async with self._lock:
            if self._pubsub is pubsub:
                self._pubsub = None
            with contextlib.suppress(Exception):
                await pubsub.aclose()

    def _wake(self, *channels: str) -> None:
        for channel in channels:
            for event in self._events.get(channel, ()):
                event.set()
