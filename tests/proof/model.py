"""What a queue does, in plain Python: the specification that the scripts are compared with.

A transition is a method, its answer is what the protocol reads. Batches are worked through in their order.
"""

from __future__ import annotations

from collections.abc import Sequence

from queue_core.protocol import NewTask
from tests.proof.limits import Refused
from tests.proof.operators_model import OperatorsModel
from tests.proof.places import Task
from tests.proof.workers_model import WorkersModel


class Model(WorkersModel, OperatorsModel):
    """For producers, workers and operators."""

    def enqueue(
        self, new_tasks: Sequence[NewTask], names: Sequence[str], crashes: Sequence[int]
    ) -> dict[str, str] | Refused:
        """An id that is in the queue makes no second task, nor does a key that is held: the answer says in which state
        it, or the holder, was met. All of the others enter, or none."""
        entering = self._count_new(new_tasks)
        refusal = self.limits.refusal_of(entering, len(self.tasks) - len(self.dead) - len(self.trashed), self.now)
        if refusal:
            return refusal
        self.limits.take("enqueue_rate", entering, self.now)
        met = {}
        for new, name, max_crashes in zip(new_tasks, names, crashes, strict=True):
            if new.id in self.tasks:
                met[new.id] = self.state_of(new.id)
                continue
            holder = self.holder_of(new.unique_key)
            if holder:
                met[new.id] = f"{self.state_of(holder) if holder in self.tasks else 'ended'} {holder}"
                continue
            key = "" if new.unique_ms else new.unique_key
            self.tasks[new.id] = Task(new.id, name, new.envelope, new.priority, max_crashes, key)
            if new.unique_key:
                self.keys[new.unique_key] = (new.id, self.now + new.unique_ms if new.unique_ms else 0)
            if new.expires_ms:
                self.expiring[new.id] = self.now + new.expires_ms
            self.books["enqueued"] += 1
            due = self.now + new.delay_ms if new.delay_ms else new.due_ms
            if due > self.now:
                self.scheduled[new.id] = due
            elif new.priority:
                self.prioritized[new.id] = self.now
            else:
                self._make_ready(new.id, self.now)
        return met

    def _count_new(self, batch: Sequence[NewTask]) -> int:
        """How many of them meet no task, and no key that is held, also not in the batch."""
        new_ids: set[str] = set()
        taken: set[str] = set()
        for new in batch:
            is_held = bool(self.holder_of(new.unique_key)) or new.unique_key in taken
            if new.id not in self.tasks and new.id not in new_ids and not is_held:
                new_ids.add(new.id)
                taken |= {new.unique_key} - {""}
        return len(new_ids)
