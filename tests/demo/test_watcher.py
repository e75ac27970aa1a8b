"""What the demo sees of its queues, on a real server: deaths, retries and what came of them, purges."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from queue_core import DeadLetter, Taskyard
from queue_core.demo.facts import Died, Purged, Retried
from queue_core.demo.watcher import Watcher
from queue_core.snapshot import TaskSummary


class Shop:
    """One queue with orders that fail or complete as a test wants it, and an operator."""

    def __init__(self, url: str) -> None:
        self.yard = Taskyard(url, namespace="test")
        self._task = self.yard.task(queue="orders", max_retries=0)(sync)
        self._actions = 0

    def enqueue(self, count: int = 1) -> None:
        self.yard.enqueue_many(self._task.message(order) for order in range(count))

    def work(self, error: Exception | None = None) -> None:
        """Runs what is ready: every attempt ends with this error, or completes."""
        with self.yard.queue("orders").claim(limit=100) as leases:
            for lease in leases:
                lease.complete() if error is None else lease.fail(error)

    def letters(self) -> tuple[TaskSummary, ...]:
        return self.yard.inspector.letters("orders").rows

    def retry(self, letters: tuple[TaskSummary, ...], by: str = "console") -> None:
        self._actions += 1
        action = f"retry-{self._actions}"
        self.yard.control.requeue("orders", [(row.id, row.at or 0) for row in letters], by=by, action_id=action)

    def purge(self, letters: tuple[TaskSummary, ...]) -> None:
        self.yard.control.trash("orders", [row.id for row in letters], by="console", action_id="purge")

    def restore(self, letters: tuple[TaskSummary, ...]) -> None:
        self.yard.control.restore("orders", [row.id for row in letters], by="console", action_id="restore")


def sync(order: int) -> None: ...


OUTAGE = ConnectionError("no answer")


@pytest.fixture
def shop(redis_url: str) -> Iterator[Shop]:
    shop = Shop(redis_url)
    shop.enqueue()
    yield shop
    shop.yard.close()


@pytest.fixture
def watcher(shop: Shop) -> Watcher:
    return Watcher(shop.yard.inspector, {"sync": "a note"})


def test_first_death_of_a_fault_is_told_at_once_and_others_together(shop: Shop, watcher: Watcher) -> None:
    assert watcher.look(1.0) == []
    shop.work(OUTAGE)
    letter = shop.letters()[0]
    assert watcher.look(6.0) == [Died("sync", "orders", letter.id, "ConnectionError: no answer", "a note")]
    shop.enqueue(3)
    shop.work(OUTAGE)
    assert watcher.look(6.5) == []
    assert watcher.look(7.4) == []
    (more,) = watcher.look(7.5)
    assert isinstance(more, Died)
    assert (more.task, more.error, more.more) == ("sync", "ConnectionError: no answer", 3)
    assert watcher.look(60.0) == []


def test_deaths_that_go_on_are_told_every_three_seconds(shop: Shop, watcher: Watcher) -> None:
    told = []
    for tick in range(12):
        shop.work(OUTAGE)
        shop.enqueue()
        told.append(len(watcher.look(tick * 0.5)))
    assert told == [1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]


def test_deaths_are_told_early_when_that_is_wanted(shop: Shop, watcher: Watcher) -> None:
    shop.enqueue(3)
    shop.work(OUTAGE)
    (first,) = watcher.look(19.9)
    (more,) = watcher.look(20.0, tells_all=True)
    assert isinstance(first, Died)
    assert isinstance(more, Died)
    assert (first.more, more.more) == (0, 3)


def test_each_fault_is_told(shop: Shop, watcher: Watcher) -> None:
    shop.work(OUTAGE)
    shop.enqueue()
    shop.work(DeadLetter("no such order"))
    told = watcher.look(6.0)
    assert [fact.error for fact in told if isinstance(fact, Died)] == [
        "ConnectionError: no answer",
        "DeadLetter: no such order",
    ]


def test_retry_is_told_when_all_have_come_to_something(shop: Shop, watcher: Watcher) -> None:
    shop.enqueue(2)
    shop.work(OUTAGE)
    watcher.look(6.0)
    watcher.look(9.0)
    shop.retry(shop.letters())
    assert watcher.look(21.0) == []
    shop.work()
    assert watcher.look(22.0) == [Retried("console", 3, completed=3, failed=0)]
    assert watcher.look(23.0) == []
    assert (watcher.retried, watcher.retried_completed) == (3, 3)


def test_retry_that_was_over_before_the_next_look_is_told(shop: Shop, watcher: Watcher) -> None:
    shop.enqueue()
    shop.work(OUTAGE)
    watcher.look(6.0)
    watcher.look(9.0)
    shop.retry(shop.letters()[:1])
    shop.work()
    shop.retry(shop.letters(), by="ada")
    shop.work(OUTAGE)
    assert sorted(watcher.look(21.0), key=str) == [
        Retried("ada", 1, completed=0, failed=1),
        Retried("console", 1, completed=1, failed=0),
    ]
    assert watcher.look(30.0) == []
    assert (watcher.retried, watcher.retried_completed) == (2, 1)


def test_letter_that_failed_again_can_be_retried_again(shop: Shop, watcher: Watcher) -> None:
    shop.work(OUTAGE)
    watcher.look(6.0)
    for _ in range(2):
        shop.retry(shop.letters())
        watcher.look(21.0)
        shop.work(OUTAGE)
        assert watcher.look(22.0) == [Retried("console", 1, completed=0, failed=1)]
    shop.retry(shop.letters())
    shop.work()
    assert watcher.look(23.0) == [Retried("console", 1, completed=1, failed=0)]


def test_purged_and_restored_letters_are_no_new_deaths(shop: Shop, watcher: Watcher) -> None:
    shop.enqueue()
    shop.work(OUTAGE)
    watcher.look(6.0)
    watcher.look(9.0)
    letters = shop.letters()
    shop.purge(letters)
    assert watcher.look(10.0) == [Purged("console", 2)]
    shop.restore(letters)
    assert watcher.look(11.0) == []
    assert watcher.look(20.0) == []
    shop.retry(letters)
    shop.work()
    assert watcher.look(21.0) == [Retried("console", 2, completed=2, failed=0)]


def test_retried_letter_that_is_purged_has_gone_elsewhere(shop: Shop, watcher: Watcher) -> None:
    shop.work(OUTAGE)
    watcher.look(6.0)
    letters = shop.letters()
    shop.retry(letters)
    watcher.look(7.0)
    shop.purge(letters)
    assert watcher.look(8.0) == [Retried("console", 1, completed=0, failed=0, other=1)]
