"""Middleware that comes with Taskyard: `yard.add_middleware(StructuredLogging())`. How to make one: docs/tasks.md."""

from queue_core.chain import Outcome
from queue_core.middleware.error_hook import ErrorHook
from queue_core.middleware.structured_logging import JsonFormatter, StructuredLogging
from queue_core.middleware.tracing import OpenTelemetryTracing

__all__ = ["ErrorHook", "JsonFormatter", "OpenTelemetryTracing", "Outcome", "StructuredLogging"]
