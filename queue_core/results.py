"""Waiting for what a task gives back: woken when it ends, never by asking again and again."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from queue_core import codec, connection, decoding, reading
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
    UnreadableEnvelope,
    shown,
)
from queue_core.keys import QueueKeys
from queue_core.listening import LOOK_SECONDS
from queue_core.protocol import Argument, Call
from queue_core.reading import Described
from queue_core.snapshot import State

_FOR_EVER_SECONDS = 100 * 365 * 86_400


def wait(client: Client, queue: QueueKeys, task_id: str, timeout: float | None) -> Any:
    """The task's result. Raises what is said at `TaskHandle.result`."""
    waiting = _Waiting(queue, task_id, timeout)

    def has_come() -> bool:
        try:
            if task := waiting.ended(client.run(waiting.look())):
                waiting.conclude(task, client.read(*waiting.facts(task)), client.clock)
                return True
        except ServerUnavailable as error:
            waiting.trouble = error
        waiting.check_time()
        return False

    if not has_come():
        listener = client.listener(queue.end(task_id))
        try:
            while not has_come():
                listener.wait(waiting.left)
        finally:
            listener.close()
    return waiting.result


async def await_(client: AsyncClient, queue: QueueKeys, task_id: str, timeout: float | None) -> Any:
    """As `wait`, without blocking the event loop."""
    waiting = _Waiting(queue, task_id, timeout)

    async def has_come() -> bool:
        try:
            if task := waiting.ended(await client.run(waiting.look())):
                waiting.conclude(task, await client.execute(*waiting.facts(task)), client.clock)
                return True
        except ServerUnavailable as error:
            waiting.trouble = error
        waiting.check_time()
        return False

    if not await has_come():
        async with client.listener.listen(queue.end(task_id)) as heard:
            while not await has_come():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(waiting.left, LOOK_SECONDS)):
                        await heard.wait()
                heard.clear()
    return waiting.result


class _Waiting:
    """What is waited for, without any I/O. `trouble`: why the last look saw nothing."""

    def __init__(self, queue: QueueKeys, task_id: str, timeout: float | None) -> None:
        is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
        if timeout is not None and not (is_number and timeout >= 0):
            raise InvalidArgument(f"timeout {shown(timeout)} is not accepted: seconds from 0, or None for ever")
        if timeout is not None and timeout >= _FOR_EVER_SECONDS:  # also a whole number that no float can hold
            timeout = None
        self._queue = queue
        self._id = task_id
        self._deadline = math.inf if timeout is None else time.monotonic() + timeout
        self._state: State | None = None
        self.trouble: ServerUnavailable | None = None
        self.result: Any = None

    @property
    def left(self) -> float:
        """Seconds."""
        return max(0.0, self._deadline - time.monotonic())

    def look(self) -> Call[dict[bytes, Described]]:
        return reading.describe(self._queue, [self._id])

    def ended(self, found: dict[bytes, Described]) -> Described | None:
        """The task, if it has ended. Raises `ResultExpired` where nothing is known of it, `ResultUnavailable` where it
        will not keep a result."""
        self.trouble, task = None, found.get(self._id.encode())
        if task is None:
            raise ResultExpired(
                f"there is no task {self._id} in {self._queue.queue}: it never was there, or it ended, and its result "
                "was not kept, or its time is over; one moved to another queue is found by yard.task_status(id)",
                task_id=self._id,
            )
        if task.is_ended or task.state is State.DEAD:
            return task
        self._state = task.state
        name, options, _ = decoding.split_envelope(task.envelope)
        if name and options.get("result_ttl") is None:
            raise ResultUnavailable(
                f"task {self._id} keeps no result: declare {name} with result_ttl=seconds", task_id=self._id
            )
        return None

    def check_time(self) -> None:
        """Raises when there is no time left."""
        if self.left > 0:
            return
        if self.trouble is not None:
            raise self.trouble
        raise ResultTimeout(f"task {self._id} has not ended: it is {self._state}", state=self._state, task_id=self._id)

    def facts(self, task: Described) -> list[Sequence[Argument]]:
        """The commands that read how it ended."""
        record = ("HMGET", self._queue.record(self._id), "result", "no_result", "result_until")
        return [("TIME",), record, *reading.tracebacks(self._queue, task)]

    def conclude(self, task: Described, answers: list[Any], clock: Callable[[], int] | None) -> None:
        """There is a result, or it is raised why there is none."""
        time_answer, record, *tracebacks = answers
        entries = decoding.history(task.entries)
        facts = entries[-1].facts if entries else {}
        if task.state is State.DEAD:
            error = decoding.error_of(entries)[0]
            raise TaskFailed(
                f"task {self._id} is a dead letter: {error or 'nothing is known of why'} "
                f"(put it back: taskyard retry {self._id})",
                task_id=self._id,
                error=error,
                error_class="WorkerCrashed" if entries and entries[-1].kind == "crashed" else error.partition(":")[0],
                traceback=decoding.text(reading.traceback_of(tracebacks)),
            )
        if task.state is State.CANCELLED:
            by, reason = decoding.string(facts.get("by"), 240), decoding.string(facts.get("reason"), 500)
            why = f": {reason}" if reason else ""
            raise TaskCancelled(
                f"task {self._id} was cancelled by {by or '?'}{why}", task_id=self._id, by=by, reason=reason
            )
        if task.state is State.EXPIRED:
            raise TaskExpired(f"task {self._id} was not begun in time", task_id=self._id)
        if task.state is State.DISCARDED:
            why = decoding.error_of(entries)[0]
            raise ResultUnavailable(f"task {self._id} was discarded by its handler: {why}", task_id=self._id)
        if task.state is not State.COMPLETED:
            raise ResultUnavailable(f"task {self._id} has no result: it is {task.state}", task_id=self._id)
        if not isinstance(record, list) or isinstance(time_answer, Exception):
            raise ResultUnavailable(f"task {self._id} completed, and its record cannot be read", task_id=self._id)
        result, missing, until = record
        if missing is not None:
            raise ResultUnavailable(f"task {self._id} completed: {decoding.text(missing)}", task_id=self._id)
        if result is None:
            raise ResultUnavailable(f"task {self._id} completed and kept no result", task_id=self._id)
        now_ms = clock() if clock else connection.time_ms(time_answer)
        if now_ms > decoding.number(until):
            raise ResultExpired(f"the result of task {self._id} was kept for its time, and is gone", task_id=self._id)
        try:
            self.result = codec.decode_result(result)
        except UnreadableEnvelope as error:
            raise ResultUnavailable(f"task {self._id} completed, and {error}", task_id=self._id) from error
