"""One attempt of a task, as those who run it see it."""

from __future__ import annotations

import asyncio
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from queue_core.context import Context, Signals
from queue_core.errors import Cancelled, LeaseLost, SoftTimeout, TaskyardError
from queue_core.protocol import FailedTask, Result
from queue_core.task import Definition
from queue_core.worker.interruption import Interruptible


@dataclass(slots=True)
class Isolated:
    """What came of a run in a child process, told as the server is to be told. `crash`: the evidence."""

    kept: Result | None = None
    failed: FailedTask | None = None
    crash: Mapping[str, object] | None = None


@dataclass(slots=True, eq=False)
class Run(ABC):
    """`error` is what the handler raised, `seconds` how long it took. What else there is to it says a class of those
    who have it run."""

    definition: Definition
    arguments: Sequence[Any]
    named: Mapping[str, Any]
    signals: Signals = field(default_factory=Signals, init=False)
    result: Any = field(default=None, init=False)
    error: BaseException | None = field(default=None, init=False)
    seconds: float = field(default=0.0, init=False)
    began: float = field(default=0.0, init=False)
    """By `time.monotonic`; 0: it has not."""
    interrupt_at: float = field(default=math.inf, init=False)
    """On the same clock: when `interruption` is raised in it, unless it has been already."""
    interruption: type[TaskyardError] = field(default=SoftTimeout, init=False)
    is_interrupted: bool = field(default=False, init=False)
    task: asyncio.Task[None] | None = field(default=None, init=False)
    coroutine: Interruptible | None = field(default=None, init=False)
    """What runs it on the loop, and the task that drives that."""
    thread_id: int = field(default=0, init=False)
    """While its handler runs on a thread."""
    is_awaitable: bool = field(default=False, init=False)
    """A thread has run it, and what it gave back is to be awaited: an async function in a wrapper that is none."""
    isolated: Isolated | None = field(default=None, init=False)
    """Of one that runs in a child."""
    _context: Context | None = field(default=None, init=False)

    @abstractmethod
    def on_begin(self) -> None:
        """Called just before its handler, by the thread that runs that."""

    @abstractmethod
    def on_end(self) -> None:
        """Called on the event loop."""

    @abstractmethod
    def make_context(self) -> Context:
        """With these `signals`."""

    @property
    @abstractmethod
    def stored(self) -> bytes:
        """The envelope, for a child that runs it."""

    @property
    def context(self) -> Context:
        """Made when it is asked for: most handlers do not."""
        if self._context is None:
            self._context = self.make_context()
        return self._context

    def begin(self) -> None:
        """Raises what keeps it from running: it is to stop already."""
        if not self.began:
            self.began = time.monotonic()
            self.on_begin()
        signals = self.signals
        self.interrupt_at = signals.deadline = self.began + self.definition.soft_seconds
        if signals.is_cancelled or signals.is_lease_lost:
            raise Cancelled if signals.is_cancelled else LeaseLost

    def call(self) -> Any:
        definition = self.definition
        return definition.call(self.arguments, self.named, self.context if definition.needs_context else None)


def too_long(definition: Definition) -> str:
    return f"the handler has run for longer than its timeout, {definition.timeout:g} s"
