"""Waiting for what a task gives back: woken when it ends, never by asking again and again."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Sequence
from typing import Any

from queue_core import codec, decoding, reading
from queue_core.aio import AsyncClient
from queue_core.client import Client
from queue_core.errors import (
    InvalidArgument,
    ResultExpired,
    ResultTimeout,
    ResultUnavailable,
    ServerUnavailable,
    TaskCancelled,
    TaskExpired,
    TaskFailed,
    TaskyardError,
    UnreadableEnvelope,
)
from queue_core.keys import QueueKeys
from queue_core.listening import LOOK_SECONDS
from queue_core.protocol import Argument
from queue_core.reading import Described
from queue_core.snapshot import State


def wait(client: Client, queue: QueueKeys, task_id: str, timeout: float | None) -> Any:
    """The task's result. Raises what is said at `TaskHandle.result`."""
    deadline = _deadline(timeout)
    listener = client.listener(queue.end(task_id))
    try:
        while True:
            left, task, trouble = deadline - time.monotonic(), None, None
            try:
                task = client.run(reading.describe(queue, [task_id])).get(task_id.encode())
                if _has_ended(queue, task_id, task):
                    return _conclude(queue, task, client.read(*_facts(queue, task)), client.clock)
            except ServerUnavailable as error:
                trouble = error
            _check_time(left, timeout, task_id, task, trouble)
            listener.wait(min(left, deadline - time.monotonic()))
    finally:
        listener.close()


async def await_(client: AsyncClient, queue: QueueKeys, task_id: str, timeout: float | None) -> Any:
    """As `wait`, without blocking the event loop."""
    deadline = _deadline(timeout)
    async with client.listener.listen(queue.end(task_id)) as heard:
        while True:
            left, task, trouble = deadline - time.monotonic(), None, None
            heard.clear()
            try:
                task = (await client.run(reading.describe(queue, [task_id]))).get(task_id.encode())
                if _has_ended(queue, task_id, task):
                    return _conclude(queue, task, await client.execute(*_facts(queue, task)), client.clock)
            except ServerUnavailable as error:
                trouble = error
            _check_time(left, timeout, task_id, task, trouble)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, LOOK_SECONDS)):
                    await heard.wait()


def _deadline(timeout: float | None) -> float:
    if timeout is None:
        return math.inf
    if not isinstance(timeout, int | float) or isinstance(timeout, bool) or not timeout >= 0:
        raise InvalidArgument(f"timeout {timeout!r:.40} is not accepted: seconds from 0, or None for ever")
    return time.monotonic() + timeout


def _check_time(
    left: float, timeout: float | None, task_id: str, task: Described | None, trouble: ServerUnavailable | None
) -> None:
    """Raises when there is no time left."""
    if left > 0:
        return
    if trouble is not None:
        raise trouble
    state = task.state if task else None
    raise ResultTimeout(f"task {task_id} is {state} after {timeout:g} s", state=state, task_id=task_id)


def _has_ended(queue: QueueKeys, task_id: str, task: Described | None) -> bool:
    """Raises `ResultExpired` where nothing is known of it, `ResultUnavailable` where it will not keep a result."""
    if task is None:
        raise ResultExpired(
            f"there is no task {task_id} in {queue.queue}: it never was there, or it ended, and its result was not "
            "kept, or its time is over",
            task_id=task_id,
        )
    if task.is_ended or task.state is State.DEAD:
        return True
    name, options, _ = decoding.split_envelope(task.envelope)
    if name and options.get("result_ttl") is None:
        raise ResultUnavailable(
            f"task {task_id} keeps no result: declare {name} with result_ttl=seconds", task_id=task_id
        )
    return False


def _facts(queue: QueueKeys, task: Described | None) -> list[Sequence[Argument]]:
    """The commands that read how it ended."""
    assert task is not None
    record = ("HMGET", queue.record(decoding.text(task.id)), "result", "no_result", "result_until")
    return [("TIME",), record, *reading.tracebacks(queue, task)]


def _conclude(queue: QueueKeys, task: Described | None, answers: list[Any], clock: Any) -> Any:
    """The result, or why there is none."""
    assert task is not None
    task_id = decoding.text(task.id)
    time_answer, record, *tracebacks = answers
    entries = decoding.history(task.entries)
    facts = entries[-1].facts if entries else {}
    if task.state is State.DEAD:
        error = decoding.error_of(entries)[0]
        raise TaskFailed(
            f"task {task_id} is a dead letter: {error or 'nothing is known of why'}",
            task_id=task_id,
            error=error,
            error_class="WorkerCrashed" if entries and entries[-1].kind == "crashed" else error.partition(":")[0],
            traceback=decoding.text(reading.traceback_of(tracebacks)),
        )
    if task.state is State.CANCELLED:
        by, reason = decoding.string(facts.get("by"), 240), decoding.string(facts.get("reason"), 240)
        why = f": {reason}" if reason else ""
        raise TaskCancelled(f"task {task_id} was cancelled by {by or '?'}{why}", task_id=task_id, by=by, reason=reason)
    if task.state is State.EXPIRED:
        raise TaskExpired(f"task {task_id} was not begun in time", task_id=task_id)
    if task.state is not State.COMPLETED:
        raise ResultUnavailable(f"task {task_id} has no result: it is {task.state}", task_id=task_id)
    if not isinstance(record, list) or isinstance(time_answer, Exception):
        raise TaskyardError(f"the record of task {task_id} cannot be read")
    result, missing, until = record
    if missing is not None:
        raise ResultUnavailable(f"task {task_id} completed: {decoding.text(missing)}", task_id=task_id)
    if result is None:
        raise ResultUnavailable(f"task {task_id} completed and kept no result", task_id=task_id)
    now_ms = clock() if clock else int(time_answer[0]) * 1000 + int(time_answer[1]) // 1000
    if now_ms > decoding.number(until):
        raise ResultExpired(f"the result of task {task_id} was kept for its time, and is gone", task_id=task_id)
    try:
        return codec.decode_result(result)
    except UnreadableEnvelope as error:
        raise ResultUnavailable(f"task {task_id} completed, and {error}", task_id=task_id) from error
