"""gunicorn's threaded worker, which gives a connection a thread only once its request has arrived.

Whoever sends nothing, half a head or half a form waits in the event loop, and is cut off after a while: it costs no
thread. What is too long to wait for there, or of a length that nobody knows, is read by a few threads of its own.
"""

from __future__ import annotations

import re
import socket
import struct
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.http.errors import NoMoreData  # type: ignore[import-untyped]
from gunicorn.http.unreader import SocketUnreader  # type: ignore[import-untyped]
from gunicorn.workers.gthread import TConn, ThreadWorker  # type: ignore[import-untyped]

HEAD_SECONDS = 10.0
"""From when it may begin until the head of a request is there."""
BODY_SECONDS = 30.0
"""From its head until its end."""
STALL_SECONDS = 30
"""How long an answer may stand still because nobody reads on."""
LINGER_SECONDS = 2.0
"""For an answer to be read: closed at once, what was not read of the request would take it away."""
MOST_WAITING = 65_536
"""Bytes of one request that are kept in the loop."""
SLOW_THREADS = 4
"""For requests that are read while a thread waits for them."""
TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

_END = b"\r\n\r\n"
_FRAMING = re.compile(rb"(?im)^(content-length|transfer-encoding|expect)[ \t]*:(.*)$")


@dataclass(slots=True)
class _Parked:
    """A connection in the loop. `length`: of its request, once its head is there; `is_leaving`: it was answered."""

    until: float
    data: bytearray = field(default_factory=bytearray)
    length: int = 0
    is_leaving: bool = False


def body_length(head: bytes) -> int | None:
    """Bytes behind a head. `None`: it does not say, says it in several ways, or waits to be asked for them."""
    said = _FRAMING.findall(head)
    if not said:
        return 0
    (name, value), *others = said
    is_plain = not others and name.lower() == b"content-length"
    return int(value) if is_plain and re.fullmatch(rb"[ \t]*[0-9]{1,15}[ \t]*\r", value) else None


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """All but `handle` runs on the loop's thread. Where it speaks TLS itself it is as gunicorn's."""

    def init_process(self) -> None:
        self._parked: dict[TConn, _Parked] = {}
        self._slow = ThreadPoolExecutor(SLOW_THREADS)
        super().init_process()

    def accept(self, listener: socket.socket) -> None:
        super().accept(listener)
        if self.nr_conns >= self.worker_connections and self._parked:
            self._drop(next(iter(self._parked)))  # whoever waits longest makes room

    def enqueue_req(self, conn: TConn) -> None:
        """A connection is new, or its next request begins to arrive."""
        if self.cfg.is_ssl:
            super().enqueue_req(conn)
            return
        parked = self._park(conn, HEAD_SECONDS)
        if conn.initialized and (ahead := conn.parser.unreader.take_buffered()):
            self._add(conn, parked, ahead)  # it came behind the request before
        else:
            self._read(conn, conn.sock)

    def finish_request(self, conn: TConn, fs: Future[Any]) -> None:
        if self.cfg.is_ssl or (not fs.cancelled() and fs.exception() is None and fs.result()):
            super().finish_request(conn, fs)
            return
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.nr_conns -= 1
            conn.close()
        else:
            self._park(conn, LINGER_SECONDS).is_leaving = True

    def murder_pending(self) -> None:
        """Called with each turn of the loop, at least once a second."""
        super().murder_pending()
        now = time.monotonic()
        for conn, parked in list(self._parked.items()):
            if parked.until <= now or not (self.alive or parked.data or parked.is_leaving):
                self._drop(conn)

    def _park(self, conn: TConn, seconds: float) -> _Parked:
        conn.sock.setblocking(False)
        parked = self._parked[conn] = _Parked(time.monotonic() + seconds)
        self.poller.register(conn.sock, EVENT_READ, partial(self._read, conn))
        return parked

    def _unpark(self, conn: TConn) -> _Parked:
        self.poller.unregister(conn.sock)
        return self._parked.pop(conn)

    def _drop(self, conn: TConn) -> None:
        parked = self._unpark(conn)
        if parked.data:
            with suppress(OSError):
                conn.sock.send(TOO_SLOW)
        self.nr_conns -= 1
        conn.close()

    def _read(self, conn: TConn, sock: socket.socket) -> None:
        parked = self._parked.get(conn)
        if parked is None:  # it made room in this very turn
            return
        try:
            data = sock.recv(MOST_WAITING)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            parked.data.clear()  # nobody is there to be told
            self._drop(conn)
        elif not parked.is_leaving:
            self._add(conn, parked, data)

    def _add(self, conn: TConn, parked: _Parked, data: bytes) -> None:
        """It begins once all of it is there, or more of it is to come than is kept here."""
        start = max(0, len(parked.data) - len(_END))
        parked.data += data
        if not parked.length:
            end = parked.data.find(_END, start)
            if end < 0:
                if len(parked.data) >= MOST_WAITING:
                    self._begin(conn, self._slow, BODY_SECONDS)
                return
            head = end + len(_END)
            length = body_length(bytes(parked.data[:head]))
            if length is None or head + length > max(len(parked.data), MOST_WAITING):
                self._begin(conn, self._slow, BODY_SECONDS)
                return
            parked.length = head + length
            parked.until = time.monotonic() + BODY_SECONDS
        if len(parked.data) >= parked.length:
            self._begin(conn, self.tpool, 0)

    def _begin(self, conn: TConn, pool: ThreadPoolExecutor, seconds: float) -> None:
        """`seconds`: how long its thread may wait for more of it; not at all where it should be whole."""
        parked = self._unpark(conn)
        if not conn.initialized:
            conn.init()
            conn.parser.unreader = _Reading(conn.sock)
            stall = struct.pack("ll", STALL_SECONDS, 0)
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, stall)
        conn.parser.unreader.until = time.monotonic() + seconds
        conn.parser.unreader.unread(bytes(parked.data))
        ended = pool.submit(self.handle, conn)
        ended.add_done_callback(lambda done: self.method_queue.defer(self.finish_request, conn, done))


class _Reading(SocketUnreader):  # type: ignore[misc]
    """What a thread waits for has come by `until`, however little comes at a time."""

    until = 0.0

    def chunk(self, size_hint: int | None = None) -> bytes:
        left = self.until - time.monotonic()
        try:
            if left <= 0:
                raise TimeoutError
            self.sock.settimeout(left)
            data: bytes = super().chunk(size_hint)
        except TimeoutError as error:
            raise NoMoreData from error  # as where the client went away: no news for the log
        finally:
            self.sock.settimeout(None)
        return data
