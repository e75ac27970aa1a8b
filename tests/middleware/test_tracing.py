"""Spans, with OpenTelemetry's own SDK."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from queue_core import Discard, Taskyard, testing
from queue_core.codec import decode_envelope
from queue_core.middleware import OpenTelemetryTracing


class Traced:
    """A yard with two tasks, and the spans that they leave."""

    def __init__(self, **options: Any) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.yard = yard = Taskyard(middleware=[OpenTelemetryTracing(self.provider)], **options)

        @yard.task(queue="mail")
        def send(fails: str = "") -> None:
            if fails:
                raise {"value": ValueError("no"), "discard": Discard("late"), "text": Untellable()}[fails]

        @yard.task(queue="accounts")
        async def welcome() -> None:
            await asyncio.sleep(0)
            send.enqueue()

        self.send, self.welcome = send, welcome

    def spans(self) -> dict[str, Any]:
        return {span.name: span for span in self.exporter.get_finished_spans()}


class Untellable(Exception):
    def __str__(self) -> str:
        raise ArithmeticError


@pytest.fixture
def traced(redis_url: str, namespace: str) -> Iterator[Traced]:
    traced = Traced(url=redis_url, namespace=namespace)
    yield traced
    traced.yard.close()


def test_trace_goes_from_the_request_through_every_task_that_it_brings_about(traced: Traced) -> None:
    with traced.provider.get_tracer("web").start_as_current_span("GET /join"):
        handle = traced.welcome.enqueue()
    testing.drain(traced.yard)
    spans = traced.spans()
    chain = ["GET /join", "create accounts", "process accounts", "create mail", "process mail"]
    assert sorted(spans) == sorted(chain)
    assert len({span.context.trace_id for span in spans.values()}) == 1
    for parent, child in pairwise(chain):
        assert spans[child].parent.span_id == spans[parent].context.span_id
    assert [spans[name].kind.name for name in chain] == ["INTERNAL", "PRODUCER", "CONSUMER", "PRODUCER", "CONSUMER"]
    assert dict(spans["process accounts"].attributes) == {
        "messaging.system": "taskyard",
        "messaging.destination.name": "accounts",
        "messaging.message.id": handle.id,
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "taskyard.task": "welcome",
        "taskyard.attempt": 1,
    }
    assert spans["create accounts"].attributes["messaging.operation.type"] == "create"


@pytest.mark.parametrize(
    ("fails", "status", "events", "error_type"),
    [
        ("", "UNSET", [], None),
        ("value", "ERROR", ["exception"], "ValueError"),
        ("discard", "UNSET", [], "Discard"),
        ("text", "ERROR", [], "Untellable"),
    ],
)
def test_span_of_an_attempt_tells_how_it_ended(
    fails: str, status: str, events: list[str], error_type: str | None
) -> None:
    traced = Traced()
    with testing.inline(traced.yard, raises=False) as (ran):
        traced.send.enqueue(fails)
    assert type(ran[0].error).__name__ == (error_type or "NoneType")
    span = traced.spans()["process mail"]
    assert span.status.status_code.name == status
    assert [event.name for event in span.events] == events
    assert span.attributes.get("error.type") == error_type


def test_each_attempt_has_a_span_of_its_own_under_the_same_parent(traced: Traced) -> None:
    with testing.inline(traced.yard, raises=False, retries=True):
        traced.send.options(max_retries=1).enqueue("value")
    spans = [span for span in traced.exporter.get_finished_spans() if span.name == "process mail"]
    assert [dict(span.attributes or {})["taskyard.attempt"] for span in spans] == [1, 2]
    parents = {span.parent and span.parent.span_id for span in spans}
    assert len(parents) == 1
    assert None not in parents


def test_headers_that_are_too_long_leave_the_trace_at_least() -> None:
    from opentelemetry import baggage, context

    traced = Traced()
    token = context.attach(baggage.set_baggage("who", "x" * 600))
    try:
        (sent,) = [OpenTelemetryTracing(traced.provider).before_enqueue(traced.send.message())]
    finally:
        context.detach(token)
    headers = decode_envelope(sent.new_task.envelope).options.headers
    assert headers is not None
    assert list(headers) == ["traceparent"]


def test_without_the_package_it_is_said_what_to_install() -> None:
    program = """
import sys
sys.modules["opentelemetry"] = None
from queue_core.errors import ConfigurationError
from queue_core.middleware import OpenTelemetryTracing
try:
    OpenTelemetryTracing()
except ConfigurationError as error:
    assert "pip install 'taskyard[otel]'" in str(error)
else:
    sys.exit(1)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
