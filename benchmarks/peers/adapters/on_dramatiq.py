"""Dramatiq: one process, 16 threads (100 for tasks that sleep), its own prefetch."""

import time
from collections.abc import Iterator

import dramatiq
import shape
from dramatiq.brokers.redis import RedisBroker
from marks import arrive, begin, end

dramatiq.set_broker(RedisBroker(url=shape.URL))


@dramatiq.actor
def noop(number: int) -> None:
    begin()
    end()


@dramatiq.actor
def sleep(number: int) -> None:
    begin()
    time.sleep(shape.SLEEP_SECONDS)
    end()


@dramatiq.actor
def probe(sent_ns: int) -> None:
    arrive(sent_ns)


def enqueue(kind: str, arguments: Iterator[int]) -> None:
    actor = {"noop": noop, "sleep": sleep, "probe": probe}[kind]
    for argument in arguments:
        actor.send(argument)


def worker() -> list[str]:
    threads = shape.SLOTS if shape.KIND == "sleep" else 16
    return [shape.beside_python("dramatiq"), "on_dramatiq", "--processes", "1", "--threads", str(threads)]
