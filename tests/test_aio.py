"""The asynchronous shell: what is lost is sent again and happens once, also of several calls in one request."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from queue_core import connection, protocol
from queue_core.aio import AsyncClient
from queue_core.errors import ConfigurationError, CorruptQueue, ServerFull, ServerUnavailable
from queue_core.protocol import Held, Session
from tests.engine import LEASE_MS, Engine
from tests.proxy import Fate, Proxy, proxy
from tests.scripts.scenarios import SCENARIOS


@pytest.fixture
def cutting(redis_url: str) -> Iterator[Proxy]:
    with proxy(redis_url) as running:
        yield running


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "backoff_seconds", lambda attempt, chance: 0.0)


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("verb", SCENARIOS)
@pytest.mark.parametrize("fate", ["before", "after"])
def test_call_whose_answer_was_lost_is_sent_again_and_happens_once(
    engine: Engine, cutting: Proxy, namespace: str, verb: str, fate: Fate
) -> None:
    engine.run(SCENARIOS[verb](engine))
    expected = engine.check_books()
    engine.redis.flushall()
    fresh = Engine(engine.url, namespace)
    call = SCENARIOS[verb](fresh)
    fresh.redis.script_load(call.script.text)

    async def run() -> None:
        client = AsyncClient(cutting.url, namespace, clock=lambda: fresh.now)
        cutting.fates = [fate, fate]
        await client.run(call)
        await client.close()

    asyncio.run(run())
    assert cutting.requests == 3
    assert fresh.check_books() == expected
    fresh.close()


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("fates", [["before"], ["after"], ["after", "before", "after"]])
def test_request_of_several_calls_happens_once(
    engine: Engine, cutting: Proxy, namespace: str, fates: list[Fate]
) -> None:
    done, bad, back = (engine.lease() for _ in range(3))
    engine.enqueue("next", priority=1)
    calls: list[protocol.Call[Any]] = [
        protocol.complete(engine.queue, [done]),
        protocol.fail(engine.queue, [engine.failed(bad, protocol.DEAD)]),
        protocol.release(engine.queue, [protocol.ReleasedTask(back.id, back.fence)]),
        protocol.claim(engine.queue, "w1", 1, LEASE_MS),
    ]

    async def run() -> list[Any]:
        client = AsyncClient(cutting.url, namespace, clock=lambda: engine.now)
        cutting.fates = fates
        channel = client.channel()
        answers = await client.run_all(calls, channel)
        again = await client.run_all([protocol.complete(engine.queue, [done])], channel)
        await channel.drop()
        await client.close()
        return [*answers, *again]

    *lost, claimed, again = asyncio.run(run())
    assert lost == [[], [], []]
    assert [task.id for task in claimed.tasks] == ["next"]
    assert again == [done.id]
    state = engine.check_books()
    assert (state["ready"], list(state["dead"])) == ([back.id], [bad.id])


def test_error_of_one_call_stands_in_its_place(engine: Engine, namespace: str) -> None:
    held = engine.lease()
    engine.redis.set(engine.queue.closed, "not a hash")
    calls: list[protocol.Call[Any]] = [
        protocol.claim(engine.queue, "w1", 1, LEASE_MS),
        protocol.complete(engine.queue, [held]),
    ]

    async def run() -> list[Any]:
        client = AsyncClient(engine.url, namespace)
        answers = await client.run_all(calls)
        with pytest.raises(CorruptQueue):
            await client.run(protocol.claim(engine.queue, "w1", 1, LEASE_MS))
        await client.close()
        return answers

    claimed, lost = asyncio.run(run())
    assert isinstance(claimed, CorruptQueue)
    assert lost == []


def test_answer_that_cannot_be_read_fails_its_own_call_only(engine: Engine, namespace: str) -> None:
    held = engine.lease()
    session = Session("ours")
    engine.redis.set(engine.queue.session("ours.complete"), b"1 \xa7garbage")
    calls: list[protocol.Call[Any]] = [
        protocol.complete(engine.queue, [held]),  # is given back what its session answered
        protocol.release(engine.queue, [protocol.ReleasedTask(held.id, held.fence)]),
    ]

    async def run() -> list[Any]:
        client = AsyncClient(engine.url, namespace)
        channel = client.channel(session)
        answers = await client.run_all(calls, channel)
        await channel.drop()
        await client.close()
        return answers

    completed, lost = asyncio.run(run())
    assert isinstance(completed, CorruptQueue)
    assert lost == []
    assert engine.check_books()["ready"] == [held.id]


@pytest.mark.each_server
def test_server_that_has_lost_its_scripts_is_given_them_again(engine: Engine, namespace: str) -> None:
    async def run() -> None:
        client = AsyncClient(engine.url, namespace)
        for number in range(3):
            engine.redis.script_flush()
            calls: list[protocol.Call[Any]] = [
                protocol.extend(engine.queue, [Held("gone", 1)], LEASE_MS),
                protocol.enqueue(engine.queue, [engine.new_task(f"order-{number}")]),
            ]
            assert await client.run_all(calls) == [protocol.Extended(["gone"], []), {}]
        await client.close()

    asyncio.run(run())
    assert engine.check_books()["stats"] == {"enqueued": "3"}


def test_calls_of_one_loop_use_as_many_connections_as_there_are_at_once(engine: Engine, namespace: str) -> None:
    async def run() -> int:
        client = AsyncClient(engine.url, namespace)
        for _ in range(3):
            tasks = [engine.new_task() for _ in range(10)]
            await asyncio.gather(*(client.run(protocol.enqueue(engine.queue, [task])) for task in tasks))
        count = len(client._idle)
        await client.close()
        return count

    assert asyncio.run(run()) == 10
    assert engine.check_books()["stats"] == {"enqueued": "30"}


def test_cancelled_call_leaves_the_client_usable(engine: Engine, namespace: str) -> None:
    async def run() -> None:
        client = AsyncClient(engine.url, namespace)
        await client.run(protocol.resume(engine.queue))
        waiting = asyncio.create_task(client.execute(("BLPOP", "nothing", 5)))
        while not engine.redis.info("clients")["blocked_clients"]:
            await asyncio.sleep(0)
        for _ in range(10):  # until it reads: Python 3.11 forgets a cancellation in the moment in which a write ends
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await client.run(protocol.enqueue(engine.queue, [engine.new_task()])) == {}
        await client.close()

    asyncio.run(run())
    assert engine.check_books()["stats"] == {"enqueued": "1"}


def test_unreachable_server_is_said_within_the_patience_without_the_password(namespace: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    async def run() -> None:
        client = AsyncClient(f"redis://ada:hidden@127.0.0.1:{port}/0", namespace, patience_seconds=0.3)
        for attempt in (client.run(protocol.resume(client.queue("email"))), client.register("email")):
            with pytest.raises(ServerUnavailable, match=str(port)) as unavailable:
                await attempt
            assert "hidden" not in str(unavailable.value) + repr(vars(unavailable.value))
        await client.close()

    started = time.monotonic()
    asyncio.run(run())
    assert time.monotonic() - started < 2


def test_server_that_accepts_and_never_answers_is_given_up(namespace: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]

        async def run() -> None:
            client = AsyncClient(f"redis://127.0.0.1:{port}", namespace, patience_seconds=0.1, answer_seconds=0.1)
            with pytest.raises(ServerUnavailable):
                await client.run(protocol.resume(client.queue("email")))
            await client.close()

        asyncio.run(asyncio.wait_for(run(), 5))


def test_full_server_is_said_and_what_takes_no_room_goes_on(engine: Engine, namespace: str) -> None:
    engine.seed("ready")
    engine.redis.config_set("maxmemory", 1)

    async def run() -> None:
        client = AsyncClient(engine.url, namespace)
        with pytest.raises(ServerFull, match="out of memory"):
            await client.run(protocol.enqueue(engine.queue, [engine.new_task()]))
        await client.register("email")
        assert len((await client.run(protocol.claim(engine.queue, "w1", 1, LEASE_MS))).tasks) == 1
        await client.close()

    asyncio.run(run())


@pytest.mark.parametrize("url", ["redis://localhost:port", "redis://localhost/first", "redis://h?colour=red"])
def test_malformed_url_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(ConfigurationError, match="is not accepted"):
        AsyncClient(url)
