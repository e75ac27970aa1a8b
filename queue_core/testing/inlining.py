"""`enqueue` runs the handler, here and now: no server, no worker."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

from queue_core import codec, verdict
from queue_core.context import Context
from queue_core.errors import InvalidArgument, PayloadMismatch, TooManyTasks
from queue_core.protocol import DEAD, DISCARD, ClaimedTask, Counters
from queue_core.snapshot import State
from queue_core.task import Definition, Message
from queue_core.testing.running import InlineHandle, Run, acall, call
from queue_core.yard import TaskHandle, Taskyard

MOST_RUNS = 1_000
MOST_DEEP = 50
"""Tasks that enqueue one another: each runs within the one that enqueued it."""
_depth: ContextVar[int] = ContextVar("taskyard_inline_depth", default=0)
Handler = Callable[[], Any]
Ended = tuple[Any, BaseException | None]


@contextmanager
def inline(yard: Taskyard, *, raises: bool = True, retries: bool = False, most: int = MOST_RUNS) -> Iterator[list[Run]]:
    """Within it, everything that is enqueued runs at once, whatever its delay, before `enqueue` returns.

    Arguments go through JSON as they would, so that what cannot be stored is refused. What a handler raises is raised
    where it was enqueued; with `raises=False` it is in the list of runs only. With `retries`, a failed task runs again
    at once, as often as it may. Shape: the runs, in the order of their ends. Raises `TooManyTasks` after `most` runs.
    Unique keys, limits and expiry are a server's affair: nothing of them is looked at.
    """
    if not isinstance(most, int) or most < 1:
        raise InvalidArgument(f"most {most!r:.20} is not accepted: a number of runs, 1 or more")
    inliner = _Inliner(yard, raises, retries, most)
    own = vars(yard)
    before = {name: own[name] for name in _REPLACED if name in own}
    own.update({name: getattr(inliner, name) for name in _REPLACED})
    try:
        yield inliner.runs
    finally:
        for name in _REPLACED:
            del own[name]
        own.update(before)


_REPLACED = ("enqueue", "enqueue_many", "aenqueue_many")
"""Methods of the yard that everything that is enqueued goes through."""


class _Inliner:
    def __init__(self, yard: Taskyard, raises: bool, retries: bool, most: int) -> None:
        self.runs: list[Run] = []
        self._yard = yard
        self._raises = raises
        self._retries = retries
        self._most = most

    # In place of the yard's own.

    def enqueue(self, message: Message) -> TaskHandle:
        attempts = self._attempts(message)
        ended: Ended | None = None
        while True:
            try:
                handler = attempts.send(ended)  # type: ignore[arg-type]
            except StopIteration as stop:
                return self._handle(message, stop.value)
            with self._deeper(message):
                ended = call(handler)

    def enqueue_many(self, messages: Iterable[Message]) -> list[TaskHandle]:
        return [self.enqueue(message) for message in messages]

    async def aenqueue_many(self, messages: Iterable[Message]) -> list[TaskHandle]:
        return [await self._aenqueue(message) for message in messages]

    async def _aenqueue(self, message: Message) -> TaskHandle:
        attempts = self._attempts(message)
        ended: Ended | None = None
        while True:
            try:
                handler = attempts.send(ended)  # type: ignore[arg-type]
            except StopIteration as stop:
                return self._handle(message, stop.value)
            with self._deeper(message):
                ended = await acall(handler)

    # What both have in common.

    def _attempts(self, message: Message) -> Generator[Handler, Ended, Run]:
        """Each attempt's handler; is sent what came of it. Returns the last run."""
        message = self._yard.chain.pass_on(message)
        new_task = message.new_task
        envelope = codec.decode_envelope(new_task.envelope)
        definition = self._definition(envelope.name)
        try:
            arguments, named = definition.decode(envelope.payload)
        except PayloadMismatch as misfit:
            raise PayloadMismatch(f"task {envelope.name}: {misfit}") from None
        attempts = 0
        while True:
            if len(self.runs) >= self._most:
                raise TooManyTasks(f"{self._most:,} tasks have run and the next is {envelope.name}: do they never end?")
            context = Context(
                new_task.id,
                envelope.name,
                message.queue,
                attempts + 1,
                fence=attempts + 1,
                scheduled_for_ms=envelope.options.scheduled_for,
                sent_headers=envelope.options.headers,
            )
            result, error = yield partial(definition.call, arguments, named, context)
            if isinstance(error, TooManyTasks):
                raise error
            if error is None and envelope.options.result_ttl is not None:
                result = codec.decode_result(codec.encode_result(result))
            claimed = ClaimedTask(new_task.id, new_task.envelope, Counters(attempts), bool(attempts), "")
            run = Run(
                new_task.id,
                envelope.name,
                message.queue,
                attempts + 1,
                arguments,
                named,
                State.COMPLETED if error is None else _state_after(claimed, envelope, definition, error),
                result,
                error,
            )
            self.runs.append(run)
            if run.state is not State.RETRYING or not self._retries:
                return run
            attempts += 1

    def _definition(self, name: str) -> Definition:
        definition = self._yard.tasks.get(name)
        if definition is None:
            raise InvalidArgument(f"task {name!r:.150} is not declared in {self._yard!r}: it cannot run here")
        return definition

    @contextmanager
    def _deeper(self, message: Message) -> Iterator[None]:
        depth = _depth.get()
        if depth == MOST_DEEP:
            name = codec.name_of(message.new_task.envelope)
            raise TooManyTasks(
                f"{MOST_DEEP} tasks have enqueued one another, and the next is {name}: do they never end?"
            )
        token = _depth.set(depth + 1)
        try:
            yield
        finally:
            _depth.reset(token)

    def _handle(self, message: Message, run: Run) -> TaskHandle:
        if self._raises and run.error is not None:
            raise run.error
        return InlineHandle(TaskHandle(self._yard, run.id, message.queue), run)


def _state_after(task: ClaimedTask, envelope: codec.Envelope, definition: Definition, error: BaseException) -> State:
    """As a worker would decide."""
    own = envelope.options.max_retries
    allowed = definition.max_retries if own is None else own
    judged = verdict.judge(error, task.counters.attempts + 1, allowed, definition.policy)
    return {DEAD: State.DEAD, DISCARD: State.DISCARDED}.get(judged.verdict, State.RETRYING)
