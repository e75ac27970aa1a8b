"""A worker's sign of life: extends the leases of what its processes hold, says how it is, and hears what it is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from queue_core import connection, keys, protocol
from queue_core.aio import AsyncClient
from queue_core.errors import TaskyardError
from queue_core.protocol import Argument, Held
from queue_core.worker.aftermath import batches
from queue_core.worker.child import Child
from queue_core.worker.complaints import Complaints
from queue_core.worker.leases import HeldTask
from queue_core.worker.server_clock import ServerClock

RECORD_SECONDS = 3_700
"""How long the record of a worker stays that does not say goodbye: lost ones are shown for an hour."""
FORGET_SECONDS = 60.0
"""So often the directory is rid of workers that nobody has heard of for that long."""


class Heartbeat:
    """`names`: the worker's queues, in the order of its lease tables; `children`: its processes that live; `describe`:
    its record, by what they hold and the time; `obey` gets what an operator has told it, each time that it is read."""

    def __init__(
        self,
        client: AsyncClient,
        worker_id: str,
        names: Sequence[str],
        lease_ms: int,
        clock: ServerClock,
        complaints: Complaints,
        children: Callable[[], list[Child]],
        describe: Callable[[Mapping[Child, Sequence[HeldTask]], int], str],
        obey: Callable[[bytes], None],
    ) -> None:
        self._client = client
        self._worker_id = worker_id
        self._names = names
        self._lease_ms = lease_ms
        self._clock = clock
        self._complaints = complaints
        self._children = children
        self._describe = describe
        self._obey = obey
        self._forget_at = 0.0

    async def beat(self) -> None:
        held = {child: list(child.table.read()) for child in self._children()}
        for index, queue in enumerate(self._names):
            tasks = [Held(task.id, task.fence) for some in held.values() for task in some if task.queue_index == index]
            try:
                cancelled, lost = await self._extend(queue, tasks)
            except TaskyardError as error:
                self._complaints.say(queue, "heartbeat", error)
            else:
                self._complaints.withdraw(queue, "heartbeat")
                for child in held:
                    child.tell(cancelled, lost)
        await self._tell(held)
        for queue in self._names:
            await self._client.register(queue)

    async def _extend(self, queue: str, tasks: Sequence[Held]) -> tuple[dict[str, int], dict[str, int]]:
        """Of one queue. Shape: id → fence of those that were asked to stop, and of those whose lease is lost. A task
        that was settled meanwhile is among these, and does not run any more."""
        cancelled: dict[str, int] = {}
        lost: dict[str, int] = {}
        for batch in batches(tasks) or [[]]:  # without any: a sign of life
            extended = await self._client.run(protocol.extend(self._client.queue(queue), batch, self._lease_ms))
            fences = {task.id: task.fence for task in batch}
            cancelled.update((task_id, fences[task_id]) for task_id in extended.cancelled)
            lost.update((task_id, fences[task_id]) for task_id in extended.lost)
        return cancelled, lost

    async def _tell(self, held: Mapping[Child, Sequence[HeldTask]]) -> None:
        namespace, now_ms = self._client.namespace, self._clock.now_ms()
        description, forget_ms = self._describe(held, now_ms), now_ms - RECORD_SECONDS * 1000
        commands: list[tuple[Argument, ...]] = [
            ("TIME",),
            # The record first: whoever knows the time of the last heartbeat knows that there is none newer.
            ("SET", keys.worker(namespace, self._worker_id), description, "EX", RECORD_SECONDS),
            ("ZADD", keys.workers(namespace), now_ms, self._worker_id),
            ("GET", keys.command(namespace, self._worker_id)),
        ]
        if time.monotonic() >= self._forget_at:
            commands.append(("ZREMRANGEBYSCORE", keys.workers(namespace), "-inf", forget_ms))
            self._forget_at = time.monotonic() + FORGET_SECONDS
        answers = await self._client.execute(*commands)
        if isinstance(answers[3], bytes):
            self._obey(answers[3])
        if any(connection.is_full(answer) for answer in answers):
            own = self._client.queue(self._names[0])
            await self._client.run_all(
                [
                    protocol.describe_worker(own, self._worker_id, description, RECORD_SECONDS),
                    protocol.note_worker(own, self._worker_id, now_ms, forget_ms),
                ]
            )
        if not isinstance(answers[0], Exception):
            self._clock.note(answers[0])
