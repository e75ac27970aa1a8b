"""The small loops of a supervisor: they go on after errors, and end when they are stopped."""

from __future__ import annotations

import asyncio

import pytest

from queue_core.aio import AsyncClient
from queue_core.worker.loops import Loop


def test_failed_tick_is_logged_and_the_loop_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        ticks += 1
        if ticks == 1:
            raise ValueError("once")

    async def main() -> None:
        loop = Loop("test", 0.001, tick)
        loop.start()
        async with asyncio.timeout(5):
            while ticks < 5:
                await asyncio.sleep(0)
        await loop.stop()

    asyncio.run(main())
    assert caplog.messages == ["test: ValueError: once"]


def test_tick_soon_does_not_wait_for_its_time() -> None:
    ticked = asyncio.Event()

    async def tick() -> None:
        ticked.set()

    async def main() -> None:
        loop = Loop("test", 3_600, tick)
        loop.start()
        async with asyncio.timeout(5):
            for _ in range(3):
                await ticked.wait()
                ticked.clear()
                loop.tick_soon()
        await loop.stop()

    asyncio.run(main())


def test_loop_that_speaks_to_the_server_ends_whenever_it_is_stopped(redis_url: str) -> None:
    """A cancellation that comes while a request is just being sent is not forgotten."""

    async def main() -> None:
        client = AsyncClient(redis_url)

        async def tick() -> None:
            await client.execute(("PING",))

        for steps in range(60):
            loop = Loop("test", 0, tick)
            loop.start()
            for _ in range(steps):
                await asyncio.sleep(0)
            async with asyncio.timeout(5):
                await loop.stop()
        await client.close()

    asyncio.run(main())
