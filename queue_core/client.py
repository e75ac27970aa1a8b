"""The synchronous shell round the protocol: threads may share one `Client`."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Generic, TypeVar

import redis

from queue_core import connection, keys, protocol, settings
from queue_core.errors import CorruptQueue, ServerFull
from queue_core.listening import Listener
from queue_core.protocol import Argument, Call, Session, packed_with_text
from queue_core.wire import Wire

T = TypeVar("T")
REGISTER_SECONDS = 60.0


class Client:
    """Carries calls to one server. Each connection has one call in flight, and so a session of its own.

    `clock`: the time in ms that scripts are to use, for tests; `None`: the server's.
    `patience_seconds`: how long a call is sent again while the server does not answer; `answer_seconds`: how long one
    answer is waited for.
    """

    def __init__(
        self,
        url: str | None = None,
        namespace: str | None = None,
        *,
        patience_seconds: float = settings.PATIENCE_SECONDS,
        answer_seconds: float = connection.ANSWER_SECONDS,
        clock: Callable[[], int] | None = None,
    ) -> None:
        self.url = settings.redis_url(url)
        self.namespace = settings.namespace(namespace)
        self.clock = clock
        self._patience_seconds = patience_seconds
        self._answer_seconds = answer_seconds
        self._pool = connection.sync_pool(self.url, answer_seconds)
        self._idle: list[Channel] = []
        """Taken and given back without a lock: a list's `pop` and `append` are whole."""
        self._registered: dict[str, float] = {}
        self._pid = os.getpid()
        self._known_queues = lru_cache(maxsize=4096)(self._queue_keys)

    def queue(self, name: str) -> keys.QueueKeys:
        """The keys of a queue. Raises `InvalidName`."""
        return self._known_queues(name) if isinstance(name, str) else self._queue_keys(name)

    def _queue_keys(self, name: str) -> keys.QueueKeys:
        return keys.QueueKeys(self.namespace, name)

    def run(self, call: Call[T], session: Session | None = None) -> T:
        """Send one call and read its answer; when the answer is lost, send it again.

        `session`: whose call it is, when not the connection's (an operator's action). Raises `ServerUnavailable`,
        `ServerFull`, `ServerRefused`, `FormatMismatch`, `CorruptQueue`, `Stale`.
        """
        return self.start(call, session).finish()

    def start(self, call: Call[T], session: Session | None = None) -> Started[T]:
        """Send one call, and do something else before its answer is read. What is started is to be finished or dropped:
        until then it has a connection of its own."""
        channel = self._take()
        try:
            packed = (session or channel.session).packed(call, self.clock() if self.clock else None)
        except BaseException:
            self._give_back(channel)
            raise
        return Started(self, channel, call, packed)

    def read(self, *commands: Sequence[Argument]) -> list[Any]:
        """Send commands in one round trip, again while the server does not answer: such as change nothing. An error
        stands in its answer's place."""

        def send() -> list[Any]:
            pipeline: Any = self.redis.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            answers: list[Any] = pipeline.execute(raise_on_error=False)
            return answers

        return self._guarded(send)

    def write(self, *commands: Sequence[Argument]) -> list[Any]:
        """Send commands that do no harm when they are sent twice, in one round trip. Raises what the first error among
        the answers means."""
        return list(connection.checked(self.read(*commands), self.url))

    @property
    def redis(self) -> redis.Redis:
        """A plain client on the same connections, for reads."""
        return redis.Redis(connection_pool=self._pool)

    def listener(self, channel: str) -> Listener:
        return Listener(self._pool, channel)

    def register(self, queue: str) -> None:
        """Note the queue's name in the directory, once a minute."""
        now = time.monotonic()
        if now - self._registered.get(queue, -REGISTER_SECONDS) >= REGISTER_SECONDS:
            try:
                self._guarded(lambda: self.redis.sadd(keys.queues(self.namespace), queue))
            except ServerFull:  # which refuses a command, not a script that says that it may
                self.run(protocol.register(self.queue(queue)))
            self._registered[queue] = now

    def unregister(self, queue: str) -> None:
        """Take the name of a queue that is gone out of the directory; one that was made meanwhile stays in it."""
        directory, control = keys.queues(self.namespace), self.queue(queue).control
        self._registered.pop(queue, None)
        self._guarded(lambda: self.redis.srem(directory, queue))
        if self._guarded(lambda: self.redis.exists(control)):
            self._guarded(lambda: self.redis.sadd(directory, queue))

    def which_is_damaged(self, call: Call[Any], error: CorruptQueue) -> CorruptQueue:
        """The error with the key whose type is wrong, where the server's answer does not tell."""
        types = {} if error.key else call.types()
        return connection.which_is_damaged(error, types, self.read(*(("TYPE", key) for key in types)))

    def close(self) -> None:
        idle, self._idle = self._idle, []
        for channel in idle:
            channel.drop()
        self._pool.disconnect()

    def _guarded(self, send: Callable[[], T]) -> T:
        deadline, attempt = time.monotonic() + self._patience_seconds, 0
        while True:
            try:
                return send()
            except connection.SERVER_ERRORS as error:
                attempt = self._wait_or_raise(error, attempt, deadline)

    def _receive(self, channel: Channel, call: Call[Any], packed: bytes, is_sent: bool) -> Any:
        deadline, attempt = time.monotonic() + self._patience_seconds, 0
        while True:
            try:
                if not is_sent:
                    channel.send(packed)
                is_sent = False
                return channel.receive()
            except connection.NO_SCRIPT:
                packed = packed_with_text(packed, call.script)
            except connection.SERVER_ERRORS as error:
                if isinstance(error, connection.TRY_AGAIN):
                    channel.drop()
                attempt = self._wait_or_raise(error, attempt, deadline)

    def _wait_or_raise(self, error: Exception, attempt: int, deadline: float) -> int:
        wait = connection.backoff_seconds(attempt, random.random())
        is_passing = isinstance(error, connection.TRY_AGAIN) and not isinstance(error, connection.WRONG_PASSWORD)
        if not is_passing or time.monotonic() + wait > deadline:
            raise connection.translate(error, self.url) from error
        time.sleep(wait)
        return attempt + 1

    def _take(self) -> Channel:
        if self._pid != os.getpid():  # a fork: the parent's connections are the parent's
            self._pid, self._idle = os.getpid(), []
            self._pool = connection.sync_pool(self.url, self._answer_seconds)
        try:
            channel = self._idle.pop()
        except IndexError:
            channel = None
        return channel or Channel(self._pool)

    def _give_back(self, channel: Channel) -> None:
        self._idle.append(channel)


