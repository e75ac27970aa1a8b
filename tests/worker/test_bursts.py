"""Workers that end when nothing is left to do. Real workers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from redis import Redis

from queue_core import Taskyard
from queue_core.control import Control
from tests.worker import shop
from tests.worker.harness import FAST, StartWorker, counted, traces


def test_burst_ends_when_all_has_run_also_what_its_tasks_enqueue_and_leaves_what_is_due_later(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    yard.enqueue_many(shop.note.message(str(i)) for i in range(1_000))
    shop.grow_chain.enqueue(5)
    shop.fail_for_long.enqueue()
    shop.note.options(delay=3_600).enqueue("in an hour")
    shop.wait.enqueue("a", seconds=0.2)
    Control(client=yard.client).pause("slow", by="ada", action_id="a1")
    worker = start_worker(processes=2, burst=True)
    assert worker.process.wait(30) == 0
    assert len([line for line in traces(redis) if line.isdecimal()]) == 1_000
    assert [line for line in traces(redis) if line.startswith("link")] == [f"link {i}" for i in (5, 4, 3, 2, 1)]
    assert "the queues are empty; left: 1 scheduled, 1 retrying, 1 in paused queues" in worker.said()
    assert (redis.zcard(FAST.leases), redis.llen(FAST.ready), counted(redis, "fast", "released")) == (1, 0, 0)
    check_books()


@pytest.mark.parametrize("count", [0, 1])
def test_burst_of_next_to_nothing_ends_soon(
    start_worker: StartWorker, redis: Redis, yard: Taskyard, count: int
) -> None:
    yard.enqueue_many(shop.note.message(str(i)) for i in range(count))
    assert start_worker(burst=True).process.wait(15) == 0
    assert len(traces(redis)) == count
