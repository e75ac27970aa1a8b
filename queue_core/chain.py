"""What stands around handlers, and in the way of what is enqueued: middleware, outermost first. No I/O."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable
from dataclasses import dataclass
from types import coroutine
from typing import Any, NamedTuple, TypeVar

from queue_core.context import Context
from queue_core.errors import InvalidArgument, shown

log = logging.getLogger("taskyard.middleware")

HOOKS = ("before", "around", "after", "before_enqueue")
EITHER = "before, around, after or before_enqueue"
M = TypeVar("M")
CallNext = Callable[[], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended, for `after`: what it returned, or what it raised."""

    result: Any
    error: BaseException | None
    seconds: float


class _Layer(NamedTuple):
    name: str
    before: Callable[[Context], object] | None
    around: Callable[[Context, CallNext], Coroutine[Any, Any, Any]] | None
    after: Callable[[Context, Outcome], object] | None


class Chain:
    """The middleware of a yard, in the order in which it was added."""

    def __init__(self) -> None:
        self.layers: list[_Layer] = []
        self.outgoing: list[Callable[[Any], Any]] = []
        """Each is given a message before it is enqueued, and returns another one or `None`."""

    def add(self, middleware: object) -> None:
        """Raises `InvalidArgument` for what is none."""
        hooks = {name: getattr(middleware, name, None) for name in HOOKS}
        name = type(middleware).__name__
        if isinstance(middleware, type) or not any(hooks.values()):
            raise InvalidArgument(f"middleware {shown(middleware, 80)} is not accepted: an object with {EITHER}")
        for hook, method in hooks.items():
            if method is not None and not callable(method):
                raise InvalidArgument(f"middleware {name}: {hook} is no method")
            if method is not None and inspect.iscoroutinefunction(method) != (hook == "around"):
                kind = "async def: it stands around def handlers, too" if hook == "around" else "a plain def"
                raise InvalidArgument(f"middleware {name}: {hook} has to be {kind}")
        outgoing = hooks.pop("before_enqueue")
        if outgoing is not None:
            self.outgoing.append(outgoing)
        if any(hooks.values()):
            self.layers.append(_Layer(name, hooks["before"], hooks["around"], hooks["after"]))

    def pass_on(self, message: M) -> M:
        """A message as it is enqueued. Raises what a hook raises."""
        for hook in self.outgoing:
            returned = hook(message)
            if returned is not None and type(returned) is not type(message):
                raise InvalidArgument(f"before_enqueue returned {shown(returned, 80)}: a message, or None, is accepted")
            message = message if returned is None else returned
        return message

    def pass_all_on(self, messages: Iterable[M]) -> Iterable[M]:
        return map(self.pass_on, messages) if self.outgoing else messages

    def run(self, handler: Callable[[], Any], context: Context, *, is_async: bool) -> Any:
        """Run the handler within all layers. Of an `async def` handler it is a coroutine that does it."""
        running = _run(tuple(self.layers), handler, context, is_async)
        return running if is_async else _drive(running)


async def _run(layers: tuple[_Layer, ...], handler: Callable[[], Any], context: Context, is_async: bool) -> Any:
    if not layers:
        result = handler()
        if inspect.isawaitable(result):  # also of a `def` that wraps an `async def`
            if not is_async:
                await _elsewhere()
            result = await result
        return result
    layer, inner = layers[0], layers[1:]

    def call_next() -> Awaitable[Any]:
        return _run(inner, handler, context, is_async)

    if layer.before is not None:
        layer.before(context)
    began = time.monotonic()
    try:
        result = await (call_next() if layer.around is None else layer.around(context, call_next))
    except BaseException as error:
        _end(layer, context, Outcome(None, error, time.monotonic() - began))
        raise
    _end(layer, context, Outcome(result, None, time.monotonic() - began))
    return result


def _end(layer: _Layer, context: Context, outcome: Outcome) -> None:
    """The run has ended: what `after` raises changes nothing of that."""
    if layer.after is None:
        return
    try:
        layer.after(context, outcome)
    except BaseException:
        log.exception("middleware %s: after task %s %s", layer.name, context.task_name, context.task_id)


# A `def` handler's layers are coroutines as well, run by hand on the handler's thread: they need no event loop, as they
# await nothing but each other.

_ELSEWHERE = object()


@coroutine
def _elsewhere() -> Generator[object, None, None]:
    """What follows goes on on an event loop."""
    yield _ELSEWHERE


class _Rest:
    """A coroutine that has begun on a thread: whoever awaits this brings it to its end."""

    def __init__(self, running: Coroutine[Any, Any, Any]) -> None:
        self._running = running

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._running.__await__()


def _drive(running: Coroutine[Any, Any, Any]) -> Any:
    try:
        if running.send(None) is _ELSEWHERE:
            return _Rest(running)
    except StopIteration as stop:
        return stop.value
    try:
        running.throw(RuntimeError("a middleware's around may await only call_next() where the handler is a plain def"))
    except StopIteration as stop:
        return stop.value
    running.close()
    raise RuntimeError("a middleware's around awaits something else than call_next()")
