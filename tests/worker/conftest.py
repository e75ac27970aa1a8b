"""Fixtures of the worker's tests: starting workers, and the books of their queues at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from queue_core import Taskyard
from tests.engine import Engine
from tests.worker import shop
from tests.worker.harness import Worker


@pytest.fixture
def start_worker(redis_url: str, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Starts workers of the shop, on all of its queues unless told otherwise; what is left of them is killed."""
    workers: list[Worker] = []

    def start(name: str = "w1", url: str = redis_url, **settings: Any) -> Worker:
        workers.append(Worker(url, tmp_path, name, **settings))
        return workers[-1]

    yield start
    for worker in workers:
        worker.end()
        print(f"--- {worker.name}\n{worker.said()}")


@pytest.fixture
def check_books(redis_url: str) -> Callable[[], None]:
    """Checks what must hold of both queues of the shop; as often as workers change them while they are read."""

    def check() -> None:
        for queue in ("fast", "slow"):
            engine = Engine(redis_url, queue=queue)
            deadline = time.monotonic() + 2
            while True:
                try:
                    engine.check_books()
                    break
                except (AssertionError, KeyError):
                    if time.monotonic() > deadline:
                        raise
            engine.close()

    return check


@pytest.fixture
def yard(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Taskyard]:
    """The shop's yard, enqueueing to the server of this test."""
    monkeypatch.setattr(shop.yard, "url", redis_url)
    shop.yard.close()
    yield shop.yard
    shop.yard.close()


@pytest.fixture
def redis(redis_client: Redis) -> Redis:
    return redis_client
