"""A wire to a server that a test can cut, or let swallow or hold back what is sent over it. It counts who connects."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal
from urllib.parse import urlsplit

_RESET = struct.pack("ii", 1, 0)


class _Connection:
    def __init__(self, client: socket.socket, server: socket.socket | None) -> None:
        self.client = client
        self.server = server
        self.is_dead = server is None
        """Both sides believe that it is there, and nothing comes through any more."""

    def reset(self) -> None:
        for end in filter(None, (self.client, self.server)):
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                end.shutdown(socket.SHUT_RDWR)


class Wire:
    """Before a server on TCP. `connected_at`: when each connection was asked for, on the monotonic clock."""

    def __init__(self, server_url: str) -> None:
        address = urlsplit(server_url)
        self._server = (address.hostname or "", address.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1_000)
        self._port = self._listener.getsockname()[1]
        self._state: Literal["whole", "cut", "swallowing"] = "whole"
        self._words: tuple[bytes, ...] = ()
        self._flows = threading.Event()
        self._flows.set()
        self._connections: set[_Connection] = set()
        self._lock = threading.Lock()
        self.connected_at: list[float] = []
        self._begin()

    def url(self, user: str = "", host: str = "127.0.0.1") -> str:
        return f"redis://{user}{host}:{self._port}/0"

    def move(self, address: str) -> None:
        """The server is at another address from now on, at the same port, and not any more where it was."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._listener = socket.create_server((address, self._port), backlog=1_000)
        self._begin()

    def cut(self) -> None:
        """Connections are reset, those that there are and those that come."""
        with self._lock:
            self._state = "cut"
            for connection in self._connections:
                connection.reset()

    def swallow(self, *words: bytes) -> None:
        """What is sent is lost, either way, and nobody is told; with words: on connections over which one is sent."""
        with self._lock:
            self._state, self._words = "swallowing", words
            for connection in self._connections:
                connection.is_dead |= not words

    def hold_back(self) -> None:
        """What is sent comes when the wire is mended."""
        self._flows.clear()

    def mend(self) -> None:
        """For new connections: what was swallowed once stays lost."""
        with self._lock:
            self._state = "whole"
        self._flows.set()

    def close(self) -> None:
        self._listener.close()
        self.cut()
        self._flows.set()

    def _begin(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = listener.accept()[0]
                self.connected_at.append(time.monotonic())
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            is_lost = self._state == "swallowing" and not self._words
            server = None if is_lost else stack.enter_context(socket.create_connection(self._server))
            connection = _Connection(client, server)
            with self._lock:
                self._connections.add(connection)
                if self._state == "cut":
                    connection.reset()
            try:
                self._carry(connection)
            finally:
                with self._lock:
                    self._connections.discard(connection)

    def _carry(self, connection: _Connection) -> None:
        client, server = connection.client, connection.server
        while True:
            ready, _, _ = select.select([end for end in (client, server) if end], [], [])
            for end in ready:
                data = end.recv(1 << 20)
                if not data:
                    return
                self._flows.wait()
                if end is client and self._state == "swallowing" and any(word in data for word in self._words):
                    connection.is_dead = True
                other = server if end is client else client
                if other and not connection.is_dead:
                    other.sendall(data)


@contextmanager
def wire(server_url: str) -> Iterator[Wire]:
    running = Wire(server_url)
    try:
        yield running
    finally:
        running.close()
