"""Spans for what is enqueued and what is run, joined across processes. Needs `taskyard[otel]`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from queue_core.codec import MAX_HEADERS
from queue_core.context import Context
from queue_core.errors import Cancelled, ConfigurationError, Discard, InvalidArgument, Retry
from queue_core.task import Message

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

SYSTEM = "taskyard"


class OpenTelemetryTracing:
    """A producer span `create <queue>` for each task that is enqueued, a consumer span `process <queue>` for each
    attempt, its child, by OpenTelemetry's conventions for messaging.

    The producer's context travels in the task's headers, written and read by the global propagator; what does not fit
    into 512 bytes is left out, baggage first. `provider`: else the global one. Raises `ConfigurationError` where
    `opentelemetry-api` is not installed.
    """

    def __init__(self, provider: TracerProvider | None = None) -> None:
        try:
            from opentelemetry import propagate, trace
        except ImportError as error:
            raise ConfigurationError(
                "OpenTelemetryTracing needs opentelemetry-api: pip install 'taskyard[otel]'"
            ) from error
        self._propagate = propagate
        self._trace = trace
        self._tracer = trace.get_tracer("taskyard", tracer_provider=provider)

    def before_enqueue(self, message: Message) -> Message:
        facts = _facts(message.queue, message.task_id, message.task_name, "create")
        kind = self._trace.SpanKind.PRODUCER
        with self._tracer.start_as_current_span(f"create {message.queue}", kind=kind, attributes=facts):
            headers: dict[str, str] = {}
            self._propagate.inject(headers)
        return _with_what_fits(message, headers)

    async def around(self, context: Context, call_next: Callable[[], Awaitable[Any]]) -> Any:
        facts = _facts(context.queue, context.task_id, context.task_name, "process")
        span = self._tracer.start_span(
            f"process {context.queue}",
            context=self._propagate.extract(context.headers),
            kind=self._trace.SpanKind.CONSUMER,
            attributes={**facts, "taskyard.attempt": context.attempt},
        )
        with self._trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                return await call_next()
            except BaseException as error:
                span.set_attribute("error.type", type(error).__qualname__)
                if not isinstance(error, Cancelled | Discard | Retry):
                    status, code = self._trace.Status, self._trace.StatusCode
                    span.set_status(status(code.ERROR))
                    with suppress(Exception):  # to tell a user's exception runs code of its own
                        span.record_exception(error)
                        span.set_status(status(code.ERROR, str(error)))
                raise


def _facts(queue: str, task_id: str, task_name: str, operation: str) -> dict[str, str]:
    return {
        "messaging.system": SYSTEM,
        "messaging.destination.name": queue,
        "messaging.message.id": task_id,
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "taskyard.task": task_name,
    }


def _with_what_fits(message: Message, headers: dict[str, str]) -> Message:
    """Headers that are too long in all: the last ones go first, as baggage stands behind the trace."""
    kept = {name: value for name, value in headers.items() if len(value) < MAX_HEADERS}
    while kept:
        try:
            return message.with_headers(kept)
        except InvalidArgument:
            kept.popitem()
    return message
