"""delete_queue: an empty queue is gone with all that it kept; one with tasks only by force, and while none runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from queue_core import protocol
from queue_core.errors import UnknownQueue
from queue_core.protocol import Call, Exported, ExportedTask, QueueDeleted, Session
from tests.engine import IDLE_PLACES, PLACES, Engine

pytestmark = pytest.mark.each_server


def delete_queue(
    engine: Engine, session: str = "ours", *, force: bool = False, at_most: int | None = None
) -> QueueDeleted:
    call = protocol.delete_queue(engine.queue, is_forced=force, at_most=at_most)
    return engine.client.run(call, Session(session))


def empty_queue(engine: Engine) -> None:
    """With all that a queue keeps beside its tasks."""
    for place in IDLE_PLACES:
        engine.trash(engine.seed(place))
    engine.delete(*engine.state()["trash"])
    engine.run(protocol.close_lane(engine.queue, "name:send", "ada", ""))
    engine.run(protocol.pause(engine.queue, "ada", ""))
    engine.check_books()


def test_empty_queue_is_gone_and_what_expires_is_left_to_itself(engine: Engine) -> None:
    empty_queue(engine)
    held = engine.client.redis.keys(engine.prefix + "*")
    engine.redis.hset(engine.queue.record("order-1"), "state", "completed")
    engine.redis.set("test:other", "stays")
    assert len(held) > 6
    assert delete_queue(engine) == QueueDeleted(engine.now, True, 0, {})
    assert engine.state() == {"record:order-1": {"state": "completed"}}
    assert engine.redis.get("test:other") == b"stays"


@pytest.mark.parametrize("place", PLACES)
def test_queue_with_a_task_stays(engine: Engine, place: str) -> None:
    engine.seed(place)
    before = engine.check_books()
    state = "ready" if place == "prioritized" else place
    assert delete_queue(engine) == QueueDeleted(engine.now, False, 1, {state: 1})
    assert engine.state() == before


def test_force_takes_everything(engine: Engine) -> None:
    for place in IDLE_PLACES:
        engine.seed(place)
    counts = {"ready": 2, "held": 1, "scheduled": 1, "retrying": 1, "dead": 1}
    assert delete_queue(engine, force=True) == QueueDeleted(engine.now, True, 6, counts)
    assert engine.state() == {}


def test_force_takes_no_running_task(engine: Engine) -> None:
    engine.lease()
    before = engine.check_books()
    assert delete_queue(engine, force=True) == QueueDeleted(engine.now, False, 1, {"running": 1})
    assert engine.state() == before


def test_force_takes_no_more_than_somebody_was_shown(engine: Engine) -> None:
    engine.enqueue_many(3)
    assert delete_queue(engine, "a", force=True, at_most=2).is_gone is False
    assert len(engine.check_books()["tasks"]) == 3
    assert delete_queue(engine, "b", force=True, at_most=3).is_gone is True


def test_queue_that_is_not_there_is_told_and_not_made(engine: Engine) -> None:
    with pytest.raises(UnknownQueue):
        delete_queue(engine)
    assert engine.redis.keys("*") == []


def test_answer_that_was_lost_is_given_again_when_the_queue_is_gone_and_new(engine: Engine) -> None:
    empty_queue(engine)
    gone = delete_queue(engine)
    assert delete_queue(engine) == gone
    task_id = engine.enqueue()
    assert delete_queue(engine) == gone
    assert list(engine.check_books()["tasks"]) == [task_id]


def test_marks_that_a_dead_mover_will_ask_for_stay(engine: Engine) -> None:
    tasks = tuple(ExportedTask(f"order-{n}:t1", b"send\n{}", "ready", b"1") for n in (1, 2))
    exported = Exported(engine.now, tasks, {})
    engine.run(protocol.import_(engine.queue, exported, {"by": "ada"}))
    assert delete_queue(engine, "a", force=True).is_gone
    assert engine.state() == {"imported": {"order-1:t1": float("inf"), "order-2:t1": float("inf")}}
    assert engine.run(protocol.import_(engine.queue, exported, {})).skipped == {}
    assert engine.redis.ttl(engine.queue.imported) == -1


def test_marks_stay_their_hour_for_a_mover_that_slept(engine: Engine) -> None:
    """Also those of tasks that are not to come."""
    tasks = tuple(ExportedTask(f"order-{n}:t1", b"send\n{}", "ready", b"1") for n in (1, 2))
    exported = Exported(engine.now, tasks, {})
    engine.run(protocol.import_(engine.queue, replace(exported, tasks=tasks[:1]), {"by": "ada"}))
    engine.run(protocol.import_(engine.queue, replace(exported, tasks=tasks[1:]), {"by": "ada"}, refuses=True))
    engine.run(protocol.confirm(engine.queue, [task.ticket for task in tasks]))
    assert delete_queue(engine, "a", force=True).is_gone
    assert 3_590_000 < engine.redis.pttl(engine.queue.imported) <= 3_600_000
    assert engine.run(protocol.import_(engine.queue, exported, {})).skipped == {"order-2:t1": "called back"}
    assert engine.state().keys() == {"imported"}

    engine.run(protocol.import_(engine.queue, Exported(engine.now, (ExportedTask("order-3:t1"),), {}), {"by": "ada"}))
    assert engine.redis.ttl(engine.queue.imported) == -1
    engine.run(protocol.confirm(engine.queue, ["order-3:t1"]))
    engine.later(3_600_000)
    assert delete_queue(engine, "b", force=True).is_gone
    assert engine.state() == {}


def test_enqueue_at_once_comes_before_or_after(engine: Engine) -> None:
    for number in range(5):
        engine.enqueue(f"first-{number}")
        engine.trash(f"first-{number}")
        engine.delete(f"first-{number}")
        new = protocol.enqueue(engine.queue, [engine.new_task(f"order-{number}")])
        calls: list[Call[Any]] = [protocol.delete_queue(engine.queue), new]
        deleted, met = engine.at_once([lambda call=call: call for call in calls])  # type: ignore[misc]
        state = engine.check_books()
        assert met == {}
        assert list(state["tasks"]) == [f"order-{number}"]
        assert state["stats"].get("deleted") == (None if deleted.is_gone else "1")
        engine.trash(f"order-{number}")
        engine.delete(f"order-{number}")
        assert delete_queue(engine, f"clear-{number}").is_gone


def test_one_of_many_callers_at_once_deletes_it(engine: Engine) -> None:
    empty_queue(engine)

    def attempt(session: str) -> bool:
        try:
            return delete_queue(engine, session).is_gone
        except UnknownQueue:
            return False

    with pytest.raises(UnknownQueue):
        engine.at_once([lambda: protocol.delete_queue(engine.queue)] * 4)
    assert engine.state() == {}
    assert not attempt("later")
