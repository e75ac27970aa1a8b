"""Workers under test: real processes, and waiting for what they bring about."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from redis import Redis

from queue_core import keys
from queue_core.keys import QueueKeys

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
NAMESPACE = "test"
FAST, SLOW = QueueKeys(NAMESPACE, "fast"), QueueKeys(NAMESPACE, "slow")
"""The queues of the shop."""
_RUN = """
import json, sys
from queue_core.worker import hard_timeouts, keeper, supervisor
from queue_core.worker.settings import WorkerSettings
keeper.QUICK_DEATH_SECONDS = 0.0
settings = json.loads(sys.argv[1])
hard_timeouts.DRAIN_SECONDS = settings.pop("drain_seconds", 0.5)
sys.exit(supervisor.run_worker(WorkerSettings(**settings)))
"""


def wait_until(condition: Callable[[], T], seconds: float = 20.0, what: object = "") -> T:
    """What the condition says when it is true at last; the test fails when it is not within the deadline."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what() if callable(what) else what or condition}")
        time.sleep(0.01)
    return value


class Worker:
    """A supervisor with these settings, which replaces its process without delay. What it says is kept."""

    def __init__(self, url: str, folder: Path, name: str = "w1", app: str = "tests.worker.shop:yard", **settings: Any):
        self.name = name
        self.log = folder / f"{name}.log"
        given = {"app": app, "name": name, "concurrency": 4, "grace_seconds": 5, **settings}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _RUN, json.dumps(given)],
                cwd=ROOT,
                env={**os.environ, "TASKYARD_REDIS_URL": url},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def id(self) -> str:
        return f"{self.name}:{self.pid}"

    def said(self) -> str:
        return self.log.read_text()

    def child(self) -> int:
        """The process id of its one child, when there is one."""
        return wait_until(lambda: next(iter(children_of(self.pid)), 0), what="no child")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self, seconds: float = 20.0) -> int:
        """SIGTERM; returns the exit code."""
        self.signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


StartWorker = Callable[..., Worker]
"""What the fixture `start_worker` gives."""


def children_of(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def is_alive(pid: int) -> bool:
    """Whether a process still runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def traces(redis: Redis) -> list[str]:
    lines: Any = redis.lrange("traces", 0, -1)
    return [line.decode() for line in lines]


def counted(redis: Redis, queue: str, what: str) -> int:
    return int(redis.hget(QueueKeys(NAMESPACE, queue).stats, what) or 0)


def wait_until_completed(redis: Redis, count: int, queue: str = "fast slow", seconds: float = 20.0) -> None:
    """Until so many tasks of the queue, or of several, have completed in all."""

    def completed() -> int:
        return sum(counted(redis, name, "completed") for name in queue.split())

    wait_until(lambda: completed() >= count, seconds, lambda: f"{completed()} of {count} completed")
    assert completed() == count


def history_of(redis: Redis, queue: str, task_id: str) -> list[str]:
    """The lines of a task's history, also of one that has ended; the first: attempts, crashes, releases, …"""
    queue_keys = QueueKeys(NAMESPACE, queue)
    text: Any = redis.hget(queue_keys.history, task_id) or redis.hget(queue_keys.record(task_id), "history")
    return (text or b"").decode().splitlines()


def record_of(redis: Redis, worker: Worker) -> dict[str, Any]:
    text: Any = redis.get(keys.worker(NAMESPACE, worker.id))
    record: dict[str, Any] = json.loads(text) if text else {}
    return record


def is_quiet(redis: Redis, worker: Worker) -> bool:
    """It was told, and so were its processes: until then one of them may take another task."""
    record = record_of(redis, worker)
    return record.get("state") == "quiet" and all(process["state"] == "quiet" for process in record["processes"])
