"""The application of the tests: tasks that leave a trace in Redis, under keys that no queue uses."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import time
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from redis import Redis

from queue_core import (
    Cancelled,
    Context,
    DeadLetter,
    Discard,
    HardTimeout,
    LeaseLost,
    Retry,
    SoftTimeout,
    Taskyard,
    fixed,
    never,
)
from queue_core.retry import RetryRules

yard = Taskyard(namespace="test", version="1.0")
traces = Redis.from_url(yard.url)


def leave(what: str) -> None:
    traces.rpush("traces", what)


@yard.task(queue="fast")
async def note(what: str) -> None:
    leave(what)


@yard.task(queue="fast")
def note_in_thread(what: str) -> None:
    leave(what)


@yard.task(queue="slow")
async def wait(what: str, seconds: float) -> None:
    leave(f"{what} began")
    await asyncio.sleep(seconds)
    leave(f"{what} ended")


@yard.task(queue="fast")
async def wait_here(what: str, seconds: float) -> None:
    leave(f"{what} began")
    await asyncio.sleep(seconds)
    leave(f"{what} ended")


@yard.task(queue="slow")
def wait_in_thread(what: str, seconds: float) -> None:
    leave(f"{what} began")
    time.sleep(seconds)
    leave(f"{what} ended")


@yard.task(queue="fast")
def tell_time(what: str) -> None:
    seconds, microseconds = traces.time()
    traces.hset("times", what, f"{seconds * 1000 + microseconds / 1000}")


@yard.task(queue="slow")
async def begin(what: str, seconds: float) -> None:
    """Leaves a trace at its beginning only: the server may refuse writes at its end."""
    leave(f"{what} began")
    await asyncio.sleep(seconds)


@yard.task(queue="slow")
def do_nothing() -> None:
    pass


@yard.task(queue="slow")
def hold_interpreter(what: str, seconds: float) -> None:
    """As a long computation in C does that never lets another thread run."""
    leave(f"{what} began")
    ctypes.PyDLL(None).usleep(int(seconds * 1_000_000))
    leave(f"{what} ended")


@yard.task(queue="slow", max_crashes=1)
def die(what: str) -> None:
    leave(f"{what} began")
    os.kill(os.getpid(), signal.SIGKILL)


@yard.task(queue="slow", max_crashes=1)
async def wait_beside(what: str, seconds: float) -> None:
    await wait(what, seconds)


@yard.task(queue="fast", max_retries=0)
async def leave_program() -> None:
    raise SystemExit(3)


@yard.task(queue="fast", max_retries=0)
def interrupt() -> None:
    raise KeyboardInterrupt


@yard.task(queue="fast", max_retries=0)
async def cancel() -> None:
    raise asyncio.CancelledError


@yard.task(queue="fast")
def fail_first(context: Context, what: str) -> None:
    leave(f"{what} {context.attempt}")
    if context.attempt == 1:
        raise ValueError("not yet")


class Untellable(Exception):
    def __str__(self) -> str:
        raise SystemExit(4)


@yard.task(queue="fast", max_retries=0)
def fail_untellably() -> None:
    raise Untellable


@yard.task(queue="fast")
def who_am_i(context: Context) -> None:
    leave(f"{context.task_id} {context.queue} {context.attempt} {context.fence > 0}")


@yard.task(queue="slow")
def wait_until_cancelled(context: Context, what: str, raises: bool = True) -> None:
    leave(f"{what} began")
    while not context.is_cancelled:
        time.sleep(0.005)
    leave(f"{what} was asked to stop")
    if raises:
        raise Cancelled


@yard.task(queue="slow")
async def insist(what: str, seconds: float) -> None:
    """Finishes although it is cancelled."""
    leave(f"{what} began")
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        leave(f"{what} ended")


@yard.task(queue="slow", result_ttl=60)
async def add(a: float, b: float, seconds: float = 0) -> float:
    await asyncio.sleep(seconds)
    return a + b


@yard.task(queue="slow", result_ttl=60)
def give_what_cannot_be_stored() -> set[int]:
    return {1}


@yard.task(queue="slow", result_ttl=60, max_retries=0)
def fail_with_result(what: str) -> int:
    raise ValueError(what)


@yard.task(queue="slow")
def tell_progress(context: Context, seconds: float) -> None:
    began = time.monotonic()
    for done in range(1_000_000):
        context.progress(done, 1_000_000, f"row {done}")
        if time.monotonic() - began > seconds:
            break


def say_so(what: str, attempt: int) -> int:
    """Raises what it is told to, at the first attempt."""
    if attempt == 1:
        raise {
            "again": Retry("not yet", after=0.1),
            "discard": Discard("too late"),
            "bury": DeadLetter("no such customer"),
            "connection": ConnectionResetError("gone"),
            "value": ValueError("never right"),
        }[what]
    return attempt


RULES: RetryRules = {ConnectionError: fixed(0.2, jitter=0), ValueError: never}


@yard.task(queue="fast", retry=RULES, result_ttl=60)
def say(context: Context, what: str) -> int:
    return say_so(what, context.attempt)


@yard.task(queue="slow")
async def tell_process(what: str, seconds: float) -> None:
    leave(f"{what} runs in {os.getpid()}")
    await asyncio.sleep(seconds)


kept: list[bytes] = []


@yard.task(queue="slow")
def grow(size: int) -> None:
    kept.append(b"x" * size)


@yard.task(queue="slow", timeout=0.2, hard_timeout=0.5, max_retries=0, result_ttl=60)
def stay_in_thread(what: str) -> None:
    leave(f"{what} began")
    while True:
        with contextlib.suppress(SoftTimeout):
            time.sleep(0.01)


@yard.task(queue="slow", timeout=0.2, hard_timeout=0.5, max_retries=0, result_ttl=60)
async def stay_on_loop(what: str) -> None:
    leave(f"{what} began")
    while True:
        with contextlib.suppress(SoftTimeout):
            await asyncio.sleep(60)


@yard.task(queue="slow", timeout=0.2, hard_timeout=0.5, max_retries=0, result_ttl=60)
async def keep_the_loop(what: str) -> None:
    leave(f"{what} began")
    time.sleep(60)


@yard.task(queue="slow", timeout=0.2, hard_timeout=0.5, max_retries=0, result_ttl=60)
def keep_the_interpreter(what: str) -> None:
    leave(f"{what} began")
    ctypes.PyDLL(None).usleep(60_000_000)


@yard.task(queue="slow", timeout=0.2, hard_timeout=0.5, max_retries=1, retry={HardTimeout: fixed(700, jitter=0)})
def keep_the_interpreter_once(what: str) -> None:
    leave(f"{what} began")
    ctypes.PyDLL(None).usleep(60_000_000)


@yard.task(queue="slow", timeout=0.2, hard_timeout=0.5, retry=lambda attempt, error: 700.0)
def keep_the_interpreter_by_function(what: str) -> None:
    leave(f"{what} began")
    ctypes.PyDLL(None).usleep(60_000_000)


@yard.task(queue="slow", timeout=0.2, max_retries=0, result_ttl=60)
def sleep_for_ever() -> None:
    while True:
        time.sleep(0.01)


@yard.task(queue="slow", timeout=None)
def wait_until_lease_is_lost(context: Context, what: str) -> None:
    leave(f"{what} began")
    try:
        while not context.is_lease_lost:
            time.sleep(0.01)
        leave(f"{what} was told")
        while True:
            time.sleep(0.01)
    except LeaseLost:
        leave(f"{what} was stopped")
        raise


@yard.task(queue="fast")
async def note_order(number: UUID, at: datetime, price: Decimal) -> None:
    leave(f"{number.int} {at.year} {price + 1}")


@yard.task(queue="fast")
def grow_chain(links: int) -> None:
    """Each link enqueues the next one, in the queue in which it runs."""
    leave(f"link {links}")
    if links > 1:
        grow_chain.enqueue(links - 1)


@yard.task(queue="fast", retry=fixed(600))
def fail_for_long() -> None:
    raise ValueError("not today")
