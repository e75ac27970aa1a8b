"""Tasks a second through one worker process: no-op handlers, preloaded, from the first completion to the last."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median

from benchmarks import noop_tasks
from benchmarks.servers import bundled_server
from queue_core import Taskyard
from queue_core.client import Client

TASKS = 30_000
ROUNDS = 3
LOOK_SECONDS = 0.005


def run() -> Iterator[str]:
    with bundled_server() as server:
        yard = Taskyard(server.url)
        began = time.perf_counter()
        messages = [noop_tasks.noop_async.message(number) for number in range(TASKS)]
        yard.enqueue_many(messages)
        seconds = time.perf_counter() - began
        yield f"enqueue_many: {TASKS / seconds:,.0f} tasks/s from one process (messages made and sent)"
        yard.client.redis.flushall()
        for task in (noop_tasks.noop_async, noop_tasks.noop_threaded):
            rates = []
            for _ in range(ROUNDS):
                yard.client.redis.flushall()
                yard.enqueue_many(task.message(number) for number in range(TASKS))
                rates.append(_tasks_a_second(yard.client, server.url))
            yield f"{task.name}: median {median(rates):,.0f} tasks/s of {', '.join(f'{r:,.0f}' for r in rates)}"
        yard.close()


def _tasks_a_second(client: Client, url: str) -> float:
    worker = subprocess.Popen(
        [sys.executable, "-m", "queue_core.cli", "worker", "benchmarks.noop_tasks:yard", "--concurrency", "16"],
        env={**os.environ, "TASKYARD_REDIS_URL": url},
        stderr=subprocess.DEVNULL,
    )
    stats = client.queue("noop").stats
    first: tuple[float, int] | None = None
    while (completed := int(client.redis.hget(stats, "completed") or 0)) < TASKS:
        if completed and first is None:
            first = time.perf_counter(), completed
        time.sleep(LOOK_SECONDS)
    assert first is not None
    rate = (TASKS - first[1]) / (time.perf_counter() - first[0])
    worker.send_signal(signal.SIGTERM)
    worker.wait(10)
    return rate
