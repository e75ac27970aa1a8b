"""Tasks go from one queue to another, of which each may live on a server of its own: four or five calls a batch.

Put aside (source) → taken, with a mark under its ticket (target) → forgotten (source) → the mark may go (target).
Whoever dies between two of them leaves the task put aside, and perhaps taken: the same move again, by anybody, finds
the mark and goes on. What the target does not take is restored, once the target's mark says that it never will be.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from queue_core import connection, decoding, protocol
from queue_core.client import Client
from queue_core.protocol import Call, Chunk, ChunkDone, Exported, Session

T = TypeVar("T")
BATCH = 128
"""Tasks that keep each of the calls within 3 ms of the server's time."""
CALLED_BACK, RESTORED_BEFORE = "called back", "not in the trash"
"""As import.lua and restore.lua say it."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What a batch came to. `skipped`: id → why. `later`: ids that were too many bytes for it."""

    done: tuple[str, ...]
    skipped: dict[str, str]
    later: tuple[str, ...]
    now_ms: int


Steps = Generator[Call[Any], Any, T]
"""The calls of a batch, one by one: each is given the answer to the one before."""


@dataclass(frozen=True, slots=True)
class _Brought:
    """What the target did with what was put aside, by ticket. `left`: why not, those of which stay where they were;
    `late`: they may still enter."""

    come: list[str]
    left: dict[str, str]
    late: dict[str, str]
    now_ms: int


@dataclass(frozen=True, slots=True)
class Move:
    """From which queue to which; who asked for it and why."""

    client: Client
    queue: str
    to_queue: str
    by: str = ""
    reason: str = ""
    facts: Mapping[str, object] | None = None
    """For the histories: who and which operation."""

    def move(self, ids: Sequence[str], session_id: str) -> Moved:
        """Move up to 256 tasks, better `BATCH`. Skipped: `running`, `gone`, `in the trash`, `being moved to <another>`,
        and what the target did not take: `in that queue already, <state>`, `its unique key is held by <id>`, `called
        back`; or `too late`: these are still put aside.

        `session_id`: the batch's own; a batch with the same one has the same outcome and acts once.
        """
        return self._run(self.moving(ids, secrets.token_urlsafe(9)), session_id)

    def call_back(self, ids: Sequence[str], session_id: str) -> Moved:
        """Tasks that were put aside are where they were. Skipped: those that the target had taken already, and what
        somebody else has restored or moved since this began (`not in the trash`)."""
        return self._run(self.calling_back(ids, secrets.token_urlsafe(9)), session_id)

    def run_chunk(self, chunk: Chunk) -> ChunkDone:
        """One chunk of an operation: tasks that it has put aside before, or else its next ones."""
        key = self.client.queue(self.queue).operation(chunk.operation_id)
        (found,) = connection.checked(self.client.read(("HGET", key, "confirm")), self.client.url)
        forgotten = decoding.text(found).split()[:BATCH]
        return self._run(self.moving_chunk(chunk, secrets.token_urlsafe(9), forgotten), None)

    def _run(self, steps: Steps[T], session_id: str | None) -> T:
        answer = None
        while True:
            try:
                call = steps.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            answer = self.client.run(call, None if session_id is None else Session(session_id))
            if session_id is not None and isinstance(answer, Exported):
                session_id = session_behind(session_id, answer)

    def moving_chunk(self, chunk: Chunk, token: str, forgotten: Sequence[str]) -> Steps[ChunkDone]:
        """The calls of `run_chunk`. `token`: not used before; `forgotten`: tickets of the chunk before it.

        What came of its tasks is counted where they are forgotten, so that a runner may die between any two calls.
        """
        source, target = self.client.queue(self.queue), self.client.queue(self.to_queue)
        if forgotten:
            yield protocol.confirm(target, forgotten)
        exported = yield protocol.export_chunk(source, self.to_queue, token, self.by, self._why(), chunk)
        if isinstance(exported, ChunkDone):
            return exported
        brought = yield from self._bring(exported, refuses=False)
        done: ChunkDone = yield protocol.forget_chunk(source, brought.come, brought.left, chunk)
        return done

    def moving(self, ids: Sequence[str], token: str) -> Steps[Moved]:
        """The calls of `move`. `token`: not used before."""
        return self._carry(ids, token, refuses=False)

    def calling_back(self, ids: Sequence[str], token: str) -> Steps[Moved]:
        """The calls of `call_back`. `token`: not used before."""
        moved = yield from self._carry(ids, token, refuses=True)
        back = [task_id for task_id, why in moved.skipped.items() if why == CALLED_BACK]
        skipped = {task_id: why for task_id, why in moved.skipped.items() if why != CALLED_BACK}
        skipped |= dict.fromkeys(moved.done, f"moved to {self.to_queue}")
        return Moved(tuple(back), skipped, moved.later, moved.now_ms)

    def _carry(self, ids: Sequence[str], token: str, *, refuses: bool) -> Steps[Moved]:
        source, target = self.client.queue(self.queue), self.client.queue(self.to_queue)
        exported = yield protocol.export(source, ids, self.to_queue, token, self.by, self._why())
        if not exported.tasks:
            return Moved((), exported.skipped, exported.later, exported.now_ms)
        brought = yield from self._bring(exported, refuses=refuses)
        now_ms = max(exported.now_ms, brought.now_ms)
        if brought.come:
            forgotten = yield protocol.forget(source, brought.come)
            now_ms = max(now_ms, forgotten.now_ms)
        if brought.left or brought.come:
            yield protocol.confirm(target, [*brought.left, *brought.come])
        why_not = {protocol.id_of(ticket): why for ticket, why in {**brought.left, **brought.late}.items()}
        done = tuple(protocol.id_of(ticket) for ticket in brought.come)
        return Moved(done, exported.skipped | why_not, exported.later, now_ms)

    def _bring(self, exported: Exported, *, refuses: bool) -> Steps[_Brought]:
        """What was put aside enters the target; what it does not take, for good, is restored."""
        source, target = self.client.queue(self.queue), self.client.queue(self.to_queue)
        if not refuses:
            self.client.register(self.to_queue)
        facts = {"from": self.queue, **(self.facts or {})}
        taken = yield protocol.import_(target, exported, facts, refuses=refuses)
        left = {ticket: why for ticket, why in taken.skipped.items() if why != protocol.TOO_LATE}
        late = {ticket: why for ticket, why in taken.skipped.items() if why == protocol.TOO_LATE}
        come = [task.ticket for task in exported.tasks if task.ticket not in taken.skipped]
        now_ms = taken.now_ms
        if left:
            restored = yield protocol.restore(source, list(left))
            for ticket, why in restored.skipped.items():
                if why != RESTORED_BEFORE:
                    left[ticket] = f"{why}; it is in the trash"
                elif refuses:
                    left[ticket] = why
            now_ms = max(now_ms, restored.now_ms)
        return _Brought(come, left, late, now_ms)

    def _why(self) -> str:
        return f"moving to {self.to_queue}" + (f": {self.reason}" if self.reason else "")


def session_behind(session_id: str, exported: Exported) -> str:
    """Id of the session of the calls behind `export`: it is that of these tickets.

    When the session of `export` is over and theirs are not, there may be other tickets; an answer about the first ones,
    in which these are missing, would say that they have come.
    """
    tickets = " ".join(task.ticket for task in exported.tasks)
    return f"{session_id}.{hashlib.sha1(tickets.encode()).hexdigest()[:16]}"
