"""Handlers that outstay their timeout, or lose their lease. Real workers."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from queue_core import State, TaskFailed, Taskyard
from queue_core.snapshot import Figures
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
)


def test_soft_timeout_is_a_failed_attempt(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    worker = start_worker()
    child = worker.child()
    with pytest.raises(TaskFailed, match=r"longer than its timeout, 0\.2 s") as failed:
        shop.sleep_for_ever.enqueue().result(timeout=20)
    assert failed.value.error_class == "SoftTimeout"
    assert "in sleep_for_ever" in failed.value.traceback
    assert worker.child() == child
    check_books()


@pytest.mark.parametrize("kinds", ["stay_in_thread stay_on_loop", "keep_the_loop", "keep_the_interpreter"])
def test_hard_timeout_is_a_failed_attempt_and_only_its_own(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None], kinds: str
) -> None:
    """Its process is replaced; the others that ran there are given back, and nothing is counted for them."""
    worker = start_worker(concurrency=4)
    child = worker.child()
    neighbour = shop.wait.enqueue("neighbour", seconds=2)
    wait_until(lambda: "neighbour began" in traces(redis))
    tasks: list[Any] = [getattr(shop, kind) for kind in kinds.split()]
    handles = [task.enqueue("a") for task in tasks]
    began = time.monotonic()
    for task, handle in zip(tasks, handles, strict=True):
        with pytest.raises(TaskFailed) as failed:
            handle.result(timeout=20)
        assert failed.value.error_class == "HardTimeout"
        assert (f"in {task.name}" in failed.value.traceback) == (kinds != "keep_the_interpreter")
        assert history_of(redis, "slow", handle.id)[0].split()[:3] == ["1", "0", "0"]  # attempts, crashes, releases
    print(f"ended {time.monotonic() - began:.2f} s after it was enqueued; hard timeout 0.5 s, 0.5 s for the others")
    wait_until(lambda: counted(redis, "slow", "completed") == 1)
    head, *entries = history_of(redis, "slow", neighbour.id)
    assert head.split()[:3] == ["0", "0", "1"]
    assert "hard timeout" in entries[0]
    assert traces(redis).count("a began") == len(tasks)
    assert worker.child() != child
    assert "has died" not in worker.said()
    check_books()


def test_hung_handler_alone_costs_nobody_a_wait(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    """Nothing else runs there: the process ends as soon as it is told."""
    worker = start_worker()
    child = worker.child()
    handle = shop.stay_in_thread.enqueue("a")
    wait_until(lambda: traces(redis) == ["a began"])
    began = time.monotonic()
    shop.note.enqueue("b")
    with pytest.raises(TaskFailed):
        handle.result(timeout=20)
    print(f"ended {time.monotonic() - began:.2f} s after it began")
    wait_until(lambda: worker.child() != child)
    shop.note.enqueue("c")
    wait_until(lambda: traces(redis)[-1] == "c")
    check_books()


def test_hard_timeout_of_what_kept_the_interpreter_follows_the_task_s_rule_but_asks_no_function(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    """The supervisor settles it alone. One was sent by somebody who does not know its declaration."""
    start_worker(concurrency=1)
    by_rule = yard.send("keep_the_interpreter_once", {"what": "a"}, queue="slow")
    by_function = shop.keep_the_interpreter_by_function.enqueue("b")
    wait_until(lambda: counted(redis, "slow", "failed") == 2)
    _, failure = history_of(redis, "slow", by_rule.id)
    assert '"retry_in":700.0' in failure
    assert "complaint" not in failure
    _, failure = history_of(redis, "slow", by_function.id)
    assert re.search(r'"retry_in":1\.\d+', failure)
    assert "the retry rule <lambda> was not asked, its process was killed: the default delay holds" in failure
    yard.control.promote("slow", [by_rule.id], by="ada", action_id="a1")
    wait_until(lambda: by_rule.status() is State.DEAD)
    check_books()


@pytest.mark.parametrize("kind", ["stay_in_thread", "keep_the_interpreter"])
def test_hard_timeout_is_counted_with_its_name_and_its_worker(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, kind: str
) -> None:
    worker = start_worker(concurrency=1, heartbeat_seconds=0.2)
    shop.wait.enqueue("first", seconds=0.3)
    wait_until(lambda: record_of(redis, worker).get("completed") == 1)  # what a process has not told yet dies with it
    with pytest.raises(TaskFailed):
        getattr(shop, kind).enqueue("a").result(timeout=20)

    def figures() -> Figures | None:
        found = yard.inspector.statistics("slow", minutes=2, by_name=True)
        return next((name.total for name in found.names if name.name == kind and name.total.run.count), None)

    found = wait_until(figures)
    assert found is not None
    assert (found.enqueued, found.failed, found.died, found.completed) == (1, 1, 1, 0)
    assert found.wait.count == found.run.count == 1
    assert found.run.p50_ms is not None
    assert found.run.p50_ms >= 500
    wait_until(lambda: (record_of(redis, worker)["completed"], record_of(redis, worker)["failed"]) == (1, 1))


def test_another_process_claims_while_one_that_is_to_be_ended_finishes_what_else_runs_there(
    start_worker: StartWorker, yard: Taskyard, redis: Redis
) -> None:
    worker = start_worker(concurrency=2, drain_seconds=30)
    child = worker.child()
    shop.wait.enqueue("neighbour", seconds=60)
    shop.stay_in_thread.enqueue("a")
    wait_until(lambda: sorted(traces(redis)) == ["a began", "neighbour began"])
    shop.wait.enqueue("next", seconds=0)
    wait_until(lambda: "next ended" in traces(redis))
    assert is_alive(child)
    assert "neighbour ended" not in traces(redis)
    assert len(children_of(worker.pid)) == 2


def test_run_whose_lease_is_lost_is_told_then_stopped_and_settles_nothing(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    first = start_worker("w1", heartbeat_seconds=0.1, lease_seconds=1, concurrency=1)
    handle = shop.wait_until_lease_is_lost.enqueue("a")
    wait_until(lambda: traces(redis) == ["a began"])
    first.signal(signal.SIGSTOP)
    second = start_worker("w2", heartbeat_seconds=0.1, lease_seconds=1, concurrency=1)
    wait_until(lambda: traces(redis) == ["a began"] * 2)
    second.signal(signal.SIGSTOP)  # its process goes on, and holds the lease as long as it lasts
    first.signal(signal.SIGCONT)
    wait_until(lambda: "a was stopped" in traces(redis))
    assert traces(redis)[2:4] == ["a was told", "a was stopped"]
    assert redis.hget(SLOW.stats, "failed") is None
    second.end()
    assert history_of(redis, "slow", handle.id)[0].split()[0] == "0"
    shop.wait.enqueue("b", seconds=0)
    wait_until(lambda: "b ended" in traces(redis) or traces(redis).count("a began") > 2)  # its slot is free again
    check_books()
