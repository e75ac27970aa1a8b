"""trash: seeded state → one call → the whole resulting state."""

from __future__ import annotations

import json

import pytest

from queue_core import protocol
from queue_core.protocol import Acted
from tests.engine import IDLE_PLACES, KEEP_MS, PLACES, START_MS, Engine, changed, element_of, score_of
from tests.invariants import State

pytestmark = pytest.mark.each_server


def trash(engine: Engine, *task_ids: str) -> Acted:
    return engine.run(protocol.trash(engine.queue, task_ids, KEEP_MS, "ada", "test"))


def place_after(place: str, before: State) -> State:
    """What becomes of a place when its one task is put into the trash."""
    if place == "ready":
        return {"removed": {"order-1"}}
    if place in ("dead", "retrying"):
        (fault,) = before["faults_seen"]
        counts = {f"{fault}:retrying": "0", f"{fault}:trashed": "1"}
        return {place: None, "dead_by_fault": None, "faults": {**before["faults"], **counts}}
    return {place: None}


SCORES = {
    "ready": 0,
    "held": 0,
    "prioritized": score_of(5, START_MS),
    "scheduled": START_MS + 60_000,
    "retrying": START_MS + 1_000,
    "dead": START_MS,
}


@pytest.mark.parametrize("place", IDLE_PLACES)
def test_task_leaves_its_place_with_what_it_needs_to_return(engine: Engine, place: str) -> None:
    engine.seed(place, "order-1")
    before = engine.check_books()
    engine.later(5)
    assert trash(engine, "order-1") == Acted(engine.now, {}, until_ms=engine.now + KEEP_MS)
    origin = {
        "from": place,
        "score": str(SCORES[place]),
        "member": "unknown:resize/order-1" if place == "held" else "order-1",
        "by": "ada",
        "reason": "test",
        "at": engine.now,
    }
    assert engine.check_books() == changed(
        before,
        **place_after(place, before),
        trash={"order-1": engine.now + KEEP_MS},
        trashed={"order-1": origin},
    )


@pytest.mark.parametrize("priority", [2_000, -2_000, 1])
def test_score_of_any_priority_is_kept_exactly(engine: Engine, priority: int) -> None:
    engine.enqueue("order-1", priority=priority)
    trash(engine, "order-1")
    assert int(engine.check_books()["trashed"]["order-1"]["score"]) == score_of(priority, START_MS)


@pytest.mark.parametrize(
    ("place", "why"), [("running", "running"), ("trashed", "in the trash"), ("gone", "gone"), ("ended", "gone")]
)
def test_what_cannot_be_put_away_is_told_and_left_alone(engine: Engine, place: str, why: str) -> None:
    if place == "running":
        engine.lease("order-1")
    elif place == "trashed":
        engine.seed("trashed", "order-1")
    elif place == "ended":
        engine.run(protocol.complete(engine.queue, [engine.lease("order-1")]))
    before = engine.state()
    assert trash(engine, "order-1").skipped == {"order-1": why}
    assert engine.state() == before


def test_each_task_of_a_batch_is_judged_by_itself(engine: Engine) -> None:
    running = engine.lease().id
    first, second = engine.enqueue_many(2)
    skipped = trash(engine, "gone", first, running, second, first).skipped
    assert skipped == {"gone": "gone", running: "running", first: "in the trash"}
    assert engine.check_books()["removed"] == {first, second}


def test_task_in_an_open_lane_is_put_away_and_the_lane_disappears(engine: Engine) -> None:
    engine.seed("held", "order-1")
    engine.run(protocol.open_lane(engine.queue, "unknown:resize", "ada"))
    assert trash(engine, "order-1").skipped == {}
    assert engine.claim().tasks == ()
    assert "closed" not in engine.check_books()


def test_task_with_an_old_element_struck_out_is_found_where_it_is(engine: Engine) -> None:
    engine.enqueue("order-1")
    trash(engine, "order-1")
    engine.delete("order-1")
    engine.enqueue("order-1", priority=1)
    trash(engine, "order-1")
    state = engine.check_books()
    assert (state["removed"], state["trashed"]["order-1"]["from"]) == ({"order-1"}, "prioritized")


def test_corrupt_task_can_be_put_away_and_deleted(engine: Engine) -> None:
    for place in IDLE_PLACES:
        task_id = engine.seed(place, f"broken-{place}")
        if place != "held":
            engine.redis.hset(engine.queue.tasks, task_id, b"\xff\x00")
    ids = [f"broken-{place}" for place in IDLE_PLACES]
    assert trash(engine, *ids).skipped == {}
    engine.check_books()
    assert engine.delete(*ids) == {}
    assert "tasks" not in engine.check_books()


@pytest.mark.parametrize("text", ['"quoted" \\ {}', "two\nlines", "\0", "ü€😀", "/", "x" * 3_000, ""])
def test_strange_reasons_are_kept(engine: Engine, text: str) -> None:
    task_id = engine.enqueue()
    engine.run(protocol.trash(engine.queue, [task_id], KEEP_MS, text, text))
    trashed = json.loads(engine.redis.hget(engine.queue.trashed, task_id))
    assert (trashed["by"], trashed["reason"]) == (text, text)


@pytest.mark.parametrize("place", IDLE_PLACES)
def test_one_of_many_callers_at_once_puts_it_away(engine: Engine, place: str) -> None:
    engine.seed(place, "order-1")
    answers = engine.at_once([lambda: protocol.trash(engine.queue, ["order-1"], KEEP_MS, "ada", "")] * 6)
    assert sorted(len(answer.skipped) for answer in answers) == [0] + [1] * 5
    engine.check_books()


def test_claim_and_trash_at_once_leave_one_winner(engine: Engine) -> None:
    task_ids = engine.enqueue_many(8)
    put = [lambda task_id=task_id: protocol.trash(engine.queue, [task_id], KEEP_MS, "ada", "") for task_id in task_ids]
    answers = engine.at_once([*put, *[lambda: protocol.claim(engine.queue, "w1", 2, 30_000)] * 4])
    trashed = sum(not answer.skipped for answer in answers[:8])
    claimed = sum(len(answer.tasks) for answer in answers[8:])
    state = engine.check_books()
    assert trashed == len(state.get("trash", {}))
    assert trashed + claimed + len(state.get("ready", [])) - len(state.get("removed", [])) == 8


def test_all_places_can_be_put_away_in_one_call(engine: Engine) -> None:
    ids = [engine.lease().id if place == "running" else engine.seed(place) for place in PLACES]
    assert sorted(trash(engine, *ids).skipped.values()) == ["in the trash", "running"]
    assert engine.check_books()["ready"] == [element_of(ids[-1], START_MS)[:-7]]
