"""Taskyard, `def` handlers, on threads: 16 at once (the default), 100 that sleep."""

import os
import time
from collections.abc import Iterator

import shape
from marks import arrive, begin, end

from queue_core import Taskyard

yard = Taskyard(shape.URL)


@yard.task(queue="bench")
def noop(number: int) -> None:
    begin()
    end()


@yard.task(queue="bench")
def sleep(number: int) -> None:
    begin()
    time.sleep(shape.SLEEP_SECONDS)
    end()


@yard.task(queue="bench")
def probe(sent_ns: int) -> None:
    arrive(sent_ns)


def enqueue(kind: str, arguments: Iterator[int]) -> None:
    if kind == "probe":
        for sent_ns in arguments:
            probe.enqueue(sent_ns)
    else:
        yard.enqueue_many({"noop": noop, "sleep": sleep}[kind].message(number) for number in arguments)


def worker() -> list[str]:
    os.environ["TASKYARD_REDIS_URL"] = shape.URL
    concurrency = shape.SLOTS if shape.KIND == "sleep" else 16
    return [shape.beside_python("taskyard"), "worker", "on_taskyard_threads:yard", "--concurrency", str(concurrency)]
