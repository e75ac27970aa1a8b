"""A server that is away, comes back, or is not safe. Real workers, and servers of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from queue_core import Taskyard
from queue_core.embedded import EmbeddedServer
from tests.engine import Engine
from tests.worker import shop
from tests.worker.harness import (
    FAST,
    ROOT,
    SLOW,
    StartWorker,
    children_of,
    counted,
    history_of,
    record_of,
    traces,
    wait_until,
    wait_until_completed,
)


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server that the test may kill. Every write is on disk before it is answered: nothing may be lost."""
    with EmbeddedServer(data_folder=tmp_path / "data", options={"appendfsync": "always"}) as server:
        yield server


@pytest.fixture
def own_redis(own_server: EmbeddedServer) -> Iterator[Redis]:
    with Redis.from_url(own_server.url) as client:
        yield client


@pytest.fixture
def own_yard(own_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Taskyard]:
    monkeypatch.setattr(shop.yard, "url", own_server.url)
    shop.yard.close()
    yield shop.yard
    shop.yard.close()


def check_books(url: str) -> None:
    for queue in ("fast", "slow"):
        engine = Engine(url, queue=queue)
        engine.check_books()
        engine.close()


def test_server_that_is_killed_and_started_again_under_a_working_worker_loses_nothing(
    start_worker: StartWorker, own_server: EmbeddedServer, own_yard: Taskyard, own_redis: Redis
) -> None:
    worker = start_worker(url=own_server.url, lease_seconds=10)
    tasks = [shop.note.message(f"note {i}") for i in range(4_000)]
    own_yard.enqueue_many(tasks)
    own_yard.enqueue_many(shop.wait.message(f"wait {i}", seconds=1) for i in range(3))
    wait_until(lambda: counted(own_redis, "fast", "completed") > 300)
    child = worker.child()
    own_server.kill()
    wait_until(lambda: "does not answer" in worker.said())
    time.sleep(0.5)  # the worker tries again meanwhile, and does not say so each time
    own_server.restart()
    back_at = time.monotonic()
    wait_until_completed(own_redis, 4_000, "fast", 40)
    wait_until_completed(own_redis, 3, "slow")
    print(f"all done {time.monotonic() - back_at:.1f} s after the server was back")
    assert worker.said().count("does not answer") == 1
    assert worker.said().count("answers again") == 1
    assert worker.child() == child
    assert own_redis.zcard(FAST.dead) == own_redis.zcard(SLOW.dead) == 0
    assert {line for line in traces(own_redis) if line.startswith("note")} == {f"note {i}" for i in range(4_000)}
    check_books(own_server.url)
    assert worker.stop() == 0


def test_idle_worker_says_that_the_server_is_away_and_takes_the_next_task_when_it_is_back(
    start_worker: StartWorker, own_server: EmbeddedServer, own_yard: Taskyard, own_redis: Redis
) -> None:
    worker = start_worker(url=own_server.url)
    shop.note.enqueue("before")
    wait_until_completed(own_redis, 1, "fast")
    own_server.kill()
    wait_until(lambda: "does not answer" in worker.said(), 5)
    own_server.restart()
    shop.note.enqueue("after")
    began = time.monotonic()
    wait_until_completed(own_redis, 2, "fast")
    print(f"the next task completed {time.monotonic() - began:.2f} s after the server was back")
    wait_until(lambda: "answers again" in worker.said(), 5)
    assert worker.said().count("does not answer") == 1
    assert worker.stop() == 0
    check_books(own_server.url)


