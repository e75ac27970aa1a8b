"""A declared task, as the application holds it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, cast, overload

from queue_core import task
from queue_core.context import Context
from queue_core.task import DEFAULT_SENDING, Definition, Message, Sending
from queue_core.yard.handle import TaskHandle

if TYPE_CHECKING:
    from queue_core.yard.taskyard import Taskyard

P = ParamSpec("P")
R = TypeVar("R")


class Task(Generic[P, R]):
    """A declared task. Called, it runs its handler here and now; `enqueue` has a worker run it."""

    def __init__(self, yard: Taskyard, definition: Definition, sending: Sending = DEFAULT_SENDING) -> None:
        self._yard = yard
        self._sending = sending
        self.definition = definition
        update_wrapper(self, definition.handler)

    @property
    def name(self) -> str:
        return self.definition.name

    @property
    def queue(self) -> str:
        return self.definition.queue

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        given: tuple[object, ...] = (*args, *kwargs.values())
        if self.definition.context_parameter is None or any(isinstance(value, Context) for value in given):
            return cast(R, self.definition.handler(*args, **kwargs))
        return cast(R, self.definition.invoke(args, kwargs, Context("", self.name, self.queue, attempt=1, fence=0)))

    def message(self, *args: P.args, **kwargs: P.kwargs) -> Message:
        """The task with these arguments, not yet enqueued. Raises `InvalidPayload`, `PayloadTooLarge`."""
        return self.definition.message(self._sending, args, kwargs)

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> TaskHandle:
        """Have a worker run the handler with these arguments. Once this returns, the task is in the queue.

        Raises `InvalidPayload`, `PayloadTooLarge`, `QueueFull`, `RateLimited`, `ServerUnavailable`, `ServerFull`.
        """
        return self._yard.enqueue(self.definition.message(self._sending, args, kwargs))

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> TaskHandle:
        """The short form of `enqueue` that Celery's users expect."""
        return self.enqueue(*args, **kwargs)

    async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> TaskHandle:
        """As `enqueue`, without blocking the event loop."""
        return (await self._yard.aenqueue_many([self.message(*args, **kwargs)]))[0]

    def options(
        self,
        *,
        priority: int | None = None,
        delay: float | timedelta | None = None,
        eta: datetime | None = None,
        max_retries: int | None = None,
        task_id: str | None = None,
        unique_key: str | None = None,
        unique_for: float | timedelta | None = None,
        expires: float | timedelta | None = None,
    ) -> Task[P, R]:
        """The same task with other options for what is enqueued through it.

        `priority`: larger is sooner, ±2,000, default 0. `delay`: seconds or a timedelta; `eta`: a time with its zone.
        `task_id`: 1 to 128 letters, digits, _ and -; while a task of that id is in the queue, no second one is made.
        `unique_key`: 1 to 200 printable characters; while a task of the queue has that key no second one is made, until
        it ends or is a dead letter, or with `unique_for` for so long from the enqueue, whatever becomes of it.
        `expires`: seconds or a timedelta from the enqueue; a run that has not begun by then never does.
        """
        changes: dict[str, Any] = {
            "priority": priority,
            "delay": None if delay is None else task.seconds_of(delay),
            "eta": eta,
            "max_retries": max_retries,
            "task_id": task_id,
            "unique_key": unique_key,
            "unique_for": None if unique_for is None else task.seconds_of(unique_for),
            "expires": None if expires is None else task.seconds_of(expires),
        }
        given = {name: value for name, value in changes.items() if value is not None}
        return Task(self._yard, self.definition, task.with_changes(self._sending, given))

    def __repr__(self) -> str:
        return f"<Task {self.name} in {self.queue}>"


class Declare(Protocol):
    """What `@yard.task(…)` does with a function, as type checkers see it."""

    @overload
    def __call__(self, handler: Callable[Concatenate[Context, P], R], /) -> Task[P, R]: ...
    @overload
    def __call__(self, handler: Callable[P, R], /) -> Task[P, R]: ...
