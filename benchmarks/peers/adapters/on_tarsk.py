"""tarsk: async handlers, its Rust supervisor with one Python process, 100 slots."""

import asyncio
from collections.abc import Iterator

import shape
from marks import arrive, begin, end
from tarsk import App

app = App(broker=shape.URL)


@app.task(queue="bench")
async def noop(number: int) -> None:
    begin()
    end()


@app.task(queue="bench")
async def sleep(number: int) -> None:
    begin()
    await asyncio.sleep(shape.SLEEP_SECONDS)
    end()


@app.task(queue="bench")
async def probe(sent_ns: int) -> None:
    arrive(sent_ns)


def enqueue(kind: str, arguments: Iterator[int]) -> None:
    task = {"noop": noop, "sleep": sleep, "probe": probe}[kind]
    for argument in arguments:
        task.send(argument)


def worker() -> list[str]:
    return [
        *(shape.beside_python("tarsk"), "worker", "--app", "on_tarsk:app", "--broker", shape.URL),
        *("--queues", "bench", "--children", "1", "--slots", str(shape.SLOTS)),
    ]
