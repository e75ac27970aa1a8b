"""Clients that send nothing, or stop in the middle, or do not read: real sockets at a console as it is started."""

from __future__ import annotations

import re
import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from dashboard.gunicorn_worker import MOST_WAITING, body_length
from queue_core.embedded import EmbeddedServer
from tests.acceptance.harness import Console
from tests.people import write_users

HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
HALF_HEAD = HEAD + b"X-A: a"
POST = b"POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
HALF_BODY = POST + b"Content-Length: 1000\r\n\r\na="
LONG_BODY = POST + b"Content-Length: 900000\r\n\r\na="
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\na"
EMPTY_LINES = b"\r\n\r\n"


@pytest.fixture(scope="module")
def console(servers: Callable[[str], EmbeddedServer], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    file = write_users(tmp_path_factory.mktemp("users") / "users.json")
    running = Console(servers("valkey").url, "slow", TASKYARD_USERS_FILE=str(file.path))
    yield running
    running.stop()


class Impatient(Console):
    """Its times are short."""

    def _command(self) -> list[str]:
        times = "worker.HEAD_SECONDS, worker.BODY_SECONDS, worker.STALL_SECONDS = 0.3, 0.3, 1"
        start = f"from dashboard import gunicorn_worker as worker; {times}; from queue_core.cli import main; main()"
        return [sys.executable, "-c", start, "console", "--port", str(self.port)]


def dial(console: Console, *sent: bytes) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", console.port), timeout=10)
    for part in sent:
        made.sendall(part)
    return made


def read_all(connection: socket.socket) -> bytes:
    found = b""
    while part := connection.recv(65_536):
        found += part
    return found


def seconds_of_an_answer(console: Console) -> float:
    began = time.monotonic()
    with urllib.request.urlopen(f"{console.url}/healthz", timeout=10) as answer:
        assert answer.status == 200
    return time.monotonic() - began


def test_clients_that_do_not_go_on_keep_nobody_waiting(console: Console) -> None:
    with ExitStack() as held:
        for sent in (b"", HALF_HEAD, HALF_BODY, LONG_BODY, CHUNKED, EMPTY_LINES, HEAD + b"Connection: close\r\n\r\n"):
            for _ in range(40):
                held.enter_context(dial(console, sent))
            assert seconds_of_an_answer(console) < 2, sent
        # More than may be connected: whoever waits longest makes room.
        for _ in range(300):
            held.enter_context(dial(console))
        assert seconds_of_an_answer(console) < 2


def test_what_arrives_in_pieces_is_answered(console: Console) -> None:
    with dial(console, *(bytes([letter]) for letter in HEAD), b"\r\n") as connection:
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
        connection.sendall(HEAD + b"\r\n" + HEAD + b"Connection: close\r\n\r\n")  # two at once
        assert len(re.findall(b"HTTP/1.1 200", read_all(connection))) == 2


def test_nobody_on_this_machine_says_below_which_path_it_is_or_that_it_is_reached_by_tls(console: Console) -> None:
    said = b"SCRIPT_NAME: /queues\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n\r\n"
    with dial(console, b"GET /queues HTTP/1.1\r\nHost: 127.0.0.1\r\n" + said) as connection:
        assert b"Location: /sign-in?next=/queues\r\n" in read_all(connection)
    with dial(console, b"GET /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\n" + said.partition(b"\r\n")[2]) as connection:
        assert b"Secure" not in read_all(connection).partition(b"\r\n\r\n")[0]


@pytest.mark.parametrize("length", [10, MOST_WAITING + 10, 900_000])
def test_forms_of_any_length_arrive_slowly_too(console: Console, length: int) -> None:
    with dial(console, POST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % length) as connection:
        for _ in range(10):
            connection.sendall(b"a" * (length // 10))
            time.sleep(0.01)
        connection.sendall(b"a" * (length % 10))
        assert b"too old" in read_all(connection)  # the form was read: it has no token


def test_who_is_too_slow_is_cut_off(redis_url: str, namespace: str) -> None:
    console = Impatient(redis_url, namespace)
    try:
        ends = {sent: dial(console, sent) for sent in (b"", HALF_HEAD, HALF_BODY, LONG_BODY, CHUNKED)}
        answers = {sent: read_all(connection)[:12] for sent, connection in ends.items()}
        assert answers.pop(b"") == b""
        assert answers.pop(LONG_BODY)[9:10] == answers.pop(CHUNKED)[9:10] == b"4"
        assert set(answers.values()) == {b"HTTP/1.1 408"}
    finally:
        console.stop()


@pytest.mark.parametrize(
    ("said", "length"),
    [
        (b"", 0),
        (b"X-Content-Length: 9\r\n", 0),
        (b"content-LENGTH:\t7 \r\n", 7),
        (b"Content-Length: 7\r\nContent-Length: 7\r\n", None),
        (b"Content-Length: 7\r\nTransfer-Encoding: chunked\r\n", None),
        (b"Content-Length: -7\r\n", None),
        (b"Content-Length: " + b"9" * 5000 + b"\r\n", None),
        (b"Expect: 100-continue\r\nContent-Length: 7\r\n", None),
        (b"Content-Length:" + b" " * 60_000 + b"x\r\n", None),
    ],
)
def test_how_much_is_to_come(said: bytes, length: int | None) -> None:
    assert body_length(b"POST / HTTP/1.1\r\n" + said + b"\r\n") == length
