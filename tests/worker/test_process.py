"""A worker's process from within: no slot is lost, whatever becomes of the tasks."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

from redis import Redis

from queue_core import Taskyard, codec, protocol
from queue_core.codec import DEFAULT_OPTIONS
from queue_core.ids import new_id
from queue_core.protocol import NewTask
from queue_core.worker.leases import LeaseTable
from queue_core.worker.orders import QUIET, RESUME, STOP, Orders, table_size
from queue_core.worker.process import Process
from tests.engine import Engine
from tests.worker.harness import NAMESPACE

QUEUES = {"one": 3, "two": 1, "three": 1}
SLOTS = 6


def declare(url: str) -> Taskyard:
    yard = Taskyard(url, namespace=NAMESPACE)

    @yard.task(queue="one")
    async def quick() -> None: ...

    @yard.task(queue="one")
    def quick_in_thread() -> None: ...

    @yard.task(queue="two")
    async def short(seconds: float) -> None:
        await asyncio.sleep(seconds)

    @yard.task(queue="two", max_retries=0)
    def fail() -> None:
        raise ValueError("no")

    return yard


async def _until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


def test_after_all_kinds_of_load_every_slot_is_free_again(redis_url: str) -> None:
    yard = declare(redis_url)
    chance = random.Random(3)
    size = table_size(SLOTS, len(QUEUES))
    table = LeaseTable.create(size, len(QUEUES))
    orders = Orders("", "w:1", QUEUES, SLOTS, 30_000, size, table.fd, 0, "session", 0)
    engines = [Engine(redis_url, queue=name) for name in QUEUES]

    def envelope() -> bytes:
        name, payload = chance.choice(
            [
                ("quick", b"{}"),
                ("quick_in_thread", b"{}"),
                ("short", b'{"seconds":%f}' % (chance.random() / 50)),
                ("fail", b"{}"),
                ("quick", b'{"too":"much"}'),
                ("unknown_here", b"{}"),
                ("quick", b"unreadable"),
            ]
        )
        return codec.encode_envelope(name, DEFAULT_OPTIONS, payload)

    def pending() -> int:
        client: Redis = yard.client.redis
        return sum(
            int(client.llen(engine.queue.ready)) + int(client.zcard(engine.queue.leases)) - 1 for engine in engines
        )

    async def main() -> None:
        process = Process(yard, orders, table, asyncio.get_running_loop())
        running = asyncio.create_task(process.run())
        for step in range(60):
            queue = yard.client.queue(chance.choice(list(QUEUES)))
            count = chance.choice([1, 2, 40])
            yard.client.run(protocol.enqueue(queue, [NewTask(new_id(), envelope()) for _ in range(count)]))
            if step % 10 == 5:
                process.obey(QUIET)
            if step % 10 == 7:
                process.obey(RESUME)
            await asyncio.sleep(chance.random() / 50)
        began = time.monotonic()
        await _until(lambda: pending() <= 0)
        print(f"all done {time.monotonic() - began:.2f} s after the last came")
        await _until(lambda: table.free == size)
        # Every queue is idle: no slot is held, granted, or forgotten.
        await _until(lambda: not process._allocator.is_anyone_hungry)
        assert process._allocator.free == SLOTS + process._ahead
        assert not process._held
        assert list(table.read()) == []
        process.obey(STOP)
        async with asyncio.timeout(5):
            await running

    asyncio.run(main())
    for engine in engines:
        state = engine.check_books()
        assert all("unknown_here" in member for member in state.get("held", {}))
        engine.close()
    table.close()
    yard.close()
