"""arq: async handlers, max_jobs 100, poll_delay 10 ms (0.5 s by default), no results kept, uvloop."""

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

import shape
from arq import create_pool
from arq.connections import RedisSettings
from marks import arrive, begin, end


async def noop(context: Any, number: int) -> None:
    begin()
    end()


async def sleep(context: Any, number: int) -> None:
    begin()
    await asyncio.sleep(shape.SLEEP_SECONDS)
    end()


async def probe(context: Any, sent_ns: int) -> None:
    arrive(sent_ns)


class WorkerSettings:
    functions = (noop, sleep, probe)
    redis_settings = RedisSettings.from_dsn(shape.URL)
    max_jobs = 100
    poll_delay = 0.01
    keep_result = 0


async def enqueue(kind: str, arguments: Iterator[int]) -> None:
    pool = await create_pool(WorkerSettings.redis_settings)
    if kind == "probe":
        for sent_ns in arguments:
            await pool.enqueue_job(kind, sent_ns)
    else:
        for batch in shape.in_batches(arguments, 20):
            await asyncio.gather(*(pool.enqueue_job(kind, number) for number in batch))


def worker() -> list[str]:
    start = "import uvloop; uvloop.install(); from arq.cli import cli; cli()"
    return [sys.executable, "-c", start, "on_arq.WorkerSettings"]
