"""Schedules with real workers: each second once, whoever of several is alive."""

from __future__ import annotations

import signal
from collections.abc import Callable

from redis import Redis

from queue_core.inspector import Inspector
from tests.worker.harness import NAMESPACE, Worker, wait_until


def seconds(redis: Redis) -> list[int]:
    lines: list[bytes] = redis.lrange("times", 0, -1)  # type: ignore[assignment]
    return [int(line.split()[0]) for line in lines]


def test_each_occurrence_runs_once_while_workers_come_and_are_killed(
    start_worker: Callable[..., Worker], redis: Redis, redis_url: str, check_books: Callable[[], None]
) -> None:
    app = "tests.worker.shop_with_schedules:yard"
    workers = [start_worker(name, app=app) for name in ("w1", "w2")]
    wait_until(lambda: len(seconds(redis)) >= 2, what="no task was made")
    workers[0].signal(signal.SIGKILL)
    third = start_worker("w3", app=app)
    wait_until(lambda: len(seconds(redis)) >= 5)
    inspector = Inspector(redis_url, NAMESPACE)
    (shown,) = inspector.schedules()
    inspector.close()
    assert (shown.name, shown.app, shown.words) == ("each-second", app, "every 1 s")
    assert (shown.overdue_since, shown.has_scheduler, shown.undeclared_at) == (None, True, None)
    assert [worker.stop() for worker in (workers[1], third)] == [0, 0]
    times = sorted(seconds(redis))
    assert times == list(range(times[0], times[0] + len(times)))
    check_books()
