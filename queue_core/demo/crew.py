"""The demo's workers: some from the start, more on demand, and what becomes of the tasks of one that was killed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from queue_core.demo.children import Child
from queue_core.inspector import Inspector
from queue_core.snapshot import State

AT_FIRST: Mapping[str, int] = {"fast": 8, "slow": 2}
"""Worker → how many tasks it runs at once."""
SLOTS_OF_MORE = 4
MOST_WORKERS = 6
LEASE_SECONDS = 10.0
"""Shorter than usual: nobody wants to wait half a minute to see that nothing is lost."""
MOST_FOLLOWED = 200
"""Tasks of a killed worker and queue: as many as one look shows, and more than its slots."""

Letter = tuple[str, str]
"""Queue and task id."""


@dataclass
class Rescue:
    """What a killed worker had in its hands, and how many of these tasks its leases still hold."""

    worker: str
    worker_id: str
    letters: tuple[Letter, ...]
    killed_at: float
    held: int
    back_at: float | None = None

    def look(self, inspector: Inspector, at_seconds: float) -> bool:
        """Whether the last one has come back since the look before."""
        if self.back_at is not None:
            return False
        self.held = sum(
            row.state is State.RUNNING and row.worker == self.worker_id
            for queue in {queue for queue, _ in self.letters}
            for row in inspector.summaries(queue, [task_id for name, task_id in self.letters if name == queue])
        )
        if not self.held:
            self.back_at = at_seconds
        return self.back_at is not None


class Crew:
    """`start` runs a worker of a name with so many slots."""

    def __init__(self, start: Callable[[str, int], Child], queues: Iterable[str]) -> None:
        self._start = start
        self._queues = tuple(queues)
        self._added = 0
        self.workers: list[Child] = []
        self.slots: dict[str, int] = {}
        self.rescue: Rescue | None = None
        """Of the worker that was killed last."""

    def begin(self) -> None:
        for name, slots in AT_FIRST.items():
            self._add(name, slots)

    def add(self) -> str | None:
        """The name of one more worker; `None`: there are as many as a demo should have."""
        if len(self.workers) >= MOST_WORKERS:
            return None
        self._added += 1
        return self._add(f"extra-{self._added}", SLOTS_OF_MORE)

    def kill(self, name: str, inspector: Inspector, at_seconds: float) -> Rescue | None:
        """SIGKILL to all processes of a worker, as if its machine were gone. `None`: there is no such worker."""
        worker = next((worker for worker in self.workers if worker.name == name), None)
        if worker is None:
            return None
        self.workers.remove(worker)
        worker.end()
        worker_id = f"{name}:{worker.pid}"
        letters = tuple(
            (queue, row.id)
            for queue in self._queues
            for row in inspector.tasks(queue, State.RUNNING, limit=MOST_FOLLOWED).rows
            if row.worker == worker_id
        )
        self.rescue = Rescue(name, worker_id, letters, at_seconds, held=len(letters))
        return self.rescue

    def _add(self, name: str, slots: int) -> str:
        self.workers.append(self._start(name, slots))
        self.slots[name] = slots
        return name
