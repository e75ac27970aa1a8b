"""A server whose memory is full takes no new task, and says so; whatever empties a queue, or looks after it, goes on as
if nothing were."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from queue_core.client import Client
from queue_core.errors import ServerFull
from queue_core.inspector import Inspector
from tests.engine import Engine
from tests.proof.meeting import Meeting
from tests.proof.operations import OPERATIONS, Doing, asynchronously, yard_of

ENQUEUEING = {"enqueue_many", "enqueue", "async one by one", "scheduler", "schedules"}
OF_CONSOLES = {"sign in to consoles"}
"""Refused on a full server: then each console holds by itself, as while the server is away."""
pytestmark = pytest.mark.each_server


@pytest.fixture
def engine(redis_url: str, namespace: str) -> Iterator[Engine]:
    engine = Engine(redis_url, namespace)
    yield engine
    engine.redis.config_set("maxmemory", 0)
    engine.close()


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name not in ENQUEUEING | OF_CONSOLES])
def test_operation_does_the_same_and_says_the_same_on_a_full_server(
    engine: Engine, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = Meeting(engine, engine.url, OPERATIONS[name], monkeypatch)
    answer, state = meeting.meet(lambda: engine.redis.config_set("maxmemory", 0))
    again, after = meeting.meet(lambda: engine.redis.config_set("maxmemory", 1))
    engine.redis.config_set("maxmemory", 0)
    assert again == answer
    assert after == state


def test_queue_is_in_the_directory_all_the_same(engine: Engine) -> None:
    """What is moved there, say, is to be seen."""
    engine.redis.config_set("maxmemory", 1)
    engine.client.register("email")
    asynchronously(engine.client, lambda own: own.register("images"))
    assert set(Inspector(client=engine.client).queue_names()) == {"email", "images"}


@pytest.mark.parametrize("way", ["enqueue_many", "aenqueue", "send"])
def test_new_tasks_are_refused_whole_and_with_a_reason(
    engine: Engine, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seed(engine: Engine) -> Doing:
        engine.seed("ready")

        def enqueue(client: Client) -> Any:
            yard = yard_of(client)

            @yard.task(queue="email")
            def send(number: int) -> None: ...

            if way == "send":
                return yard.send("send", {"number": 1}, queue="email")
            if way == "aenqueue":
                return asyncio.run(send.aenqueue(1))
            return yard.enqueue_many(send.message(number) for number in range(300))

        def run(client: Client) -> Any:
            before = engine.check_books()
            with pytest.raises(ServerFull, match=r"is out of memory and takes no more tasks: .*maxmemory") as refused:
                enqueue(client)
            assert refused.value.enqueued == 0
            assert engine.check_books() == before
            engine.redis.config_set("maxmemory", 0)
            assert enqueue(client)

        return run

    Meeting(engine, engine.url, seed, monkeypatch).meet(lambda: engine.redis.config_set("maxmemory", 1))
