"""The asynchronous shell round the protocol: one event loop may share one `AsyncClient`."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property, lru_cache
from typing import Any, TypeVar

import redis.asyncio

from queue_core import connection, keys, protocol, settings
from queue_core.client import REGISTER_SECONDS
from queue_core.errors import CorruptQueue, TaskyardError
from queue_core.listening import AsyncListener
from queue_core.protocol import Argument, Call, Session, packed_with_text
from queue_core.scouting import Scout
from queue_core.wire import AsyncWire

T = TypeVar("T")

STUBBORN_ATTEMPTS = 4
"""A call that has failed once more than this is told of, also where the server answers others."""


class AsyncChannel:
    """One connection and its session: whoever uses it has one request in flight, of one or of several calls."""

    def __init__(self, pool: redis.asyncio.ConnectionPool, session: Session | None = None) -> None:
        self.session = session or Session()
        self.epoch = 0
        make: Any = pool.make_connection
        self._connection: Any = make()
        self._wire: AsyncWire | None = None

    async def send(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Send the commands in one write and read an answer for each; an error stands in its answer's place."""
        return await self.send_packed([protocol.pack(command) for command in commands])

    async def send_packed(self, packed: Sequence[bytes]) -> list[Any]:
        """As `send`, of commands as they go over the wire."""
        if self._wire is None or not self._connection.is_connected:
            cancels = _cancels()
            await self._connection.connect()
            _raise_if_cancelled_since(cancels)
            self._wire = AsyncWire(self._connection)
        return await self._wire.ask(packed)

    async def drop(self) -> None:
        """Close the connection; the next call opens it again, and the session goes on."""
        self._wire = None
        await self._connection.disconnect(nowait=True)


