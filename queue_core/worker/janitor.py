"""Looks after the queues of a worker: recovers leases that have run out, empties the trash when its time has come."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from queue_core import protocol
from queue_core.aio import AsyncClient
from queue_core.settings import MAX_BATCH

log = logging.getLogger("taskyard.worker")


class Janitor:
    def __init__(self, client: AsyncClient, queues: Sequence[str], lease_ms: int) -> None:
        self._client = client
        self._queues = queues
        self._lease_ms = lease_ms

    async def recover(self) -> None:
        """Tasks whose worker did not come back for them will run again, or are dead letters."""
        for queue in self._queues:
            recovered = await self._client.run(protocol.recover(self._client.queue(queue), self._lease_ms))
            if recovered.again or recovered.buried:
                log.warning(
                    "queue %s: %d leases had run out: %d tasks run again, %d are dead letters",
                    queue,
                    len(recovered.again) + len(recovered.buried),
                    len(recovered.again),
                    len(recovered.buried),
                )

    async def empty_trash(self) -> None:
        """What has been in the trash for its time is deleted for good."""
        for queue in self._queues:
            keys = self._client.queue(queue)
            while True:
                deleted = await self._client.run(protocol.delete(keys, due_limit=MAX_BATCH))
                if deleted.count:
                    log.info(
                        "queue %s: %d tasks deleted for good, their time in the trash was over", queue, deleted.count
                    )
                if (deleted.count or 0) < MAX_BATCH:
                    break
