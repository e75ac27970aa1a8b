"""How long tasks waited and ran, and what became of their attempts: summed in the worker, told within a second."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
from redis import Redis

from queue_core import Taskyard, connection
from queue_core.inspector import Inspector
from queue_core.protocol import CANCEL, DEAD, DISCARD, RETRY, ClaimedTask, Counters
from queue_core.settings import MAX_BATCH
from queue_core.snapshot import Figures
from queue_core.worker.measures import COMPLETED, CRASHED, Measures
from tests.worker import shop
from tests.worker.harness import NAMESPACE, StartWorker, wait_until, wait_until_completed


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (COMPLETED, Figures(completed=1)),
        (RETRY, Figures(failed=1, retried=1)),
        (DEAD, Figures(failed=1, died=1)),
        (DISCARD, Figures(failed=1, discarded=1)),
        (CANCEL, Figures(cancelled=1)),
        (CRASHED, Figures(crashed=1)),
        ("another", Figures()),
    ],
)
def test_attempt_counts_by_what_it_came_to(outcome: str, expected: Figures) -> None:
    measures = Measures()
    measures.add("send", outcome, 3, 150)
    found = measures.take()["send"]
    assert found.counters == expected.counters
    assert (found.wait.counts, found.run.counts) == ((0, 0, 1), (0, 0, 0, 0, 0, 0, 0, 1))


def test_what_could_not_be_told_is_told_later_with_the_rest() -> None:
    measures = Measures()
    measures.add("send", COMPLETED, 3, 150)
    taken = measures.take()
    assert not measures
    measures.add("send", RETRY, 1_000_000, 0.1)
    measures.put_back(taken)
    measures.put_back({"resize": Figures(completed=2)})
    again = measures.take()
    assert again.keys() == {"send", "resize"}
    assert (again["send"].completed, again["send"].retried, again["send"].wait.count) == (1, 1, 2)


def test_when_the_last_of_a_name_completed_is_told_as_its_age() -> None:
    now = 100.0
    measures = Measures(clock=lambda: now)
    measures.add("send", COMPLETED, 3, 150, ended=98.5)
    measures.add("resize", RETRY, 3, 150, ended=98.5)
    measures.put_back(measures.take())
    now = 102.0
    measures.add("shrink", COMPLETED, 3, 150)
    assert measures.ages_ms(measures.take()) == {"send": 3_500, "shrink": 0}


def test_one_call_takes_as_many_names_as_it_may_carry() -> None:
    measures = Measures()
    for number in range(MAX_BATCH + 1):
        measures.add(f"task-{number}", COMPLETED, 1, 1)
    assert len(measures.take()) == MAX_BATCH
    assert list(measures.take()) == [f"task-{MAX_BATCH}"]
    assert not measures


@pytest.mark.parametrize(
    ("task_id", "digits", "claimed_ms", "waited_ms"),
    [
        ("order-1", "000001d", 1_577_836_800_200, 99),
        ("order-1", "000001d", 1_577_836_800_000, 0),  # a clock went back
        ("order-1", "", 1_577_836_800_000, 0),
        ("order-1", "!", 1_577_836_800_000, 0),
        ("0" * 22, "", 5, 5),
    ],
)
def test_wait_is_from_ready_to_claimed_by_the_server_s_clock(
    task_id: str, digits: str, claimed_ms: int, waited_ms: int
) -> None:
    assert ClaimedTask(task_id, b"", Counters(), False, digits, claimed_ms).waited_ms == waited_ms


def test_worker_tells_every_attempt_by_its_name(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    inspector = Inspector(yard.url, NAMESPACE)
    yard.enqueue_many(shop.note.message(f"note {i}") for i in range(50))
    yard.enqueue_many(shop.wait.message(f"wait {i}", seconds=0.06) for i in range(6))
    began_at = connection.time_ms(redis.time())
    worker = start_worker(concurrency=2)
    wait_until_completed(redis, 56)
    seen_at = connection.time_ms(redis.time())
    wait_until(lambda: inspector.statistics("fast", minutes=2).total.wait.count == 50, what="not told within a second")
    found = inspector.statistics("slow", minutes=2, by_name=True)
    wait_until(lambda: inspector.statistics("slow", minutes=2).total.run.count == 6)
    found = inspector.statistics("slow", minutes=2, by_name=True)
    (name,) = found.names
    assert (name.name, name.total.enqueued, name.total.completed) == (shop.wait.name, 6, 6)
    assert name.total.run == found.total.run
    assert found.total.run.p50_ms is not None
    assert 50 <= found.total.run.p50_ms <= 100
    assert found.total.wait.p99_ms is not None
    assert found.total.wait.p99_ms >= 100  # they waited for a slot, two by two
    attempts = found.attempts[shop.wait.name]
    assert sum(minute.completed for minute in attempts.minutes) == 6
    assert attempts.last_completed_at is not None
    assert began_at <= attempts.last_completed_at <= seen_at + 500  # although it was told about a second later
    assert worker.stop() == 0
    check_books()


def test_worker_that_stops_tells_what_is_left(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    worker = start_worker()
    shop.note.enqueue("one")
    wait_until_completed(redis, 1, "fast")
    assert worker.stop() == 0
    assert Inspector(yard.url, NAMESPACE).statistics("fast", minutes=2).total.run.count == 1
    check_books()


def test_killed_process_takes_no_more_than_its_measurements_with_it(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    worker = start_worker()
    yard.enqueue_many(shop.note.message(f"note {i}") for i in range(20))
    wait_until_completed(redis, 20, "fast")
    os.kill(worker.child(), signal.SIGKILL)
    found = Inspector(yard.url, NAMESPACE).statistics("fast", minutes=2).total
    assert found.completed == 20
    assert found.run.count <= 20
    check_books()