class AsyncClient:
    """Carries calls to one server. Arguments as those of `client.Client`.

    With endless patience it is a worker's, which has tasks in hand and goes on whatever happens: `on_trouble` is told
    once when the server is away (and when a call fails again and again although it is not), and with `None` when that
    is over; meanwhile a scout looks for it, and the calls wait. `knows_password`: it was right before, so one that is
    refused is being changed, and is tried again, too.
    """

    def __init__(
        self,
        url: str | None = None,
        namespace: str | None = None,
        *,
        patience_seconds: float = settings.PATIENCE_SECONDS,
        clock: Callable[[], int] | None = None,
        answer_seconds: float = connection.ANSWER_SECONDS,
        on_trouble: Callable[[TaskyardError | None], None] | None = None,
        knows_password: bool = False,
    ) -> None:
        self.url = settings.redis_url(url)
        self.namespace = settings.namespace(namespace)
        self.clock = clock
        self._patience_seconds = patience_seconds
        self._on_trouble = on_trouble
        self._knows_password = knows_password
        self.heard_at = 0.0
        """When the server last answered, on the event loop's clock."""
        self._pool = connection.async_pool(self.url, answer_seconds)
        self.scout = Scout(self._ask, self._tell) if math.isinf(patience_seconds) else None
        self._idle: list[AsyncChannel] = []
        self._registered: dict[str, float] = {}
        self._known_queues = lru_cache(maxsize=4096)(self._queue_keys)

    def queue(self, name: str) -> keys.QueueKeys:
        """The keys of a queue. Raises `InvalidName`."""
        return self._known_queues(name) if isinstance(name, str) else self._queue_keys(name)

    def _queue_keys(self, name: str) -> keys.QueueKeys:
        return keys.QueueKeys(self.namespace, name)

    @cached_property
    def listener(self) -> AsyncListener:
        return AsyncListener(self._pool)

    def channel(self, session: Session | None = None) -> AsyncChannel:
        """A connection of the caller's own."""
        return AsyncChannel(self._pool, session)

    async def run(self, call: Call[T], channel: AsyncChannel | None = None) -> T:
        """Send one call and read its answer; when the answer is lost, send it again. Raises as `Client.run`."""
        (answer,) = await self.run_all([call], channel)
        if isinstance(answer, Exception):
            raise answer
        result: T = answer
        return result

    async def run_all(self, calls: Sequence[Call[Any]], channel: AsyncChannel | None = None) -> list[Any]:
        """Send calls of different scripts in one round trip. An error of a call stands in its answer's place; raises
        `ServerUnavailable` when none could be carried."""
        own = channel or (self._idle.pop() if self._idle else self.channel())
        now_ms = self.clock() if self.clock else None
        packed = [own.session.packed(call, now_ms) for call in calls]
        try:
            answers = await self._send(own, calls, packed)
        except BaseException:
            await own.drop()
            raise
        finally:
            if channel is None:
                self._idle.append(own)
        return [await self._result(call, answer) for call, answer in zip(calls, answers, strict=True)]

    async def _result(self, call: Call[Any], answer: Any) -> Any:
        if isinstance(answer, Exception):
            error = connection.translate(answer, self.url)
            if isinstance(error, CorruptQueue) and not error.key:
                types = call.types()
                found = await self.execute(*(("TYPE", key) for key in types))
                return connection.which_is_damaged(error, types, found)
            return error
        try:
            return call.result(answer)
        except TaskyardError as unreadable:
            return unreadable

    async def execute(self, *commands: Sequence[Argument], channel: AsyncChannel | None = None) -> list[Any]:
        """Send plain commands that may be sent twice, in one round trip. An error stands in its answer's place."""
        own = channel or (self._idle.pop() if self._idle else self.channel())
        try:
            return await self._patiently(own, lambda: own.send(commands))
        except BaseException:
            await own.drop()
            raise
        finally:
            if channel is None:
                self._idle.append(own)

    async def register(self, queue: str) -> None:
        """Note the queue's name in the directory, once a minute."""
        now = time.monotonic()
        if now - self._registered.get(queue, -REGISTER_SECONDS) >= REGISTER_SECONDS:
            (answer,) = await self.execute(("SADD", keys.queues(self.namespace), queue))
            if connection.is_full(answer):
                await self.run_all([protocol.register(self.queue(queue))])
            self._registered[queue] = now

    async def close(self) -> None:
        if self.scout:
            await self.scout.close()
        idle, self._idle = self._idle, []
        for channel in idle:
            await channel.drop()
        await self.listener.close()
        await self._pool.disconnect()

    async def _send(self, channel: AsyncChannel, calls: Sequence[Call[Any]], packed: list[bytes]) -> list[Any]:
        async def send() -> list[Any]:
            answers = await channel.send_packed(packed)
            unknown = [i for i, answer in enumerate(answers) if isinstance(answer, connection.NO_SCRIPT)]
            if unknown:
                for i in unknown:
                    packed[i] = packed_with_text(packed[i], calls[i].script)
                for i, answer in zip(unknown, await channel.send_packed([packed[i] for i in unknown]), strict=True):
                    answers[i] = answer
            return answers

        return await self._patiently(channel, send)

    async def _patiently(self, channel: AsyncChannel, send: Callable[[], Awaitable[list[Any]]]) -> list[Any]:
        deadline, attempt, cancels = time.monotonic() + self._patience_seconds, 0, _cancels()
        while True:
            try:
                answers = await (self.scout.watch(channel, attempt, send) if self.scout else send())
                passing = next((a for a in answers if isinstance(a, connection.TRY_AGAIN)), None)
                if passing is not None:
                    raise passing
            except connection.SERVER_ERRORS as error:
                await channel.drop()
                _raise_if_cancelled_since(cancels)
                wait = connection.backoff_seconds(attempt, random.random())
                if self._is_hopeless(error) or time.monotonic() + wait > deadline:
                    raise connection.translate(error, self.url) from error
                if attempt == STUBBORN_ATTEMPTS:
                    self._tell(error)
                await asyncio.sleep(wait)
                if attempt > 0 and self.scout:  # once may be a connection of before the server's restart
                    await self.scout.found()
                attempt += 1
            else:
                if self.scout:
                    self.heard_at, self._knows_password = asyncio.get_running_loop().time(), True
                    if attempt > STUBBORN_ATTEMPTS:
                        self._tell(None)
                return answers

    def _is_hopeless(self, error: Exception) -> bool:
        """A server that has never accepted the password will not; one that did is perhaps being given another."""
        if isinstance(error, connection.WRONG_PASSWORD):
            return not (self.scout and self._knows_password)
        return not isinstance(error, connection.TRY_AGAIN)

    async def _ask(self) -> None:
        """Whether the server takes writes: one that changes nothing, for no queue has an empty name."""
        channel = self.channel()
        try:
            (answer,) = await channel.send([("SREM", keys.queues(self.namespace), "")])
            if isinstance(answer, connection.TRY_AGAIN):
                raise answer
        except connection.SERVER_ERRORS as error:
            if not self._is_hopeless(error):
                raise
        finally:
            await channel.drop()

    def _tell(self, error: BaseException | None) -> None:
        if self._on_trouble:
            self._on_trouble(connection.translate(error, self.url) if isinstance(error, Exception) else None)


def _cancels() -> int:
    """How often the running task has been cancelled."""
    task = asyncio.current_task()
    return task.cancelling() if task else 0


def _raise_if_cancelled_since(cancels: int) -> None:
    """A cancellation that came while redis-py sent: before Python 3.12 the `wait_for` in there may swallow it."""
    if _cancels() > cancels:
        raise asyncio.CancelledError
