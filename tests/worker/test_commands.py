"""Operators tell workers what to do. Real workers, and the command line beside them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from redis import Redis

from queue_core import Taskyard, keys
from queue_core.control import Control
from tests.worker import shop
from tests.worker.harness import NAMESPACE, ROOT, StartWorker, record_of, traces, wait_until, wait_until_completed


def taskyard(url: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "queue_core.cli", *words, "--redis-url", url, "--namespace", NAMESPACE],
        cwd=ROOT, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def test_worker_is_quieted_resumed_and_stopped_from_afar_and_says_who_told_it(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, redis_url: str, check_books: Callable[[], None]
) -> None:
    worker = start_worker(processes=2, concurrency=1)
    other = start_worker("other", queues={"fast": 1})
    shop.wait.enqueue("a", seconds=0.8)
    wait_until(lambda: traces(redis) == ["a began"])
    began = time.monotonic()
    quieted = taskyard(redis_url, "workers", "quiet", worker.id, "--by", "ada", "--reason", "deploy", "--yes", "--wait")
    print(f"quiet, and idle, {time.monotonic() - began:.2f} s later")
    assert (quieted.returncode, quieted.stdout) == (0, f"{worker.id}: told to be quiet.\n"), quieted
    assert traces(redis) == ["a began", "a ended"]
    shop.wait.enqueue("b", seconds=0)
    status = json.loads(taskyard(redis_url, "workers", "status", worker.id, "--json").stdout)
    assert [(one["state"], one["command"]["by"], one["command"]["reason"]) for one in status] == [
        ("quiet", "ada", "deploy")
    ]
    assert [process["state"] for process in status[0]["processes"]] == ["quiet", "quiet"]

    worker.signal(signal.SIGCONT)
    wait_until_completed(redis, 1 + 1, "slow")
    control = Control(client=yard.client)
    told = time.monotonic()
    assert control.quiet_workers([worker.id], by="bob", action_id="a1").done == (worker.id,)
    wait_until(lambda: record_of(redis, worker)["state"] == "quiet")
    print(f"quiet {(time.monotonic() - told) * 1000:.0f} ms after it was told")
    assert time.monotonic() - told < 3  # its heartbeat comes every 4 s
    control.resume_workers([worker.id], by="bob", action_id="a2")
    wait_until(lambda: record_of(redis, worker)["state"] == "running")

    stopped = taskyard(redis_url, "workers", "stop", worker.id, other.id, "--yes", "--wait")
    assert stopped.returncode == 0, stopped
    assert (worker.process.wait(5), other.process.wait(5)) == (0, 0)
    assert "stopping (told by " in worker.said()
    check_books()


def test_command_is_done_once_and_not_by_a_worker_of_the_same_id_that_was_started_later(
    start_worker: StartWorker, yard: Taskyard, redis: Redis
) -> None:
    """It stays for a minute, and a container's next worker may have the id of the one that was told."""
    worker = start_worker(heartbeat_seconds=0.2)
    key = keys.command(NAMESPACE, worker.id)
    wait_until(lambda: record_of(redis, worker).get("state") == "running")
    Control(client=yard.client).quiet_workers([worker.id], by="ada", action_id="a0")
    wait_until(lambda: record_of(redis, worker)["state"] == "quiet")
    worker.signal(signal.SIGCONT)
    wait_until(lambda: record_of(redis, worker)["command"]["by"] == "SIGCONT")
    record = record_of(redis, worker)
    wait_until(lambda: record_of(redis, worker)["heartbeat_at"] > record["heartbeat_at"] + 500)
    assert record_of(redis, worker)["state"] == "running"

    record = record_of(redis, worker)
    told = {"verb": "stop", "by": "ada", "reason": "", "at": record["started_at"], "action_id": "a1"}
    redis.set(key, json.dumps({**told, "started_at": record["started_at"] - 1}))
    wait_until(lambda: record_of(redis, worker)["heartbeat_at"] > record["heartbeat_at"] + 500)
    assert record_of(redis, worker)["state"] == "running"
    redis.set(key, json.dumps({**told, "started_at": record["started_at"]}))
    assert worker.process.wait(10) == 0
