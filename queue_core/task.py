"""A task as it is declared: its name, its handler, its options, and how arguments become a payload and come back."""

from __future__ import annotations

import inspect
import math
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import Any, NamedTuple

from queue_core import codec, settings
from queue_core.chain import Chain
from queue_core.codec import Options
from queue_core.context import Context
from queue_core.errors import InvalidArgument, InvalidPayload, PayloadMismatch, shown
from queue_core.ids import is_task_id, new_id
from queue_core.keys import MAX_PRIORITY as MAX_PRIORITY
from queue_core.keys import check_name
from queue_core.parameters import KEYWORDS, Parameters
from queue_core.retry import DEFAULT, Policy, RetryRules, make_policy
from queue_core.settings import HARD_TIMEOUT_SECONDS, MAX_CRASHES, MAX_RETRIES, TIMEOUT_SECONDS

MAX_ALLOWED_RETRIES = 1_000
MAX_DELAY_SECONDS = 100 * 365 * 86_400
MAX_UNIQUE_KEY = 200
"""Characters."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def check_integer(what: str, value: object, least: int, most: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    raise InvalidArgument(f"{what} {shown(value, 80)} is not accepted: a whole number from {least} to {most}")


def check_seconds(what: str, value: object) -> float:
    """A length of time from which something follows: 1 ms to 100 years."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and 0.001 <= value <= MAX_DELAY_SECONDS:  # type: ignore[operator]
        return value  # type: ignore[return-value]
    raise InvalidArgument(f"{what} {shown(value, 80)} is not accepted: seconds, or a timedelta, from 1 ms to 100 years")


def _check_timeout(what: str, seconds: object) -> None:
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if seconds is not None and not (is_number and 0 < seconds <= MAX_DELAY_SECONDS):  # type: ignore[operator]
        raise InvalidArgument(f"{what} {shown(seconds, 80)} is not accepted: seconds, more than 0, at most 100 years")


def milliseconds(seconds: float | None) -> int:
    return 0 if seconds is None else math.ceil(seconds * 1000)


def _is_unique_key(key: object) -> bool:
    return isinstance(key, str) and 1 <= len(key) <= MAX_UNIQUE_KEY and key.isprintable()


