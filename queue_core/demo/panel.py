"""What the console's demo panel asks of the demo, on a Unix socket in the demo's own folder: nobody else may enter it.

A connection carries one request and one answer, a line of JSON each. Request: `act` (look, burst, add_worker,
kill_worker, open_warehouse, close_warehouse), `by`, `action_id`, `worker`. Answer: `kind` (good, warn) and `said`, what
came of it, and `state`, how the demo stands now.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PANEL_SOCKET = "TASKYARD_DEMO_SOCKET"
"""Environment variable of the console: the path of the socket. Without it there is no panel."""
MOST_BYTES = 4096
PATIENCE_SECONDS = 0.2
"""For a console that has connected and says nothing: the demo has other things to do."""
REMEMBERED = 200


@dataclass(frozen=True)
class Request:
    act: str
    by: str = ""
    action_id: str = ""
    worker: str = ""


@dataclass(frozen=True)
class Said:
    kind: str
    text: str


class Panel:
    """`look` tells how the demo stands, as JSON can carry it. An action that is asked for twice is done once."""

    def __init__(self, path: Path, act: Callable[[Request], Said], look: Callable[[], dict[str, object]]) -> None:
        self.path = path
        self._act, self._look = act, look
        self._done: dict[str, Said] = {}
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(os.fspath(path))
        self._listener.listen()
        self._listener.setblocking(False)

    def fileno(self) -> int:
        return self._listener.fileno()

    def answer(self) -> None:
        """Answers all who have asked by now; waits for nobody."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except BlockingIOError:
                return
            with connection:
                connection.settimeout(PATIENCE_SECONDS)
                request = _read(connection)
                if request is None:  # whoever asks so gets no answer
                    continue
                said = Said("good", "") if request.act == "look" else self._once(request)
                answer = {"kind": said.kind, "said": said.text, "state": self._look()}
                with contextlib.suppress(OSError):
                    connection.sendall(json.dumps(answer).encode() + b"\n")

    def close(self) -> None:
        self._listener.close()

    def _once(self, request: Request) -> Said:
        if request.action_id not in self._done:
            self._done[request.action_id] = self._act(request)
            if len(self._done) > REMEMBERED:
                del self._done[next(iter(self._done))]
        return self._done[request.action_id]


def _read(connection: socket.socket) -> Request | None:
    try:
        return Request(**json.loads(connection.makefile("rb").readline(MOST_BYTES)))
    except (OSError, ValueError, TypeError):
        return None
