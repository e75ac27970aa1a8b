"""delete: seeded state → one call → the whole resulting state."""

from __future__ import annotations

import pytest

from queue_core import protocol
from queue_core.errors import InvalidArgument
from queue_core.protocol import Acted
from tests.engine import IDLE_PLACES, KEEP_MS, Engine, changed, counted, without

pytestmark = pytest.mark.each_server


@pytest.mark.parametrize("place", IDLE_PLACES)
def test_task_in_the_trash_is_gone_for_good(engine: Engine, place: str) -> None:
    engine.seed(place, "order-1")
    engine.trash("order-1")
    before = engine.check_books()
    assert engine.run(protocol.delete(engine.queue, ["order-1"])) == Acted(engine.now, {}, count=1)
    faults = before.get("faults")
    if faults:
        (fault,) = before["faults_seen"]
        faults = {**faults, f"{fault}:trashed": "0"}
    assert engine.check_books() == changed(
        before,
        tasks=None,
        trash=None,
        trashed=None,
        history=None,
        faults=faults,
        stats=counted(before, deleted=1),
    )


def test_own_traceback_goes_with_the_task(engine: Engine) -> None:
    engine.fail(engine.lease(), protocol.DEAD, digest="d1", trace="usual")
    engine.fail(engine.lease("order-1"), protocol.DEAD, digest="d2", trace="other")
    engine.trash("order-1")
    before = engine.check_books()
    engine.delete("order-1")
    assert engine.check_books()["history"] == without(before["history"], "order-1", ":order-1")


@pytest.mark.parametrize("place", [*IDLE_PLACES, "running"])
def test_task_that_is_not_in_the_trash_is_left_alone(engine: Engine, place: str) -> None:
    task_id = engine.lease().id if place == "running" else engine.seed(place)
    before = engine.state()
    assert engine.delete(task_id, "gone") == {task_id: "not in the trash", "gone": "not in the trash"}
    assert engine.state() == before


def test_same_id_twice_is_deleted_once(engine: Engine) -> None:
    engine.seed("trashed", "order-1")
    acted = engine.run(protocol.delete(engine.queue, ["order-1", "order-1"]))
    assert (acted.count, acted.skipped) == (1, {"order-1": "not in the trash"})
    assert engine.check_books()["stats"]["deleted"] == "1"


@pytest.mark.parametrize(
    ("passed", "limit", "count"), [(0, 10, 0), (KEEP_MS - 1, 10, 0), (KEEP_MS, 10, 3), (KEEP_MS, 2, 2)]
)
def test_only_what_is_due_is_deleted_the_oldest_first(engine: Engine, passed: int, limit: int, count: int) -> None:
    task_ids = engine.enqueue_many(3)
    engine.trash(*task_ids)
    engine.later(passed)
    later = engine.enqueue()
    engine.trash(later)
    acted = engine.run(protocol.delete(engine.queue, due_limit=limit))
    assert (acted.count, acted.skipped) == (count, {})
    state = engine.check_books()
    assert len(state["trash"]) == 4 - count
    assert later in state["trash"]


def test_largest_batch_is_deleted_at_once(engine: Engine) -> None:
    engine.trash(*engine.enqueue_many(256))
    engine.later(KEEP_MS)
    assert engine.run(protocol.delete(engine.queue, due_limit=256)).count == 256
    state = engine.check_books()
    assert state["stats"] == {"enqueued": "256", "deleted": "256"}
    engine.claim()
    assert not engine.check_books().keys() & {"ready", "removed"}


@pytest.mark.parametrize("limit", [-1, 257])
def test_limit_is_checked_before_anything_is_sent(engine: Engine, limit: int) -> None:
    with pytest.raises(InvalidArgument, match="0 to 256"):
        protocol.delete(engine.queue, due_limit=limit)


def test_id_without_a_task_is_dropped_and_not_counted(engine: Engine) -> None:
    engine.seed("trashed", "lost")
    engine.redis.hdel(engine.queue.tasks, "lost")
    engine.redis.hset(engine.queue.stats, "enqueued", 0)
    assert engine.run(protocol.delete(engine.queue, ["lost"])).count == 1
    assert engine.check_books()["stats"] == {"enqueued": "0", "failed": "1", "died": "1"}


def test_one_of_many_callers_at_once_deletes_it(engine: Engine) -> None:
    engine.seed("trashed", "order-1")
    answers = engine.at_once([lambda: protocol.delete(engine.queue, ["order-1"])] * 8)
    assert sorted(answer.count for answer in answers) == [0] * 7 + [1]
    assert engine.check_books()["stats"]["deleted"] == "1"
