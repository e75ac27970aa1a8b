"""What becomes of what a process held that has ended: recovered, or given back."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import msgspec

from queue_core import protocol, verdict
from queue_core.aio import AsyncClient
from queue_core.codec import DEFAULT_OPTIONS, decode_envelope
from queue_core.errors import HardTimeout, TaskyardError, UnreadableEnvelope
from queue_core.keys import QueueKeys
from queue_core.protocol import ClaimedTask, Counters, FailedTask, Held, ReleasedTask, Session
from queue_core.settings import MAX_BATCH
from queue_core.worker.child import Child
from queue_core.worker.complaints import Complaints
from queue_core.worker.foresight import NONE, Foresight
from queue_core.worker.leases import HeldTask
from queue_core.worker.measures import CRASHED, Measures

_will_decoder = msgspec.json.Decoder(list[FailedTask])
T = TypeVar("T")
log = logging.getLogger("taskyard.worker")


class Aftermath:
    """`names`: the worker's queues, in the order of its lease tables."""

    def __init__(
        self,
        client: AsyncClient,
        names: Sequence[str],
        worker_id: str,
        lease_ms: int,
        complaints: Complaints,
        version: str = "",
    ) -> None:
        self._client = client
        self._names = names
        self._worker_id = worker_id
        self._lease_ms = lease_ms
        self._complaints = complaints
        self._version = version

    async def recover(self, held: Sequence[HeldTask], evidence: Mapping[str, object]) -> None:
        """What a dead process held: tasks that had begun have crashed, the others are given back."""
        for queue, tasks in self.by_queue(held).items():
            queue_keys, lease_ms = self._client.queue(queue), self._lease_ms
            crashed = [Held(task.id, task.fence) for task in tasks if task.is_started]
            names = {task.id: task.name for task in tasks}
            measures = Measures()
            unstarted = [ReleasedTask(task.id, task.fence) for task in tasks if not task.is_started]
            try:
                for released in batches(unstarted):
                    await self._client.run(protocol.release(queue_keys, released))
                for batch in batches(crashed):
                    call = protocol.recover(queue_keys, lease_ms, held=batch, evidence=evidence)
                    recovered = await self._client.run(call)
                    for task_id in (*recovered.again, *recovered.buried):
                        measures.count(names[task_id], CRASHED)
            except TaskyardError as error:
                log.error("queue %s: what the process held comes back when its leases have run out: %s", queue, error)
            else:
                log.warning("queue %s: %d tasks crashed, %d given back", queue, len(crashed), len(unstarted))
            await self._tell_measured(queue, measures)

    async def give_back_claimed(self, child: Child, held: Sequence[HeldTask]) -> None:
        """What a dead process had claimed and not yet entered into its table. Its last claim of each queue is sent
        again: the answer is what that claim holds by now. One that never reached the server claims now, a single task.
        """
        known = {(task.id, task.fence) for task in held}  # what was given back just now may be claimed again
        for queue, sequence in zip(self._names, child.table.read_claims(), strict=True):
            if not sequence:
                continue
            channel = self._client.channel(Session(child.session_id, sequence - 1))
            queue_keys = self._client.queue(queue)
            try:
                call = protocol.claim(queue_keys, self._worker_id, 1, self._lease_ms)
                claimed = await self._client.run(call, channel)
                fence = claimed.fence
                missing = [ReleasedTask(task.id, fence) for task in claimed.tasks if (task.id, fence) not in known]
                for batch in batches(missing):
                    await self._client.run(protocol.release(queue_keys, batch))
            except TaskyardError as error:
                self._complaints.say(queue, "aftermath", error)
            finally:
                await channel.drop()

    async def end_overdue(
        self, overdue: Sequence[HeldTask], will: bytes, foresights: Mapping[str, Foresight], now_ms: int
    ) -> int:
        """Tasks whose handlers had outstayed their hard timeout when their process was ended, at `now_ms` by the clock
        of the lease table: failed attempts. `will`: what the process has left to be told of them, if it still could;
        `foresights`: what it said at its start. Shape: how many have failed."""
        left = {(failed.id, failed.fence): failed for failed in _read_will(will)}
        count = 0
        for queue, tasks in self.by_queue(overdue).items():
            queue_keys = self._client.queue(queue)
            measures = Measures()
            try:
                for batch in batches(tasks):
                    waits = await self._waits(queue_keys, batch)
                    failed = [
                        left.get((task.id, task.fence))
                        or await self._describe(queue_keys, task, foresights.get(task.name, NONE), now_ms)
                        for task in batch
                    ]
                    lost = await self._client.run(protocol.fail(queue_keys, failed, self._version))
                    for task, wait_ms, told in zip(batch, waits, failed, strict=True):
                        if task.id not in lost:
                            count += 1
                            measures.add(task.name, told.verdict, wait_ms, now_ms - task.since_ms)
            except TaskyardError as error:
                log.error("queue %s: what the process held comes back when its leases have run out: %s", queue, error)
            else:
                log.warning("queue %s: %d tasks have failed by their hard timeout", queue, len(tasks))
            await self._tell_measured(queue, measures)
        return count

    async def _waits(self, queue: QueueKeys, tasks: Sequence[HeldTask]) -> list[int]:
        """How long they were ready before they were claimed, ms; 0 where the server does not say."""
        (claims,) = await self._client.execute(("HMGET", queue.running, *(task.id for task in tasks)))
        told = claims if isinstance(claims, list) else [None] * len(tasks)
        return [_waited_ms(task, claim) for task, claim in zip(tasks, told, strict=True)]

    async def _tell_measured(self, queue: str, measures: Measures) -> None:
        try:
            while measures:
                await self._client.run(protocol.measure(self._client.queue(queue), measures.take()))
        except TaskyardError as error:
            log.error("queue %s: what became of attempts is lost: %s", queue, error)

    async def _describe(self, queue: QueueKeys, task: HeldTask, foresight: Foresight, now_ms: int) -> FailedTask:
        """Of a process that did not let go of the interpreter: where its handler was nobody knows. By the task's own
        rule, but for one that is a function: that may be what hangs, and is not called here."""
        envelope, history = await self._client.execute(("HGET", queue.tasks, task.id), ("HGET", queue.history, task.id))
        data = envelope if isinstance(envelope, bytes) else b""
        head = history.partition(b"\n")[0].decode("ascii", "replace") if isinstance(history, bytes) else ""
        try:
            options = decode_envelope(data).options
        except UnreadableEnvelope:
            options = DEFAULT_OPTIONS
        error = HardTimeout("the handler was ended by force; it did not let Python go on, so nobody knows where it was")
        claimed = ClaimedTask(task.id, data, Counters.parse(head), bool(head), "")
        failed = verdict.failed_attempt(
            claimed,
            task.fence,
            task.name,
            options,
            error,
            max_retries=foresight.max_retries,
            policy=foresight.policy,
            worker=self._worker_id,
            seconds=(now_ms - task.since_ms) / 1000,
        )
        if foresight.function and failed.verdict == protocol.RETRY:
            complaint = f"the retry rule {foresight.function} was not asked, its process was killed"
            return replace(failed, facts={**failed.facts, "complaint": f"{complaint}: the default delay holds"})
        return failed

    async def release(self, held: Sequence[HeldTask], why: str) -> None:
        facts = {"worker": self._worker_id, "reason": why}
        for queue, tasks in self.by_queue(held).items():
            released = [ReleasedTask(t.id, t.fence, "", facts if t.is_started else None) for t in tasks]
            try:
                for batch in batches(released):
                    await self._client.run(protocol.release(self._client.queue(queue), batch))
            except TaskyardError as error:
                log.error("queue %s: %d tasks could not be handed back: %s", queue, len(tasks), error)
        if held:
            log.info("%d tasks were handed back", len(held))

    def by_queue(self, held: Sequence[HeldTask]) -> dict[str, list[HeldTask]]:
        queues: dict[str, list[HeldTask]] = defaultdict(list)
        for task in held:
            if task.queue_index < len(self._names):
                queues[self._names[task.queue_index]].append(task)
        return queues


def _waited_ms(task: HeldTask, claim: object) -> int:
    """`claim`: what `running` says, `fence claimed-ms digits worker`."""
    parts = claim.decode("ascii", "replace").split(" ", 3) if isinstance(claim, bytes) else []
    if len(parts) < 4 or parts[0] != str(task.fence) or not parts[1].isdecimal():
        return 0
    return ClaimedTask(task.id, b"", Counters(), False, parts[2], int(parts[1])).waited_ms


def _read_will(will: bytes) -> list[FailedTask]:
    try:
        return _will_decoder.decode(will) if will else []
    except msgspec.DecodeError:  # the process was killed while it wrote
        return []


def batches(tasks: Sequence[T]) -> list[Sequence[T]]:
    return [tasks[i : i + MAX_BATCH] for i in range(0, len(tasks), MAX_BATCH)]
