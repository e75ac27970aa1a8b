"""Operators' bulk work goes on in a worker when whoever began it is gone."""

from __future__ import annotations

from collections.abc import Callable

from redis import Redis

from queue_core import Taskyard, protocol
from queue_core.protocol import Held
from tests.engine import Engine
from tests.worker import shop
from tests.worker.harness import Worker, wait_until


def test_worker_does_what_nobody_else_does_and_the_outcome_is_counted(
    start_worker: Callable[..., Worker], yard: Taskyard, redis: Redis, redis_url: str, check_books: Callable[[], None]
) -> None:
    yard.enqueue_many(shop.note.message(f"again {number}") for number in range(300))
    engine = Engine(redis_url, queue="fast")
    engine.client.clock = None
    for _ in range(2):
        claimed = engine.claim(150)
        letters = [engine.failed(Held(task.id, claimed.fence), protocol.DEAD) for task in claimed.tasks]
        engine.run(protocol.fail(engine.queue, letters))
    engine.close()
    operations = yard.operations
    operation = operations.start(operations.preview("fast", "requeue").bound, by="ada", action_id="a1", canary=10)
    worker = start_worker()
    wait_until(lambda: yard.inspector.operation(operation.id).completed == 300)
    ended = yard.inspector.operation(operation.id)
    assert (ended.progress, ended.done, ended.failed, ended.under_way, ended.skipped) == ("ended", 300, 0, 0, {})
    assert worker.stop() == 0
    check_books()
