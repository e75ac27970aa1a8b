"""rq: SimpleWorker (no fork for each task), no results kept. It runs one task at a time."""

import time
from collections.abc import Iterator

import shape
from marks import arrive, begin, end
from redis import Redis
from rq import Queue


def noop(number: int) -> None:
    begin()
    end()


def sleep(number: int) -> None:
    begin()
    time.sleep(shape.SLEEP_SECONDS)
    end()


def probe(sent_ns: int) -> None:
    arrive(sent_ns)


def enqueue(kind: str, arguments: Iterator[int]) -> None:
    queue = Queue("bench", connection=Redis.from_url(shape.URL))
    for argument in arguments:
        queue.enqueue(f"on_rq.{kind}", argument, result_ttl=0)


def worker() -> list[str]:
    return [
        *(shape.beside_python("rq"), "worker", "--url", shape.URL, "--worker-class", "rq.worker.SimpleWorker"),
        *("--logging_level", "ERROR", "bench"),
    ]
