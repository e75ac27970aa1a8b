"""taskiq with Redis streams: async handlers, one process, 100 at once, no result backend, uvloop."""

import asyncio
from collections.abc import Iterator

import shape
from marks import arrive, begin, end
from taskiq_redis import RedisStreamBroker

broker = RedisStreamBroker(shape.URL)


@broker.task(task_name="noop")
async def noop(number: int) -> None:
    begin()
    end()


@broker.task(task_name="sleep")
async def sleep(number: int) -> None:
    begin()
    await asyncio.sleep(shape.SLEEP_SECONDS)
    end()


@broker.task(task_name="probe")
async def probe(sent_ns: int) -> None:
    arrive(sent_ns)


async def enqueue(kind: str, arguments: Iterator[int]) -> None:
    await broker.startup()
    task = {"noop": noop, "sleep": sleep, "probe": probe}[kind]
    for argument in arguments:
        await task.kiq(argument)
    await broker.shutdown()


def worker() -> list[str]:
    return [
        *(shape.beside_python("taskiq"), "worker", "on_taskiq:broker"),
        *("--workers", "1", "--max-async-tasks", "100", "--log-level", "WARNING"),
    ]
