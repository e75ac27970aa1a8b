"""restore: seeded state → one call → the whole resulting state. What was in the trash is where it was before."""

from __future__ import annotations

import pytest

from queue_core import protocol
from queue_core.protocol import Acted
from tests.engine import IDLE_PLACES, START_MS, Engine, changed, element_of

pytestmark = pytest.mark.each_server


def restore(engine: Engine, *task_ids: str) -> Acted:
    return engine.run(protocol.restore(engine.queue, task_ids))


@pytest.mark.parametrize("place", IDLE_PLACES)
def test_task_is_where_it_was_and_a_worker_is_woken(engine: Engine, place: str) -> None:
    engine.seed(place, "order-1")
    before = engine.check_books()
    engine.later(5)
    engine.trash("order-1")
    engine.later(5)
    assert restore(engine, "order-1") == Acted(engine.now, {})
    after = engine.check_books()
    if place in ("dead", "retrying"):
        (fault,) = before["faults_seen"]
        before["faults"][f"{fault}:trashed"] = "0"
    woken = [] if place in ("dead", "held") else ["1"]
    assert after == changed(before, notify=[*before["notify"], *woken])


def test_order_of_the_list_is_as_before(engine: Engine) -> None:
    task_ids = engine.enqueue_many(5)
    engine.trash(*task_ids[1:4])
    restore(engine, task_ids[3], task_ids[1])
    assert [task.id for task in engine.claim().tasks] == [task_ids[0], task_ids[1], task_ids[3], task_ids[4]]
    engine.check_books()


@pytest.mark.parametrize("task_id", ["order-1", "A" * 22, None])
def test_task_whose_element_was_dropped_meanwhile_goes_to_the_head(engine: Engine, task_id: str | None) -> None:
    task_id = engine.enqueue(task_id)
    engine.trash(task_id)
    assert engine.claim().tasks == ()
    assert "ready" not in engine.check_books()
    waiting = engine.enqueue()
    restore(engine, task_id)
    state = engine.check_books()
    assert len(state["ready"]) == 2
    assert [task.id for task in engine.claim().tasks] == [task_id, waiting]


def test_held_task_whose_lane_is_gone_keeps_an_open_one_until_it_runs(engine: Engine) -> None:
    engine.seed("held", "order-1")
    engine.trash("order-1")
    engine.run(protocol.open_lane(engine.queue, "unknown:resize", "ada"))
    assert "closed" not in engine.check_books()
    engine.redis.delete(engine.queue.notify)
    restore(engine, "order-1")
    (fields,) = [engine.check_books()["closed"]["unknown:resize"]]
    assert fields == ("open", {"by": "", "reason": "", "at": START_MS})
    assert "notify" in engine.state()
    assert [task.id for task in engine.claim().tasks] == ["order-1"]
    engine.claim()
    assert "closed" not in engine.check_books()


def test_held_task_whose_lane_is_open_wakes_a_worker(engine: Engine) -> None:
    engine.seed("held", "order-1")
    engine.run(protocol.close_lane(engine.queue, "unknown:resize", "ada", ""))
    engine.enqueue("order-2", name="resize")
    engine.claim()
    engine.trash("order-1")
    engine.run(protocol.open_lane(engine.queue, "unknown:resize", "ada"))
    engine.redis.delete(engine.queue.notify)
    restore(engine, "order-1")
    assert engine.check_books()["notify"] == ["1"]


def test_times_that_have_passed_meanwhile_make_the_task_due(engine: Engine) -> None:
    ids = [engine.seed("retrying"), engine.seed("scheduled")]
    engine.trash(*ids)
    engine.later(3_600_000)
    restore(engine, *ids)
    assert sorted(task.id for task in engine.claim().tasks) == sorted(ids)
    engine.check_books()


def test_restored_letter_can_be_requeued_with_its_time_of_death(engine: Engine) -> None:
    engine.seed("dead", "order-1")
    engine.later(5)
    engine.trash("order-1")
    restore(engine, "order-1")
    assert engine.run(protocol.requeue(engine.queue, [("order-1", START_MS)], {})).skipped == {}
    engine.check_books()


@pytest.mark.parametrize("place", ["ready", "dead", "held", "scheduled"])
def test_task_that_is_not_in_the_trash_is_left_alone(engine: Engine, place: str) -> None:
    task_id = engine.seed(place)
    before = engine.state()
    assert restore(engine, task_id, "gone").skipped == {task_id: "not in the trash", "gone": "not in the trash"}
    assert engine.state() == before


def test_same_id_twice_is_restored_once(engine: Engine) -> None:
    engine.enqueue("order-1")
    engine.trash("order-1")
    assert restore(engine, "order-1", "order-1").skipped == {"order-1": "not in the trash"}
    assert engine.check_books()["ready"] == [element_of("order-1", START_MS)]


def test_paused_queue_takes_tasks_back_and_wakes_nobody(engine: Engine) -> None:
    task_id = engine.enqueue()
    engine.trash(task_id)
    engine.run(protocol.pause(engine.queue, "ada", ""))
    restore(engine, task_id)
    assert "notify" not in engine.check_books()


@pytest.mark.parametrize(
    "note", [b"", b"{", b"[]", b'{"from":"held"}', b'{"from":"dead"}', b'{"from":"x","score":"1"}']
)
@pytest.mark.parametrize("priority", [0, 3])
def test_unreadable_note_makes_the_task_ready(engine: Engine, note: bytes, priority: int) -> None:
    engine.enqueue("order-1", priority=priority)
    engine.trash("order-1")
    engine.redis.hset(engine.queue.trashed, "order-1", note)
    assert restore(engine, "order-1").skipped == {}
    engine.check_books()
    assert [task.id for task in engine.claim().tasks] == ["order-1"]


def test_lost_note_makes_the_task_ready(engine: Engine) -> None:
    engine.enqueue("order-1")
    engine.trash("order-1")
    engine.redis.hdel(engine.queue.trashed, "order-1")
    assert restore(engine, "order-1").skipped == {}
    engine.check_books()


@pytest.mark.parametrize("place", IDLE_PLACES)
def test_one_of_many_callers_at_once_restores_it(engine: Engine, place: str) -> None:
    engine.seed(place, "order-1")
    engine.trash("order-1")
    answers = engine.at_once([lambda: protocol.restore(engine.queue, ["order-1"])] * 6)
    assert sorted(len(answer.skipped) for answer in answers) == [0] + [1] * 5
    engine.check_books()


def test_restoring_and_deleting_at_once_leave_one_winner(engine: Engine) -> None:
    engine.seed("dead", "order-1")
    engine.trash("order-1")
    calls = [lambda: protocol.restore(engine.queue, ["order-1"]), lambda: protocol.delete(engine.queue, ["order-1"])]
    answers = engine.at_once(calls * 3)
    assert sorted(len(answer.skipped) for answer in answers) == [0] + [1] * 5
    engine.check_books()
