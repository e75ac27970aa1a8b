"""Signals: finishing, ending at once, quiet. Real workers."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest
from redis import Redis

from queue_core import Taskyard
from queue_core.keys import workers
from tests.worker import shop
from tests.worker.harness import (
    NAMESPACE,
    SLOW,
    StartWorker,
    counted,
    history_of,
    is_alive,
    is_quiet,
    record_of,
    traces,
    wait_until,
    wait_until_completed,
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_stopped_worker_finishes_what_runs_and_leaves_the_rest_as_it_was(
    number: signal.Signals,
    start_worker: StartWorker,
    yard: Taskyard,
    redis: Redis,
    check_books: Callable[[], None],
) -> None:
    worker = start_worker(concurrency=2)
    handles = yard.enqueue_many(shop.wait.message(f"a{i}", seconds=0.4) for i in range(6))
    wait_until(lambda: len(traces(redis)) == 2)
    worker.signal(number)
    assert worker.process.wait(10) == 0
    assert counted(redis, "slow", "completed") == 2
    assert redis.llen(SLOW.ready) == 4
    assert redis.zcard(SLOW.leases) == 1  # the sentinel
    assert [history_of(redis, "slow", handle.id) for handle in handles] == [[]] * 6
    assert record_of(redis, worker) == {}
    assert redis.zcard(workers(NAMESPACE)) == 0
    check_books()


def test_task_that_does_not_finish_within_the_grace_time_is_released_when_its_process_has_ended(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    worker = start_worker(grace_seconds=0.3)
    long_ones = [shop.wait.enqueue("async", seconds=60), shop.wait_in_thread.enqueue("thread", seconds=60)]
    wait_until(lambda: len(traces(redis)) == 2)
    child = worker.child()
    assert worker.stop() == 0
    assert not is_alive(child)
    for handle in long_ones:
        head, released = history_of(redis, "slow", handle.id)
        assert head.split()[:3] == ["0", "0", "1"]
        assert " released " in released
        assert '"reason":"the worker was stopped"' in released
    assert redis.llen(SLOW.ready) == 2
    check_books()


def test_second_signal_ends_at_once(start_worker: StartWorker, yard: Taskyard, redis: Redis) -> None:
    worker = start_worker(grace_seconds=60)
    handle = shop.wait.enqueue("a", seconds=60)
    wait_until(lambda: traces(redis) == ["a began"])
    worker.signal(signal.SIGTERM)
    wait_until(lambda: "stopping" in worker.said())
    began = time.monotonic()
    worker.signal(signal.SIGTERM)
    assert worker.process.wait(10) == 0
    assert time.monotonic() - began < 5
    assert history_of(redis, "slow", handle.id)[0].split()[:3] == ["0", "0", "1"]


def test_stop_comes_through_while_a_handler_holds_the_interpreter(
    start_worker: StartWorker, yard: Taskyard, redis: Redis
) -> None:
    worker = start_worker(grace_seconds=0.3)
    shop.hold_interpreter.enqueue("a", seconds=60)
    wait_until(lambda: traces(redis) == ["a began"])
    began = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - began < 5
    assert redis.llen(SLOW.ready) == 1


def test_quiet_worker_finishes_what_runs_and_claims_nothing_until_it_may_again(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    worker = start_worker(concurrency=1, heartbeat_seconds=0.25)
    shop.wait.enqueue("a", seconds=0.3)
    wait_until(lambda: traces(redis) == ["a began"])
    worker.signal(signal.SIGTSTP)
    wait_until(lambda: is_quiet(redis, worker))
    shop.wait.enqueue("b", seconds=0)
    wait_until_completed(redis, 1, "slow")
    quiet_at = record_of(redis, worker)["heartbeat_at"]
    wait_until(lambda: record_of(redis, worker)["heartbeat_at"] > quiet_at + 500)  # it lives on
    assert traces(redis) == ["a began", "a ended"]
    worker.signal(signal.SIGCONT)
    began = time.monotonic()
    wait_until_completed(redis, 2, "slow")
    assert time.monotonic() - began < 2
    wait_until(lambda: record_of(redis, worker)["state"] == "running")
    check_books()


def test_quiet_worker_leaves_new_tasks_to_others(start_worker: StartWorker, yard: Taskyard, redis: Redis) -> None:
    quiet = start_worker("quiet", heartbeat_seconds=0.25)
    shop.note.enqueue("seen")
    wait_until(lambda: traces(redis) == ["seen"])
    quiet.signal(signal.SIGTSTP)
    wait_until(lambda: is_quiet(redis, quiet))
    start_worker("other")
    for i in range(5):
        shop.who_am_i.options(task_id=f"t{i}").enqueue()
    wait_until_completed(redis, 6, "fast", 10)
    wait_until(lambda: record_of(redis, quiet)["completed"] == 1)


def test_worker_of_an_unreachable_server_stops_when_told(start_worker: StartWorker) -> None:
    worker = start_worker(url="redis://127.0.0.1:1/0")
    wait_until(lambda: "does not answer" in worker.said())
    worker.signal(signal.SIGTSTP)
    began = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - began < 3
