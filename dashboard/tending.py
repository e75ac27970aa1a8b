"""The console runs what was begun: a thread of each process that serves, beside the workers and other consoles.

Whoever runs an operation may die: another one goes on when nothing was heard of it for 15 seconds.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from queue_core.errors import ServerUnavailable, TaskyardError
from queue_core.operations import Operations

log = logging.getLogger(__name__)

BUSY_SECONDS = 0.1
"""A look that took longer has done work; there may be more of it."""
DUE_SECONDS = 0.25
IDLE_SECONDS = 2.0
"""While there is nothing to do: whether somebody else has begun something."""
STOP_SECONDS = 3.0
SILENT_SECONDS = 60.0
"""A look takes a second or two, and never so long."""


class Tender:
    """`connect` makes what the thread works with, in the process in which it works: a fork inherits no connection."""

    def __init__(self, connect: Callable[[], Operations]) -> None:
        self._connect = connect
        self._operations: Operations | None = None
        self._awake = threading.Event()
        self._is_stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._complaint = ""
        self._looked = 0.0

    def start(self) -> None:
        """Once in each process that serves, after it was forked."""
        self._awake, self._is_stopping = threading.Event(), threading.Event()
        self._operations = self._connect()
        self._looked = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="taskyard operations", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Something was begun here: it need not wait for the next look."""
        self._awake.set()

    def stop(self) -> None:
        """No chunk is begun any more. What was not answered yet whoever goes on finds out."""
        self._is_stopping.set()
        self._awake.set()
        if self._operations is not None:
            self._operations.close()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)
        self._thread = self._operations = None

    def trouble(self) -> str:
        """Why this process runs no operations although it should; "" where all is well, or nobody started it."""
        if self._thread is None:
            return ""
        if not self._thread.is_alive():
            return "The thread that runs bulk work has ended."
        silent = time.monotonic() - self._looked
        return f"The thread that runs bulk work has been stuck for {silent:.0f} s." if silent > SILENT_SECONDS else ""

    def tick(self, operations: Operations) -> float:
        """Run what nobody else runs. Returns after how many seconds to look again."""
        begun = time.monotonic()
        try:
            next_ms = operations.tend()
        except ServerUnavailable:
            return IDLE_SECONDS
        except TaskyardError as error:
            self._say(str(error))
            return IDLE_SECONDS
        except Exception:
            log.exception("operations are not run")
            return IDLE_SECONDS
        self._say("")
        if time.monotonic() - begun >= BUSY_SECONDS:
            return 0.0
        return IDLE_SECONDS if next_ms is None else DUE_SECONDS

    def _run(self) -> None:
        operations = self._operations
        assert operations is not None
        while not self._is_stopping.is_set():
            self._looked = time.monotonic()
            seconds = self.tick(operations)
            self._awake.wait(seconds)
            self._awake.clear()

    def _say(self, complaint: str) -> None:
        """Each once, not with every look."""
        if complaint and complaint != self._complaint:
            log.warning("operations are not run: %s", complaint)
        self._complaint = complaint
