"""Pause, resume, cancel, drip, canary."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from queue_core import protocol
from queue_core.errors import OperationEnded, UnknownOperation
from queue_core.inspector import Inspector
from queue_core.operations import Operations
from queue_core.protocol import Held
from queue_core.snapshot import State
from tests.engine import START_MS, Engine
from tests.operations.harness import run, settle, start


def test_paused_operation_does_nothing_until_it_is_resumed(engine: Engine, operations: Operations) -> None:
    engine.kill(600)
    operation = start(operations, operations.preview("email", "requeue"))
    operations.run_chunk(operation.id, "email")
    paused = operations.pause(operation.id, "email", by="bob", action_id="b1", reason="too fast")
    assert (paused.progress, paused.why, paused.done) == ("paused", "bob: too fast", 128)
    assert operations.run_chunk(operation.id, "email").word == "paused"
    assert operations.tend(["email"]) is None
    assert run(operations, operation) == paused
    again = operations.pause(operation.id, "email", by="eve", action_id="e1")
    assert again == paused
    resumed = operations.resume(operation.id, "email", by="bob", action_id="b2")
    assert (resumed.progress, resumed.why) == ("running", "")
    assert run(operations, operation).done == 600
    verbs = [entry.verb for entry in Inspector(client=engine.client).audit().rows]
    assert verbs == ["resume_operation", "pause_operation", "pause_operation", "requeue"]


def test_cancelled_operation_has_ended_and_refuses_everything(engine: Engine, operations: Operations) -> None:
    engine.kill(600)
    operation = start(operations, operations.preview("email", "requeue"))
    operations.run_chunk(operation.id, "email")
    cancelled = operations.cancel(operation.id, "email", by="bob", action_id="b1")
    assert (cancelled.progress, cancelled.done, cancelled.has_ended, cancelled.ended_at) == (
        "cancelled", 128, True, engine.now,
    )  # fmt: skip
    assert operations.cancel(operation.id, "email", by="bob", action_id="b1") == cancelled
    assert operations.run_chunk(operation.id, "email").word == "cancelled"
    for act in (operations.pause, operations.resume, operations.cancel):
        with pytest.raises(OperationEnded, match=operation.id):
            act(operation.id, "email", by="bob", action_id="b2")
    assert len(engine.check_books()["dead"]) == 472
    assert 0 < engine.redis.ttl(engine.queue.operation(operation.id)) <= 7 * 86_400


@pytest.mark.parametrize("name", ["0" * 12, "", "x" * 12, "A" * 12, "a:b", "*"])
def test_operation_that_is_not_there_is_told(
    engine: Engine, operations: Operations, inspector: Inspector, name: str
) -> None:
    engine.seed("dead")
    acts: list[Callable[[], object]] = [
        lambda: operations.pause(name, "email", by="ada", action_id="a1"),
        lambda: operations.run_chunk(name, "email"),
        lambda: inspector.operation(name),
        lambda: inspector.operation(name, "email"),
    ]
    for act in acts:
        with pytest.raises(UnknownOperation):
            act()
    assert inspector.audit().rows == ()


@pytest.mark.each_server
@pytest.mark.parametrize(("drip", "seconds"), [(100, 6), (0.5, 1_200), (2_000, 0.3)])
def test_drip_is_never_faster_and_keeps_its_pace(
    engine: Engine, operations: Operations, drip: float, seconds: float
) -> None:
    engine.kill(600)
    operation = start(operations, operations.preview("email", "requeue"), drip=drip)
    first = engine.now
    while True:
        done = operations.run_chunk(operation.id, "email")
        now_done = Inspector(client=engine.client).operation(operation.id, "email").done
        assert now_done <= max(1, drip) + drip * (engine.now - first) / 1000 + (128 if drip > 128 else 0)
        if done.word == "ended":
            break
        assert done.word == "due"
        assert done.next_ms is not None
        if done.next_ms > engine.now:
            assert operations.run_chunk(operation.id, "email").word == "due"
            engine.later(done.next_ms - engine.now)
    assert (engine.now - first) / 1000 == pytest.approx(seconds, rel=0.35)
    engine.check_books()


def test_drip_that_was_looked_at_late_makes_up_for_a_second_at_most(engine: Engine, operations: Operations) -> None:
    engine.kill(600)
    operation = start(operations, operations.preview("email", "requeue"), drip=100)
    assert operations.run_chunk(operation.id, "email").next_ms == START_MS + 1_000
    engine.later(1_400)
    assert operations.run_chunk(operation.id, "email").next_ms == START_MS + 2_000
    engine.later(60_000)
    assert operations.run_chunk(operation.id, "email").next_ms == engine.now
    assert operations.run_chunk(operation.id, "email").next_ms == engine.now + 1_000


def test_canary_goes_first_and_the_others_when_all_of_it_has_completed(engine: Engine, operations: Operations) -> None:
    died = engine.kill(600)
    operation = start(operations, operations.preview("email", "requeue"), canary=10)
    done = operations.run_chunk(operation.id, "email")
    assert (done.word, done.done, done.next_ms) == ("waiting", 10, engine.now + 1_000)
    assert settle(engine, 9) == died[:9]
    engine.later(1_000)
    assert operations.run_chunk(operation.id, "email").word == "waiting"
    waiting = Inspector(client=engine.client).operation(operation.id, "email")
    assert (waiting.progress, waiting.completed, waiting.under_way, waiting.canary) == ("waiting", 9, 1, 10)
    settle(engine, 1)
    assert operations.run_chunk(operation.id, "email").word == "more"
    ended = run(operations, operation)
    assert (ended.progress, ended.done, ended.completed) == ("ended", 600, 10)
    engine.check_books()


def test_canary_of_which_one_failed_again_pauses_the_others(engine: Engine, operations: Operations) -> None:
    engine.kill(600)
    operation = start(operations, operations.preview("email", "requeue"), canary=10)
    operations.run_chunk(operation.id, "email")
    settle(engine, 10, fails=1)
    assert operations.run_chunk(operation.id, "email").word == "paused"
    paused = Inspector(client=engine.client).operation(operation.id, "email")
    assert (paused.progress, paused.why) == ("paused", "one of the first failed again")
    assert (paused.completed, paused.failed, paused.under_way) == (9, 1, 0)
    operations.resume(operation.id, "email", by="ada", action_id="r1")
    assert run(operations, operation).done == 600


@pytest.mark.parametrize("how", ["discarded", "cancelled", "deleted"])
def test_canary_of_which_one_ended_without_completing_pauses_the_others(
    engine: Engine, operations: Operations, how: str
) -> None:
    engine.kill(20)
    operation = start(operations, operations.preview("email", "requeue"), canary=5)
    operations.run_chunk(operation.id, "email")
    settle(engine, 4)
    assert operations.run_chunk(operation.id, "email").word == "waiting"
    if how == "discarded":
        claimed = engine.claim(1)
        engine.fail(Held(claimed.tasks[0].id, claimed.fence, claimed.tasks[0].has_history), protocol.DISCARD)
    else:
        task_id = Inspector(client=engine.client).tasks("email", State.READY).rows[0].id
        if how == "cancelled":
            engine.cancel(task_id)
        else:
            engine.run(protocol.trash(engine.queue, [task_id], 1_000, "bob", ""))
            assert operations.run_chunk(operation.id, "email").word == "waiting"  # it can be restored
            engine.run(protocol.delete(engine.queue, [task_id]))
    assert operations.run_chunk(operation.id, "email").word == "paused"
    paused = Inspector(client=engine.client).operation(operation.id, "email")
    assert (paused.why, paused.done) == ("one of the first ended without completing", 5)
    assert (paused.completed, paused.failed, paused.left, paused.under_way) == (4, 0, 1, 0)
    operations.resume(operation.id, "email", by="ada", action_id="r1")
    assert run(operations, operation).done == 20
    engine.check_books()


def test_operation_that_waits_for_its_canary_can_be_told_to_go_on(engine: Engine, operations: Operations) -> None:
    engine.kill(20)
    operation = start(operations, operations.preview("email", "requeue"), canary=5)
    operations.run_chunk(operation.id, "email")
    assert operations.resume(operation.id, "email", by="ada", action_id="r1").progress == "running"
    assert run(operations, operation).done == 20
