"""Every verb on every state that it is for: what was shown is done, and nothing that came later is touched."""

from __future__ import annotations

from typing import Any

import pytest

from queue_core import protocol
from queue_core.control import Control
from queue_core.inspector import Inspector
from queue_core.operations import Operations
from queue_core.previews import VERBS
from queue_core.snapshot import State
from tests.engine import START_MS, Engine
from tests.invariants import places_of
from tests.operations.harness import fault_of, run, start


def seed(engine: Engine, state: State, count: int) -> list[str]:
    if state is State.READY:
        return [*engine.enqueue_many(count - 2), *(engine.enqueue(priority=priority) for priority in (5, -5))]
    # A lane that is shut takes its tasks at the claim: each has its own.
    of_held: list[dict[str, Any]] = [{"name": f"resize{engine.now}.{number}"} for number in range(count)]
    return [engine.seed(state.value, **(of_held[i] if state is State.HELD else {})) for i in range(count)]


@pytest.mark.each_server
@pytest.mark.parametrize(("verb", "state"), [(verb, state) for verb in VERBS for state in sorted(VERBS[verb])])
def test_what_was_shown_is_done_and_what_came_later_is_left_alone(
    engine: Engine, operations: Operations, verb: str, state: State
) -> None:
    before = seed(engine, state, 7)
    if state is State.READY:
        engine.trash(before.pop(0))
    shown = operations.preview("email", verb, state=state, to_queue="images" if verb == "move" else "")
    assert shown.count == len(before)
    operation = start(operations, shown)
    engine.later(2_000 if state is State.READY else 500)
    later = [engine.enqueue()] if state is State.READY else []
    if state is not State.READY and not engine.state().get("ready"):
        later = seed(engine, state, 1)
    ended = run(operations, operation)
    assert (ended.progress, ended.done, ended.skipped, ended.looked_at) == ("ended", len(before), {}, len(before))
    after = engine.check_books()
    places = places_of(after)
    assert all(task_id in places[state.value] for task_id in later)
    goes_to = {"requeue": "ready", "trash": "trashed", "restore": "dead", "promote": "ready"}
    if verb == "move":
        arrived = Engine(engine.url, engine.client.namespace, "images")
        assert set(before) == arrived.check_books()["tasks"].keys()
        arrived.close()
    if verb in ("delete", "cancel", "move"):
        assert not set(before) & after.get("tasks", {}).keys()
    else:
        assert set(before) <= set(places[goes_to[verb]])


@pytest.mark.parametrize(
    ("state", "verb", "before", "later"),
    [
        (State.SCHEDULED, "promote", {"delay_ms": 60_000}, {"delay_ms": 10_000}),
        (State.RETRYING, "trash", {}, {}),
        (State.RETRYING, "cancel", {}, {}),
        (State.HELD, "trash", {"name": "resize"}, {"name": "a_resize"}),
        (State.HELD, "cancel", {"name": "resize"}, {"name": "a_resize"}),
        (State.READY, "trash", {"priority": 5}, {"priority": 9}),
        (State.TRASHED, "delete", {}, {}),
    ],
)
def test_what_came_later_is_left_alone_also_where_it_stands_before_the_others(
    engine: Engine,
    operations: Operations,
    state: State,
    verb: str,
    before: dict[str, Any],
    later: dict[str, Any],
) -> None:
    def one(**what: Any) -> str:
        if state is State.RETRYING:
            held = engine.lease()
            engine.fail(held, delay_ms=60_000 - 10 * (engine.now - START_MS))
            return held.id
        if state is State.TRASHED:
            task_id = engine.seed("dead")
            keep_ms = 60_000 - 10 * (engine.now - START_MS)
            engine.run(protocol.trash(engine.queue, [task_id], keep_ms, "ada", ""))
            return task_id
        return engine.seed(state.value, **what)

    place = engine.place_of(one(**before))
    operation = start(operations, operations.preview("email", verb, state=state))
    engine.later(2_000)
    left = engine.enqueue(**later) if state is State.READY else one(**later)
    ended = run(operations, operation)
    assert (ended.done, ended.skipped) == (1, {})
    assert places_of(engine.check_books())[place] == [left]


