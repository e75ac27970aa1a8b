"""ardiq: async handlers, concurrency 200 (100 that sleep), its own prefetch, uvloop."""

import asyncio
import sys
from collections.abc import Iterator

import shape
from ardiq import Ardiq
from marks import arrive, begin, end

app = Ardiq(shape.URL, queue_name="bench", concurrency=shape.SLOTS if shape.KIND == "sleep" else 200)


@app.task()
async def noop(number: int) -> None:
    begin()
    end()


@app.task()
async def sleep(number: int) -> None:
    begin()
    await asyncio.sleep(shape.SLEEP_SECONDS)
    end()


@app.task()
async def probe(sent_ns: int) -> None:
    arrive(sent_ns)


async def enqueue(kind: str, arguments: Iterator[int]) -> None:
    if kind == "probe":
        for sent_ns in arguments:
            await probe.enqueue(sent_ns)
    else:
        for batch in shape.in_batches(arguments):
            await app.enqueue_many([{"noop": noop, "sleep": sleep}[kind].prepare(number) for number in batch])


def worker() -> list[str]:
    start = "import asyncio, uvloop; uvloop.install(); from ardiq.cli import main; main()"
    return [sys.executable, "-c", start, "run", "on_ardiq:app", "--quiet"]
