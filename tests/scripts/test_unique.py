"""Unique keys, in all scripts that know them: seeded state → one call → the whole resulting state."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from queue_core import protocol
from queue_core.errors import CorruptQueue
from queue_core.protocol import Call, Held
from tests.engine import START_MS, Engine, changed, without

pytestmark = pytest.mark.each_server

KEY = "welcome:ada"
MET = {"held": "held", "retrying": "retrying", "scheduled": "scheduled", "prioritized": "ready", "ready": "ready"}


def enqueue(engine: Engine, task_id: str, key: str = KEY, **what: Any) -> dict[str, str]:
    return engine.run(protocol.enqueue(engine.queue, [engine.new_task(task_id, unique_key=key, **what)]))


def test_key_is_held_by_the_task_that_took_it(engine: Engine) -> None:
    assert enqueue(engine, "first") == {}
    state = engine.check_books()
    assert state["unique"] == {KEY: "first 0"}
    assert "unique_expiring" not in state
    assert state["tasks"] == {"first": 'send {"unique_key":"welcome:ada"}\n{}'}


@pytest.mark.parametrize("place", MET)
def test_second_task_of_a_key_is_not_made_and_the_holder_is_named(engine: Engine, place: str) -> None:
    engine.seed(place, "first", unique_key=KEY)
    before = engine.check_books()
    assert enqueue(engine, "second", priority=3) == {"second": f"{MET[place]} first"}
    assert engine.state() == before


def test_running_task_holds_its_key_until_it_completes(engine: Engine) -> None:
    held = engine.lease("first", unique_key=KEY)
    assert enqueue(engine, "second") == {"second": "running first"}
    engine.run(protocol.complete(engine.queue, [Held(held.id, held.fence, unique_key=KEY)]))
    assert "unique" not in engine.check_books()
    assert enqueue(engine, "second") == {}


@pytest.mark.parametrize("end", ["discard", "expire", "delete"])
def test_key_is_free_when_its_task_has_ended(engine: Engine, end: str) -> None:
    if end == "discard":
        engine.fail(engine.lease("first", unique_key=KEY), protocol.DISCARD)
    else:
        engine.enqueue("first", unique_key=KEY, expires=1)
    if end == "expire":
        engine.later(1_000)
        engine.run(protocol.expire(engine.queue, ["first"]))
    if end == "delete":
        engine.trash("first")
        engine.delete("first")
    assert "unique" not in engine.check_books()
    assert enqueue(engine, "second") == {}


def test_batch_makes_one_task_of_a_key(engine: Engine) -> None:
    tasks = [engine.new_task(task_id, unique_key=KEY, priority=3) for task_id in ("a", "b", "c")]
    other = engine.new_task("d", unique_key="welcome:bob", delay_ms=5)
    again = engine.new_task("e", unique_key="welcome:bob")
    met = engine.run(protocol.enqueue(engine.queue, [*tasks, other, again]))
    assert met == {"b": "ready a", "c": "ready a", "e": "scheduled d"}
    state = engine.check_books()
    assert state["unique"] == {KEY: "a 0", "welcome:bob": "d 0"}
    assert state["stats"] == {"enqueued": "2"}


def test_id_is_met_before_its_key(engine: Engine) -> None:
    enqueue(engine, "first")
    before = engine.state()
    assert enqueue(engine, "first") == {"first": "ready"}
    assert enqueue(engine, "first", key="other") == {"first": "ready"}
    assert engine.state() == before


@pytest.mark.parametrize("place", ["dead", "trashed"])
def test_dead_letter_and_trash_block_nobody(engine: Engine, place: str) -> None:
    engine.seed(place, "first", unique_key=KEY)
    assert enqueue(engine, "second") == {}
    assert engine.check_books()["unique"] == {KEY: "second 0"}


def test_requeue_takes_the_key_again(engine: Engine) -> None:
    engine.seed("dead", "first", unique_key=KEY)
    assert enqueue(engine, "second") == {}
    engine.run(protocol.complete(engine.queue, [Held("second", engine.claim().fence, unique_key=KEY)]))
    assert engine.run(protocol.requeue(engine.queue, [("first", START_MS)], {})).skipped == {}
    assert engine.check_books()["unique"] == {KEY: "first 0"}
    assert enqueue(engine, "third") == {"third": "ready first"}


def test_requeue_leaves_a_letter_alone_whose_key_another_task_holds(engine: Engine) -> None:
    engine.seed("dead", "first", unique_key=KEY)
    enqueue(engine, "second")
    before = engine.check_books()
    acted = engine.run(protocol.requeue(engine.queue, [("first", START_MS)], {}))
    assert acted.skipped == {"first": "its unique key is held by second"}
    assert engine.state() == before


def test_one_of_two_letters_of_a_key_is_requeued(engine: Engine) -> None:
    for task_id in ("first", "second"):
        engine.seed("dead", task_id, unique_key=KEY)
    letters = [(task_id, START_MS) for task_id in ("first", "second")]
    acted = engine.run(protocol.requeue(engine.queue, letters, {}))
    assert acted.skipped == {"second": "its unique key is held by first"}
    engine.check_books()


@pytest.mark.parametrize("place", [*MET, "dead"])
def test_restore_takes_the_key_again_unless_another_task_holds_it(engine: Engine, place: str) -> None:
    engine.seed(place, "first", unique_key=KEY)
    was = engine.check_books()
    engine.trash("first")
    enqueue(engine, "second")
    before = engine.check_books()
    acted = engine.run(protocol.restore(engine.queue, ["first"]))
    if place == "dead":
        assert acted.skipped == {}
        assert engine.check_books()["unique"] == {KEY: "second 0"}
        return
    assert acted.skipped == {"first": "its unique key is held by second"}
    assert engine.state() == before
    engine.trash("second")
    engine.delete("second")
    assert engine.run(protocol.restore(engine.queue, ["first"])).skipped == {}
    assert engine.check_books()["unique"] == was["unique"]


def test_end_of_a_letter_leaves_the_key_to_its_new_holder(engine: Engine) -> None:
    engine.seed("trashed", "first", unique_key=KEY)
    enqueue(engine, "second")
    engine.delete("first")
    assert engine.check_books()["unique"] == {KEY: "second 0"}


# For a stated time.


def test_windowed_key_is_held_for_its_time_whatever_becomes_of_the_task(engine: Engine) -> None:
    held = engine.lease("first", unique_key=KEY, unique_for=60)
    assert engine.check_books()["unique"] == {KEY: f"first {START_MS + 60_000}"}
    assert engine.state()["unique_expiring"] == {KEY: START_MS + 60_000}
    assert enqueue(engine, "second", unique_for=60) == {"second": "running first"}
    engine.run(protocol.complete(engine.queue, [held]))
    engine.now = START_MS + 59_999
    before = engine.check_books()
    assert enqueue(engine, "second", unique_for=60) == {"second": "ended first"}
    assert enqueue(engine, "second") == {"second": "ended first"}
    assert engine.state() == before
    engine.later(1)
    assert enqueue(engine, "second", unique_for=1) == {}
    assert engine.check_books()["unique"] == {KEY: f"second {START_MS + 61_000}"}


def test_window_that_is_over_gives_way_to_a_key_until_done(engine: Engine) -> None:
    enqueue(engine, "first", unique_for=60)
    engine.later(60_000)
    assert enqueue(engine, "second") == {}
    state = engine.check_books()
    assert state["unique"] == {KEY: "second 0"}
    assert "unique_expiring" not in state
    assert enqueue(engine, "third", unique_for=60) == {"third": "ready second"}


def test_dead_letter_of_a_window_still_blocks_and_may_be_requeued(engine: Engine) -> None:
    engine.seed("dead", "first", unique_key=KEY, unique_for=60)
    assert enqueue(engine, "second", unique_for=60) == {"second": "dead first"}
    assert engine.run(protocol.requeue(engine.queue, [("first", START_MS)], {})).skipped == {}
    engine.check_books()


def test_letter_whose_key_is_held_for_a_time_stays_dead(engine: Engine) -> None:
    engine.seed("dead", "first", unique_key=KEY)
    enqueue(engine, "second", unique_for=60)
    acted = engine.run(protocol.requeue(engine.queue, [("first", START_MS)], {}))
    assert acted.skipped == {"first": "its unique key is held by second"}
    engine.later(60_000)
    assert engine.run(protocol.requeue(engine.queue, [("first", START_MS)], {})).skipped == {}
    state = engine.check_books()
    assert state["unique"] == {KEY: "first 0"}
    assert "unique_expiring" not in state


def test_windows_that_are_over_are_dropped_by_those_that_come(engine: Engine) -> None:
    for number in range(30):
        enqueue(engine, f"old-{number}", key=f"old-{number}", unique_for=60)
    engine.later(60_000)
    for number in range(4):
        enqueue(engine, f"new-{number}", key=f"new-{number}", unique_for=60)
        engine.check_books()
    state = engine.check_books()
    assert state["unique"].keys() == state["unique_expiring"].keys() == {f"new-{number}" for number in range(4)}


@pytest.mark.parametrize("key", ["x", "ä" * 200, 'a "quoted" key \\ {}', "0 0 0", "🦊"])
def test_key_is_any_printable_text(engine: Engine, key: str) -> None:
    assert enqueue(engine, "first", key=key) == {}
    assert enqueue(engine, "second", key=key) == {"second": "ready first"}
    assert engine.check_books()["unique"] == {key: "first 0"}
    held = Held("first", engine.claim().fence, unique_key=key)
    engine.run(protocol.complete(engine.queue, [held]))
    assert "unique" not in engine.check_books()


@pytest.mark.parametrize("damage", ["", "nobody", "gone 0", "first  0", "\x00\xff", "first 99999999999999999999999x"])
def test_damaged_holder_blocks_nobody(engine: Engine, damage: str) -> None:
    engine.enqueue("first")
    engine.redis.hset(engine.queue.unique, KEY, damage)
    assert enqueue(engine, "second") == {}
    assert engine.check_books()["unique"] == {KEY: "second 0"}


def test_id_that_came_again_without_the_key_does_not_hold_it(engine: Engine) -> None:
    """As after an end that could not give the key back."""
    engine.enqueue("first")
    engine.redis.hset(engine.queue.unique, KEY, "first 0")
    assert enqueue(engine, "second") == {}


@pytest.mark.parametrize("key", ["unique", "unique_expiring", "expiring"])
def test_key_of_a_wrong_type_is_reported_and_nothing_changes(engine: Engine, key: str) -> None:
    engine.enqueue("first")
    engine.redis.set(getattr(engine.queue, key), "no hash")
    before = engine.state()
    with pytest.raises(CorruptQueue):
        enqueue(engine, "second", unique_for=60)
    assert engine.state() == before
    engine.enqueue("third")  # what has no key is none of its business


def test_one_of_many_callers_at_once_makes_the_task(engine: Engine) -> None:
    def call(number: int) -> Call[dict[str, str]]:
        return protocol.enqueue(engine.queue, [engine.new_task(f"task-{number}", unique_key=KEY)])

    answers = engine.at_once([partial(call, number) for number in range(50)])
    (made,) = engine.check_books()["tasks"]
    assert sorted(answer.popitem()[1] for answer in answers if answer) == [f"ready {made}"] * 49


def test_end_of_one_and_enqueue_of_another_at_once_leave_one_holder(engine: Engine) -> None:
    held = engine.lease("first", unique_key=KEY)
    done = Held(held.id, held.fence, unique_key=KEY)
    second = engine.new_task("second", unique_key=KEY)
    answers = engine.at_once(
        [lambda: protocol.complete(engine.queue, [done]), lambda: protocol.enqueue(engine.queue, [second])]
    )
    state = engine.check_books()
    assert answers[1] in ({}, {"second": "running first"})
    assert state.get("unique") == (None if answers[1] else {KEY: "second 0"})


def test_lost_answer_of_a_taken_key_is_given_again(engine: Engine) -> None:
    command = engine.command(protocol.enqueue(engine.queue, [engine.new_task("first", unique_key=KEY)]))
    assert engine.send(command) == engine.send(command) == []
    engine.check_books()


def test_other_fields_stay_as_they_are(engine: Engine) -> None:
    enqueue(engine, "first", key="other")
    enqueue(engine, "second")
    before = engine.check_books()
    engine.trash("second")
    engine.delete("second")
    after = engine.check_books()
    assert after["unique"] == without(before["unique"], KEY)
    assert changed(after, unique=before["unique"]).keys() >= before.keys() - {"prioritized"}
