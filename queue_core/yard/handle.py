"""What an enqueue gives back: a hold on the task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from queue_core import protocol, results
from queue_core.audit import MAX_REASON, check_text
from queue_core.consumer import process_name
from queue_core.keys import QueueKeys
from queue_core.protocol import Acted, Call
from queue_core.snapshot import State

if TYPE_CHECKING:
    from queue_core.yard.taskyard import Taskyard


class TaskHandle:
    """A task that was enqueued, or met in the queue, so that none was made: `met` is its state.

    `is_duplicate`: it was met by its unique key; `id` is that of the task that holds it, and `met` is `ended` where the
    key outlives that task. Else it was met by its id.
    """

    __slots__ = ("_yard", "id", "is_duplicate", "met", "queue")

    def __init__(
        self, yard: Taskyard, task_id: str, queue: str, met: str | None = None, *, is_duplicate: bool = False
    ) -> None:
        self._yard = yard
        self.id = task_id
        self.queue = queue
        self.met = met
        self.is_duplicate = is_duplicate

    @classmethod
    def of(cls, yard: Taskyard, task_id: str, queue: str, met: str | None) -> TaskHandle:
        """`met`: as `protocol.enqueue` answers."""
        if not met:
            return cls(yard, task_id, queue)
        state, _, holder = met.partition(" ")
        return cls(yard, holder or task_id, queue, state, is_duplicate=bool(holder))

    @property
    def is_new(self) -> bool:
        return self.met is None

    def status(self) -> State | None:
        """Where the task is now; `None` once it has ended and left no record."""
        try:
            return self._yard.inspector.task(self.queue, self.id).state
        except LookupError:
            return None

    def result(self, timeout: float | None = 10.0) -> Any:
        """What the handler returned, as JSON gives it back; waits for it, at most `timeout` seconds (`None`: for ever).

        The task's declaration has to say for how long it is kept: `result_ttl`. Raises `TaskFailed` for a dead letter,
        `TaskCancelled`, `TaskExpired`, `ResultTimeout`, `ResultExpired`, `ResultUnavailable` where there is none and
        will be none.
        """
        client = self._yard.client
        return results.wait(client, client.queue(self.queue), self.id, timeout)

    async def aresult(self, timeout: float | None = 10.0) -> Any:
        """As `result`, without blocking the event loop. However many wait, they share one connection."""
        client = self._yard.async_client
        return await results.await_(client, client.queue(self.queue), self.id, timeout)

    def cancel(self, reason: str = "") -> State | None:
        """End the task before its time. Shape: its state now: `cancelled`; `running`, where it was asked to stop, which
        its worker hears within seconds; `dead` or `trashed`, and then nothing was done; `None`: it has ended."""
        client = self._yard.client
        return _state_of(self.id, client.run(self._cancellation(client.queue(self.queue), reason)))

    async def acancel(self, reason: str = "") -> State | None:
        """As `cancel`, without blocking the event loop."""
        client = self._yard.async_client
        return _state_of(self.id, await client.run(self._cancellation(client.queue(self.queue), reason)))

    def _cancellation(self, queue: QueueKeys, reason: str) -> Call[Acted]:
        facts = {"by": process_name(), "reason": check_text("reason", reason, MAX_REASON)}
        return protocol.cancel(queue, [self.id], facts)

    def __repr__(self) -> str:
        return f"<TaskHandle {self.id} in {self.queue}>"


def _state_of(task_id: str, acted: Acted) -> State | None:
    """Of a task after somebody wanted to cancel it."""
    if task_id in acted.asked:
        return State.RUNNING
    left_alone = {"dead": State.DEAD, "in the trash": State.TRASHED, "gone": None}
    return left_alone.get(acted.skipped[task_id]) if task_id in acted.skipped else State.CANCELLED
