"""Queues whose data is damaged under a working worker: it stays, says so once, works on the others, does not claim to
be well where it has no work left, and goes on when they are mended. A queue for each key that can be damaged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from queue_core import Taskyard
from queue_core.keys import LASTING, QueueKeys
from tests.proof.machine import TYPES
from tests.worker import shop
from tests.worker.harness import NAMESPACE, StartWorker, Worker, counted, record_of, traces, wait_until

BEAT_SECONDS = 0.2
GARBAGE = b"\xff\xfe {1 x"
KINDS = {**TYPES, "telemetry": "hash", "names": "hash", "attempts": "hash"}
PROCESSES = 2
"""Of a worker: each may meet what is wrong, and says it."""


def becomes_text(redis: Any, key: str, kind: str) -> None:
    redis.delete(key)
    redis.set(key, GARBAGE)


def is_full_of_garbage(redis: Any, key: str, kind: str) -> None:
    """What was in it, too, but for the ids."""
    if kind == "hash":
        redis.hset(key, mapping=dict.fromkeys([*redis.hkeys(key), GARBAGE], GARBAGE))
    elif kind == "zset":
        redis.zadd(key, {GARBAGE: -1e300, b"gone": 0.5, b"": 1e300})
    elif kind == "list":
        redis.lpush(key, GARBAGE, b"", b"gone")
    else:
        redis.sadd(key, GARBAGE, b"", b"gone")


def beats(redis: Redis, worker: Worker, count: int) -> None:
    """Waits until the worker has said so often that it is there."""
    first = wait_until(lambda: record_of(redis, worker))["heartbeat_at"]
    wait_until(lambda: record_of(redis, worker)["heartbeat_at"] >= first + count * BEAT_SECONDS * 1_000)


@pytest.mark.parametrize("damage", [becomes_text, is_full_of_garbage], ids=lambda damage: damage.__name__)
def test_worker_stays_says_it_once_and_goes_on_when_the_queues_are_mended(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, damage: Callable[[Any, str, str], None]
) -> None:
    queues = {key: QueueKeys(NAMESPACE, f"with-damaged-{key}") for key in LASTING}
    for key, queue in queues.items():
        yard.send("note", {"what": f"before {key}"}, queue=queue.queue)
        damage(redis, getattr(queue, key), KINDS[key])
    worker = start_worker(
        queues={**{queue.queue: 1 for queue in queues.values()}, "fast": 1}, heartbeat_seconds=BEAT_SECONDS
    )
    shop.note.enqueue("healthy")
    wait_until(lambda: "healthy" in traces(redis))
    child = worker.child()
    beats(redis, worker, 10)
    lines = Counter(line.partition("queue ")[2] for line in worker.said().splitlines() if " ERROR " in line)
    assert [line for line, count in lines.items() if count > PROCESSES and "settled" not in line] == []
    assert record_of(redis, worker)["state"] == "running", "the others are worked on"
    for key, queue in queues.items():
        redis.delete(getattr(queue, key))
        yard.send("note", {"what": f"after {key}"}, queue=queue.queue)
    wanted = {f"after {key}" for key in queues}
    wait_until(lambda: wanted <= set(traces(redis)), 15, lambda: wanted - set(traces(redis)))
    assert worker.child() == child
    assert worker.stop() == 0


def test_worker_without_a_queue_that_it_can_work_on_does_not_claim_to_be_well(
    start_worker: StartWorker, yard: Taskyard, redis: Redis
) -> None:
    slow = QueueKeys(NAMESPACE, "slow")
    redis.set(slow.leases, GARBAGE)
    worker = start_worker(queues={"slow": 1}, heartbeat_seconds=BEAT_SECONDS)
    wait_until(lambda: record_of(redis, worker).get("state") == "refused")
    beats(redis, worker, 10)
    assert record_of(redis, worker)["state"] == "refused"
    assert worker.said().count("is a string and should be a zset") <= PROCESSES
    redis.delete(slow.leases)
    shop.do_nothing.enqueue()
    wait_until(lambda: counted(redis, "slow", "completed") == 1)
    wait_until(lambda: record_of(redis, worker)["state"] == "running")
    assert worker.stop() == 0