@pytest.mark.parametrize("chooses_fault", [True, False])
def test_letters_that_cannot_be_touched_are_looked_at_once(
    engine: Engine, operations: Operations, chooses_fault: bool
) -> None:
    died = engine.kill(500)
    faults = [fault_of(engine, "no answer")] if chooses_fault else []
    operation = start(operations, operations.preview("email", "requeue", faults=faults))
    engine.redis.hdel(engine.queue.tasks, *died[:400])  # damage
    ended = run(operations, operation)
    assert (ended.done, ended.looked_at, ended.skipped) == (100, 500, {"not dead": 400})
    assert [task_id for task_id, _ in ended.skipped_ids] == died[:100]
    assert places_of(engine.state())["ready"] == died[400:]


def test_ready_tasks_that_are_claimed_and_arrive_meanwhile_do_not_hide_any(
    engine: Engine, operations: Operations
) -> None:
    before = engine.enqueue_many(1_000)
    operation = start(operations, operations.preview("email", "trash", state=State.READY))
    runs: list[str] = []
    later: list[str] = []
    while True:
        engine.later(1_000)
        later += engine.enqueue_many(40)
        runs += [task.id for task in engine.claim(60).tasks]
        if operations.run_chunk(operation.id, "email").word == "ended":
            break
    ended = Inspector(client=engine.client).operation(operation.id, "email")
    state = engine.check_books()
    assert set(state["trash"]) == set(before) - set(runs)
    assert ended.done == len(state["trash"])
    assert ended.skipped == {"gone": 1_000 - ended.done}
    assert set(places_of(state)["ready"]) == set(later) - set(runs)


def test_purged_ready_tasks_are_restored_in_their_order(engine: Engine, operations: Operations) -> None:
    engine.enqueue_many(600)
    before = engine.check_books()
    run(operations, start(operations, operations.preview("email", "trash", state=State.READY)))
    assert len(engine.check_books()["trash"]) == 600
    run(operations, start(operations, operations.preview("email", "restore", state=State.TRASHED), "a2"))
    assert engine.check_books()["ready"] == before["ready"]


def test_letters_of_several_faults_that_died_in_a_range_of_time(engine: Engine, operations: Operations) -> None:
    engine.kill(2)
    engine.later(10)
    wanted = [*engine.kill(300), *engine.kill(5, "wrong address")]
    engine.kill(3, "third")
    engine.later(10)
    engine.kill(2)
    faults = [fault_of(engine, "no answer"), fault_of(engine, "wrong address")]
    shown = operations.preview("email", "requeue", faults=faults, since=START_MS + 10, until=START_MS + 10)
    ended = run(operations, start(operations, shown))
    assert (ended.done, ended.bound.faults) == (305, tuple(sorted(faults)))
    state = engine.check_books()
    assert set(places_of(state)["ready"]) == set(wanted)
    assert len(state["dead"]) == 7


@pytest.mark.each_server
def test_five_thousand_letters_take_forty_chunks_and_histories_say_by_whom(
    engine: Engine, operations: Operations, inspector: Inspector
) -> None:
    died = engine.kill(5_000)
    operation = start(operations, operations.preview("email", "requeue"))
    words: list[str] = []
    while not words or words[-1] == "more":
        words.append(operations.run_chunk(operation.id, "email").word)
    assert words == ["more"] * 39 + ["ended"]
    state = engine.check_books()
    assert places_of(state)["ready"] == died
    entry = inspector.task("email", died[0]).history[-1]
    was = {"died": START_MS, "attempts": 1, "crashes": 0}
    assert entry.facts == {"by": "ada", "operation": operation.id, "reason": "fixed", **was}
    ended = inspector.operation(operation.id, "email")
    assert (ended.done, ended.under_way, ended.skipped, ended.ended_at) == (5_000, 5_000, {}, engine.now)
    assert 600_000 < engine.redis.ttl(engine.queue.operation(operation.id)) <= 7 * 86_400


def test_letters_that_others_took_before_their_turn_are_counted_and_never_more_than_was_shown(
    engine: Engine, operations: Operations
) -> None:
    died = engine.kill(10)
    operation = start(operations, operations.preview("email", "requeue"))
    Control(client=engine.client).trash("email", died[:3], by="bob", action_id="b1")
    engine.redis.hdel(engine.queue.tasks, died[3])  # damage
    ended = run(operations, operation)
    assert (ended.done, ended.skipped) == (6, {"gone": 3, "not dead": 1})
    assert ended.skipped_ids == ((died[3], "not dead"),)
    again = start(operations, operations.preview("email", "trash"), "a2")
    assert again.bound.count == 1
    engine.redis.hset(engine.queue.tasks, died[3], "send\n{}")
    engine.kill(5)  # in the same millisecond as the preview
    ended = run(operations, again)
    assert (ended.looked_at, ended.done) == (1, 1)
