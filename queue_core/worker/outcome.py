"""What came of a run, as the server is told: what it gave back, or how it failed."""

from __future__ import annotations

import asyncio

from queue_core import codec, verdict
from queue_core.codec import Envelope
from queue_core.errors import Cancelled, HardTimeout, InvalidResult
from queue_core.protocol import ClaimedTask, FailedTask, Result
from queue_core.task import Definition

MAX_REASON = 500
"""Characters of why there is no result."""
STOPPED = (Cancelled, asyncio.CancelledError)
"""What a handler raises that stops because it was cancelled."""


def result_of(envelope: Envelope, value: object) -> Result | None:
    """What is kept of what a handler gave back, where its task keeps any: it is done, also if that cannot be."""
    seconds = envelope.options.result_ttl
    if seconds is None:
        return None
    keep_ms = round(seconds * 1000)
    try:
        return Result(codec.encode_result(value), keep_ms)
    except InvalidResult as error:
        return Result(b"", keep_ms, str(error)[:MAX_REASON])
    except BaseException as broken:  # a user's value runs code of its own when it is encoded
        return Result(b"", keep_ms, f"the result cannot be stored: {type(broken).__name__}")


def failure_of(
    task: ClaimedTask,
    fence: int,
    envelope: Envelope,
    definition: Definition,
    error: BaseException,
    worker_id: str,
    seconds: float,
) -> FailedTask:
    """What becomes of a task whose handler has raised."""

    def describe(error: BaseException) -> FailedTask:
        return verdict.failed_attempt(
            task,
            fence,
            envelope.name,
            envelope.options,
            error,
            max_retries=definition.max_retries,
            policy=definition.policy,
            worker=worker_id,
            seconds=seconds,
        )

    # A user's exception runs code of its own when it is told; its task must be settled all the same.
    try:
        return describe(error)
    except BaseException as broken:
        return describe(RuntimeError(f"a {type(error).__name__} that cannot be told: {type(broken).__name__}"))


def hard_timeout(definition: Definition) -> HardTimeout:
    """As what the run of a handler has failed that was ended by force."""
    return HardTimeout(f"the handler was ended {definition.hard_seconds:g} s after it began")
