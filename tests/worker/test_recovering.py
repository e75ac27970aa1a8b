"""When the janitor recovers leases that have run out, and when it waits: after an outage those who live speak first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from queue_core import protocol
from queue_core.aio import AsyncClient
from queue_core.scouting import Scout
from queue_core.worker.complaints import Complaints
from queue_core.worker.janitor import Janitor
from tests.engine import LEASE_MS, Engine
from tests.proxy import proxy


@pytest.fixture
def engine(redis_url: str, namespace: str) -> Iterator[Engine]:
    """Its one task's lease has run out, and the server has had its own time of grace."""
    engine = Engine(redis_url, namespace)
    engine.lease()
    engine.later(LEASE_MS)
    engine.run(protocol.recover(engine.queue, LEASE_MS))
    engine.later(LEASE_MS)
    yield engine
    engine.check_books()
    engine.close()


def tick(engine: Engine, url: str, prepare: Callable[[Scout], None]) -> int:
    """One of a worker whose scout has seen that. Shape: how often the scout has asked for the server."""
    asked = 0

    async def ask() -> None:
        nonlocal asked
        asked += 1

    async def recover() -> None:
        client = AsyncClient(url, engine.client.namespace, clock=lambda: engine.now, patience_seconds=0)
        scout = Scout(ask, lambda error: None)
        prepare(scout)
        await Janitor(client, ["email"], LEASE_MS, Complaints(), scout).recover()
        await asyncio.sleep(0.01)
        await client.close()
        await scout.close()

    asyncio.run(recover())
    return asked


def is_leased(engine: Engine) -> bool:
    return len(engine.check_books()["running"]) == 2  # with the sentinel


def found(seconds_ago: float) -> Callable[[Scout], None]:
    def prepare(scout: Scout) -> None:
        scout.found_at = asyncio.get_running_loop().time() - seconds_ago

    return prepare


def away(scout: Scout) -> None:
    scout.is_away = True


@pytest.mark.parametrize("prepare", [away, found(0), found(LEASE_MS / 1_000 - 5)], ids=["away", "back", "back a while"])
def test_nothing_is_recovered_until_the_server_was_back_for_one_lease(
    engine: Engine, prepare: Callable[[Scout], None]
) -> None:
    tick(engine, engine.url, prepare)
    assert is_leased(engine)


@pytest.mark.parametrize("prepare", [found(LEASE_MS / 1_000), lambda scout: None], ids=["back for long", "never away"])
def test_leases_that_have_run_out_are_recovered(engine: Engine, prepare: Callable[[Scout], None]) -> None:
    assert tick(engine, engine.url, prepare) == 0
    assert not is_leased(engine)


def test_order_that_does_not_reach_the_server_is_not_sent_again_but_looked_into(engine: Engine) -> None:
    with proxy(engine.url) as cutting:
        cutting.fates = ["before"]
        assert tick(engine, cutting.url, lambda scout: None) == 1
        assert cutting.requests == 1
    assert is_leased(engine)
