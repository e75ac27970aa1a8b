"""Tasks that are cancelled while they run, give something back, or tell how far they are. Real workers."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable

import pytest
from redis import Redis

from queue_core import ResultUnavailable, State, TaskCancelled, TaskFailed, TaskHandle, Taskyard
from tests.worker import shop
from tests.worker.harness import SLOW, StartWorker, counted, record_of, traces, wait_until

BEAT = {"heartbeat_seconds": 0.1, "lease_seconds": 10}


def ended_as(handle: TaskHandle) -> State | None:
    return wait_until(lambda: handle.status() if handle.status() not in (State.READY, State.RUNNING) else None)


def last_entry(yard: Taskyard, handle: TaskHandle) -> dict[str, object]:
    return dict(yard.inspector.task(handle.queue, handle.id).history[-1].facts)


@pytest.mark.parametrize("kind", ["async", "thread"])
def test_running_handler_stops_when_it_is_cancelled_and_has_not_failed(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None], kind: str
) -> None:
    worker = start_worker(**BEAT)
    handle = shop.wait.enqueue("a", seconds=60) if kind == "async" else shop.wait_until_cancelled.enqueue("a")
    wait_until(lambda: traces(redis) == ["a began"])
    assert handle.cancel("not needed") is State.RUNNING
    assert ended_as(handle) is State.CANCELLED
    entry = last_entry(yard, handle)
    assert (entry["reason"], entry["worker"], "error" in entry) == ("not needed", worker.id, False)
    assert (counted(redis, "slow", "cancelled"), counted(redis, "slow", "failed")) == (1, 0)
    assert redis.exists(SLOW.cancelling) == 0
    shop.note.enqueue("the worker goes on")
    wait_until(lambda: traces(redis)[-1] == "the worker goes on")
    check_books()


@pytest.mark.parametrize("kind", ["async", "thread"])
def test_handler_that_finishes_all_the_same_has_completed(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None], kind: str
) -> None:
    start_worker(**BEAT)
    task = shop.insist if kind == "async" else shop.wait_until_cancelled
    handle = task.enqueue("a", 60) if kind == "async" else task.enqueue("a", raises=False)  # type: ignore[call-arg, arg-type]
    wait_until(lambda: traces(redis) == ["a began"])
    handle.cancel()
    wait_until(lambda: counted(redis, "slow", "completed") == 1)
    check_books()


def test_tasks_that_were_claimed_ahead_end_without_having_begun(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    """Short tasks have the worker claim ahead, then a long one fills its slot: those behind it are held unbegun."""
    start_worker(concurrency=1, heartbeat_seconds=0.05, lease_seconds=10)
    yard.enqueue_many(shop.do_nothing.message() for _ in range(300))
    wait_until(lambda: counted(redis, "slow", "completed") == 300)
    long, *behind = yard.enqueue_many(
        [shop.wait_until_cancelled.message("a"), *(shop.wait.message(f"b{i}", seconds=0) for i in range(5))]
    )
    wait_until(lambda: "a began" in traces(redis))
    print([str(handle.cancel()) for handle in behind])
    for handle in behind:
        assert ended_as(handle) is State.CANCELLED
    long.cancel()
    assert ended_as(long) is State.CANCELLED
    assert traces(redis) == ["a began", "a was asked to stop"]
    check_books()


def test_cancelled_task_whose_worker_dies_does_not_run_again(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    worker = start_worker("w1", heartbeat_seconds=5, lease_seconds=1)
    handle = shop.wait.enqueue("a", seconds=60)
    wait_until(lambda: traces(redis) == ["a began"])
    handle.cancel()
    os.kill(worker.pid, signal.SIGKILL)
    start_worker("w2", lease_seconds=1)
    assert ended_as(handle) is State.CANCELLED
    assert traces(redis) == ["a began"]
    assert redis.exists(SLOW.cancelling) == 0
    check_books()


def test_cancelled_task_whose_process_dies_ends_with_the_evidence(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    worker = start_worker(heartbeat_seconds=60, lease_seconds=300)
    handle = shop.wait.enqueue("a", seconds=60)
    wait_until(lambda: traces(redis) == ["a began"])
    handle.cancel()
    os.kill(worker.child(), signal.SIGKILL)
    assert ended_as(handle) is State.CANCELLED
    assert str(last_entry(yard, handle)["evidence"]).startswith("killed by SIGKILL")
    check_books()


def test_result_comes_back_from_another_process(start_worker: StartWorker, yard: Taskyard, redis: Redis) -> None:
    start_worker()
    handle = shop.add.enqueue(1, 2.5, seconds=0.3)
    began = time.monotonic()
    assert handle.result(timeout=20) == 3.5
    print(f"result {(time.monotonic() - began) * 1000:.0f} ms after it was waited for, 300 ms of them its own")
    assert handle.result(timeout=0) == 3.5
    assert yard.handle(handle.id).result(timeout=0) == 3.5


def test_what_came_of_a_task_without_a_result_is_told(start_worker: StartWorker, yard: Taskyard) -> None:
    start_worker(**BEAT)
    with pytest.raises(ResultUnavailable, match="is a set"):
        shop.give_what_cannot_be_stored.enqueue().result(timeout=20)
    with pytest.raises(TaskFailed, match="ValueError: no such row") as failed:
        shop.fail_with_result.enqueue("no such row").result(timeout=20)
    assert failed.value.error_class == "ValueError"
    assert "raise ValueError(what)" in failed.value.traceback
    handle = shop.add.enqueue(1, 1, seconds=60)
    wait_until(lambda: handle.status() is State.RUNNING)
    handle.cancel("never mind")
    with pytest.raises(TaskCancelled, match="never mind"):
        handle.result(timeout=20)


def test_progress_is_seen_while_the_handler_runs_at_most_once_a_second(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    start_worker()
    handle = shop.tell_progress.enqueue(seconds=1.5)
    seen = set()

    def look() -> bool:
        detail = yard.inspector.task("slow", handle.id)
        if detail.progress:
            seen.add(detail.progress)
        return counted(redis, "slow", "completed") == 1

    with contextlib.suppress(LookupError):  # it has ended between two looks, and left no record
        wait_until(look)
    wait_until(lambda: counted(redis, "slow", "completed") == 1)
    assert 1 <= len(seen) <= 3
    assert all(p.total == 1_000_000 and p.note == f"row {p.done:g}" and p.at for p in seen)
    assert redis.hlen(SLOW.running) == 1
    check_books()


def test_worker_says_how_its_process_died(start_worker: StartWorker, yard: Taskyard, redis: Redis) -> None:
    worker = start_worker("w1")
    handle = shop.die.enqueue("a")
    assert ended_as(handle) in (State.RETRYING, State.DEAD)
    crashes = [entry.facts for entry in wait_until(lambda: yard.inspector.task("slow", handle.id).history)]
    assert str(crashes[0]["evidence"]).startswith("killed by SIGKILL")
    assert int(str(crashes[0]["memory_bytes"])) > 1_000_000
    assert crashes[0]["host"] == os.uname().nodename
    assert crashes[0]["worker"] == worker.id
    assert record_of(redis, worker)
