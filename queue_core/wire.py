"""Requests over a connection that redis-py has opened, without its layers: they are most of what a small request costs
its sender. redis-py connects, authenticates and closes; what is sent and answered between passes through here."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import Sequence
from typing import Any

import hiredis
from redis.exceptions import ConnectionError, InvalidResponse, TimeoutError

_NOT_YET = object()
"""What the reader gives while an answer has not come whole."""


_AT_ONCE = 1 << 16
"""Bytes that are read at most in one go."""


def _reader(connection: Any) -> hiredis.Reader:
    return hiredis.Reader(
        protocolError=InvalidResponse, replyError=connection._parser.parse_error, notEnoughData=_NOT_YET
    )


class Wire:
    """One command at a time, sent and answered while its thread waits. It ends with its connection: whatever is raised
    but a `ResponseError`, which is the answer, the connection is of no more use."""

    def __init__(self, connection: Any) -> None:
        """`connection`: of redis-py, open and with nothing under way."""
        self._connection = connection
        self._socket = connection._sock
        self._reader = _reader(connection)

    def send(self, packed: bytes) -> None:
        """Raises redis-py's `ConnectionError`, `TimeoutError`."""
        try:
            self._socket.sendall(packed)
        except builtins.TimeoutError as error:
            raise TimeoutError("Timeout writing to socket") from error
        except OSError as error:
            raise ConnectionError(f"Error while writing to {self._connection._host_error()}: {error}") from error

    def receive(self) -> Any:
        """The answer, which waits for no longer than the connection's timeout between its parts. Raises redis-py's
        `ResponseError` where the answer is one, `ConnectionError`, `TimeoutError` and `InvalidResponse`."""
        reader = self._reader
        while True:
            answer = reader.gets()
            if answer is _NOT_YET:
                reader.feed(self._receive_part())
            elif isinstance(answer, Exception):
                raise answer
            elif not isinstance(answer, hiredis.PushNotification):
                return answer

    def _receive_part(self) -> bytes:
        try:
            part: bytes = self._socket.recv(_AT_ONCE)
        except builtins.TimeoutError as error:
            raise TimeoutError("Timeout reading from socket") from error
        except OSError as error:
            raise ConnectionError(f"Error while reading from {self._connection._host_error()}: {error}") from error
        if not part:
            raise ConnectionError("Connection closed by server.")
        return part


class AsyncWire(asyncio.Protocol):
    """One request at a time, of one or of several commands. It ends with its connection."""

    def __init__(self, connection: Any) -> None:
        """`connection`: of redis-py, open and with nothing under way."""
        self._loop = asyncio.get_running_loop()
        self._reader = _reader(connection)
        self._transport: asyncio.Transport = connection._writer.transport
        self._seconds: float = connection.socket_timeout
        self._answers: list[Any] = []
        self._wanted = 0
        self._waiter: asyncio.Future[list[Any]] | None = None
        self._overdue_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        """Outlives the request for which it was set: most requests are answered before it, and set none."""
        self._transport.set_protocol(self)

    @property
    def is_open(self) -> bool:
        return not self._transport.is_closing()

    async def ask(self, packed: Sequence[bytes]) -> list[Any]:
        """Shape: an answer for each of the packed commands; one that is an error stands in its place. Raises redis-py's
        `ConnectionError`, `TimeoutError` and `InvalidResponse`: the connection is of no more use."""
        if not self.is_open:
            raise ConnectionError("Connection closed by server.")
        self._answers, self._wanted = [], len(packed)
        self._waiter = self._loop.create_future()
        self._overdue_at = self._loop.time() + self._seconds
        if self._timer is None:
            self._timer = self._loop.call_at(self._overdue_at, self._look)
        try:
            self._transport.write(packed[0] if len(packed) == 1 else b"".join(packed))
            answers = await self._waiter
        finally:
            self._waiter = None
        for answer in answers:
            if isinstance(answer, ConnectionError):  # it is loading its data, say, or wants a password
                raise answer
        return answers

    # Called by the event loop.

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (answer := self._reader.gets()) is not _NOT_YET:
                if not isinstance(answer, hiredis.PushNotification):
                    self._answers.append(answer)
        except InvalidResponse as error:
            self._fail(error)
        if self._waiter is not None and len(self._answers) >= self._wanted and not self._waiter.done():
            self._waiter.set_result(self._answers)

    def _look(self) -> None:
        """Whether the request that is under way, if any, is overdue."""
        self._timer = None
        if self._waiter is None:
            return
        if self._loop.time() < self._overdue_at:
            self._timer = self._loop.call_at(self._overdue_at, self._look)
        else:
            self._fail(TimeoutError("Timeout reading from the server"))

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._fail(ConnectionError(str(error) if error else "Connection closed by server."))

    def _fail(self, error: Exception) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
