"""expire, and what a time to begin means elsewhere: seeded state → one call → the whole resulting state."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from queue_core import protocol, reading
from queue_core.protocol import Held
from tests.engine import KEEP_MS, START_MS, Engine, changed, element_of

pytestmark = pytest.mark.each_server

HOUR_MS = 3_600_000
OVER = START_MS + HOUR_MS
WAITING = ("held", "retrying", "scheduled", "prioritized", "ready")


def seed(engine: Engine, place: str, **what: Any) -> str:
    delay = {"delay_ms": 2 * HOUR_MS} if place == "scheduled" else {}
    return engine.seed(place, "order-1", expires=3_600, **delay, **what)


def expire(engine: Engine, *ids: str) -> list[str]:
    return engine.run(protocol.expire(engine.queue, ids))


def test_enqueue_notes_the_time(engine: Engine) -> None:
    engine.enqueue("order-1", expires=60)
    assert engine.check_books() == {
        "control": {"format": "1"},
        "stats": {"enqueued": "1"},
        "notify": ["1"],
        "tasks": {"order-1": 'send {"expires":60}\n{}'},
        "ready": [element_of("order-1", START_MS)],
        "expiring": {"order-1": START_MS + 60_000},
    }


@pytest.mark.parametrize("place", WAITING)
def test_task_that_waits_wherever_ends_as_expired_with_a_record(engine: Engine, place: str) -> None:
    seed(engine, place, unique_key="welcome:ada")
    before = engine.check_books()
    engine.now = OVER
    assert expire(engine, "order-1") == []
    after = engine.check_books()
    gone = dict.fromkeys(("tasks", "expiring", "unique", "history", "held", "retrying", "scheduled", "prioritized"))
    record = after.pop("record:order-1")
    assert {name: record[name] for name in ("state", "at", "worker")} == {
        "state": "expired", "at": str(OVER), "worker": "",
    }  # fmt: skip
    assert record["envelope"] == before["tasks"]["order-1"]
    expected = {**gone, "stats": {**before["stats"], "expired": "1"}}
    if place == "ready":
        expected["removed"] = {"order-1"}
    if place == "retrying":
        (fault,) = (name for name in before["faults"] if ":" not in name)
        expected["faults"] = {**before["faults"], f"{fault}:retrying": "0"}
    assert after == changed(before, **expected)
    assert 0 < engine.redis.ttl(engine.queue.record("order-1")) <= 86_400


@pytest.mark.parametrize("place", [*WAITING, "dead"])
def test_task_whose_time_is_not_over_is_left_alone(engine: Engine, place: str) -> None:
    seed(engine, place)
    before = engine.check_books()
    engine.now = OVER - 1
    assert expire(engine, "order-1", "gone") == ["order-1", "gone"]
    assert engine.check_books() == before


def test_running_task_is_not_touched(engine: Engine) -> None:
    held = engine.lease("order-1", expires=3_600)
    before = engine.check_books()
    engine.now = OVER
    assert expire(engine, "order-1") == ["order-1"]
    assert engine.check_books() == changed(before, expiring={"order-1": math.inf})
    assert engine.run(reading.list_outstayed(engine.queue)).overdue == []
    engine.run(protocol.complete(engine.queue, [held]))
    assert "expiring" not in engine.check_books()


def release(engine: Engine, held: Held) -> None:
    engine.run(protocol.release(engine.queue, [protocol.ReleasedTask(held.id, held.fence)]))


def crash(engine: Engine, held: Held) -> None:
    engine.run(protocol.recover(engine.queue, 30_000, held=[held]))


@pytest.mark.parametrize("give_back", [release, Engine.fail, crash])
@pytest.mark.parametrize("is_noted", [True, False])
def test_running_task_that_comes_back_too_late_never_begins_again(
    engine: Engine, give_back: Callable[[Engine, Held], None], is_noted: bool
) -> None:
    held = engine.lease("order-1", expires=3_600)
    engine.now = OVER
    if is_noted:
        expire(engine, "order-1")
    give_back(engine, held)
    engine.later(60_000)
    claimed = engine.claim()
    assert (claimed.tasks, claimed.has_overdue) == ((), True)
    engine.check_books()
    assert expire(engine, *engine.run(reading.list_outstayed(engine.queue)).overdue) == []
    assert engine.check_books()["stats"].items() >= {"enqueued": "1", "expired": "1"}.items()


@pytest.mark.parametrize("place", WAITING)
def test_claim_gives_out_nothing_whose_time_is_over_and_says_so(engine: Engine, place: str) -> None:
    seed(engine, place)
    engine.now = OVER
    lanes = ["unknown:resize"] if place == "held" else []
    claimed = engine.claim(lanes=lanes)
    assert (claimed.tasks, claimed.has_overdue, claimed.has_more) == ((), True, False)
    state = engine.check_books()
    due = state["scheduled"]["order-1"]
    assert due == (OVER + HOUR_MS if place == "scheduled" else OVER + 10_000)
    engine.now = due
    assert engine.claim(lanes=lanes).tasks == ()
    assert expire(engine, "order-1") == []
    assert not engine.claim().has_overdue


def test_claim_looks_behind_what_has_expired(engine: Engine) -> None:
    engine.enqueue_many(40, expires=60)
    later = engine.enqueue(expires=3_600)
    engine.later(60_000)
    assert [task.id for task in engine.claim(10).tasks] == [later]
    engine.check_books()


def test_more_than_a_batch_expires_batch_by_batch(engine: Engine) -> None:
    engine.enqueue_many(300, expires=60)
    engine.later(60_000)
    for _ in range(2):
        assert expire(engine, *engine.run(reading.list_outstayed(engine.queue)).overdue) == []
    assert engine.check_books()["stats"] == {"enqueued": "300", "expired": "300"}


def test_dead_letter_does_not_expire_and_may_run_again(engine: Engine) -> None:
    held = engine.lease("order-1", expires=3_600)
    engine.fail(held, protocol.DEAD)
    assert "expiring" not in engine.check_books()
    died, engine.now = engine.now, OVER + 1
    engine.run(protocol.requeue(engine.queue, [("order-1", died)], {"by": "ada"}))
    assert [task.id for task in engine.claim().tasks] == ["order-1"]


@pytest.mark.parametrize("is_noted", [True, False])
def test_task_in_the_trash_expires_when_it_comes_back(engine: Engine, is_noted: bool) -> None:
    seed(engine, "ready")
    engine.trash("order-1")
    engine.now = OVER
    if is_noted:
        assert expire(engine, "order-1") == ["order-1"]
    assert engine.check_books()["stats"] == {"enqueued": "1"}
    engine.run(protocol.restore(engine.queue, ["order-1"]))
    assert engine.claim().tasks == ()
    assert expire(engine, "order-1") == []
    assert engine.check_books()["stats"] == {"enqueued": "1", "expired": "1"}


@pytest.mark.parametrize("end", ["complete", "discard", "delete"])
def test_time_of_a_task_that_has_ended_is_forgotten(engine: Engine, end: str) -> None:
    held = engine.lease("order-1", expires=3_600)
    if end == "complete":
        engine.run(protocol.complete(engine.queue, [held]))
    elif end == "discard":
        engine.fail(held, protocol.DISCARD)
    else:
        release(engine, held)
        engine.trash("order-1")
        engine.delete("order-1")
    assert "expiring" not in engine.check_books()


def test_task_ends_once_whoever_ends_it(engine: Engine) -> None:
    ids = engine.enqueue_many(20, expires=60)
    engine.later(60_000)
    left_alone = engine.at_once([lambda: protocol.expire(engine.queue, ids)] * 4)
    assert sorted(map(len, left_alone)) == [0, 20, 20, 20]
    assert engine.check_books()["stats"] == {"enqueued": "20", "expired": "20"}


def test_claims_and_expiry_at_once_run_nothing_twice(engine: Engine) -> None:
    ids = engine.enqueue_many(20, expires=60)
    engine.later(59_999)
    claims = [lambda: protocol.claim(engine.queue, "w1", 5, 30_000)] * 3
    answers = engine.at_once([*claims, lambda: protocol.expire(engine.queue, ids)])
    assert sum(len(claimed.tasks) for claimed in answers[:3]) == 15
    engine.later(1)
    assert len(engine.run(protocol.expire(engine.queue, ids))) == 15
    assert engine.check_books()["stats"] == {"enqueued": "20", "expired": "5"}


def test_trash_is_kept_for_its_own_time(engine: Engine) -> None:
    seed(engine, "ready")
    engine.trash("order-1")
    engine.later(KEEP_MS)
    engine.run(protocol.delete(engine.queue, due_limit=10))
    assert engine.check_books().keys() & {"tasks", "expiring", "trash"} == set()
