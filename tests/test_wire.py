"""Requests that pass by redis-py's layers, on a real server."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import BusyLoadingError, ConnectionError, NoScriptError, ResponseError, TimeoutError

from queue_core import connection, protocol
from queue_core.aio import AsyncChannel
from queue_core.client import Channel, Client
from queue_core.embedded import EmbeddedServer
from queue_core.protocol import Argument
from tests.conftest import missing

# While a thread waits.


@contextmanager
def a_channel(url: str, answer_seconds: float = 5.0) -> Iterator[Channel]:
    channel = Channel(connection.sync_pool(url, answer_seconds))
    try:
        yield channel
    finally:
        channel.drop()


def ask(channel: Channel, *command: Argument) -> Any:
    channel.send(protocol.pack(command))
    return channel.receive()


def test_thread_has_its_answer_large_ones_whole_and_errors_leave_the_connection(
    redis_client: Redis, redis_url: str
) -> None:
    redis_client.set("large", b"x" * 3_000_000)
    with a_channel(redis_url) as channel:
        number = ask(channel, "CLIENT", "ID")
        assert ask(channel, "GET", "large") == b"x" * 3_000_000
        with pytest.raises(ResponseError, match="wrong kind"):
            ask(channel, "LLEN", "large")
        with pytest.raises(NoScriptError):
            ask(channel, "EVALSHA", "0" * 40, 0)
        assert ask(channel, "SET", "large", b"y" * 3_000_000) == b"OK"
        assert (ask(channel, "ECHO", "ü"), ask(channel, "CLIENT", "ID")) == ("ü".encode(), number)


def test_thread_whose_answer_does_not_come_has_a_timeout_and_the_next_answer_is_its_own(redis_url: str) -> None:
    with a_channel(redis_url, answer_seconds=0.1) as channel:
        with pytest.raises(TimeoutError, match="reading"):
            ask(channel, "BLPOP", "nothing", 1)
        channel.drop()
        assert ask(channel, "ECHO", "mine") == b"mine"


def test_thread_whose_server_does_not_read_has_a_timeout() -> None:
    with EmbeddedServer() as own_server, a_channel(own_server.url, answer_seconds=0.1) as channel:
        assert ask(channel, "PING") == b"PONG"
        os.kill(own_server.pid or 0, signal.SIGSTOP)
        try:
            with pytest.raises(TimeoutError, match="writing"):
                ask(channel, "ECHO", b"x" * 100_000_000)
        finally:
            os.kill(own_server.pid or 0, signal.SIGCONT)


@pytest.mark.parametrize("is_tcp", [False, True])
def test_thread_hears_of_a_connection_that_the_server_has_closed(is_tcp: bool) -> None:
    with (
        EmbeddedServer(tcp=is_tcp) as own_server,
        Redis.from_url(own_server.url) as admin,
        a_channel(own_server.url) as channel,
    ):
        admin.client_kill_filter(_id=ask(channel, "CLIENT", "ID"))
        for _ in range(2):
            with pytest.raises(ConnectionError):
                ask(channel, "PING")
        channel.drop()
        assert ask(channel, "PING") == b"PONG"


def test_call_after_its_connection_was_closed_happens_once(redis_client: Redis, redis_url: str) -> None:
    client = Client(redis_url, "test")
    queue = client.queue("email")
    for number in range(3):
        task = protocol.NewTask(f"order-{number}", b"send\n{}")
        assert client.run(protocol.enqueue(queue, [task])) == {}
        redis_client.client_kill_filter(_type="normal", skipme=True)
    assert redis_client.llen(queue.ready) == 3
    assert redis_client.hget(queue.stats, "enqueued") == b"3"
    client.close()


def test_answer_that_a_server_gives_while_it_loads_is_no_answer(redis_url: str) -> None:
    with a_channel(redis_url) as channel, pytest.raises(BusyLoadingError):
        ask(channel, "EVAL", "return redis.error_reply('LOADING the dataset')", 0)


def test_what_the_server_says_unasked_is_passed_over(redis_client: Redis, redis_url: str) -> None:
    with a_channel(redis_url) as channel:
        ask(channel, "CLIENT", "TRACKING", "ON")
        for value in (b"1", b"2"):
            ask(channel, "GET", "key")
            redis_client.set("key", value)
            assert ask(channel, "GET", "key") == value


@pytest.fixture
def tls_url(tmp_path: Path) -> Iterator[str]:
    """A server that speaks TLS only, with a certificate of its own making."""
    binary = shutil.which("redis-server")
    if binary is None or shutil.which("openssl") is None:
        missing("no redis-server or no openssl here")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    making = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    making += ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*making, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    with EmbeddedServer(binary=binary) as server, Redis.from_url(server.url) as admin:
        with socket.create_server(("127.0.0.1", 0)) as reserved:
            port = reserved.getsockname()[1]
        admin.config_set("tls-auth-clients", "no", "tls-key-file", str(key), "tls-cert-file", str(certificate))
        admin.config_set("tls-port", port)
        yield f"rediss://localhost:{port}/0?ssl_ca_certs={certificate}"


def test_thread_speaks_tls(tls_url: str) -> None:
    with a_channel(tls_url, answer_seconds=0.3) as channel:
        assert ask(channel, "SET", "large", b"x" * 3_000_000) == b"OK"
        assert ask(channel, "GET", "large") == b"x" * 3_000_000
        with pytest.raises(TimeoutError, match="reading"):
            ask(channel, "BLPOP", "nothing", 1)
        channel.drop()
        number = ask(channel, "CLIENT", "ID")
        with a_channel(tls_url) as other:
            ask(other, "CLIENT", "KILL", "ID", number)
        with pytest.raises(ConnectionError):
            ask(channel, "PING")


# On an event loop.


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


def test_answer_is_given_its_whole_time_whatever_was_asked_before(redis_url: str) -> None:
    async def talk(channel: AsyncChannel) -> None:
        await channel.send([("PING",)])
        assert await channel.send([("BLPOP", "nothing", 0.7)]) == [None]
        assert await channel.send([("BLPOP", "nothing", 0.7)]) == [None]
        with pytest.raises(TimeoutError):
            await channel.send([("BLPOP", "nothing", 5)])

    with_channel(redis_url, talk, answer_seconds=1.0)


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
