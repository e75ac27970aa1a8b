"""`taskyard worker` as a user starts it: an application in the working directory, a task enqueued, killed, stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from queue_core import Taskyard
from tests.worker.harness import children_of, is_alive, wait_until

APPLICATION = """
import time
from queue_core import Taskyard

yard = Taskyard()

@yard.task(queue="email", max_retries=3)
def send(to: str, seconds: float = 0) -> None:
    print("began", to, flush=True)
    time.sleep(seconds)
    print("ended", to, flush=True)
"""


class Shop:
    """The working directory of a user, and what its workers print."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.workers: list[subprocess.Popen[bytes]] = []
        (folder / "shop.py").write_text(APPLICATION)

    def run(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", "from queue_core.cli import main; main()", "worker", *arguments]
        path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
        with (self.folder / "output").open("ab") as output:
            worker = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**os.environ, "TASKYARD_REDIS_URL": self.url, "PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.workers.append(worker)
        return worker

    def output(self) -> str:
        return (self.folder / "output").read_text()


@pytest.fixture
def shop(tmp_path: Path, redis_url: str) -> Iterator[Shop]:
    shop = Shop(tmp_path, redis_url)
    yield shop
    for worker in shop.workers:
        if worker.poll() is None:
            worker.kill()
        worker.wait()
    print(shop.output())


@pytest.fixture
def enqueue(redis_url: str) -> Iterator[Callable[..., str]]:
    yard = Taskyard(redis_url)

    @yard.task(queue="email", max_retries=3)
    def send(to: str, seconds: float = 0) -> None: ...

    yield lambda to, seconds=0.0: send.enqueue(to, seconds).id
    yard.close()


def test_task_is_run_and_the_worker_stops_when_it_has_finished(
    shop: Shop, enqueue: Callable[..., str], redis_client: Redis
) -> None:
    worker = shop.run("shop:yard", "--queues", "email=3", "--concurrency", "2", "--name", "till")
    enqueue("ada", 0.3)
    wait_until(lambda: "began ada" in shop.output())
    enqueue("bob")
    wait_until(lambda: "ended bob" in shop.output())
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0
    assert "ended ada" in shop.output()
    assert redis_client.hmget("qc:{email}:stats", "enqueued", "completed") == [b"2", b"2"]
    assert f"worker till:{worker.pid}: email=3, 2 at once" in shop.output()


def test_killed_process_is_replaced_and_its_task_completes(
    shop: Shop, enqueue: Callable[..., str], redis_client: Redis
) -> None:
    worker = shop.run("shop:yard", "--concurrency", "1")
    task_id = enqueue("ada", 0.2)
    wait_until(lambda: "began ada" in shop.output())
    (child,) = children_of(worker.pid)
    os.kill(child, signal.SIGKILL)
    wait_until(lambda: "ended ada" in shop.output())
    wait_until(lambda: redis_client.hget("qc:{email}:stats", "completed") == b"1")
    history = redis_client.hget(f"qc:{{email}}:record:{task_id}", "history")
    assert isinstance(history, bytes)
    assert history.startswith(b"0 1 0 ")  # no attempt used, one crash
    assert children_of(worker.pid) != [child]


def test_killed_worker_leaves_no_orphan_and_another_one_takes_over(
    shop: Shop, enqueue: Callable[..., str], redis_client: Redis
) -> None:
    worker = shop.run("shop:yard", "--lease-seconds", "1")
    enqueue("ada", 0.5)
    wait_until(lambda: "began ada" in shop.output())
    (child,) = children_of(worker.pid)
    worker.kill()
    wait_until(lambda: not is_alive(child), 2)
    shop.run("shop:yard", "--lease-seconds", "1")
    wait_until(lambda: redis_client.hget("qc:{email}:stats", "completed") == b"1")
    assert shop.output().count("began ada") == 2
    assert shop.output().count("ended ada") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere:yard"], "module 'nowhere' cannot be imported"),
        (["shop"], "'shop' names no yard"),
        (["shop:yard", "--queues", "a b"], "queue name 'a b' is not allowed"),
        (["shop:yard", "--queues", "a=0"], "weight of queue a 0 is not accepted"),
        (["shop:yard", "--concurrency", "0"], "concurrency 0 is not accepted"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_2(shop: Shop, arguments: list[str], said: str) -> None:
    assert shop.run(*arguments).wait(10) == 2
    assert said in shop.output()
    assert "Traceback" not in shop.output()


def test_eviction_policy_is_refused_with_exit_code_2(shop: Shop, redis_client: Redis) -> None:
    redis_client.config_set("maxmemory-policy", "allkeys-lru")
    assert shop.run("shop:yard").wait(10) == 2
    assert "maxmemory-policy allkeys-lru" in shop.output()
    assert "Traceback" not in shop.output()