def test_worker_that_is_started_before_its_server_says_so_once_and_works_when_it_appears(
    start_worker: StartWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = EmbeddedServer(data_folder=tmp_path / "data")
    server.start()
    server.kill()
    worker = start_worker(url=server.url)
    wait_until(lambda: "does not answer" in worker.said())
    time.sleep(0.5)
    server.restart()
    monkeypatch.setattr(shop.yard, "url", server.url)
    shop.yard.close()
    with Redis.from_url(server.url) as redis:
        shop.note.enqueue("hello")
        wait_until_completed(redis, 1, "fast")
        wait_until(lambda: record_of(redis, worker)["state"] == "running")  # with the next heartbeat
    assert worker.said().count("does not answer") == 1
    assert worker.stop() == 0
    shop.yard.close()
    server.stop()


def test_worker_refuses_a_server_that_may_throw_tasks_away(start_worker: StartWorker, redis: Redis) -> None:
    redis.config_set("maxmemory-policy", "allkeys-lru")
    worker = start_worker("refused")
    assert worker.process.wait(10) != 0
    assert "UnsafeServer" in worker.said()
    assert "maxmemory-policy allkeys-lru" in worker.said()
    insisting = start_worker("insisting", allow_eviction=True)
    wait_until(lambda: record_of(redis, insisting))


def test_worker_goes_on_on_a_full_server(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    """What is there is worked off, or a full server could never be emptied; and the worker is seen to do it."""
    yard.enqueue_many(shop.do_nothing.message() for _ in range(200))
    redis.config_set("maxmemory", 1)
    worker = start_worker(heartbeat_seconds=0.2)
    wait_until_completed(redis, 200, "slow")
    first = wait_until(lambda: record_of(redis, worker), 5)["heartbeat_at"]
    wait_until(lambda: record_of(redis, worker)["heartbeat_at"] > first, 5)
    assert [seen.id for seen in yard.inspector.workers_of("slow")] == [worker.id]
    redis.config_set("maxmemory", 0)
    check_books()


def test_ended_tasks_are_settled_later_when_the_server_refuses_writes(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    """As with a full disk: they have run, and must not run again."""
    worker = start_worker()
    shop.begin.enqueue("a", seconds=0.5)
    wait_until(lambda: traces(redis) == ["a began"])
    redis.config_set("min-replicas-to-write", 1)  # every write is refused: NOREPLICAS
    try:
        wait_until(lambda: "NOREPLICAS" in worker.said())
        time.sleep(1.5)
        assert worker.said().count("NOREPLICAS") <= 4  # not every second
    finally:
        redis.config_set("min-replicas-to-write", 0)
    wait_until_completed(redis, 1, "slow")
    assert traces(redis) == ["a began"]
    check_books()


def test_one_damaged_queue_does_not_stop_the_others(start_worker: StartWorker, yard: Taskyard, redis: Redis) -> None:
    """`slow` has a key of another type: `fast` is worked on, its leases are kept, and the record goes out."""
    redis.set(SLOW.leases, "damaged")
    worker = start_worker(queues={"slow": 1, "fast": 1}, lease_seconds=0.8, heartbeat_seconds=0.2)
    shop.wait.options().enqueue("never", seconds=0)
    handle = shop.wait_here.enqueue("long", seconds=2)
    wait_until_completed(redis, 1, "fast")
    assert traces(redis) == ["long began", "long ended"]
    assert redis.hget(FAST.history, handle.id) is None
    record = record_of(redis, worker)
    assert record["state"] == "running"
    assert "damaged" in worker.said()
    assert worker.said().count("damaged") < 5  # not at every beat
    assert worker.stop() == 0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"app": "no_such_module:yard"}, "module 'no_such_module' cannot be imported"),
        ({"app": "tests.worker.shop:nothing"}, "it has tests.worker.shop:yard"),
    ],
)
def test_worker_that_cannot_find_its_yard_says_why(settings: dict[str, Any], said: str) -> None:
    code = (
        "from queue_core.worker.settings import WorkerSettings; from queue_core.worker.supervisor import run_worker;"
        f"run_worker(WorkerSettings(**{settings!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert done.returncode != 0
    assert said in done.stderr


def test_process_that_dies_while_the_server_is_away_is_replaced_at_once_and_what_it_held_runs_again_later(
    start_worker: StartWorker, own_server: EmbeddedServer, own_yard: Taskyard, own_redis: Redis
) -> None:
    worker = start_worker(url=own_server.url, lease_seconds=300)
    child = worker.child()
    handle = shop.tell_process.enqueue("a", seconds=0.5)
    wait_until(lambda: len(traces(own_redis)) == 1)
    own_server.kill()
    os.kill(child, signal.SIGKILL)
    (successor,) = wait_until(lambda: [pid for pid in children_of(worker.pid) if pid != child])
    own_server.restart()
    wait_until_completed(own_redis, 1, "slow")
    assert traces(own_redis) == [f"a runs in {child}", f"a runs in {successor}"]
    assert history_of(own_redis, "slow", handle.id)[0].split()[:3] == ["0", "1", "0"]
    check_books(own_server.url)


def test_worker_that_stops_while_the_server_is_away_does_not_wait_for_it_to_see_to_what_a_dead_process_held(
    start_worker: StartWorker, own_server: EmbeddedServer, own_yard: Taskyard, own_redis: Redis
) -> None:
    worker = start_worker(url=own_server.url, lease_seconds=300)
    child = worker.child()
    shop.tell_process.enqueue("a", seconds=60)
    wait_until(lambda: len(traces(own_redis)) == 1)
    own_server.kill()
    os.kill(child, signal.SIGKILL)
    wait_until(lambda: [pid for pid in children_of(worker.pid) if pid != child])
    assert worker.stop() == 0
    assert "what the process held comes back when its leases have run out" in worker.said()
