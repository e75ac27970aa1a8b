"""A TCP proxy before a server, which cuts connections where a test says: an answer can be lost on purpose."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

Fate = Literal["pass", "before", "after"]
"""What becomes of a request: it passes; the connection is cut before the server hears of it; or after the server has
answered, before the client hears of that."""
_HANDSHAKE = re.compile(rb"\r\n(HELLO|CLIENT|AUTH|SELECT)\r\n")


class Proxy:
    """Counts the requests, and lets each meet the next of the `fates`; then all pass. A fate may be a function: what
    happens at the server while the request is on its way.

    `counts_all`: else only those with scripts in them count.
    """

    def __init__(self, server_url: str, port: int = 0, counts_all: bool = False) -> None:
        self._socket_path = server_url.removeprefix("unix://").partition("?")[0]
        self._listener = socket.create_server(("127.0.0.1", port))
        self._counts_all = counts_all
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        self.fates: Sequence[Fate | Callable[[], None]] = []
        self.requests = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """A request is what a client sends until the server begins to answer, large ones come in parts."""
        with client, socket.socket(socket.AF_UNIX) as server, contextlib.suppress(OSError):
            server.connect(self._socket_path)
            fate: Fate = "pass"
            is_answering = True
            while True:
                ready, _, _ = select.select([client, server], [], [])
                if client in ready:
                    request = client.recv(1 << 20)
                    if not request:
                        return
                    if is_answering:
                        fate, is_answering = self._meet(request), False
                    if fate == "before":
                        return
                    server.sendall(request)
                elif server in ready:
                    answer = server.recv(1 << 20)
                    if not answer or fate == "after":
                        return
                    is_answering = True
                    client.sendall(answer)

    def _meet(self, request: bytes) -> Fate:
        is_counted = not _HANDSHAKE.search(request[:200]) if self._counts_all else b"EVAL" in request
        if not is_counted:
            return "pass"
        self.requests += 1
        fate, self.fates = (self.fates[0], self.fates[1:]) if self.fates else ("pass", ())
        if isinstance(fate, str):
            return fate
        fate()
        return "pass"


@contextmanager
def proxy(server_url: str, port: int = 0, *, counts_all: bool = False) -> Iterator[Proxy]:
    running = Proxy(server_url, port, counts_all)
    try:
        yield running
    finally:
        running.close()