class Started(Generic[T]):
    """A call that is under way, on a connection of its own until it is finished or dropped."""

    __slots__ = ("_call", "_channel", "_client", "_is_sent", "_packed")

    def __init__(self, client: Client, channel: Channel, call: Call[T], packed: bytes) -> None:
        self._client, self._channel, self._call, self._packed = client, channel, call, packed
        try:
            channel.send(packed)
            self._is_sent = True
        except connection.SERVER_ERRORS:  # it is sent again when it is finished
            channel.drop()
            self._is_sent = False
        except BaseException:
            self.drop()
            raise

    def finish(self) -> T:
        """Read the answer; when it is lost, send the call again. Raises as `Client.run`."""
        try:
            answer = self._client._receive(self._channel, self._call, self._packed, self._is_sent)
        except CorruptQueue as error:
            self._channel.drop()
            raise self._client.which_is_damaged(self._call, error) from error.__cause__
        except BaseException:
            self._channel.drop()
            raise
        finally:
            self._client._give_back(self._channel)
        return self._call.result(answer)

    def drop(self) -> None:
        """Nobody will read the answer. Whether the call was carried out is not known."""
        self._channel.drop()
        self._client._give_back(self._channel)


class Channel:
    """One connection and the session of those who use it, one at a time."""

    def __init__(self, pool: redis.ConnectionPool) -> None:
        self.session = Session()
        self._connection: Any = pool.make_connection()
        self._wire: Any = None
        """Over the connection, while it is open."""

    def send(self, packed: bytes) -> None:
        if self._wire is None:
            self._connection.connect()
            self._wire = Wire(self._connection)
        self._wire.send(packed)

    def receive(self) -> Any:
        """The answer to what was sent."""
        return self._wire.receive()

    def drop(self) -> None:
        """Close the connection; the next call opens it again, and the session goes on."""
        self._wire = None
        self._connection.disconnect()
