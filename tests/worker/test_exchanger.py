"""The exchanger alone, on a real server: what it does when a wake-up token comes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress

from queue_core.aio import AsyncClient
from queue_core.protocol import ClaimedTask, Session
from queue_core.worker.allocator import Allocator
from queue_core.worker.exchanger import MAX_TOKENS, Exchanger
from tests.engine import LEASE_MS, Engine

Take = Callable[[str, ClaimedTask, int], None]


async def listen(engine: Engine, allocator: Allocator, take: Take, act: Callable[[], object]) -> None:
    """`act` once the exchanger listens, until it has seen to the token. Nothing else wakes it: nobody calls `run`."""
    client = AsyncClient(engine.url, engine.client.namespace, patience_seconds=math.inf)
    exchanger = Exchanger(
        client, client, engine.queue.queue, "w1", LEASE_MS, "", allocator, take, lambda lanes: [], lambda: None,
        Session(), lambda number: None,
    )  # fmt: skip
    await exchanger._exchange()
    listener = asyncio.create_task(exchanger.listen())
    async with asyncio.timeout(10):
        while not engine.redis.info("clients")["blocked_clients"]:
            await asyncio.sleep(0.01)
        act()
        while exchanger._may_listen.is_set():
            await asyncio.sleep(0.001)
        async with exchanger._turn:
            listener.cancel()
    with suppress(asyncio.CancelledError):
        await listener
    await client.close()


def test_task_is_claimed_at_once_when_its_token_comes(engine: Engine) -> None:
    taken: list[str] = []
    allocator = Allocator(1, {engine.queue.queue: 1})
    ids: list[str] = []

    def take(queue: str, task: ClaimedTask, fence: int) -> None:
        taken.append(task.id)

    asyncio.run(listen(engine, allocator, take, lambda: ids.append(engine.enqueue())))
    assert taken == ids != []


def test_token_that_is_passed_on_is_no_more_than_there_may_be(engine: Engine) -> None:
    """There are no hands free here, for another queue has them; others have pushed tokens meanwhile."""
    queue = engine.queue.queue
    allocator = Allocator(0, {queue: 1, "other": 1})
    allocator.set_hungry(queue, False)
    tokens = ["1"] * (MAX_TOKENS + 1)
    asyncio.run(listen(engine, allocator, lambda *_: None, lambda: engine.redis.rpush(engine.queue.notify, *tokens)))
    assert engine.redis.llen(engine.queue.notify) == MAX_TOKENS
