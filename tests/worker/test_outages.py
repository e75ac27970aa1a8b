"""A server that a working worker loses, in each way in which one can be lost, for longer than its leases last: it says
so once, asks for it now and then, goes on by itself when it is back, and everything completes. Real processes; most of
it in one life of a worker."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from queue_core import fsck
from queue_core.client import Client
from queue_core.embedded import EmbeddedServer
from queue_core.keys import QueueKeys
from tests.wire import Wire
from tests.worker import notebook
from tests.worker.harness import NAMESPACE, ROOT, Worker, counted, record_of, wait_until

LEASE_SECONDS, BEAT_SECONDS = 1.0, 0.25
OUTAGE_SECONDS = 1.6
BACK_SECONDS = 3.0
"""From the server's return to the end of a task enqueued then: 2 s are what is promised, on a machine of one's own."""
MOST_ATTEMPTS = 8
"""In a second: the process and its supervisor each ask for the server, about twice in it."""
NOTES = QueueKeys(NAMESPACE, notebook.QUEUE)
OPTIONS = {
    "appendfsync": "always",
    "key-load-delay": "1500",  # microseconds, so that a few keys take their time
    "loading-process-events-interval-bytes": "1024",
}


def now_ms(redis: Any) -> int:
    seconds, microseconds = redis.time()
    return int(seconds) * 1_000 + int(microseconds) // 1_000


class Scene:
    """A worker, its server, and the wire between them; the test itself has another way to the server."""

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        """`host`: under which the worker knows its server."""
        users = folder / "users"
        users.write_text("user default on nopass ~* &* +@all\nuser taskyard on >first ~* &* +@all\n")
        options = {**OPTIONS, "aclfile": str(users)}
        self.server = EmbeddedServer(data_folder=folder / "data", tcp=True, options=options)
        self.server.start()
        self.redis: Any = Redis.from_url(self.server.url)
        self.client = Client(self.server.url, NAMESPACE)
        self.wire = Wire(self.server.url)
        os.environ["NOTEBOOK"] = str(folder / "notebook")
        notebook.yard.url = self.server.url
        self.worker = Worker(
            self.wire.url("taskyard:first@", host),
            folder,
            app="tests.worker.notebook:yard",
            concurrency=8,
            lease_seconds=LEASE_SECONDS,
            heartbeat_seconds=BEAT_SECONDS,
        )
        self.back: dict[str, float] = {}

    def close(self) -> None:
        self.worker.end()
        notebook.yard.close()
        self.client.close()
        self.wire.close()
        self.server.stop()

    def said(self, text: str) -> int:
        return self.worker.said().count(text)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    scene = Scene(tmp_path_factory.mktemp("outages"))
    yield scene
    print(scene.worker.said())
    for name, seconds in scene.back.items():
        print(f"{name:50} went on after {seconds:.2f} s")
    scene.close()


def stopped(scene: Scene) -> Callable[[], None]:
    scene.server.kill()
    return scene.server.restart


def cut(scene: Scene) -> Callable[[], None]:
    scene.wire.cut()
    return scene.wire.mend


def swallowing(scene: Scene) -> Callable[[], None]:
    scene.wire.swallow()
    return scene.wire.mend


def holding_back(scene: Scene) -> Callable[[], None]:
    """What was given up and sent again comes to the server all the same, later."""
    scene.wire.hold_back()
    return scene.wire.mend


def read_only(scene: Scene) -> Callable[[], None]:
    scene.redis.execute_command("REPLICAOF", "127.0.0.1", "1")
    return lambda: scene.redis.execute_command("REPLICAOF", "NO", "ONE")


def password_changed(scene: Scene) -> Callable[[], None]:
    scene.redis.execute_command("ACL", "SETUSER", "taskyard", "<first", ">second")
    scene.redis.execute_command("CLIENT", "KILL", "USER", "taskyard")
    return lambda: scene.redis.execute_command("ACL", "SETUSER", "taskyard", ">first", "<second")


def loading(scene: Scene) -> Callable[[], None]:
    scene.redis.mset({f"filler {i}": i for i in range(1_000)})
    scene.redis.execute_command("BGREWRITEAOF")
    wait_until(lambda: not scene.redis.info("persistence")["aof_rewrite_in_progress"])
    scene.server.kill()

    def come_back() -> None:
        scene.server.restart()
        assert scene.redis.info("server")["uptime_in_seconds"] >= 1
        scene.redis.delete(*(f"filler {i}" for i in range(1_000)))

    return come_back


REACHABLE = [cut, swallowing, holding_back, read_only, password_changed]
OUTAGES = [stopped, *REACHABLE, loading]


@contextmanager
def lost(scene: Scene, outage: Callable[[Scene], Callable[[], None]]) -> Iterator[None]:
    before, back = scene.said("Trying again until that is over"), scene.said("Redis answers again")
    come_back = outage(scene)
    began = time.monotonic()
    wait_until(lambda: scene.said("Trying again until that is over") > before, 5)
    yield
    time.sleep(max(began + OUTAGE_SECONDS - time.monotonic(), 0))
    if outage in REACHABLE:
        record = record_of(scene.redis, scene.worker)
        assert now_ms(scene.redis) - record["heartbeat_at"] > 1_000 * OUTAGE_SECONDS / 2, (
            "it does not say that it is well"
        )
    come_back()
    ended = time.monotonic()
    over = f"{outage.__name__} is over {len(notebook.read())}"
    notebook.note.enqueue(over)
    wait_until(lambda: over in notebook.read(), BACK_SECONDS + 8)
    scene.back[outage.__name__] = time.monotonic() - ended
    assert scene.back[outage.__name__] < BACK_SECONDS
    wait_until(lambda: scene.said("Redis answers again") > back, 5)
    attempts = [at for at in scene.wire.connected_at if began + 0.5 < at < ended]
    assert len(attempts) < MOST_ATTEMPTS * (ended - began)
    assert scene.said("Trying again until that is over") == before + 1
    assert scene.said("Redis answers again") == back + 1


def check(scene: Scene, child: int, wanted: set[str]) -> None:
    """All were done, each of them once, by the same process, and there is nothing that should not be."""
    wait_until(lambda: wanted <= set(notebook.read()), 20, lambda: sorted(wanted - set(notebook.read()))[:5])
    wait_until(lambda: scene.redis.hlen(NOTES.tasks) == 0, 10)
    assert {line: count for line, count in Counter(notebook.read()).items() if count > 1} == {}
    assert scene.worker.child() == child
    afterwards = f"afterwards {len(notebook.read())}"  # it is idle, and hears of a task at once
    notebook.note.enqueue(afterwards)
    wait_until(lambda: afterwards in notebook.read(), BACK_SECONDS)
    wait_until(lambda: scene.redis.hlen(NOTES.tasks) == 0, BACK_SECONDS)
    assert scene.redis.zcard(NOTES.dead) == 0
    assert {counted(scene.redis, notebook.QUEUE, what) for what in ("failed", "died", "crashed")} == {0}
    assert list(fsck.check(scene.client, notebook.QUEUE)) == []
    wait_until(lambda: record_of(scene.redis, scene.worker).get("state") == "running")


@pytest.mark.parametrize("outage", OUTAGES, ids=lambda outage: outage.__name__)
def test_worker_goes_on_when_its_server_is_back(scene: Scene, outage: Callable[[Scene], Callable[[], None]]) -> None:
    name = outage.__name__
    works = {f"{name} work {i}": 0.3 + 0.6 * i for i in range(4)}  # some end in the midst of it
    notes = [f"{name} note {i}" for i in range(1_000)]
    for what, seconds in works.items():
        notebook.work.enqueue(what, seconds=seconds)
    wait_until(lambda: {f"{what} began" for what in works} <= set(notebook.read()))
    child = scene.worker.child()
    notebook.yard.enqueue_many(notebook.note.message(what) for what in notes)
    with lost(scene, outage):
        pass
    check(scene, child, {*notes, *(f"{what} ended" for what in works)})


def test_worker_goes_on_when_its_server_comes_back_empty(scene: Scene) -> None:
    """The tasks are gone with it: what was in hand settles nothing, and is not held against anybody."""
    ids = [f"in-hand-{i}" for i in range(4)]
    for task_id in ids:
        notebook.work.options(task_id=task_id).enqueue(task_id, seconds=1.5)
    wait_until(lambda: {f"{what} began" for what in ids} <= set(notebook.read()))
    child = scene.worker.child()

    def emptied(scene: Scene) -> Callable[[], None]:
        scene.server.kill()
        for folder in scene.server.data_folder.glob("appendonly*"):
            shutil.rmtree(folder)
        return scene.server.restart

    with lost(scene, emptied):
        wait_until(lambda: {f"{what} ended" for what in ids} <= set(notebook.read()))
    wait_until(lambda: scene.said("settled too late") >= 1)
    for task_id in ids:  # the same ids once more: nobody settles them for the worker
        notebook.work.options(task_id=task_id).enqueue(f"{task_id} again", seconds=0.1)
    check(scene, child, {f"{what} again ended" for what in ids})
    assert counted(scene.redis, notebook.QUEUE, "completed") == 2 + len(ids)


def test_connections_that_are_cut_and_scripts_that_are_forgotten_in_full_flight_are_no_news(scene: Scene) -> None:
    before = scene.worker.said()
    child = scene.worker.child()
    notes = [f"in flight {i}" for i in range(4_000)]
    done = counted(scene.redis, notebook.QUEUE, "completed")

    def has_done(count: int) -> bool:
        return counted(scene.redis, notebook.QUEUE, "completed") > done + count

    notebook.yard.enqueue_many(notebook.note.message(what) for what in notes)
    for number in range(12):
        scene.redis.script_flush()
        scene.redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        wait_until(partial(has_done, number * 200))
    check(scene, child, set(notes))
    assert scene.worker.said() == before


def test_leases_are_kept_and_tasks_completed_on_a_full_server(scene: Scene) -> None:
    before = scene.worker.said()
    child = scene.worker.child()
    works = [f"full {i}" for i in range(4)]
    for what in works:
        notebook.work.enqueue(what, seconds=1.5 * LEASE_SECONDS)
    wait_until(lambda: {f"{what} began" for what in works} <= set(notebook.read()))
    scene.redis.config_set("maxmemory", 1)
    try:
        wait_until(lambda: {f"{what} ended" for what in works} <= set(notebook.read()))
        wait_until(lambda: scene.redis.hlen(NOTES.tasks) == 0)
    finally:
        scene.redis.config_set("maxmemory", 0)
    check(scene, child, set())
    assert scene.worker.said() == before


def test_permission_that_is_taken_away_is_said_and_seen_until_it_is_given_again(scene: Scene) -> None:
    """The server answers, and nothing may be done: what is in hand is kept."""
    before = scene.said("does not permit")
    child = scene.worker.child()
    notebook.work.enqueue("not permitted", seconds=0.5)
    wait_until(lambda: "not permitted began" in notebook.read())
    scene.redis.execute_command("ACL", "SETUSER", "taskyard", "-evalsha", "-eval")
    try:
        wait_until(lambda: record_of(scene.redis, scene.worker)["state"] == "refused", 5)
        time.sleep(2 * LEASE_SECONDS)
        assert record_of(scene.redis, scene.worker)["state"] == "refused"
        assert 1 <= scene.said("does not permit") - before <= 3  # of the queue, by each process; of operations
    finally:
        scene.redis.execute_command("ACL", "SETUSER", "taskyard", "+@all")
    check(scene, child, {"not permitted ended"})


def command(*names: str) -> list[bytes]:
    """As they stand on the wire: a script whose text calls one of them is not meant."""
    return [f"\r\n${len(name)}\r\n{name}\r\n".encode() for name in names]


def test_process_that_alone_has_lost_the_server_is_seen_to_be_reconnecting(scene: Scene) -> None:
    """Its supervisor still beats."""
    scene.wire.swallow(*command("BLPOP", "PING", "SREM"))
    try:
        # What was listened for before is heard of 5 s later at most, and from then on 5 s of silence are no news.
        wait_until(lambda: record_of(scene.redis, scene.worker).get("state") == "reconnecting", 15)
        record = record_of(scene.redis, scene.worker)
        assert now_ms(scene.redis) - record["heartbeat_at"] < 3_000
    finally:
        scene.wire.mend()
    wait_until(lambda: record_of(scene.redis, scene.worker)["state"] == "running", 10)


def test_supervisor_that_alone_has_lost_the_server_says_so_once_and_that_it_is_over(scene: Scene) -> None:
    """Its processes work on."""
    scene.wire.swallow(*command("ZADD", "SREM"))
    try:
        wait_until(lambda: scene.said("the supervisor alone is not answered"), 15)
        notebook.note.enqueue("meanwhile")
        wait_until(lambda: "meanwhile" in notebook.read())
    finally:
        scene.wire.mend()
    wait_until(lambda: scene.said("Redis answers the supervisor again"), 5)
    assert scene.said("the supervisor alone is not answered") == scene.said("answers the supervisor again") == 1


def test_process_in_which_nothing_moves_is_seen_to_be_stuck(scene: Scene) -> None:
    """Its supervisor still beats, and keeps its leases."""
    child = scene.worker.child()
    notebook.work.enqueue("interrupted", seconds=0.5)
    wait_until(lambda: "interrupted began" in notebook.read())
    os.kill(child, signal.SIGSTOP)
    try:
        wait_until(lambda: record_of(scene.redis, scene.worker)["state"] == "stuck", 10)
    finally:
        os.kill(child, signal.SIGCONT)
    check(scene, child, {"interrupted ended"})


@pytest.mark.parametrize(
    ("user", "said"),
    [("taskyard:wrong", "refused the user or password"), ("reader:first", "does not permit its user")],
)
def test_worker_that_is_not_let_in_at_its_start_says_so_and_ends(scene: Scene, user: str, said: str) -> None:
    scene.redis.execute_command("ACL", "SETUSER", "reader", "on", ">first", "~*", "+@read", "+@connection", "+time")
    done = subprocess.run(
        [sys.executable, "-m", "queue_core.cli", "worker", "tests.worker.notebook:yard"],
        cwd=ROOT,
        env={**os.environ, "TASKYARD_REDIS_URL": scene.server.url.replace("//", f"//{user}@")},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("taskyard worker: Redis at")
    assert said in line
    assert user not in line
