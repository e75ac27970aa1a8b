"""What a process holds: a task that was claimed, in a slot of the lease table, until it is settled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from queue_core.codec import Envelope
from queue_core.context import Context
from queue_core.protocol import ClaimedTask
from queue_core.worker.leases import LeaseTable
from queue_core.worker.run import Run

ISOLATED_MARGIN_MS = 10_000
"""So much behind the hard timeout of an isolated run its process is replaced: it has had time to kill the child, and
has not done it."""


@dataclass(slots=True, eq=False)
class Holding(Run):
    """`note_end` is called on the event loop; `note_progress`, with queue, id and fence, on any thread."""

    queue: str
    claimed: ClaimedTask
    fence: int
    envelope: Envelope
    table: LeaseTable
    slot: int
    since: float
    """When it was claimed, by `time.monotonic`."""
    note_progress: Callable[[str, str, int, bytes], None]
    note_end: Callable[[Holding], None]
    deadline_ms: int = field(default=0, init=False)
    """When its hard timeout is over, by the clock of the lease table; 0: never."""

    def let_go(self) -> None:
        self.table.drop(self.slot)

    def on_begin(self) -> None:
        began_ms, hard_ms = int(self.began * 1000), self.definition.hard_ms
        if hard_ms and self.definition.isolation is not None:
            hard_ms += ISOLATED_MARGIN_MS
        self.deadline_ms = began_ms + hard_ms if hard_ms else 0
        self.table.start(self.slot, began_ms, self.deadline_ms)

    def on_end(self) -> None:
        self.note_end(self)

    def make_context(self) -> Context:
        claimed, options = self.claimed, self.envelope.options
        self.signals.on_progress = partial(self.note_progress, self.queue, claimed.id, self.fence)
        return Context(
            claimed.id,
            self.envelope.name,
            self.queue,
            claimed.counters.attempts + 1,
            self.fence,
            self.signals,
            options.scheduled_for,
            options.headers,
        )

    @property
    def stored(self) -> bytes:
        return self.claimed.envelope


@dataclass(slots=True, frozen=True)
class OnTrial:
    """Of a task whose next crash would be its last: until it is settled, a crash would still be counted."""

    holding: Holding
    on_settled: Callable[[], None]

    def let_go(self) -> None:
        self.holding.let_go()
        self.on_settled()


class NoSlot:
    """Of a task that was settled as soon as it was claimed."""

    def let_go(self) -> None:
        pass
