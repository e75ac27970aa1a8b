"""A TCP proxy before a server, which cuts connections where a test says: an answer can be lost on purpose."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

Fate = Literal["pass", "before", "after"]
"""What becomes of a request: it passes; the connection is cut before the server hears of it; or after the server has
answered, before the client hears of that."""


class Proxy:
    """Counts the requests with scripts in them, and lets each meet the next of the `fates`; then all pass."""

    def __init__(self, server_url: str, port: int = 0) -> None:
        self._socket_path = server_url.removeprefix("unix://").partition("?")[0]
        self._listener = socket.create_server(("127.0.0.1", port))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        self.fates: list[Fate] = []
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
        with client, socket.socket(socket.AF_UNIX) as server, contextlib.suppress(OSError):
            server.connect(self._socket_path)
            while request := client.recv(1 << 20):
                fate: Fate = "pass"
                if b"EVAL" in request:
                    self.requests += 1
                    fate = self.fates.pop(0) if self.fates else "pass"
                if fate == "before":
                    return
                server.sendall(request)
                answer = server.recv(1 << 20)
                if fate == "after":
                    return
                client.sendall(answer)


@contextmanager
def proxy(server_url: str, port: int = 0) -> Iterator[Proxy]:
    running = Proxy(server_url, port)
    try:
        yield running
    finally:
        running.close()
