"""What a handler may know of its run, and say of it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from queue_core import codec


class Signals:
    """What goes to and fro between a running handler's context and whoever runs it. `on_progress` gets what
    `codec.encode_progress` makes, in the handler's thread. `deadline`: when the timeout is over, by `time.monotonic`.
    """

    __slots__ = ("deadline", "is_cancelled", "is_lease_lost", "on_progress")

    def __init__(self, on_progress: Callable[[bytes], None] | None = None) -> None:
        self.is_cancelled = False
        self.is_lease_lost = False
        self.deadline = math.inf
        self.on_progress = on_progress


class TaskLogger(logging.LoggerAdapter[logging.Logger]):
    """Says with each line which task it is from; its facts are attributes of the record as well."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        facts = self.extra or {}
        kwargs["extra"] = {**facts, **(kwargs.get("extra") or {})}
        return f"{facts.get('task_name')} {facts.get('task_id')}: {msg}", kwargs


@dataclass(frozen=True, slots=True)
class Context:
    """What a handler may know of its run: annotate a parameter with `Context`. It is no part of the payload.

    `attempt`: 1 for the first since the task was enqueued or requeued. `fence`: grows with every claim of the task, for
    those who guard what they write elsewhere.
    """

    task_id: str
    task_name: str
    queue: str
    attempt: int
    fence: int
    signals: Signals = field(default_factory=Signals, repr=False, compare=False)
    scheduled_for_ms: int | None = None
    sent_headers: Mapping[str, str] | None = field(default=None, repr=False)

    @property
    def scheduled_for(self) -> datetime | None:
        """The occurrence of its schedule that this task is for, in UTC, however late it runs; `None` where no schedule
        made it."""
        at = self.scheduled_for_ms
        return None if at is None else datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=at)

    @property
    def headers(self) -> Mapping[str, str]:
        """What middleware sent along when the task was enqueued, as a trace's id."""
        return self.sent_headers or {}

    @property
    def is_cancelled(self) -> bool:
        """The task was cancelled: a `def` handler that looks here can stop and raise `Cancelled`; a second later that
        is raised in it. An `async def` one is cancelled as asyncio does it, where it awaits."""
        return self.signals.is_cancelled

    @property
    def is_lease_lost(self) -> bool:
        """Somebody else has the task now, or has settled it: nothing that this run comes to counts. It is stopped as a
        cancelled one is, a `def` handler by `LeaseLost`."""
        return self.signals.is_lease_lost

    @property
    def seconds_left(self) -> float | None:
        """Until the timeout, at least 0; `None` where there is none."""
        left = self.signals.deadline - time.monotonic()
        return None if left == math.inf else max(left, 0.0)

    @property
    def deadline(self) -> datetime | None:
        """When the timeout is over, by this host's clock, in UTC; `None` where there is none."""
        left = self.seconds_left
        return None if left is None else datetime.now(UTC) + timedelta(seconds=left)

    @property
    def logger(self) -> TaskLogger:
        """`taskyard.task.<name>`: each line begins with the task's name and id, and its record carries `task_id`,
        `task_name`, `queue` and `attempt`."""
        facts = {
            "task_id": self.task_id,
            "task_name": self.task_name,
            "queue": self.queue,
            "attempt": self.attempt,
        }
        return TaskLogger(logging.getLogger(f"taskyard.task.{self.task_name}"), facts)

    def progress(self, done: float, total: float | None = None, note: str = "") -> None:
        """Tell how far the handler is, for those who watch: the newest is sent, at most once a second. It costs no
        round trip. `note`: at most 200 characters, the rest is cut off. Raises `InvalidArgument`."""
        said = codec.encode_progress(done, total, note)
        if self.signals.on_progress is not None:
            self.signals.on_progress(said)
