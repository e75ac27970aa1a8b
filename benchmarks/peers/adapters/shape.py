"""The shape of every adapter: `python shape.py on_X enqueue KIND COUNT` and `python shape.py on_X worker KIND`.

An adapter is a module with two functions. `enqueue` takes the kind and the argument of each task, `worker` gives the
command that starts a worker.

KIND: `noop`, does nothing; `sleep`, sleeps 10 ms; `probe`, gets the time at which it was sent, one every 20 ms. In the
environment stands where the server is (`BENCH_REDIS_URL`, `BENCH_REDIS_PORT`), what is measured (`BENCH_KIND`) and
where marks go (`BENCH_MARKS`). Runs in the environment of each peer: nothing but the standard library.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
import sys
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

SLEEP_SECONDS = 0.01
PROBE_SECONDS = 0.02
LATE_SECONDS, LATE_STEP_SECONDS, EARLY_NS = 1.0, 0.013, 10_000_000
"""Probes that are due later: from when on, how far apart, and how much is taken off so that an early one is seen."""
SLOTS = 100
"""For tasks that sleep."""

URL = os.environ.get("BENCH_REDIS_URL", "redis://127.0.0.1:6379/0")
PORT = int(os.environ.get("BENCH_REDIS_PORT", "6379"))
KIND = os.environ.get("BENCH_KIND", "noop")


def paced(count: int) -> Iterator[int]:
    """The time, once every 20 ms."""
    begun = time.monotonic()
    for number in range(count):
        time.sleep(max(begun + number * PROBE_SECONDS - time.monotonic(), 0))
        yield time.monotonic_ns()


def in_batches(arguments: Iterator[int], size: int = 1_000) -> Iterator[list[int]]:
    while batch := list(islice(arguments, size)):
        yield batch


def beside_python(name: str) -> str:
    """A command that was installed with the peer."""
    return os.path.join(os.path.dirname(sys.executable), name)  # noqa: PTH118, PTH120 (a link is not to be followed)


async def _wait_for(done: Any) -> None:
    await done


def main() -> None:
    name, action, kind = sys.argv[1:4]
    adapter = importlib.import_module(name)  # never as __main__: engines name a task by its module
    if action == "worker":
        command = adapter.worker()
        with open(os.environ["BENCH_MARKS"] + ".begun", "w") as file:  # noqa: PTH123
            file.write(str(time.monotonic_ns()))
        os.execv(command[0], command)
    count = int(sys.argv[4])
    done = adapter.enqueue(kind, paced(count) if kind == "probe" else iter(range(count)))
    if inspect.isawaitable(done):
        asyncio.run(_wait_for(done))
    os._exit(0)  # ardiq's core crashes at an orderly end


if __name__ == "__main__":
    main()
