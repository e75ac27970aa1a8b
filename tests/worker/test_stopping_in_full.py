"""SIGTERM with 1,000 tasks in hand, and while the server is away. Real workers."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from queue_core import Taskyard, fsck
from queue_core.client import Client
from queue_core.embedded import EmbeddedServer
from queue_core.keys import QueueKeys
from tests.worker import notebook
from tests.worker.harness import NAMESPACE, StartWorker, counted, history_of, is_alive, record_of, wait_until

NOTES = QueueKeys(NAMESPACE, notebook.QUEUE)
APP = "tests.worker.notebook:yard"
IN_HAND = 1_000


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(data_folder=tmp_path / "data", options={"appendfsync": "always"}) as server:
        yield server


@pytest.fixture
def yard(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Taskyard]:
    monkeypatch.setenv("NOTEBOOK", str(tmp_path / "notebook"))
    yield notebook.yard
    notebook.yard.close()


def use(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook.yard, "url", url)
    notebook.yard.close()


def began() -> int:
    return sum(line.endswith("began") for line in notebook.read())


def breaches(url: str) -> list[Any]:
    client = Client(url, NAMESPACE)
    try:
        return list(fsck.check(client, notebook.QUEUE))
    finally:
        client.close()


def test_worker_with_1000_tasks_in_hand_claims_none_more_and_gives_back_what_the_grace_time_leaves(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(redis_url, monkeypatch)
    worker = start_worker(app=APP, concurrency=IN_HAND, grace_seconds=2.5)
    seconds = {"short": 2.0, "long": 60.0, "behind": 0.0}
    handles = {
        kind: yard.enqueue_many(notebook.work.message(f"{kind} {i}", seconds=seconds[kind]) for i in range(500))
        for kind in seconds
    }
    wait_until(lambda: began() == IN_HAND)
    child = worker.child()
    fence = redis.hget(NOTES.control, "fence")
    worker.signal(signal.SIGTERM)
    signalled_at = time.monotonic()
    is_ended = False
    while redis.llen(NOTES.ready) == 500:
        is_ended = not is_alive(child)
    assert is_ended, "given back only when the process has ended"
    assert worker.process.wait(10) == 0
    took = time.monotonic() - signalled_at
    print(f"SIGTERM with {IN_HAND} tasks in hand: exit after {took:.2f} s, of them {2.5} s grace time")
    assert took < 2.5 + 3
    assert redis.hget(NOTES.control, "fence") == fence, "no claim gave out a task"
    assert Counter(line.split()[0] for line in notebook.read() if line.endswith("ended")) == {"short": 500}
    assert redis.llen(NOTES.ready) == 1_000
    assert redis.zcard(NOTES.leases) == 1  # the sentinel
    books = {
        what: counted(redis, notebook.QUEUE, what) for what in ("completed", "failed", "retried", "crashed", "died")
    }
    assert books == {"completed": 500, "failed": 0, "retried": 0, "crashed": 0, "died": 0}
    for handle in handles["long"]:
        assert history_of(redis, notebook.QUEUE, handle.id)[0].split()[:4] == ["0", "0", "1", "0"]
    assert redis.hmget(NOTES.history, [handle.id for handle in handles["behind"]]) == [None] * 500
    assert breaches(redis_url) == []


def test_second_signal_gives_back_1000_tasks_at_once(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(redis_url, monkeypatch)
    worker = start_worker(app=APP, concurrency=IN_HAND, grace_seconds=60)
    handles = yard.enqueue_many(notebook.work.message(f"long {i}", seconds=60) for i in range(IN_HAND))
    wait_until(lambda: began() == IN_HAND)
    worker.signal(signal.SIGTERM)
    wait_until(lambda: "stopping" in worker.said())
    signalled_at = time.monotonic()
    worker.signal(signal.SIGTERM)
    assert worker.process.wait(10) == 0
    took = time.monotonic() - signalled_at
    print(f"a second SIGTERM with {IN_HAND} tasks in hand: exit after {took:.2f} s")
    assert took < 3
    assert redis.llen(NOTES.ready) == IN_HAND
    heads = {tuple(history_of(redis, notebook.QUEUE, handle.id)[0].split()[:4]) for handle in handles}
    assert heads == {("0", "0", "1", "0")}
    assert breaches(redis_url) == []


def test_signals_come_through_while_the_server_is_away(
    start_worker: StartWorker, yard: Taskyard, own_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Quiet and resumed in an outage, it does so when the server is back; stopped in one it ends within its time, says
    what it could not give back, and that runs elsewhere when its lease has run out."""
    use(own_server.url, monkeypatch)
    how: dict[str, Any] = {
        "url": own_server.url, "app": APP, "lease_seconds": 1, "heartbeat_seconds": 0.25, "grace_seconds": 1,
    }  # fmt: skip
    worker = start_worker(**how)
    with Redis.from_url(own_server.url) as redis:
        wait_until(lambda: record_of(redis, worker))
        own_server.kill()
        wait_until(lambda: "does not answer" in worker.said(), 5)
        worker.signal(signal.SIGTSTP)
        wait_until(lambda: "quiet" in worker.said())
        own_server.restart()
        wait_until(lambda: record_of(redis, worker).get("state") == "quiet", 4)
        wait_until(lambda: "answers again" in worker.said(), 5)  # its process tries anew by itself
        notebook.note.enqueue("quiet")
        own_server.kill()
        wait_until(lambda: worker.said().count("does not answer") == 2, 5)
        worker.signal(signal.SIGCONT)
        wait_until(lambda: "claiming tasks again" in worker.said())
        assert notebook.read() == []
        own_server.restart()
        wait_until(lambda: notebook.read() == ["quiet"], 4)

        notebook.work.enqueue("unsettled", seconds=0.5)
        notebook.work.enqueue("unfinished", seconds=20)
        wait_until(lambda: began() == 2)
        own_server.kill()
        wait_until(lambda: "unsettled ended" in notebook.read())
        wait_until(lambda: worker.said().count("does not answer") == 3, 5)
        worker.signal(signal.SIGTERM)
        signalled_at = time.monotonic()
        assert worker.process.wait(15) == 0
        took = time.monotonic() - signalled_at
        print(f"SIGTERM while the server is away: exit after {took:.2f} s, of them 1 s grace time")
        assert took < 1 + 5 + 3
        assert "comes back when its leases have run out" in worker.said()
        own_server.restart()
        start_worker("successor", **how)
        wait_until(lambda: notebook.read().count("unfinished began") == 2)
        wait_until(lambda: notebook.read().count("unsettled ended") == 2)  # at least once: nobody could be told
    assert breaches(own_server.url) == []
