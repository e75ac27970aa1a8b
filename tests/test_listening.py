"""Listening to channels, on connections that come to grief."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from queue_core import listening
from queue_core.aio import AsyncClient
from queue_core.embedded import EmbeddedServer
from tests.wire import Wire


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(data_folder=tmp_path / "data", tcp=True) as server:
        yield server


@pytest.fixture
def wire(server: EmbeddedServer) -> Iterator[Wire]:
    wire = Wire(server.url)
    yield wire
    wire.close()


def test_connection_that_a_network_has_swallowed_is_given_up_and_what_was_missed_is_looked_for(
    wire: Wire, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "SILENT_SECONDS", 0.2)

    async def main() -> None:
        client = AsyncClient(wire.url())
        async with asyncio.timeout(20), client.listener.listen("news") as is_called:
            await is_called.wait()
            is_called.clear()
            wire.swallow()
            wire.mend()
            connections = len(wire.connected_at)
            with Redis.from_url(server.url) as redis:
                redis.publish("news", "lost")
                await is_called.wait()
                while len(wire.connected_at) == connections or redis.pubsub_numsub("news") != [(b"news", 1)]:
                    await asyncio.sleep(0.01)
                is_called.clear()
                redis.publish("news", "heard")
                await is_called.wait()
        await client.close()

    asyncio.run(main())


def test_connection_on_which_nothing_happens_but_signs_of_life_is_kept_and_wakes_nobody(
    wire: Wire, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "SILENT_SECONDS", 0.02)

    async def main() -> None:
        client = AsyncClient(wire.url())
        async with asyncio.timeout(20), client.listener.listen("news") as is_called:
            await is_called.wait()
            is_called.clear()
            with Redis.from_url(server.url) as redis:
                while redis.info("commandstats").get("cmdstat_ping", {}).get("calls", 0) < 5:
                    await asyncio.sleep(0.01)
                assert not is_called.is_set()
                assert len(wire.connected_at) == 1
                redis.publish("news", "heard")
                await is_called.wait()
        await client.close()

    asyncio.run(main())
