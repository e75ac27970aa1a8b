"""Many messages in few calls: one batch is of one queue, and as large as one call takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from operator import itemgetter
from typing import TYPE_CHECKING

from queue_core import settings
from queue_core.client import Started
from queue_core.errors import InvalidArgument, TaskyardError, shown
from queue_core.task import Message, NewTask
from queue_core.yard.handle import TaskHandle

if TYPE_CHECKING:
    from queue_core.yard.taskyard import Taskyard

Batch = list[tuple[int, NewTask]]
"""Tasks of one queue with their places among the messages."""


def checked(message: Message) -> Message:
    if isinstance(message, Message):
        return message
    raise InvalidArgument(f"{shown(message, 80)} cannot be enqueued: pass what task.message(…) returns")


def batches_of(messages: Iterable[Message]) -> Iterator[tuple[str, Batch]]:
    """Batches of messages for the same queue, as large as one call takes."""
    open_batches: dict[str, Batch] = {}
    sizes: dict[str, int] = {}
    for index, message in enumerate(messages):
        queue, new_task = checked(message)
        length = len(new_task.envelope)
        batch = open_batches.setdefault(queue, [])
        size = sizes.get(queue, 0) + length
        if batch and (len(batch) == settings.MAX_BATCH or size > settings.MAX_PAYLOAD_BYTES):
            yield queue, batch
            batch = open_batches[queue] = []
            size = length
        batch.append((index, new_task))
        sizes[queue] = size
    yield from ((queue, batch) for queue, batch in open_batches.items() if batch)


class Handles:
    """Collects the handles of several batches; an error is told how many tasks had entered before it."""

    def __init__(self, yard: Taskyard) -> None:
        self._yard = yard
        self._handles: list[tuple[int, TaskHandle]] = []
        self._under_way: tuple[str, Batch, Started[dict[str, str]]] | None = None

    def add(self, queue: str, batch: Batch, met: Mapping[str, str]) -> None:
        yard = self._yard
        self._handles += [(index, TaskHandle.of(yard, new.id, queue, met.get(new.id))) for index, new in batch]

    def expect(self, queue: str, batch: Batch, started: Started[dict[str, str]]) -> None:
        """The batch is under way: `settle` reads what came of it."""
        self._under_way = queue, batch, started

    def settle(self) -> None:
        under_way, self._under_way = self._under_way, None
        if under_way:
            queue, batch, started = under_way
            self.add(queue, batch, started.finish())

    @contextmanager
    def counting_errors(self) -> Iterator[None]:
        try:
            try:
                yield
            finally:
                self.settle()
        except TaskyardError as error:
            error.enqueued = len(self._handles)
            raise

    def in_order(self) -> list[TaskHandle]:
        self._handles.sort(key=itemgetter(0))
        return [handle for _, handle in self._handles]
