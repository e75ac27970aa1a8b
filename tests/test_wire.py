"""Requests that pass by redis-py's layers, on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from redis import Redis
from redis.exceptions import ConnectionError, ResponseError, TimeoutError

from queue_core import connection
from queue_core.aio import AsyncChannel


def with_channel(url: str, talk: Callable[[AsyncChannel], Awaitable[None]], answer_seconds: float = 5.0) -> None:
    async def run() -> None:
        channel = AsyncChannel(connection.async_pool(url, answer_seconds))
        try:
            await talk(channel)
        finally:
            await channel.drop()

    asyncio.run(run())


def test_each_command_has_its_answer_an_error_in_its_place_and_large_ones_whole(
    redis_client: Redis, redis_url: str
) -> None:
    redis_client.set("large", b"x" * 3_000_000)

    async def talk(channel: AsyncChannel) -> None:
        answers = await channel.send([("PING",), ("LLEN", "large"), ("GET", "large"), ("ECHO", "ü")])
        assert (answers[0], answers[2:]) == (b"PONG", [b"x" * 3_000_000, "ü".encode()])
        assert isinstance(answers[1], ResponseError)
        assert await channel.send([("ECHO", "next")]) == [b"next"]

    with_channel(redis_url, talk)


def test_answer_that_does_not_come_is_a_timeout_and_the_next_one_is_its_own(redis_url: str) -> None:
    async def talk(channel: AsyncChannel) -> None:
        with pytest.raises(TimeoutError):
            await channel.send([("BLPOP", "nothing", 1)])
        await channel.drop()
        assert await channel.send([("ECHO", "mine")]) == [b"mine"]

    with_channel(redis_url, talk, answer_seconds=0.1)


def test_connection_that_the_server_closes_ends_the_request_and_the_next_one_begins_anew(
    redis_client: Redis, redis_url: str
) -> None:
    async def talk(channel: AsyncChannel) -> None:
        (number,) = await channel.send([("CLIENT", "ID")])
        waiting = asyncio.create_task(channel.send([("BLPOP", "nothing", 5)]))
        await asyncio.sleep(0)
        redis_client.client_kill_filter(_id=number)
        with pytest.raises(ConnectionError):
            await waiting
        with pytest.raises(ConnectionError):
            await channel.send([("PING",)])
        await channel.drop()
        assert await channel.send([("PING",)]) == [b"PONG"]

    with_channel(redis_url, talk)
