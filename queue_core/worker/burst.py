"""Ends a worker when nothing is left to do in its queues."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Container, Sequence

from queue_core import reading
from queue_core.aio import AsyncClient
from queue_core.errors import UnknownQueue
from queue_core.formats import count
from queue_core.snapshot import QueueSnapshot
from queue_core.worker import leases
from queue_core.worker.keeper import Keeper
from queue_core.worker.server_clock import ServerClock

log = logging.getLogger("taskyard.worker")

LOOK_SECONDS = 0.2
FAILED_STARTS = 5
"""When each of its processes has failed to start so often in a row, about 10 s, it gives up."""


class Burst:
    """`knows`: names of the tasks that run here. `set_quiet` keeps the processes from claiming, or lets them."""

    def __init__(
        self,
        client: AsyncClient,
        names: Sequence[str],
        keepers: Sequence[Keeper],
        clock: ServerClock,
        knows: Callable[[], Container[str]],
        set_quiet: Callable[[bool], None],
    ) -> None:
        self._client = client
        self._names = names
        self._keepers = keepers
        self._clock = clock
        self._knows = knows
        self._set_quiet = set_quiet

    async def run(self) -> bool:
        """Returns when nothing is ready, and nothing runs here; or `False` when no process can be started.

        What is on its way to a process is seen neither in the queue nor in its lease table. So the queues are looked at
        once more when the processes claim no more, and say that nothing is under way.
        """
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if all(map(_is_given_up, self._keepers)):
                log.error(
                    "no process could be started, %d times in a row: what is in the queues is left", FAILED_STARTS
                )
                return False
            if any(True for keeper in self._keepers for child in keeper.children for _ in child.table.read()):
                continue
            if not self._is_empty(await self._observe()):
                continue
            self._set_quiet(True)
            while not all(_is_given_up(keeper) or _is_idle(keeper) for keeper in self._keepers):
                await asyncio.sleep(LOOK_SECONDS / 10)
            queues = await self._observe()
            if self._is_empty(queues) and not all(map(_is_given_up, self._keepers)):
                log.info("the queues are empty%s", _left(queues))
                return True
            self._set_quiet(False)

    async def _observe(self) -> list[QueueSnapshot]:
        """A queue that there is not yet has nothing in it."""
        answers = await self._client.run_all([reading.observe(self._client.queue(name)) for name in self._names])
        for answer in answers:
            if isinstance(answer, Exception) and not isinstance(answer, UnknownQueue):
                raise answer
        return [answer for answer in answers if isinstance(answer, QueueSnapshot)]

    def _is_empty(self, queues: Sequence[QueueSnapshot]) -> bool:
        return not any(self._has_work(queue) for queue in queues)

    def _has_work(self, queue: QueueSnapshot) -> bool:
        if queue.pause:
            return False
        is_due = queue.next_due_at is not None and queue.next_due_at <= self._clock.now_ms()
        knows = self._knows()
        return bool(queue.counts.ready) or is_due or any(
            lane.held and lane.lane.startswith("unknown:") and lane.lane[8:] in knows for lane in queue.lanes
        )  # fmt: skip


def _is_given_up(keeper: Keeper) -> bool:
    """Others may do the work."""
    return keeper.failed_starts >= FAILED_STARTS


def _is_idle(keeper: Keeper) -> bool:
    return keeper.child is not None and keeper.child.state == leases.IDLE


def _left(queues: Sequence[QueueSnapshot]) -> str:
    """What is none of a burst's business."""
    left = {
        "scheduled": sum(queue.counts.scheduled for queue in queues),
        "retrying": sum(queue.counts.retrying for queue in queues),
        "held": sum(queue.counts.held for queue in queues),
        "in paused queues": sum(queue.counts.ready for queue in queues if queue.pause),
    }
    told = [f"{count(number)} {what}" for what, number in left.items() if number]
    return f"; left: {', '.join(told)}" if told else ""
