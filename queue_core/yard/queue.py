"""One queue, by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from queue_core import settings
from queue_core.consumer import Claim
from queue_core.keys import check_name
from queue_core.snapshot import TaskSummary

if TYPE_CHECKING:
    from queue_core.explain import Explanation
    from queue_core.yard.taskyard import Taskyard


class Queue:
    """One queue, by hand."""

    def __init__(self, yard: Taskyard, name: str) -> None:
        self._yard = yard
        self.name = check_name("queue", name)

    def claim(
        self, limit: int = 1, lease_seconds: float = settings.LEASE_SECONDS, worker_id: str | None = None
    ) -> Claim:
        """Lease up to `limit` tasks (1 to 256), for a `with` block. What is not settled in it is released."""
        client = self._yard.client
        return Claim(client, client.queue(self.name), limit, lease_seconds, worker_id, self._yard.version)

    def peek(self, count: int = 10) -> tuple[TaskSummary, ...]:
        """The next ready tasks, in the order in which they will be given out. Changes nothing."""
        return self._yard.inspector.peek(self.name, count)

    def explain(self) -> tuple[Explanation, ...]:
        """What the queue waits for, worst first. Raises `UnknownQueue`."""
        from queue_core.explain import explain_queue

        return explain_queue(self._yard.inspector, self.name)

    def __repr__(self) -> str:
        return f"<Queue {self.name}>"
