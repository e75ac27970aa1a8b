"""What an operation requeued and nobody has begun is dead again as it was; everything else is left alone."""

from __future__ import annotations

import re

import pytest

from queue_core import fsck, protocol
from queue_core.control import Control
from queue_core.errors import InvalidArgument, UnknownOperation
from queue_core.inspector import Inspector
from queue_core.operations import Operations
from queue_core.protocol import Held
from queue_core.snapshot import Operation
from tests.engine import Engine
from tests.invariants import State
from tests.operations.harness import another, run, run_at_once, settle, start


def recall(operations: Operations, requeued: Operation, action_id: str = "recall") -> Operation:
    return run(operations, begin(operations, requeued, action_id))


def begin(operations: Operations, requeued: Operation, action_id: str = "recall") -> Operation:
    bound = operations.recalling("email", requeued.id)
    return operations.start(bound, by="bo", action_id=action_id, reason="too early")


def as_before(state: State) -> dict[str, object]:
    """What tells how letters died; without what happened to them since."""
    happened = {i: re.sub(r"\d+ (requeued|recalled) .*\n", "", text) for i, text in state["history"].items()}
    return {"history": happened, **{name: state.get(name, {}) for name in ("dead", "dead_by_fault", "faults", "tasks")}}


@pytest.mark.each_server
def test_what_was_not_begun_is_dead_again_as_it_was_and_what_was_begun_goes_on(
    engine: Engine, operations: Operations, inspector: Inspector
) -> None:
    engine.kill(200)
    engine.later(60_000)
    urgent = engine.kill(5, "another", priority=7)
    engine.later(60_000)
    before = engine.state()
    requeued = run(operations, start(operations, operations.preview("email", "requeue")))
    new = engine.enqueue_many(3)
    engine.later(60_000)
    begun = settle(engine, 7, fails=2)  # the urgent ones first
    assert set(urgent) < set(begun)
    running, held_up = engine.claim(2).tasks
    assert inspector.recallable([inspector.operation(requeued.id, "email")]) == [196]
    recalled = recall(operations, requeued)
    assert (recalled.progress, recalled.done, recalled.skipped, recalled.bound.count) == ("ended", 196, {}, 196)
    assert (recalled.bound.verb, recalled.bound.undoes, recalled.by) == ("recall", requeued.id, "bo")
    found = inspector.operation(requeued.id, "email")
    assert (found.completed, found.failed, found.left, found.recalled, found.under_way) == (5, 2, 0, 196, 2)
    state, meant = engine.check_books(), set(before["dead"]) - {*begun, running.id, held_up.id}
    assert set(state["dead"]) == meant | set(begun[:2])
    assert {task_id: state["dead"][task_id] for task_id in meant} == {i: before["dead"][i] for i in meant}
    assert {i: as_before(state)["history"][i] for i in meant} == {i: before["history"][i] for i in meant}  # type: ignore[index]
    assert {engine.place_of(task_id) for task_id in new} == {"ready"}
    assert {engine.place_of(task.id) for task in (running, held_up)} == {"running"}
    assert list(fsck.check(engine.client, "email")) == []
    entry = inspector.task("email", min(meant)).history[-1]
    assert (entry.kind, entry.facts) == ("recalled", {"by": "bo", "operation": recalled.id, "reason": "too early"})
    assert int(state["stats"]["recalled"]) == 196


def test_whole_state_is_as_before_but_for_what_happened(engine: Engine, operations: Operations) -> None:
    """Letters that were requeued before, quarantined ones, those of a pause of their name: all places and counters."""
    engine.kill(3)
    first = run(operations, start(operations, operations.preview("email", "requeue")))
    settle(engine, 3, fails=3)
    crashed = engine.lease(name="resize", max_crashes=0)
    engine.run(protocol.recover(engine.queue, 1, held=[crashed]))
    engine.later(5_000)
    before = engine.state()
    requeued = run(operations, start(operations, operations.preview("email", "requeue"), "again"))
    engine.run(protocol.close_lane(engine.queue, "name:resize", "ada", ""))
    taken = engine.claim(4)  # the paused one is held
    assert engine.state()["held"]
    engine.run(protocol.release(engine.queue, [protocol.ReleasedTask(task.id, taken.fence) for task in taken.tasks]))
    recalled = recall(operations, requeued)
    assert (recalled.done, recalled.skipped) == (4, {})
    state = engine.check_books()
    assert as_before(state) == as_before(before)
    assert (state.get("held", {}), state["outcomes"][f"{first.id}:failed"]) == ({}, "3")


def test_requeued_again_after_a_recall_each_runs_once_and_can_be_recalled_again(
    engine: Engine, operations: Operations
) -> None:
    """Their elements are still in the list, of the time of the first requeue."""
    ids = engine.kill(3)
    for number in range(3):
        engine.later(10_000)
        requeued = run(operations, start(operations, operations.preview("email", "requeue"), f"r{number}"))
        engine.later(10_000)
        if number < 2:
            assert recall(operations, requeued, f"p{number}").done == 3
            engine.check_books()
    assert sorted(task.id for task in engine.claim(9).tasks) == sorted(ids)
    assert engine.state().get("ready", []) == []


