"""What the janitor ends: tasks whose time to begin is over, dead letters beyond what a queue keeps. Ticked by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from queue_core import protocol
from queue_core.aio import AsyncClient
from queue_core.worker.complaints import Complaints
from queue_core.worker.janitor import Janitor
from tests.engine import LEASE_MS, Engine

DAY_MS = 86_400_000


@pytest.fixture
def engine(redis_url: str, namespace: str) -> Iterator[Engine]:
    engine = Engine(redis_url, namespace)
    yield engine
    engine.check_books()
    engine.close()


def tick(engine: Engine, *queues: str) -> None:
    async def end() -> None:
        client = AsyncClient(engine.url, engine.client.namespace, clock=lambda: engine.now)
        await Janitor(client, queues or ("email",), LEASE_MS, Complaints()).end_outstayed()
        await client.close()

    asyncio.run(end())


def bury(engine: Engine, count: int) -> list[str]:
    ids = engine.enqueue_many(count)
    for start in range(0, count, 256):
        fence = engine.claim(256).fence
        held = [protocol.Held(task_id, fence) for task_id in ids[start : start + 256]]
        engine.run(protocol.fail(engine.queue, [engine.failed(task, protocol.DEAD) for task in held]))
    return ids


def test_tasks_expire_also_while_the_queue_is_paused(engine: Engine) -> None:
    engine.enqueue_many(300, expires=60)
    kept = engine.enqueue()
    engine.run(protocol.pause(engine.queue, "ada", "test"))
    engine.later(60_000)
    tick(engine)
    state = engine.check_books()
    assert list(state["tasks"]) == [kept]
    assert state["stats"] == {"enqueued": "301", "expired": "300"}


def test_running_and_trashed_tasks_are_looked_at_once(engine: Engine) -> None:
    held = engine.lease(expires=60)
    trashed = engine.enqueue(expires=60)
    engine.trash(trashed)
    engine.later(60_000)
    tick(engine)
    before = engine.check_books()
    tick(engine)
    assert engine.state() == before
    engine.run(protocol.release(engine.queue, [protocol.ReleasedTask(held.id, held.fence)]))
    tick(engine)
    assert list(engine.check_books()["tasks"]) == [trashed]


def test_dead_letters_stay_where_nobody_has_said_how_long(engine: Engine) -> None:
    bury(engine, 3)
    engine.later(400 * DAY_MS)
    before = engine.check_books()
    tick(engine)
    assert engine.state() == before


def test_dead_letters_that_are_too_old_go_into_the_trash(engine: Engine) -> None:
    old = bury(engine, 600)
    engine.later(DAY_MS)
    young = bury(engine, 2)
    engine.limit(dead_max_age=86_400)
    tick(engine)
    state = engine.check_books()
    assert sorted(state["dead"]) == sorted(young)
    assert sorted(state["trash"]) == sorted(old)
    origin = state["trashed"][old[0]]
    assert (origin["by"], origin["reason"]) == ("retention", "older than the queue keeps dead letters")
    assert set(state["trash"].values()) == {engine.now + DAY_MS}


def test_oldest_dead_letters_beyond_the_number_go_into_the_trash(engine: Engine) -> None:
    old = bury(engine, 300)
    engine.later(1)
    young = bury(engine, 5)
    engine.limit(dead_max_count=5)
    tick(engine)
    state = engine.check_books()
    assert sorted(state["dead"]) == sorted(young)
    assert state["trashed"][old[0]]["reason"] == "more dead letters than the queue keeps"


def test_letter_without_a_task_does_not_keep_the_janitor(engine: Engine) -> None:
    kept, *_ = bury(engine, 1)
    for number in range(300):
        engine.redis.zadd(engine.queue.dead, {f"no-task-{number}": 1})
    engine.limit(dead_max_count=1)
    tick(engine)
    assert kept in engine.state()["dead"]
    engine.redis.zremrangebyscore(engine.queue.dead, 1, 1)


def test_queue_that_is_not_there_or_damaged_keeps_no_other_waiting(engine: Engine) -> None:
    engine.enqueue(expires=60)
    damaged = Engine(engine.url, engine.client.namespace, "damaged")
    damaged.enqueue()
    damaged.redis.set(damaged.queue.expiring, "no sorted set")
    damaged.close()
    engine.later(60_000)
    tick(engine, "absent", "damaged", "email")
    assert engine.check_books()["stats"] == {"enqueued": "1", "expired": "1"}