@dataclass(frozen=True, slots=True)
class Sending:
    """When and how one task is enqueued. `delay`: seconds from now; `eta`: a time with its zone."""

    priority: int = 0
    delay: float = 0.0
    eta: datetime | None = None
    max_retries: int | None = None
    task_id: str | None = None
    unique_key: str | None = None
    unique_for: float | None = None
    expires: float | None = None

    def __post_init__(self) -> None:
        check_integer("priority", self.priority, -MAX_PRIORITY, MAX_PRIORITY)
        if self.max_retries is not None:
            check_integer("max_retries", self.max_retries, 0, MAX_ALLOWED_RETRIES)
        if not isinstance(self.delay, int | float) or isinstance(self.delay, bool):
            raise InvalidArgument(f"delay {shown(self.delay, 80)} is not accepted: seconds, or a timedelta")
        if not 0 <= self.delay <= MAX_DELAY_SECONDS:
            raise InvalidArgument(f"delay of {shown(self.delay, 80)} s is not accepted: 0 s to 100 years")
        if self.eta is not None:
            if self.delay:
                raise InvalidArgument("delay and eta were both given: say only one of them")
            if not isinstance(self.eta, datetime) or self.eta.tzinfo is None:
                raise InvalidArgument(f"eta {shown(self.eta, 80)} is not accepted: a datetime with its time zone")
        if self.task_id is not None and not is_task_id(self.task_id):
            raise InvalidArgument(
                f"task id {shown(self.task_id, 150)} is not accepted: 1 to 128 letters, digits, _ and -"
            )
        if self.unique_key is not None and not _is_unique_key(self.unique_key):
            raise InvalidArgument(
                f"unique_key {shown(self.unique_key, 150)} is not accepted: 1 to {MAX_UNIQUE_KEY} printable characters"
            )
        if self.unique_for is not None:
            if self.unique_key is None:
                raise InvalidArgument("unique_for was given without a unique_key")
            check_seconds("unique_for", self.unique_for)
        if self.expires is not None:
            check_seconds("expires", self.expires)

    @property
    def due_ms(self) -> int:
        return 0 if self.eta is None else max(0, (self.eta - _EPOCH) // timedelta(milliseconds=1))


DEFAULT_SENDING = Sending()


class NewTask(NamedTuple):
    """A task as `enqueue` sends it. `delay_ms` from now, or `due_ms` by the clock; 0 and 0: at once."""

    id: str
    envelope: bytes
    priority: int = 0
    delay_ms: int = 0
    due_ms: int = 0
    expires_ms: int = 0
    """From now; 0: it never does."""
    unique_key: str = ""
    unique_ms: int = 0
    """From now; 0: until the task ends."""


class Message(NamedTuple):
    """A task that is to be enqueued: made by `task.message(…)`, for `enqueue_many`. Enqueued twice, it is one task."""

    queue: str
    new_task: NewTask

    @property
    def task_id(self) -> str:
        return self.new_task.id

    @property
    def task_name(self) -> str:
        return codec.name_of(self.new_task.envelope)

    def with_headers(self, headers: Mapping[str, str]) -> Message:
        """The message with these texts beside its arguments, for middleware: at most 512 bytes in all as JSON. The
        run's context has them. Raises `InvalidArgument`."""
        envelope = codec.with_headers(self.new_task.envelope, headers)
        return self._replace(new_task=self.new_task._replace(envelope=envelope))


@dataclass(frozen=True)
class Definition:
    """A handler under its name. Options that are `None` are the defaults of the engine."""

    name: str
    queue: str
    handler: Callable[..., Any]
    parameters: Parameters = field(repr=False)
    chain: Chain = field(default_factory=Chain, repr=False, compare=False)
    """The middleware around it: that of its yard, also what is added later."""
    max_retries: int = MAX_RETRIES
    max_crashes: int = MAX_CRASHES
    timeout: float | None = TIMEOUT_SECONDS
    hard_timeout: float | None = None
    """As declared; `hard_seconds` is what holds."""
    isolation: str | None = None
    """`process`: each run in a child process."""
    policy: Policy = DEFAULT
    """When it runs again after it raised."""
    expires: float | None = None
    result_ttl: float | None = None
    is_async: bool = False
    context_parameter: str | None = None
    _context_index: int | None = field(default=None, repr=False)
    """The place of the context among the positional parameters; `None`: it has none, and is given by name."""
    _is_all_by_name: bool = field(default=True, repr=False)
    """Every parameter can be given by name, the context too."""

    def encode(self, arguments: Sequence[Any], named: Mapping[str, Any]) -> bytes:
        """The payload for these arguments. Raises `InvalidPayload` where they do not fit the handler's parameters."""
        try:
            return self.parameters.encode(arguments, named)
        except PayloadMismatch as error:
            raise PayloadMismatch(f"task {self.name}: {error}") from None

    def decode(self, payload: bytes) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """The arguments for the handler, checked and converted by its annotations.

        Raises `UnreadableEnvelope`, `PayloadMismatch`.
        """
        return self.parameters.decode(payload)

    @property
    def needs_context(self) -> bool:
        """The handler takes it, or middleware does."""
        return self.context_parameter is not None or bool(self.chain.layers)

    def call(self, arguments: Sequence[Any], named: Mapping[str, Any], context: Context | None) -> Any:
        """Run the handler as a worker does: with these arguments, the context if it takes one, and its middleware.
        `context`: `None` where it is not needed."""
        if context is None:
            return self.handler(*arguments, **named)
        if not self.chain.layers:
            return self.invoke(arguments, named, context)
        return self.chain.run(partial(self.invoke, arguments, named, context), context, is_async=self.is_async)

    def invoke(self, arguments: Sequence[Any], named: Mapping[str, Any], context: Context) -> Any:
        """Run the handler itself."""
        if self.context_parameter is None:
            return self.handler(*arguments, **named)
        if self._context_index is None or (self._is_all_by_name and not arguments):
            return self.handler(*arguments, **{**named, self.context_parameter: context})
        bound = self.parameters.signature.bind(*arguments, **named)
        bound.apply_defaults()
        at = self._context_index
        return self.handler(*bound.args[:at], context, *bound.args[at:], **bound.kwargs)

    def message(self, sending: Sending, arguments: Sequence[Any], named: Mapping[str, Any]) -> Message:
        payload = self.encode(arguments, named)
        if sending is DEFAULT_SENDING:  # nearly all of them: nothing is made twice
            return Message(
                self.queue, NewTask(new_id(), self._plain_head + payload, 0, 0, 0, self._plain_expires_ms, "", 0)
            )
        expires = self.expires if sending.expires is None else sending.expires
        if expires is not None and sending.delay >= expires:
            raise InvalidArgument(
                f"task {self.name} expires after {expires:g} s, and its delay is {sending.delay:g} s: it would not run"
            )
        new_task = NewTask(
            sending.task_id or new_id(),
            self._head(sending) + payload,
            sending.priority,
            math.ceil(sending.delay * 1000),
            sending.due_ms,
            milliseconds(expires),
            sending.unique_key or "",
            milliseconds(sending.unique_for),
        )
        return Message(self.queue, new_task)

    @cached_property
    def soft_seconds(self) -> float:
        """How long a run may take before `SoftTimeout` is raised in it; infinite: as long as it likes."""
        return math.inf if self.timeout is None else self.timeout

    @cached_property
    def hard_seconds(self) -> float:
        """How long a run may take before it is ended by force; infinite: as long as it likes."""
        return self.soft_seconds + HARD_TIMEOUT_SECONDS if self.hard_timeout is None else self.hard_timeout

    @cached_property
    def hard_ms(self) -> int:
        """0: as long as it likes."""
        return 0 if self.hard_seconds == math.inf else max(1, round(self.hard_seconds * 1000))

    @cached_property
    def _plain_expires_ms(self) -> int:
        return milliseconds(self.expires)

    @cached_property
    def _plain_head(self) -> bytes:
        return self._head(DEFAULT_SENDING)

    def _head(self, sending: Sending) -> bytes:
        """The first line of the envelopes. What is left out is what the worker's code declares: a number that was given
        for this one task stands there where the declaration differs."""
        retries = self.max_retries if sending.max_retries is None else sending.max_retries
        is_usual = retries == self.max_retries == MAX_RETRIES
        options = Options(
            priority=sending.priority,
            max_retries=None if is_usual else retries,
            max_crashes=None if self.max_crashes == MAX_CRASHES else self.max_crashes,
            timeout=None if self.timeout == TIMEOUT_SECONDS else self.timeout or 0,
            unique_key=sending.unique_key,
            unique_for=sending.unique_for,
            expires=self.expires if sending.expires is None else sending.expires,
            result_ttl=self.result_ttl,
        )
        return codec.encode_envelope(self.name, options, b"")


def define(
    handler: Callable[..., Any],
    *,
    name: str | None,
    queue: str,
    max_retries: int,
    max_crashes: int,
    timeout: float | None,
    hard_timeout: float | None = None,
    isolation: str | None = None,
    retry: RetryRules | None = None,
    expires: float | timedelta | None = None,
    result_ttl: float | timedelta | None = None,
    chain: Chain | None = None,
) -> Definition:
    """A handler with its options, checked. Raises `InvalidArgument`, `InvalidName`."""
    if not callable(handler):
        raise InvalidArgument(f"task handler {shown(handler, 80)} cannot be called")
    chosen = getattr(handler, "__name__", "") if name is None else name
    _check_timeout("timeout", timeout)
    _check_timeout("hard_timeout", hard_timeout)
    if hard_timeout is not None and timeout is not None and hard_timeout < timeout:
        raise InvalidArgument(
            f"hard_timeout {hard_timeout:g} is not accepted: it ends before the timeout, {timeout:g} s"
        )
    if isolation not in (None, "process"):
        raise InvalidArgument(f"isolation {shown(isolation, 80)} is not accepted: 'process', or None")
    expires_seconds = None if expires is None else check_seconds("expires", seconds_of(expires))
    kept = None if result_ttl is None else seconds_of(result_ttl)
    if kept is not None and not (
        isinstance(kept, int | float)
        and not isinstance(kept, bool)
        and settings.MIN_RESULT_SECONDS <= kept <= settings.MAX_RESULT_SECONDS
    ):
        raise InvalidArgument(f"result_ttl {shown(result_ttl, 80)} is not accepted: 1 second to 366 days")
    if inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler):
        raise InvalidArgument(f"task handler {shown(chosen, 80)} is a generator: called, it would run nothing")
    context = _context_parameter(handler)
    try:
        signature = inspect.signature(handler)
    except ValueError as error:
        raise InvalidArgument(
            f"task handler {shown(chosen, 80)} does not tell its parameters: wrap it in a def"
        ) from error
    positions = [p.name for p in signature.parameters.values() if p.kind in _POSITIONAL]
    parameters = [p for p in signature.parameters.values() if p.name != context]
    return Definition(
        name=check_name("task", chosen),
        queue=check_name("queue", queue),
        handler=handler,
        chain=Chain() if chain is None else chain,
        parameters=Parameters(handler, signature.replace(parameters=parameters)),
        max_retries=check_integer("max_retries", max_retries, 0, MAX_ALLOWED_RETRIES),
        max_crashes=check_integer("max_crashes", max_crashes, 0, MAX_ALLOWED_RETRIES),
        timeout=timeout,
        hard_timeout=hard_timeout,
        isolation=isolation,
        policy=make_policy(retry),
        expires=expires_seconds,
        result_ttl=kept,
        is_async=inspect.iscoroutinefunction(handler),
        context_parameter=context,
        _is_all_by_name=all(p.kind in KEYWORDS for p in signature.parameters.values()),
        _context_index=positions.index(context) if context in positions else None,
    )


