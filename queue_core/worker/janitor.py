"""Looks after the queues of a worker: recovers leases that have run out, ends what is not to begin any more, sends dead
letters beyond what a queue keeps into the trash, and empties that when its time has come."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from queue_core import protocol, reading
from queue_core.aio import AsyncClient
from queue_core.errors import ServerUnavailable, TaskyardError
from queue_core.formats import count
from queue_core.scouting import Scout
from queue_core.settings import MAX_BATCH, TRASH_SECONDS
from queue_core.worker.complaints import Complaints

log = logging.getLogger("taskyard.worker")

WHY_TRASHED = {"age": "older than the queue keeps dead letters", "count": "more dead letters than the queue keeps"}


MAX_SLICES = 40
"""Of 256 tasks, at one go: what is damaged and does not go is met again and again."""


class Janitor:
    """`client`: one that does not send again what was not answered: an order to recover that reached the server when it
    is back would be there before the heartbeats. `scout`: whether the server is away."""

    def __init__(
        self,
        client: AsyncClient,
        queues: Sequence[str],
        lease_ms: int,
        complaints: Complaints,
        scout: Scout | None = None,
    ) -> None:
        self._client = client
        self._scout = scout
        self._queues = queues
        self._lease_ms = lease_ms
        self._complaints = complaints

    async def recover(self) -> None:
        """Tasks whose worker did not come back for them will run again, or are dead letters. Not for one lease after
        the server was away: workers that live are to say so first. It grants such a time, too, but not twice in a row.
        """
        if self._scout:
            since_ms = (asyncio.get_running_loop().time() - self._scout.found_at) * 1_000
            if self._scout.is_away or since_ms < self._lease_ms:
                return
        await self._for_each_queue("recover", self._recover)

    async def end_outstayed(self) -> None:
        """Tasks that are not to begin any more have expired; dead letters that are too old or too many go."""
        await self._for_each_queue("outstayed", self._end_outstayed)

    async def empty_trash(self) -> None:
        """What has been in the trash for its time is deleted for good."""
        await self._for_each_queue("trash", self._empty_trash)

    async def _for_each_queue(self, chore: str, tend: Callable[[str], Awaitable[None]]) -> None:
        """A queue whose data is damaged does not keep the others from being looked after."""
        for queue in self._queues:
            try:
                await tend(queue)
            except ServerUnavailable:
                if self._scout:
                    self._scout.look()
                return
            except TaskyardError as error:
                self._complaints.say(queue, chore, error)
            else:
                self._complaints.withdraw(queue, chore)

    async def _recover(self, queue: str) -> None:
        again, buried = 0, 0
        while True:
            keys = self._client.queue(queue)
            recovered = await self._client.run(protocol.recover(keys, self._lease_ms))
            if recovered.flagged:
                await self._client.run(protocol.recover(keys, self._lease_ms, held=recovered.flagged))
            again, buried = again + len(recovered.again), buried + len(recovered.buried)
            if len(recovered.again) + len(recovered.buried) + len(recovered.flagged) < MAX_BATCH:
                break
        if again or buried:
            log.warning(
                "queue %s: %s had run out: %s to run again, %s",
                queue,
                count(again + buried, "lease"),
                count(again, "task"),
                count(buried, "dead letter"),
            )

    async def _end_outstayed(self, queue: str) -> None:
        keys = self._client.queue(queue)
        expired = 0
        trashed = {"age": 0, "count": 0}
        for _ in range(MAX_SLICES):
            found = await self._client.run(reading.list_outstayed(keys))
            if found.overdue:
                left_alone = await self._client.run(protocol.expire(keys, found.overdue))
                expired += len(found.overdue) - len(left_alone)
            if found.letters:
                call = protocol.trash(
                    keys, found.letters, TRASH_SECONDS * 1000, "retention", WHY_TRASHED[found.why],
                    died_by_ms=found.died_by_ms,
                )  # fmt: skip
                acted = await self._client.run(call)
                trashed[found.why] += len(found.letters) - len(acted.skipped)
            if max(len(found.overdue), len(found.letters)) < MAX_BATCH:
                break
        if expired:
            log.info("queue %s: %s expired unrun", queue, count(expired, "task"))
        for why, number in trashed.items():
            if number:
                log.info("queue %s: %s went into the trash: %s", queue, count(number, "dead letter"), WHY_TRASHED[why])

    async def _empty_trash(self, queue: str) -> None:
        deleted = 0
        while True:
            batch = await self._client.run(protocol.delete(self._client.queue(queue), due_limit=MAX_BATCH))
            deleted += batch.count or 0
            if (batch.count or 0) < MAX_BATCH:
                break
        if deleted:
            log.info("queue %s: %d tasks deleted for good, their time in the trash was over", queue, deleted)
