"""Processes that die, one at a time and all together. Real workers, SIGKILL."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis

from dashboard.problems import worker_condition
from queue_core import Taskyard
from queue_core.inspector import Inspector
from queue_core.timeline import timeline
from queue_core.worker.child import how_it_ended
from tests.worker import shop
from tests.worker.harness import (
    NAMESPACE,
    SLOW,
    StartWorker,
    children_of,
    counted,
    history_of,
    is_alive,
    open_files,
    record_of,
    traces,
    wait_until,
    wait_until_completed,
)


def test_task_whose_process_was_killed_completes_a_second_later_and_no_retry_is_used(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    worker = start_worker(concurrency=1)
    handle = shop.wait.enqueue("a", seconds=0.3)
    wait_until(lambda: traces(redis) == ["a began"])
    first = worker.child()
    killed_at = time.monotonic()
    os.kill(first, signal.SIGKILL)
    wait_until_completed(redis, 1, "slow")
    print(f"completed {time.monotonic() - killed_at:.2f} s after the kill, 0.3 s of them its own")
    assert traces(redis) == ["a began", "a began", "a ended"]
    head, crash, *rest = history_of(redis, "slow", handle.id)
    assert head.split()[:3] == ["0", "1", "0"]  # attempts, crashes, releases
    assert '"evidence":"killed by SIGKILL"' in crash
    assert '"memory_bytes":' in crash
    assert rest == []
    assert worker.child() != first

    def attempts() -> tuple[int, int]:
        told = Inspector(yard.url, NAMESPACE).statistics("slow", minutes=2, by_name=True).attempts
        minutes = told[shop.wait.name].minutes if told else ()
        return sum(minute.completed for minute in minutes), sum(minute.failed for minute in minutes)

    wait_until(lambda: attempts() == (1, 1))  # the crash counts among the attempts of its name
    check_books()


def test_tasks_that_had_not_begun_are_given_back_at_once_and_nothing_is_counted(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    """Short tasks have the worker claim ahead; then long ones fill its slots, and what it holds beyond them waits."""
    worker = start_worker(concurrency=2)
    yard.enqueue_many(shop.note.message(str(i)) for i in range(500))
    wait_until_completed(redis, 500, "fast")
    handles = yard.enqueue_many(shop.wait_in_thread.message(f"long {i}", seconds=0.5) for i in range(20))
    wait_until(lambda: sum(line.endswith("began") for line in traces(redis)) == 2)
    held = redis.zcard(SLOW.leases) - 1
    os.kill(worker.child(), signal.SIGKILL)
    wait_until_completed(redis, 20, "slow", 30)
    print(f"{held} held when it was killed")
    crashed = [handle for handle in handles if history_of(redis, "slow", handle.id)]
    assert len(crashed) == 2
    assert {handle.id for handle in crashed} == {handle.id for handle in handles[:2]}
    began = [line for line in traces(redis) if line.endswith("began")]
    assert len(began) == 22
    check_books()


def test_process_killed_under_load_gives_back_all_that_it_had_claimed(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    """Also tasks whose claim was still on its way to it: nothing waits for the end of a lease."""
    worker = start_worker(concurrency=8, lease_seconds=300)
    yard.enqueue_many(shop.note_in_thread.message(str(i)) for i in range(8_000))
    for kills in range(1, 4):
        child = worker.child()
        wait_until(lambda least=1_500 * kills: counted(redis, "fast", "completed") > least)  # type: ignore[misc]
        os.kill(child, signal.SIGKILL)
        wait_until(lambda child=child: children_of(worker.pid) not in ([], [child]))  # type: ignore[misc]
    killed_at = time.monotonic()
    wait_until_completed(redis, 8_000, "fast", 30)
    print(f"all completed {time.monotonic() - killed_at:.1f} s after the last of 3 kills")
    check_books()


def test_killed_worker_leaves_no_orphan_and_a_new_one_completes_all_when_the_leases_have_run_out(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    worker = start_worker("w1", lease_seconds=1.5)
    handles = yard.enqueue_many(shop.wait.message(f"a{i}", seconds=0.5) for i in range(4))
    wait_until(lambda: len(traces(redis)) == 4)
    child = worker.child()
    os.kill(worker.pid, signal.SIGKILL)
    killed_at = time.monotonic()
    wait_until(lambda: not is_alive(child), 2)
    print(f"child gone after {(time.monotonic() - killed_at) * 1000:.0f} ms")
    start_worker("w2", lease_seconds=1.5)
    wait_until_completed(redis, 4, "slow")
    print(f"all completed {time.monotonic() - killed_at:.2f} s after the kill (lease 1.5 s)")
    for handle in handles:
        assert history_of(redis, "slow", handle.id)[0].split()[:3] == ["0", "1", "0"]
    assert sorted(traces(redis)) == sorted(
        [*(f"a{i} began" for i in range(4)), *(f"a{i} {what}" for i in range(4) for what in ("began", "ended"))]
    )
    check_books()


def test_no_orphan_runs_on_even_while_a_handler_holds_the_interpreter(
    start_worker: StartWorker, yard: Taskyard, redis: Redis
) -> None:
    worker = start_worker("w1")
    shop.hold_interpreter.enqueue("a", seconds=20)
    wait_until(lambda: traces(redis) == ["a began"])
    child = worker.child()
    os.kill(worker.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(child), 2)


def test_handler_that_holds_the_interpreter_for_longer_than_its_lease_keeps_it(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    """And its worker counts as alive all the time: its supervisor beats."""
    start_worker("w1", lease_seconds=1)
    start_worker("w2", lease_seconds=1)
    wait_until(lambda: [worker.state for worker in yard.inspector.workers()] == ["running"] * 2)
    handle = shop.hold_interpreter.enqueue("a", seconds=4)
    wait_until(lambda: traces(redis) == ["a began"])
    conditions = set()
    while counted(redis, "slow", "completed") == 0:
        now_ms = yard.inspector.server_ms()
        conditions |= {worker_condition(worker, now_ms) for worker in yard.inspector.workers()}
    assert conditions == {"alive"}
    assert traces(redis) == ["a began", "a ended"]
    assert history_of(redis, "slow", handle.id) == []
    check_books()


def test_task_that_kills_its_process_is_quarantined_and_its_neighbours_complete(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    start_worker(concurrency=2)
    poison = shop.die.enqueue("poison")
    yard.enqueue_many(shop.wait.message(f"a{i}", seconds=0.01) for i in range(20))
    wait_until(lambda: redis.zcard(SLOW.dead) == 1 and counted(redis, "slow", "completed") == 20, 30)
    assert redis.zscore(SLOW.dead, poison.id)
    assert traces(redis).count("poison began") == 2  # max_crashes=1
    head, *crashes = history_of(redis, "slow", poison.id)
    assert head.split()[:2] == ["0", "2"]
    assert [line.split()[1] for line in crashes] == ["crashed", "crashed"]
    letter = yard.inspector.task("slow", poison.id)
    for entry in letter.history:
        assert str(entry.facts["evidence"]).startswith("killed by SIGKILL")
        assert int(str(entry.facts["memory_bytes"])) > 1_000_000
        assert (entry.facts["host"], str(entry.facts["worker"])[:3]) == (socket.gethostname(), "w1:")
    told = [event.detail for event in timeline(letter) if event.mark == "crashed"]
    assert all("killed by SIGKILL" in detail and " of memory, on " in detail for detail in told)
    assert len(told) == 2
    check_books()


def test_neighbours_that_died_with_poison_are_not_beside_it_when_their_next_crash_is_their_last(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    start_worker(concurrency=16)
    names = [f"a{i}" for i in range(5)]
    neighbours = yard.enqueue_many(shop.wait_beside.message(name, seconds=0.3) for name in names)
    wait_until(lambda: len(traces(redis)) == len(names))
    poison = shop.die.enqueue("poison")
    wait_until(lambda: redis.zcard(SLOW.dead) == 1 and counted(redis, "slow", "completed") == len(names), 30)
    assert redis.zscore(SLOW.dead, poison.id)
    assert {history_of(redis, "slow", handle.id)[0][:3] for handle in neighbours} == {"0 1"}  # attempts, crashes
    assert {traces(redis).count(f"{name} ended") for name in names} == {1}
    check_books()


@pytest.mark.parametrize(
    ("code", "oom_kills", "said"),
    [
        (-9, 0, "killed by SIGKILL"),
        (-9, 1, "killed by SIGKILL: memory ran out meanwhile, and the kernel killed for it"),
        (-11, 1, "killed by SIGSEGV"),
        (-200, 0, "killed by signal 200"),
        (3, 0, "it exited with code 3"),
    ],
)
def test_how_a_process_ended_is_told(code: int, oom_kills: int, said: str) -> None:
    assert how_it_ended(code, oom_kills) == said


def test_nothing_is_left_open_by_processes_that_died(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    worker = start_worker(concurrency=1, heartbeat_seconds=0.2)
    opened = []
    for i in range(5):
        child = worker.child()
        shop.note.enqueue(str(i))
        wait_until_completed(redis, i + 1, "fast")
        opened.append(open_files(worker.pid))
        os.kill(child, signal.SIGKILL)
        wait_until(lambda child=child: children_of(worker.pid) not in ([], [child]))  # type: ignore[misc]
    assert max(opened) - opened[0] <= 1, opened  # a connection that was not needed before
    assert list(temporary.iterdir()) == []
    wait_until(lambda: record_of(redis, worker)["completed"] > 1)  # counted on over the processes' deaths
