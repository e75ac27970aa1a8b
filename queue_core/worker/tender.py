"""Runs operators' bulk work: it goes on when whoever began it is gone, with the first worker that looks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from queue_core.client import Client
from queue_core.errors import AccessDenied, ServerUnavailable, TaskyardError
from queue_core.operations import Operations
from queue_core.scouting import Scout
from queue_core.worker.complaints import Complaints

PATIENCE_SECONDS = 0.5
"""The next tick is soon."""


class Tender:
    """A thread does it: a worker that beats and recovers has its event loop for itself. `scout` says whether the server
    is away, and is told when it seems so."""

    def __init__(self, url: str, namespace: str, queues: Sequence[str], complaints: Complaints, scout: Scout) -> None:
        self._scout = scout
        self._operations = Operations(client=Client(url, namespace, patience_seconds=PATIENCE_SECONDS))
        self._queues = queues
        self._complaints = complaints
        self._is_denied = False

    async def tick(self) -> None:
        if self._scout.is_away:
            return
        try:
            await asyncio.to_thread(self._operations.tend, self._queues)
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
