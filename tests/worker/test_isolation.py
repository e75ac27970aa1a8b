"""Tasks that run in a child process of their own. Real workers."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest
from redis import Redis

from queue_core import ResultUnavailable, State, TaskFailed, Taskyard
from tests.worker import isolated_shop as shop
from tests.worker.harness import (
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

APP = "tests.worker.isolated_shop:yard"


@pytest.fixture
def yard(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Taskyard]:
    monkeypatch.setattr(shop.yard, "url", redis_url)
    shop.yard.close()
    yield shop.yard
    shop.yard.close()


def test_isolated_handler_runs_in_a_child_that_is_used_again(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    worker = start_worker(app=APP, concurrency=1)
    first, second, third = shop.who_runs.enqueue(), shop.who_runs.enqueue(), shop.who_runs_async.enqueue()
    pid, is_main_thread = first.result(timeout=20)
    assert is_main_thread
    assert pid not in (worker.pid, worker.child())
    assert pid in children_of(worker.child())
    assert second.result(timeout=20)[0] == pid
    assert third.result(timeout=20) == pid
    assert traces(redis) == [f"{handle.id} slow 1 True" for handle in (first, second)]
    assert f"who_runs {first.id}: is seen" in worker.said()
    began = time.monotonic()
    yard.enqueue_many(shop.do_nothing_isolated.message() for _ in range(300))
    wait_until_completed(redis, 303, "slow")
    print(f"{(time.monotonic() - began) / 300 * 1000:.2f} ms a task, one at a time")
    worker.process.kill()
    wait_until(lambda: not is_alive(pid), 2)
    check_books()


def test_rules_of_retries_and_middleware_hold_for_an_isolated_handler(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    start_worker(app=APP, concurrency=1)
    again = yard.enqueue(shop.say_apart.message("again").with_headers({"sent": "along"}))
    assert again.result(timeout=20) == 2
    assert traces(redis) == [f"before attempt {attempt}, sent along" for attempt in (1, 2)]
    assert '"retry_in":0.1' in history_of(redis, "slow", again.id)[1]
    assert shop.say_apart.enqueue("connection").result(timeout=20) == 2
    with pytest.raises(ResultUnavailable, match="was discarded by its handler: Discard: too late"):
        shop.say_apart.enqueue("discard").result(timeout=20)
    with pytest.raises(TaskFailed, match="ValueError: never right"):
        shop.say_apart.enqueue("value").result(timeout=20)
    check_books()


def test_what_an_isolated_handler_does_is_told_as_of_any_other(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    worker = start_worker(app=APP, concurrency=1)
    child = worker.child()
    with pytest.raises(TaskFailed, match="ValueError: no such row") as failed:
        shop.end_badly.enqueue("raise").result(timeout=20)
    assert 'raise ValueError("no such row")' in failed.value.traceback
    with pytest.raises(TaskFailed, match="SystemExit: 3"):
        shop.end_badly.enqueue("exit").result(timeout=20)
    (fault,) = (fault for fault in yard.inspector.faults("slow") if fault.error_class == "ValueError")
    assert fault.frame.endswith("in end_badly")
    killed = shop.end_badly.enqueue("kill")
    wait_until(lambda: killed.status() is State.RETRYING)
    head, crash = history_of(redis, "slow", killed.id)
    assert head.split()[:3] == ["0", "1", "0"]  # attempts, crashes, releases
    assert '"evidence":"killed by SIGKILL' in crash
    assert '"memory_bytes":' in crash
    shop.do_nothing_isolated.enqueue()
    wait_until(lambda: counted(redis, "slow", "completed") == 1)
    assert worker.child() == child
    check_books()


def test_timeouts_of_an_isolated_handler_end_its_child_at_most(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    worker = start_worker(app=APP, concurrency=8)
    child = worker.child()
    neighbour = shop.wait.enqueue("neighbour", seconds=2)
    expected = {
        "sleep": (shop.stay_isolated.enqueue("sleep"), "SoftTimeout", "in stay_isolated"),
        "async": (shop.stay_isolated_async.enqueue(False), "SoftTimeout", "in stay_isolated_async"),
        "progress": (shop.tell_progress_for_ever.enqueue(), "SoftTimeout", "in tell_progress_for_ever"),
        "swallow": (shop.stay_isolated.enqueue("swallow"), "HardTimeout", "in stay_isolated"),
        "hold": (shop.stay_isolated.enqueue("hold"), "HardTimeout", ""),
        "async swallow": (shop.stay_isolated_async.enqueue(True), "HardTimeout", "in stay_isolated_async"),
    }
    for what, (handle, error_class, where) in expected.items():
        with pytest.raises(TaskFailed) as failed:
            handle.result(timeout=20)
        assert (what, failed.value.error_class) == (what, error_class)
        assert where in failed.value.traceback, what
        assert history_of(redis, "slow", handle.id)[0].split()[:3] == ["1", "0", "0"]
    assert worker.child() == child
    wait_until_completed(redis, 1, "slow")
    assert history_of(redis, "slow", neighbour.id) == []
    check_books()


@pytest.mark.parametrize("looks", [True, False])
def test_isolated_handler_that_is_cancelled_is_told_and_then_stopped(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None], looks: bool
) -> None:
    start_worker(app=APP, heartbeat_seconds=0.1, lease_seconds=10)
    handle = shop.wait_isolated.enqueue("a", looks)
    wait_until(lambda: traces(redis) == ["a began"])
    progress = wait_until(lambda: yard.inspector.task("slow", handle.id).progress)
    assert progress is not None
    assert (progress.done, progress.total, progress.note) == (1, 2, "half")
    handle.cancel()
    wait_until(lambda: handle.status() is State.CANCELLED)
    assert traces(redis)[1:] == (["a was asked to stop"] if looks else [])
    check_books()


def test_isolated_handler_whose_lease_is_lost_is_killed(
    start_worker: StartWorker, yard: Taskyard, redis: Redis
) -> None:
    worker = start_worker("w1", app=APP, heartbeat_seconds=0.1, lease_seconds=1, concurrency=1)
    shop.wait_isolated.enqueue("a", False)
    wait_until(lambda: traces(redis) == ["a began"])
    (isolated,) = children_of(worker.child())
    worker.signal(signal.SIGSTOP)
    other = start_worker("w2", app=APP, heartbeat_seconds=0.1, lease_seconds=1, concurrency=1)
    wait_until(lambda: traces(redis) == ["a began"] * 2)
    worker.signal(signal.SIGCONT)
    wait_until(lambda: not is_alive(isolated))
    other.end()
    os.kill(worker.child(), 0)
    shop.wait.enqueue("its slot is free", seconds=0)
    wait_until(lambda: len(traces(redis)) > 2)


def test_memory_of_isolated_children_is_their_process_s_and_that_of_a_handler_s_programs_is_not(
    start_worker: StartWorker, yard: Taskyard, redis: Redis
) -> None:
    worker = start_worker(app=APP, max_memory=300 << 20, heartbeat_seconds=0.2)
    child = worker.child()
    shop.start_large_program.enqueue(400 << 20)
    wait_until_completed(redis, 1, "slow")
    shop.grow.enqueue(200 << 20)
    wait_until_completed(redis, 2, "slow")
    wait_until(lambda: record_of(redis, worker)["memory_bytes"] > 200 << 20)
    at = record_of(redis, worker)["heartbeat_at"]
    wait_until(lambda: record_of(redis, worker)["heartbeat_at"] > at + 1_000)
    assert children_of(worker.pid) == [child]
    shop.grow.enqueue(200 << 20)
    wait_until(lambda: "MiB: another process is started" in worker.said())
    wait_until(lambda: not is_alive(child))
    wait_until(lambda: record_of(redis, worker)["memory_bytes"] < 200 << 20)
    assert counted(redis, "slow", "crashed") == 0


def test_isolated_coroutine_that_keeps_its_event_loop_hears_of_its_timeout_once(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    start_worker(app=APP)
    with pytest.raises(TaskFailed) as failed:
        shop.keep_the_loop_isolated.enqueue(False).result(timeout=20)
    assert failed.value.error_class == "SoftTimeout"
    assert "time.sleep(60)" in failed.value.traceback
    assert shop.keep_the_loop_isolated.enqueue(True).result(timeout=20) == "went on"
    check_books()
