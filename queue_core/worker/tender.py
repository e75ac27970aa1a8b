"""Runs operators' bulk work: it goes on when whoever began it is gone, with the first worker that looks."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence

from queue_core.client import Client
from queue_core.errors import AccessDenied, ServerUnavailable, TaskyardError
from queue_core.operations import Operations
from queue_core.scouting import Scout
from queue_core.worker.complaints import Complaints

PATIENCE_SECONDS = 0.5
"""The next tick is soon."""
BUSY_SECONDS = 0.1
"""A look that took longer has done work; there may be more of it."""
IDLE_TICKS = 2
"""While there is nothing to do, one tick in so many looks whether an operation was begun anywhere."""
OWN_QUEUES_TICKS = 10
"""One tick in so many looks at this worker's own queues, too: a server may have lost the directory of operations."""


class Tender:
    """A thread does it: a worker that beats and recovers has its event loop for itself. `scout` says whether the server
    is away, and is told when it seems so."""

    def __init__(self, url: str, namespace: str, queues: Sequence[str], complaints: Complaints, scout: Scout) -> None:
        self._scout = scout
        self._operations = Operations(client=Client(url, namespace, patience_seconds=PATIENCE_SECONDS))
        self._queues = queues
        self._complaints = complaints
        self._is_denied = False
        self._is_idle = False
        self._ticks = itertools.count()

    async def tick(self) -> None:
        number = next(self._ticks)
        if self._scout.is_away or (self._is_idle and number % IDLE_TICKS):
            return
        begun = time.monotonic()
        try:
            queues = () if number % OWN_QUEUES_TICKS else self._queues
            next_ms = await asyncio.to_thread(self._operations.tend, queues)
            self._is_idle = next_ms is None and time.monotonic() - begun < BUSY_SECONDS
        except ServerUnavailable:
            self._scout.look()
        except AccessDenied as error:
            self._scout.look()
            if self._is_denied:  # and nobody else is, or this would not have been tried
                self._complaints.say("(operations)", "tend", error)
            self._is_denied = True
        except TaskyardError as error:
            self._complaints.say("(operations)", "tend", error)
        else:
            self._is_denied = False
            self._complaints.withdraw("(operations)", "tend")

    def close(self) -> None:
        self._operations.close()
