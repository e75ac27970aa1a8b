"""SAQ: async handlers, concurrency 20 (100 that sleep; 20 is faster for those that do nothing), no results kept,
uvloop."""

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

import shape
from marks import arrive, begin, end
from saq import Queue

queue = Queue.from_url(shape.URL, name="bench")


async def noop(context: Any, *, number: int) -> None:
    begin()
    end()


async def sleep(context: Any, *, number: int) -> None:
    begin()
    await asyncio.sleep(shape.SLEEP_SECONDS)
    end()


async def probe(context: Any, *, number: int) -> None:
    arrive(number)


settings = {
    "queue": queue,
    "functions": [noop, sleep, probe],
    "concurrency": shape.SLOTS if shape.KIND == "sleep" else 20,
}


async def enqueue(kind: str, arguments: Iterator[int]) -> None:
    await queue.connect()
    if kind == "probe":
        for sent_ns in arguments:
            await queue.enqueue(kind, number=sent_ns, ttl=-1, retries=3)
    else:
        for batch in shape.in_batches(arguments, 20):
            await asyncio.gather(*(queue.enqueue(kind, number=number, ttl=-1, retries=3) for number in batch))


def worker() -> list[str]:
    start = "import uvloop; uvloop.install(); from saq.__main__ import main; main()"
    return [sys.executable, "-c", start, "on_saq.settings", "--quiet"]