def test_what_another_requeued_was_released_begun_or_purged_is_left_alone(
    engine: Engine, operations: Operations, control: Control
) -> None:
    by_hand, purged, released, ended = engine.kill(4)
    requeued = run(operations, start(operations, operations.preview("email", "requeue")))
    engine.trash(purged)
    claimed = {task.id: Held(task.id, engine_fence, task.has_history) for engine_fence, task in _claim(engine)}
    engine.fail(claimed[by_hand], protocol.DEAD)
    engine.run(
        protocol.release(engine.queue, [protocol.ReleasedTask(released, claimed[released].fence, facts={"why": "x"})])
    )
    engine.run(protocol.complete(engine.queue, [claimed[ended]]))
    control.requeue("email", [(by_hand, int(engine.state()["dead"][by_hand]))], by="ada", action_id="hand")
    recalled = recall(operations, requeued)
    assert (recalled.done, recalled.skipped) == (0, {"gone": recalled.bound.count})
    assert [engine.place_of(task_id) for task_id in (by_hand, purged, released)] == ["ready", "trashed", "ready"]


def _claim(engine: Engine) -> list[tuple[int, protocol.ClaimedTask]]:
    claimed = engine.claim(9)
    return [(claimed.fence, task) for task in claimed.tasks]


def test_one_that_is_under_way_ends_first_and_all_that_it_requeued_is_meant(
    engine: Engine, operations: Operations, inspector: Inspector
) -> None:
    engine.kill(300)
    requeued = start(operations, operations.preview("email", "requeue"), drip=100)
    operations.run_chunk(requeued.id, "email")
    bound = operations.recalling("email", requeued.id)
    engine.later(1_000)
    operations.run_chunk(requeued.id, "email")
    recalled = run(operations, operations.start(bound, by="bo", action_id="recall"))
    assert (bound.count, recalled.bound.count, recalled.done) == (100, 200, 200)
    found = inspector.operation(requeued.id, "email")
    assert (found.progress, found.why, found.done) == ("cancelled", "bo, who pulled it back", 200)
    assert len(engine.check_books()["dead"]) == 300


def test_same_form_begins_one_and_whoever_dies_another_goes_on(engine: Engine, operations: Operations) -> None:
    engine.kill(300)
    requeued = run(operations, start(operations, operations.preview("email", "requeue")))
    begun = begin(operations, requeued)
    assert begin(operations, requeued) == begun
    operations.run_chunk(begun.id, "email")
    engine.later(15_000)
    assert run(another(engine), begun).done == 300
    words = run_at_once(engine, begun, 3)
    assert set(words) == {"ended"}
    assert len(engine.check_books()["dead"]) == 300


def test_whoever_asks_begins_one_and_another_after_it_was_cancelled(engine: Engine, operations: Operations) -> None:
    engine.kill(300)
    requeued = run(operations, start(operations, operations.preview("email", "requeue")))
    first = operations.recall(requeued.id, "email", by="ada")
    operations.run_chunk(first.id, "email")
    assert another(engine).recall(requeued.id, "email", by="bo").id == first.id
    operations.cancel(first.id, "email", by="bo", action_id="c")
    second = operations.recall(requeued.id, "email", by="bo")
    assert second.id != first.id
    assert run(operations, second).done == 300 - 128
    at = ("email", requeued.id)
    assert [found.id for found in operations.recalls([at])[at]] == [first.id, second.id]
    assert operations.recall(requeued.id, "email", by="cy").id == second.id


def test_letter_whose_fault_is_forgotten_has_one_again(engine: Engine, operations: Operations) -> None:
    (letter,) = engine.kill(1)
    fault = engine.fault()
    requeued = run(operations, start(operations, operations.preview("email", "requeue")))
    engine.redis.hdel(engine.queue.faults, *engine.state()["faults"])
    engine.redis.zrem(engine.queue.faults_seen, fault)
    assert recall(operations, requeued).done == 1
    assert operations.preview("email", "requeue", faults=[fault]).count == 1
    assert engine.check_books()["dead"].keys() == {letter}


def test_letter_of_which_nobody_wrote_how_it_died_stays_ready(engine: Engine, operations: Operations) -> None:
    """It was requeued by a version that could not recall."""
    (letter,) = engine.kill(1)
    requeued = run(operations, start(operations, operations.preview("email", "requeue")))
    history = engine.state()["history"][letter]
    engine.redis.hset(engine.queue.history, letter, history.partition(',"died"')[0] + "}\n")
    assert recall(operations, requeued).skipped == {"how it was is not known": 1}
    assert engine.place_of(letter) == "ready"


@pytest.mark.parametrize("damaged", ["leases", "history"])
def test_where_it_cannot_be_read_what_runs_nothing_is_said_to_be_recalled(
    engine: Engine, operations: Operations, inspector: Inspector, damaged: str
) -> None:
    """Whoever shows the operation shows it all the same."""
    engine.kill(2)
    requeued = run(operations, start(operations, operations.preview("email", "requeue")))
    engine.claim(1)
    assert inspector.recallable([inspector.operation(requeued.id, "email")]) == [1]
    engine.redis.delete(getattr(engine.queue, damaged))
    engine.redis.set(getattr(engine.queue, damaged), "a text")
    assert inspector.recallable([inspector.operation(requeued.id, "email")]) == [0]


def test_recall_that_cannot_be_is_refused(engine: Engine, operations: Operations) -> None:
    engine.kill(1)
    purged = run(operations, start(operations, operations.preview("email", "trash")))
    engine.kill(1)
    requeued = run(operations, start(operations, operations.preview("email", "requeue"), "a2"))
    settle(engine, 1)
    for name, error in ((purged.id, InvalidArgument), (requeued.id, InvalidArgument), ("0" * 12, UnknownOperation)):
        with pytest.raises(error):
            operations.recalling("email", name)
