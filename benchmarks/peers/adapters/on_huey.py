"""huey: no results, blocking reads, one thread (100 for tasks that sleep), no periodic tasks."""

import time
from collections.abc import Iterator

import shape
from huey import RedisHuey
from marks import arrive, begin, end
from redis import BlockingConnectionPool

connections = BlockingConnectionPool.from_url(shape.URL, max_connections=2 * shape.SLOTS)
huey = RedisHuey("bench", connection_pool=connections, results=False, blocking=True)


@huey.task()
def noop(number: int) -> None:
    begin()
    end()


@huey.task()
def sleep(number: int) -> None:
    begin()
    time.sleep(shape.SLEEP_SECONDS)
    end()


@huey.task()
def probe(sent_ns: int) -> None:
    arrive(sent_ns)


def enqueue(kind: str, arguments: Iterator[int]) -> None:
    task = {"noop": noop, "sleep": sleep, "probe": probe}[kind]
    for argument in arguments:
        task(argument)


def worker() -> list[str]:
    threads = shape.SLOTS if shape.KIND == "sleep" else 1
    command = [shape.beside_python("huey_consumer"), "on_huey.huey"]
    return [*command, "--workers", str(threads), "--no-periodic", "--quiet"]
