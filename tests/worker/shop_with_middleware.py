"""The shop with middleware that leaves traces, around handlers of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from queue_core import Context, Message
from queue_core.chain import Outcome
from tests.worker.shop import leave, yard


class Traces:
    def before_enqueue(self, message: Message) -> Message:
        return message.with_headers({"sent": message.task_name})

    def before(self, context: Context) -> None:
        leave(f"before, sent {context.headers.get('sent')}")

    async def around(self, context: Context, call_next: Callable[[], Awaitable[Any]]) -> Any:
        leave("around")
        return await call_next()

    def after(self, context: Context, outcome: Outcome) -> None:
        leave(f"after {type(outcome.error).__name__}")
        raise ValueError("told in the log")


yard.add_middleware(Traces())
