"""One handler run in the test's own process, and what came of it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

from queue_core.errors import TaskFailed
from queue_core.snapshot import State
from queue_core.yard import TaskHandle


@dataclass(frozen=True)
class Run:
    """One attempt of a task. `state`: what the task was after it (completed, retrying, dead, discarded …).

    `result` is what the handler returned, `error` what it raised.
    """

    id: str
    name: str
    queue: str
    attempt: int
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    state: State
    result: Any = None
    error: BaseException | None = None

    def __repr__(self) -> str:
        ended = f": {self.error!r}" if self.error else ""
        return f"<Run {self.name} {self.id} attempt {self.attempt}, {self.state.value}{ended}>"


class InlineHandle(TaskHandle):
    """A task that has run already: what `enqueue` gives within `inline`."""

    __slots__ = ("run",)

    def __init__(self, handle: TaskHandle, run: Run) -> None:
        super().__init__(handle._yard, handle.id, handle.queue, handle.met)
        self.run = run

    def status(self) -> State:
        return self.run.state

    def result(self, timeout: float | None = 0) -> Any:
        """What the handler returned, as it is: nothing is waited for. Raises `TaskFailed`."""
        if self.run.error is not None:
            error_class = type(self.run.error).__name__
            error = f"{error_class}: {self.run.error}"
            raise TaskFailed(
                f"task {self.id} has failed: {error}", task_id=self.id, error=error, error_class=error_class
            ) from self.run.error
        return self.run.result

    async def aresult(self, timeout: float | None = 0) -> Any:
        return self.result()


def call(handler: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    """What a handler returned, or raised; an `async def` runs to its end."""
    try:
        result = handler()
        return (_finish(result) if inspect.isawaitable(result) else result), None
    except (Exception, SystemExit) as error:  # a handler that exits has failed; what stops the test is none of its own
        return None, error


async def acall(handler: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    """As `call`, on the running event loop."""
    try:
        result = handler()
        return (await result if inspect.isawaitable(result) else result), None
    except (Exception, SystemExit) as error:
        return None, error


def _finish(result: Awaitable[Any]) -> Any:
    async def wait() -> Any:
        return await result

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(wait())
    with ThreadPoolExecutor(1) as thread:  # this thread's loop is busy with whoever enqueues
        return thread.submit(copy_context().run, asyncio.run, wait()).result()
