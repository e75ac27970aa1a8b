"""An application whose tasks run in children of their own, but for a neighbour."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time

from queue_core import Cancelled, Context, SoftTimeout, Taskyard
from tests.worker.shop import RULES, leave, say_so


class Telling:
    """Middleware that leaves a trace of one task's runs."""

    def before(self, context: Context) -> None:
        if context.task_name == "say_apart":
            leave(f"before attempt {context.attempt}, sent {context.headers.get('sent')}")


yard = Taskyard(namespace="test", version="1.0", middleware=[Telling()])


@yard.task(queue="slow", isolation="process", retry=RULES, result_ttl=60)
def say_apart(context: Context, what: str) -> int:
    return say_so(what, context.attempt)


@yard.task(queue="slow")
async def wait(what: str, seconds: float) -> None:
    leave(f"{what} began")
    await asyncio.sleep(seconds)
    leave(f"{what} ended")


@yard.task(queue="slow", isolation="process", max_retries=0, result_ttl=60)
def who_runs(context: Context) -> list[object]:
    leave(f"{context.task_id} {context.queue} {context.attempt} {context.fence > 0}")
    context.logger.info("is seen")
    return [os.getpid(), threading.current_thread() is threading.main_thread()]


@yard.task(queue="slow", isolation="process", max_retries=0, result_ttl=60)
async def who_runs_async() -> int:
    await asyncio.sleep(0)
    return os.getpid()


@yard.task(queue="slow", isolation="process", max_retries=0, result_ttl=60)
def end_badly(how: str) -> None:
    leave(f"{how} began")
    if how == "raise":
        raise ValueError("no such row")
    if how == "exit":
        raise SystemExit(3)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)


@yard.task(queue="slow", isolation="process", timeout=0.2, hard_timeout=0.6, max_retries=0, result_ttl=60)
def stay_isolated(how: str) -> None:
    leave(f"{how} began")
    if how == "sleep":
        time.sleep(60)
    elif how == "hold":
        ctypes.PyDLL(None).usleep(60_000_000)
    while True:
        with contextlib.suppress(SoftTimeout):
            time.sleep(60)


@yard.task(queue="slow", isolation="process", timeout=0.2, hard_timeout=5, max_retries=0, result_ttl=60)
def tell_progress_for_ever(context: Context) -> None:
    while True:
        context.progress(1, 2, "half" * 50)


@yard.task(queue="slow", isolation="process", timeout=0.2, hard_timeout=0.6, max_retries=0, result_ttl=60)
async def stay_isolated_async(swallows: bool) -> None:
    while True:
        try:
            await asyncio.sleep(60)
        except SoftTimeout:
            if not swallows:
                raise


@yard.task(queue="slow", isolation="process", timeout=0.2, hard_timeout=30, max_retries=0, result_ttl=60)
async def keep_the_loop_isolated(goes_on: bool) -> str:
    """Goes on, if so, by awaiting where a second interruption would be heard."""
    try:
        time.sleep(60)
    except SoftTimeout:
        if not goes_on:
            raise
    await asyncio.sleep(0.2)
    return "went on"


@yard.task(queue="slow", isolation="process", timeout=None)
def wait_isolated(context: Context, what: str, looks: bool) -> None:
    context.progress(1, 2, "half")
    leave(f"{what} began")
    while not (looks and context.is_cancelled):
        time.sleep(0.01)
    leave(f"{what} was asked to stop")
    raise Cancelled


kept: list[bytes] = []
programs: list[subprocess.Popen[bytes]] = []


@yard.task(queue="slow", isolation="process")
def grow(size: int) -> None:
    kept.append(b"x" * size)


@yard.task(queue="slow")
async def start_large_program(size: int) -> None:
    """One that is none of the worker's, and goes on when the handler has ended, until its process is gone."""
    code = f"import sys; kept = b'x' * {size}; print('has grown', flush=True); sys.stdin.read()"
    program = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    programs.append(program)
    assert program.stdout is not None
    leave(program.stdout.readline().decode().strip())


@yard.task(queue="slow", isolation="process")
def do_nothing_isolated() -> None:
    pass


@yard.task(queue="slow", isolation="process", timeout=None)
def refuse_to_stop() -> None:
    while True:
        with contextlib.suppress(Cancelled):
            time.sleep(60)
