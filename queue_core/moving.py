"""Tasks go from one queue to another, of which each may live on a server of its own: four or five calls a batch.

Put aside (source) → taken, with a mark under its ticket (target) → forgotten (source) → the mark may go (target).
Whoever dies between two of them leaves the task put aside, and perhaps taken: the same move again, by anybody, finds
the mark and goes on. What the target does not take is restored, once the target's mark says that it never will be.
"""

from __future__ import annotations

import secrets
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from queue_core import protocol
from queue_core.client import Client
from queue_core.protocol import Call, Session

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


Steps = Generator[Call[Any], Any, Moved]
"""The calls of a batch, one by one: each is given the answer to the one before."""


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
        """Tasks that were put aside are where they were. Skipped: those that the target had taken already."""
        return self._run(self.calling_back(ids, secrets.token_urlsafe(9)), session_id)

    def _run(self, steps: Steps, session_id: str) -> Moved:
        answer = None
        while True:
            try:
                call = steps.send(answer)
            except StopIteration as end:
                moved: Moved = end.value
                return moved
            answer = self.client.run(call, Session(session_id))

    def moving(self, ids: Sequence[str], token: str) -> Steps:
        """The calls of `move`. `token`: not used before."""
        return self._carry(ids, token, refuses=False)

    def calling_back(self, ids: Sequence[str], token: str) -> Steps:
        """The calls of `call_back`. `token`: not used before."""
        moved = yield from self._carry(ids, token, refuses=True)
        back = [task_id for task_id, why in moved.skipped.items() if why == CALLED_BACK]
        skipped = {task_id: why for task_id, why in moved.skipped.items() if why != CALLED_BACK}
        skipped |= dict.fromkeys(moved.done, f"moved to {self.to_queue}")
        return Moved(tuple(back), skipped, moved.later, moved.now_ms)

    def _carry(self, ids: Sequence[str], token: str, *, refuses: bool) -> Steps:
        source, target = self.client.queue(self.queue), self.client.queue(self.to_queue)
        why = f"moving to {self.to_queue}" + (f": {self.reason}" if self.reason else "")
        exported = yield protocol.export(source, ids, self.to_queue, token, self.by, why)
        skipped, tickets = dict(exported.skipped), [task.ticket for task in exported.tasks]
        if not tickets:
            return Moved((), skipped, exported.later, exported.now_ms)
        if not refuses:
            self.client.register(self.to_queue)
        facts = {"from": self.queue, **(self.facts or {})}
        taken = yield protocol.import_(target, exported, facts, refuses=refuses)
        left = {ticket: why for ticket, why in taken.skipped.items() if why != protocol.TOO_LATE}
        come = [ticket for ticket in tickets if ticket not in taken.skipped]
        now_ms = max(exported.now_ms, taken.now_ms)
        stays: dict[str, str] = {}
        if left:
            restored = yield protocol.restore(source, list(left))
            stays = {ticket: why for ticket, why in restored.skipped.items() if why != RESTORED_BEFORE}
            now_ms = max(now_ms, restored.now_ms)
        if come:
            forgotten = yield protocol.forget(source, come)
            now_ms = max(now_ms, forgotten.now_ms)
        if left or come:
            yield protocol.confirm(target, [*left, *come])
        skipped |= {protocol.id_of(ticket): why for ticket, why in taken.skipped.items()}
        skipped |= {protocol.id_of(ticket): f"{why}; it is in the trash" for ticket, why in stays.items()}
        return Moved(tuple(protocol.id_of(ticket) for ticket in come), skipped, exported.later, now_ms)
