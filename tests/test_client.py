"""The synchronous shell: what is lost is sent again and happens once, errors say what to do, threads and forks."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from queue_core import connection, protocol
from queue_core.aio import AsyncClient
from queue_core.client import Client
from queue_core.embedded import EmbeddedServer
from queue_core.errors import (
    ConfigurationError,
    CorruptQueue,
    ServerFull,
    ServerRefused,
    ServerUnavailable,
    Stale,
    TaskyardError,
)
from queue_core.protocol import Session
from tests.engine import LEASE_MS, Engine
from tests.invariants import State
from tests.proxy import Fate, Proxy, proxy
from tests.scripts.scenarios import SCENARIOS


@pytest.fixture
def cutting(redis_url: str) -> Iterator[Proxy]:
    with proxy(redis_url) as running:
        yield running


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "backoff_seconds", lambda attempt, chance: 0.0)


def undisturbed(engine: Engine, verb: str) -> State:
    """What the scenario leads to when nothing is lost; then the server is empty again."""
    engine.run(SCENARIOS[verb](engine))
    state = engine.check_books()
    engine.redis.flushall()
    return state


# Lost answers.


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("verb", SCENARIOS)
@pytest.mark.parametrize("fate", ["before", "after"])
def test_call_whose_answer_was_lost_is_sent_again_and_happens_once(
    engine: Engine, cutting: Proxy, namespace: str, verb: str, fate: Fate
) -> None:
    expected = undisturbed(engine, verb)
    fresh = Engine(engine.url, namespace)
    call = SCENARIOS[verb](fresh)
    fresh.redis.script_load(call.script.text)
    client = Client(cutting.url, namespace, clock=lambda: fresh.now)
    cutting.fates = [fate, fate]
    client.run(call)
    assert cutting.requests == 3
    assert fresh.check_books() == expected
    client.close()
    fresh.close()


@pytest.mark.usefixtures("no_waiting")
def test_session_goes_on_after_a_cut(engine: Engine, cutting: Proxy, namespace: str) -> None:
    client = Client(cutting.url, namespace)
    for number in range(6):
        cutting.fates = ["after"] if number % 2 else ["before"]
        task = engine.new_task(f"order-{number}")
        assert client.run(protocol.enqueue(engine.queue, [task])) == {}
    assert engine.check_books()["stats"] == {"enqueued": "6"}
    assert len(engine.redis.keys(engine.queue.session("*"))) == 1
    client.close()


def test_interrupted_call_leaves_the_session_usable(
    engine: Engine, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(engine.url, namespace)
    client.run(protocol.resume(engine.queue))
    (channel,) = client._idle

    def interrupt() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(channel, "receive", interrupt)
        with pytest.raises(KeyboardInterrupt):
            client.run(protocol.enqueue(engine.queue, [engine.new_task("first")]))
    assert client.run(protocol.enqueue(engine.queue, [engine.new_task("second")])) == {}
    assert "second" in engine.check_books()["tasks"]
    client.close()


def test_call_that_cannot_be_sent_leaves_its_connection_to_the_next_one(engine: Engine, namespace: str) -> None:
    client = Client(engine.url, namespace)
    client.run(protocol.enqueue(engine.queue, [engine.new_task("first")]))
    connections = engine.redis.info("stats")["total_connections_received"]
    with pytest.raises(UnicodeEncodeError):
        client.run(protocol.pause(engine.queue, "ada\ud800", ""))
    assert client.run(protocol.enqueue(engine.queue, [engine.new_task("second")])) == {}
    assert engine.redis.info("stats")["total_connections_received"] == connections
    client.close()


def test_stale_call_says_so(engine: Engine) -> None:
    late, session = Session("shared"), Session("shared")
    for _ in range(2):
        engine.client.run(protocol.pause(engine.queue, "ada", ""), session)
    with pytest.raises(Stale, match="later call"):
        engine.client.run(protocol.pause(engine.queue, "ada", ""), late)


# Scripts.


@pytest.mark.each_server
def test_server_that_has_lost_its_scripts_is_given_them_again(engine: Engine) -> None:
    for _ in range(3):
        engine.redis.script_flush()
        assert engine.client.run(protocol.enqueue(engine.queue, [engine.new_task()])) == {}
    assert engine.check_books()["stats"] == {"enqueued": "3"}


# A server that is not there.


def test_unreachable_server_is_said_within_the_patience_without_the_password(namespace: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    client = Client(f"redis://ada:hidden@127.0.0.1:{port}/0?password=hidden", namespace, patience_seconds=0.3)
    queue = client.queue("email")
    started = time.monotonic()
    for attempt in (
        lambda: client.run(protocol.resume(queue)),
        lambda: client.read(("PING",)),
        lambda: client.register("email"),
    ):
        with pytest.raises(ServerUnavailable, match=rf"127\.0\.0\.1:{port}") as unavailable:
            attempt()
        assert "hidden" not in str(unavailable.value) + repr(vars(unavailable.value))
        assert unavailable.value.__cause__ is not None
    assert time.monotonic() - started < 3 * 1.0
    client.close()


def test_call_survives_a_server_that_comes_back_within_the_patience(engine: Engine, namespace: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        address = reserved.getsockname()
    client = Client(f"redis://127.0.0.1:{address[1]}/0", namespace, patience_seconds=10.0)
    answers: list[object] = []
    task = engine.new_task()
    caller = threading.Thread(target=lambda: answers.append(client.run(protocol.enqueue(engine.queue, [task]))))
    caller.start()
    with proxy(engine.url, address[1]):
        caller.join(10)
    assert answers == [{}]
    assert engine.check_books()["stats"] == {"enqueued": "1"}
    client.close()


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost:port",
        "redis://localhost:99999",
        "redis://localhost/first",
        "redis://h?colour=red",
        "http://h",
    ],
)
def test_malformed_url_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(ConfigurationError, match="is not accepted"):
        Client(url)


def test_url_that_asks_for_text_still_gets_bytes(engine: Engine, namespace: str) -> None:
    client = Client(engine.url + "&decode_responses=1&protocol=2", namespace)
    engine.redis.set("a", b"\xff")
    assert client.read(("GET", "a")) == [b"\xff"]
    assert client.run(protocol.enqueue(engine.queue, [engine.new_task("order-1")])) == {}
    assert [task.id for task in client.run(protocol.claim(engine.queue, "w1", 1, LEASE_MS)).tasks] == ["order-1"]
    client.close()


# Errors.


@pytest.mark.each_server
def test_full_server_is_said_and_what_takes_no_room_goes_on(engine: Engine) -> None:
    engine.seed("ready")
    engine.redis.config_set("maxmemory", 1)
    with pytest.raises(ServerFull, match="out of memory"):
        engine.client.run(protocol.enqueue(engine.queue, [engine.new_task()]))
    engine.client.register("email")
    assert len(engine.claim().tasks) == 1


def test_error_of_a_read_stands_in_its_place(engine: Engine) -> None:
    engine.redis.set("text", "x")
    answers = engine.client.read(("GET", "text"), ("HGETALL", "text"), ("NOSUCHCOMMAND",), ("GET", "text"))
    assert (answers[0], answers[3]) == (b"x", b"x")
    assert all(isinstance(answer, Exception) for answer in answers[1:3])


def test_any_other_error_is_told_as_it_is(engine: Engine) -> None:
    call = protocol.enqueue(engine.queue, [engine.new_task()])
    broken = protocol.Call(call.script, call.queue, ["only one"], call.read)
    with pytest.raises(ServerRefused, match="refused") as refused:
        engine.client.run(broken)
    assert isinstance(refused.value, TaskyardError)
    assert engine.state() == {}


# Names of queues.


def test_queue_is_noted_once_a_minute(engine: Engine, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    for passed, is_noted in ((0.0, True), (59.0, False), (1.0, True)):
        now[0] += passed
        engine.redis.delete(f"{namespace}:queues")
        engine.client.register("email")
        assert (engine.redis.smembers(f"{namespace}:queues") == {b"email"}) is is_noted


# Threads and forks.


def test_threads_share_a_client(engine: Engine, namespace: str) -> None:
    client = Client(engine.url, namespace)
    gate = threading.Barrier(8)

    def work() -> None:
        gate.wait(10)
        for _ in range(25):
            client.run(protocol.enqueue(engine.queue, [protocol.NewTask(os.urandom(8).hex(), b"send\n{}")]))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert engine.check_books()["stats"] == {"enqueued": "200"}
    assert len(client._idle) <= 8
    client.close()


def test_child_of_a_fork_has_connections_and_a_session_of_its_own(engine: Engine, namespace: str) -> None:
    client = Client(engine.url, namespace)
    client.run(protocol.enqueue(engine.queue, [engine.new_task("parent-1")]))
    child = os.fork()
    if child == 0:
        try:
            answer = client.run(protocol.enqueue(engine.queue, [engine.new_task("child")]))
            os._exit(0 if answer == {} and client.read(("GET", "nothing")) == [None] else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    client.run(protocol.enqueue(engine.queue, [engine.new_task("parent-2")]))
    assert engine.check_books()["tasks"].keys() == {"parent-1", "child", "parent-2"}
    assert len(engine.redis.keys(engine.queue.session("*"))) == 2
    client.close()


def test_closed_client_opens_again_when_it_is_used(engine: Engine, namespace: str) -> None:
    client = Client(engine.url, namespace)
    for _ in range(2):
        client.run(protocol.enqueue(engine.queue, [engine.new_task()]))
        client.close()
    assert engine.check_books()["stats"] == {"enqueued": "2"}


def test_wrong_password_is_refused_at_once_whatever_the_patience() -> None:
    with EmbeddedServer() as own_server:
        admin = Client(own_server.url)
        admin.redis.config_set("requirepass", "right")
        stranger = Client(own_server.url.replace("unix://", "unix://:wrong@"), patience_seconds=3_600)
        with pytest.raises(ServerRefused, match="user or password"):
            stranger.run(protocol.resume(stranger.queue("email")))
        with pytest.raises(ServerRefused, match="user or password"):
            stranger.read(("PING",))
        admin.redis.config_set("requirepass", "")
        admin.close()


NEEDED = ("control", "stats", "notify", "tasks", "removed", "ready")


@pytest.mark.parametrize("name", NEEDED)
def test_key_of_a_wrong_type_is_named_with_its_queue_and_what_to_do(engine: Engine, name: str) -> None:
    engine.enqueue()
    key = getattr(engine.queue, name)
    engine.redis.delete(key)
    engine.redis.set(key, "text")
    call = protocol.enqueue(engine.queue, [engine.new_task()])

    async def asynchronously() -> None:
        client = AsyncClient(engine.url, engine.client.namespace)
        try:
            await client.run(call)
        finally:
            await client.close()

    for enqueue in (lambda: engine.run(call), lambda: asyncio.run(asynchronously())):
        with pytest.raises(CorruptQueue, match=f"{key} is a string and should be a .*taskyard fsck email") as raised:
            enqueue()
        assert (raised.value.queue, raised.value.key) == ("email", key)
        assert "WRONGTYPE" not in str(raised.value)
