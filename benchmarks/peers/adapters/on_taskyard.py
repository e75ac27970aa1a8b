"""Taskyard, `async def` handlers: 16 at once (the default), 100 that sleep.

Kinds of its own: `late`, probes that are due later; `wait`, tasks that wait for 234 ms on average; `context`, `timed`
and `kept`, which do nothing and use one feature each. `BENCH_OPTIONS` are further options of the worker.
"""

import asyncio
import os
import time
from collections.abc import Iterator

import shape
from marks import arrive, begin, end

from queue_core import Context, Taskyard

yard = Taskyard(shape.URL)


@yard.task(queue="bench")
async def noop(number: int) -> None:
    begin()
    end()


@yard.task(queue="bench")
async def sleep(number: int) -> None:
    begin()
    await asyncio.sleep(shape.SLEEP_SECONDS)
    end()


@yard.task(queue="bench")
async def probe(sent_ns: int) -> None:
    arrive(sent_ns)


@yard.task(queue="bench")
async def wait(milliseconds: int) -> None:
    begin()
    await asyncio.sleep(milliseconds / 1_000)
    end()


@yard.task(queue="bench")
async def context(number: int, context: Context) -> None:
    begin()
    end()


@yard.task(queue="bench", timeout=300)
async def timed(number: int) -> None:
    begin()
    end()


@yard.task(queue="bench", result_ttl=60)
async def kept(number: int) -> int:
    begin()
    end()
    return number


def enqueue(kind: str, arguments: Iterator[int]) -> None:
    if kind == "probe":
        for sent_ns in arguments:
            probe.enqueue(sent_ns)
    elif kind == "late":
        noop.enqueue(0)  # the connection is open from here on
        for number in arguments:
            delay = shape.LATE_SECONDS + number * shape.LATE_STEP_SECONDS
            probe.options(delay=delay).enqueue(time.monotonic_ns() + round(delay * 1e9) - shape.EARLY_NS)
    elif kind == "wait":
        yard.enqueue_many(wait.message(134 + number * 7_919 % 201) for number in arguments)
    else:
        task = {"noop": noop, "sleep": sleep, "context": context, "timed": timed, "kept": kept}[kind]
        yard.enqueue_many(task.message(number) for number in arguments)


def worker() -> list[str]:
    os.environ["TASKYARD_REDIS_URL"] = shape.URL
    concurrency = shape.SLOTS if shape.KIND == "sleep" else 16
    command = [shape.beside_python("taskyard"), "worker", "on_taskyard:yard", "--concurrency", str(concurrency)]
    return command + os.environ.get("BENCH_OPTIONS", "").split()