def message_by_name(name: str, queue: str, arguments: Mapping[str, Any], sending: Sending = DEFAULT_SENDING) -> Message:
    """A task of an application that is not at hand: nobody checks here whether its handler takes these arguments.

    Raises `InvalidName`, `InvalidPayload`, `PayloadTooLarge`.
    """

    if not isinstance(arguments, Mapping):
        raise InvalidPayload(f"arguments {shown(arguments, 80)} are not accepted: a mapping with their names as keys")

    def unknown(**arguments: Any) -> None: ...

    definition = define(
        unknown,
        name=name,
        queue=queue,
        max_retries=MAX_RETRIES,
        max_crashes=MAX_CRASHES,
        timeout=TIMEOUT_SECONDS,
    )
    return definition.message(sending, (), arguments)


def seconds_of(delay: float | timedelta) -> float:
    return delay.total_seconds() if isinstance(delay, timedelta) else delay


def with_changes(sending: Sending, changes: Mapping[str, Any]) -> Sending:
    return replace(sending, **changes)


def _context_parameter(handler: Callable[..., Any]) -> str | None:
    """The parameter that is annotated with `Context`."""
    try:
        annotations = typing.get_type_hints(handler)
    except Exception:  # annotations that cannot be evaluated here are the user's own affair
        annotations = getattr(handler, "__annotations__", {})
    return next((name for name, kind in annotations.items() if kind in (Context, "Context") and name != "return"), None)
