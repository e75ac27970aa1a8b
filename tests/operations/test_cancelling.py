"""An operation that cancels: a chunk is told its records, so it takes two calls."""

from __future__ import annotations

from dataclasses import replace

import pytest

from queue_core import protocol
from queue_core.inspector import Inspector
from queue_core.operations import Operations
from queue_core.previews import VERBS
from queue_core.protocol import Chunk
from queue_core.snapshot import State
from tests.engine import Engine
from tests.mortal import Died, Mortal
from tests.operations.harness import SILENT_MS, another, run, run_at_once, start

CANCELLABLE = sorted(VERBS["cancel"])
ABOUT = {"by": "ada"}


def cancelled_in(engine: Engine, ids: list[str]) -> list[str]:
    """Those that have left a record that says so."""
    records = ((task_id, engine.redis.hget(engine.queue.record(task_id), "state")) for task_id in ids)
    return [task_id for task_id, state in records if state == b"cancelled"]


@pytest.mark.each_server
@pytest.mark.parametrize("is_sent", [False, True])
@pytest.mark.parametrize("calls", range(1, 11))
def test_cancelling_whose_runner_dies_at_any_call_ends_each_task_once(
    engine: Engine, operations: Operations, calls: int, is_sent: bool
) -> None:
    ids = engine.enqueue_many(300)
    operation = start(operations, operations.preview("email", "cancel", state=State.READY))
    with pytest.raises(Died):
        run(Operations(client=Mortal(engine, calls, is_sent=is_sent)), operation)
    engine.check_books()
    engine.later(SILENT_MS)
    later = engine.enqueue()
    ended = run(another(engine), operation)
    assert (ended.done, ended.looked_at, ended.skipped) == (300, 300, {})
    state = engine.check_books()
    assert (list(state["tasks"]), state["stats"]["cancelled"]) == ([later], "300")
    assert cancelled_in(engine, ids) == ids


@pytest.mark.parametrize("state", CANCELLABLE)
def test_record_of_a_task_that_an_operation_cancelled_says_by_which(
    engine: Engine, operations: Operations, inspector: Inspector, state: State
) -> None:
    task_id = engine.seed(state.value)
    operation = start(operations, operations.preview("email", "cancel", state=state))
    run(operations, operation)
    task = inspector.task("email", task_id)
    assert (task.state, task.history[-1].kind) == (State.CANCELLED, "cancelled")
    assert task.history[-1].facts == {"by": "ada", "operation": operation.id, "reason": "fixed"}


def test_chunk_sent_twice_cancels_once(engine: Engine, operations: Operations) -> None:
    engine.enqueue_many(300)
    operation = start(operations, operations.preview("email", "cancel", state=State.READY))
    chunk = Chunk(operation.id, "me")
    named = engine.run(protocol.cancel(engine.queue, (), ABOUT, chunk)).chunk
    assert named
    assert (named.word, named.done, len(named.ids)) == ("more", 0, 64)
    lost = engine.command(protocol.cancel(engine.queue, named.ids, ABOUT, chunk))
    answer = engine.send(lost)
    after = engine.state()
    assert engine.send(lost) == answer
    assert engine.state() == after
    assert len(cancelled_in(engine, list(named.ids))) == 64
    engine.run(protocol.cancel(engine.queue, named.ids, ABOUT, chunk))
    assert engine.state()["tasks"] == after["tasks"]


def test_chunk_ends_those_that_it_was_told_of_and_are_next_still(engine: Engine, operations: Operations) -> None:
    """What leaves its place between the two calls has left; before what came it stops, to be told of it."""
    ids = [engine.enqueue(delay_ms=1_000 + 1_000 * number) for number in range(6)]
    operation = start(operations, operations.preview("email", "cancel", state=State.SCHEDULED))
    chunk = Chunk(operation.id, "me")
    named = engine.run(protocol.cancel(engine.queue, (), ABOUT, chunk)).chunk
    assert named
    assert list(named.ids) == ids
    engine.run(protocol.promote(engine.queue, [ids[1]]))
    engine.enqueue("order-1", delay_ms=4_500)  # an id without a time, in the midst
    done = engine.run(protocol.cancel(engine.queue, named.ids, ABOUT, chunk)).chunk
    assert done
    assert (done.word, done.done) == ("more", 3)
    assert set(engine.check_books()["tasks"]) == {ids[1], "order-1", *ids[4:]}
    again = engine.run(protocol.cancel(engine.queue, (), ABOUT, chunk)).chunk
    assert again
    assert list(again.ids) == ["order-1", *ids[4:]]
    done = engine.run(protocol.cancel(engine.queue, ids[5:], ABOUT, chunk)).chunk
    assert done
    assert (done.word, done.done) == ("more", 0)
    assert engine.run(protocol.cancel(engine.queue, again.ids, ABOUT, chunk)).chunk == replace(
        done, word="ended", done=3
    )
    assert list(engine.check_books()["tasks"]) == [ids[1]]


def test_runners_at_once_cancel_each_task_once(engine: Engine, operations: Operations) -> None:
    ids = engine.enqueue_many(1_000)
    operation = start(operations, operations.preview("email", "cancel", state=State.READY))
    run_at_once(engine, operation, 4)
    ended = Inspector(client=engine.client).operation(operation.id, "email")
    assert (ended.done, ended.looked_at, ended.skipped) == (1_000, 1_000, {})
    assert engine.check_books()["stats"]["cancelled"] == "1000"
    assert cancelled_in(engine, ids) == ids
