"""Runs operators' bulk work: it goes on when whoever began it is gone, with the first worker that looks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from queue_core.client import Client
from queue_core.errors import ServerUnavailable, TaskyardError
from queue_core.operations import Operations
from queue_core.worker.complaints import Complaints

PATIENCE_SECONDS = 0.5
"""The next tick is soon."""


class Tender:
    """A thread does it: a worker that beats and recovers has its event loop for itself."""

    def __init__(self, url: str, namespace: str, queues: Sequence[str], complaints: Complaints) -> None:
        self._operations = Operations(client=Client(url, namespace, patience_seconds=PATIENCE_SECONDS))
        self._queues = queues
        self._complaints = complaints

    async def tick(self) -> None:
        try:
            await asyncio.to_thread(self._operations.tend, self._queues)
        except ServerUnavailable:
            pass  # the heartbeat says so
        except TaskyardError as error:
            self._complaints.say("(operations)", "tend", error)
        else:
            self._complaints.withdraw("(operations)", "tend")

    def close(self) -> None:
        self._operations.close()
