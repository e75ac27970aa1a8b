"""Processes that stand still: stopped by a signal, or all killed in the midst. Real workers."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from redis import Redis

from queue_core import Taskyard
from tests.worker import shop
from tests.worker.harness import (
    SLOW,
    StartWorker,
    children_of,
    counted,
    history_of,
    is_alive,
    record_of,
    traces,
    wait_until,
    wait_until_completed,
)


def test_processes_that_stand_still_for_longer_than_their_leases_keep_them(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    """Their supervisor cannot tell them from such that compute."""
    worker = start_worker("w1", processes=2, concurrency=1, lease_seconds=1)
    wait_until(lambda: [p["state"] for p in record_of(redis, worker).get("processes", ())] == ["running"] * 2)
    handles = [shop.tell_process.enqueue(what, seconds=0.5) for what in ("a", "b")]
    wait_until(lambda: len(traces(redis)) == 2)
    pids = {int(line.rpartition(" ")[2]) for line in traces(redis)}
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    assert len(pids) == 2
    start_worker("w2", lease_seconds=1)
    fences = [redis.hget(SLOW.running, handle.id) for handle in handles]
    ends = [redis.zscore(SLOW.leases, handle.id) or 0 for handle in handles]
    for handle, end in zip(handles, ends, strict=True):
        wait_until(lambda h=handle, e=end: (redis.zscore(SLOW.leases, h.id) or 0) > e + 2_000)  # type: ignore[misc]
    assert [redis.hget(SLOW.running, handle.id) for handle in handles] == fences
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    wait_until_completed(redis, 2, "slow")
    assert len(traces(redis)) == 2
    assert [history_of(redis, "slow", handle.id) for handle in handles] == [[], []]
    check_books()


def test_worker_that_stands_still_for_longer_than_its_leases_settles_nothing_that_another_one_has(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    frozen = start_worker("w1", concurrency=1, lease_seconds=1)
    handle = shop.wait.enqueue("a", seconds=0.6)
    wait_until(lambda: traces(redis) == ["a began"])
    everything = [frozen.pid, *children_of(frozen.pid)]
    for pid in everything:
        os.kill(pid, signal.SIGSTOP)
    start_worker("w2", concurrency=1, lease_seconds=1)
    wait_until_completed(redis, 1, "slow")
    stats = redis.hgetall(SLOW.stats)
    for pid in everything:
        os.kill(pid, signal.SIGCONT)
    shop.wait.enqueue("b", seconds=0)
    shop.wait.enqueue("c", seconds=0)
    wait_until_completed(redis, 3, "slow")
    wait_until(lambda: record_of(redis, frozen)["busy"] == 0)
    assert frozen.stop() == 0
    after = {**redis.hgetall(SLOW.stats)}
    assert int(after[b"completed"]) == int(stats[b"completed"]) + 2
    assert [name for name in (b"crashed", b"failed", b"released") if after.get(name) != stats.get(name)] == []
    assert history_of(redis, "slow", handle.id)[0].split()[:3] == ["0", "1", "0"]
    check_books()


def test_when_all_processes_of_a_worker_are_killed_at_once_another_one_completes_everything(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    worker = start_worker("w1", processes=2, concurrency=8, lease_seconds=1)
    yard.enqueue_many(shop.note_in_thread.message(str(i)) for i in range(6_000))
    wait_until(lambda: counted(redis, "fast", "completed") > 1_000)
    everything = [worker.pid, *children_of(worker.pid)]
    assert len(everything) == 3
    for pid in everything:
        os.kill(pid, signal.SIGKILL)
    killed_at = time.monotonic()
    start_worker("w2", concurrency=8, lease_seconds=1)
    wait_until_completed(redis, 6_000, "fast", 30)
    print(f"all completed {time.monotonic() - killed_at:.1f} s after the kill")
    assert not any(map(is_alive, everything))
    assert set(traces(redis)) == {str(i) for i in range(6_000)}
    check_books()
