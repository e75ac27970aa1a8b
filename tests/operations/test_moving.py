"""Moving all that match to another queue: each task is in one of both, and counted once, whatever dies and whoever goes
on with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from queue_core import fsck, protocol
from queue_core.client import Client
from queue_core.control import Control
from queue_core.errors import InvalidArgument, InvalidName
from queue_core.inspector import Inspector
from queue_core.operations import Operations
from queue_core.protocol import Call, Chunk, Session
from queue_core.snapshot import Operation, State
from tests.engine import Engine
from tests.mortal import Died, Mortal
from tests.operations.harness import run_at_once

SILENT_MS = 15_000
COUNT = 300
CALLS = (
    13  # three chunks of four calls, but for the first, which has nothing to confirm; two to find that it is the end
)


def start(operations: Operations, state: State = State.READY, action_id: str = "m1", **how: Any) -> Operation:
    shown = operations.preview("email", "move", state=state, to_queue="images")
    return operations.start(shown.bound, by="ada", action_id=action_id, reason="too many", **how)


def found(engine: Engine, operation: Operation) -> Operation:
    return Inspector(client=engine.client).operation(operation.id, "email")


def check(engine: Engine, images: Engine) -> tuple[set[str], set[str]]:
    """What is in both queues, of which the books are right. A task on its way is in both, and may run in one only."""
    left, arrived = engine.check_books(), images.check_books()
    assert left.get("tasks", {}).keys() & arrived.get("tasks", {}).keys() <= left.get("trash", {}).keys()
    return set(left.get("tasks", {})), set(arrived.get("tasks", {}))


@pytest.mark.each_server
@pytest.mark.parametrize("is_sent", [False, True])
@pytest.mark.parametrize("calls", range(1, CALLS + 1))
def test_move_whose_runner_dies_at_any_call_is_ended_by_another_and_counted_right(
    engine: Engine, images: Engine, operations: Operations, calls: int, is_sent: bool
) -> None:
    """Also long after the answers of the dead one's calls are forgotten."""
    ids = set(engine.enqueue_many(COUNT))
    operation = start(operations)
    mortal = Operations(client=Mortal(engine, calls, is_sent=is_sent))
    with pytest.raises(Died):
        mortal.wait(operation.id, "email")
    left, arrived = check(engine, images)
    assert left | arrived == ids
    for queue in (engine, images):
        queue.later(3_700_000)
    ran = images.claim(5).tasks  # what has arrived is not moved any more
    ended = Operations(client=engine.client).wait(operation.id, "email")
    assert (ended.progress, ended.done, ended.looked_at, ended.skipped) == ("ended", COUNT, COUNT, {})
    assert check(engine, images) == (set(), ids)
    assert {task.id for task in ran} <= ids
    assert images.state()["stats"]["imported"] == engine.state()["stats"]["exported"] == str(COUNT)
    assert float("inf") not in images.state().get("imported", {}).values()  # no mark stays for ever


@pytest.mark.parametrize("calls", range(1, CALLS + 1))
@pytest.mark.parametrize("verb", ["pause", "cancel"])
def test_what_is_on_its_way_when_a_move_is_stopped_arrives_and_is_counted(
    engine: Engine, images: Engine, operations: Operations, calls: int, verb: str
) -> None:
    ids = set(engine.enqueue_many(COUNT))
    operation = start(operations)
    with pytest.raises(Died):
        Operations(client=Mortal(engine, calls, is_sent=True)).wait(operation.id, "email")
    has_ended = found(engine, operation).progress == "ended"
    if not has_ended:
        getattr(operations, verb)(operation.id, "email", by="bob", action_id="b1")
    assert list(fsck.check(engine.client, "email")) == []
    engine.later(SILENT_MS)
    successor = Operations(client=engine.client)
    successor.tend(["email"])
    stopped = found(engine, operation)
    left, arrived = check(engine, images)
    assert (stopped.done, left | arrived, left & arrived) == (len(arrived), ids, set())
    assert "trash" not in engine.state()
    if has_ended:
        return
    assert stopped.progress == {"pause": "paused", "cancel": "cancelled"}[verb]
    assert stopped.done in (128, 256, 300)
    if verb == "pause":
        operations.resume(operation.id, "email", by="bob", action_id="b2")
        assert successor.wait(operation.id, "email").done == COUNT
        assert check(engine, images) == (set(), ids)
    else:
        assert 0 < engine.redis.ttl(engine.queue.operation(operation.id)) <= 7 * 86_400


@pytest.mark.each_server
def test_runners_at_once_move_each_task_once(engine: Engine, images: Engine, operations: Operations) -> None:
    ids = set(engine.enqueue_many(1_000))
    operation = start(operations)
    run_at_once(engine, operation, 3)
    ended = found(engine, operation)
    assert (ended.progress, ended.done, ended.looked_at, ended.skipped) == ("ended", 1_000, 1_000, {})
    assert check(engine, images) == (set(), ids)


@pytest.mark.parametrize("script", ["import", "forget"])
def test_runner_that_slept_and_was_replaced_changes_nothing(
    engine: Engine, images: Engine, operations: Operations, script: str
) -> None:
    """It sleeps before that call; meanwhile another moves everything."""
    ids = set(engine.enqueue_many(COUNT))
    operation = start(operations)

    class Sleepy(Client):
        def run(self, call: Call[Any], session: Session | None = None) -> Any:
            if call.script.name == script and not arrived:
                engine.later(SILENT_MS)
                assert operations.wait(operation.id, "email").done == COUNT
                arrived.update(images.check_books()["tasks"])
            return super().run(call, session)

    arrived: dict[str, Any] = {}
    sleepy = Operations(client=Sleepy(engine.url, engine.client.namespace, clock=lambda: engine.now))
    assert sleepy.run_chunk(operation.id, "email").word == "ended"
    assert found(engine, operation).done == COUNT
    assert check(engine, images) == (set(), ids)


@pytest.mark.parametrize("state", [State.DEAD, State.SCHEDULED, State.RETRYING, State.HELD, State.READY])
def test_tasks_arrive_as_they_were(engine: Engine, images: Engine, operations: Operations, state: State) -> None:
    engine.seed("dead" if state is not State.DEAD else "scheduled", "other")
    task_id = engine.seed(state.value)
    operation = start(operations, state)
    ended = operations.wait(operation.id, "email")
    assert (ended.done, ended.bound.to_queue) == (1, "images")
    task = Inspector(client=engine.client).task("images", task_id)
    assert task.state is (State.READY if state is State.HELD else state)
    facts = {"from": "email", "by": "ada", "operation": operation.id, "reason": "too many"}
    assert task.history[-1].facts == facts
    assert check(engine, images) == ({"other"}, {task_id})
    entry = Inspector(client=engine.client).audit().rows[0]
    assert (entry.verb, entry.count, entry.target.endswith(" to images")) == ("move", 1, True)
    for queue in ("email", "images"):
        assert list(fsck.check(engine.client, queue)) == []


def test_letters_of_one_fault_move_and_others_stay(engine: Engine, images: Engine, operations: Operations) -> None:
    moved, stays = engine.kill(3), engine.kill(2, "wrong address")
    fault = Inspector(client=engine.client).task("email", moved[0]).fingerprint
    assert fault
    shown = operations.preview("email", "move", faults=[fault], to_queue="images")
    operation = operations.start(shown.bound, by="ada", action_id="m1")
    assert operations.wait(operation.id, "email").done == 3
    assert check(engine, images) == (set(stays), set(moved))


def test_what_the_other_queue_does_not_take_stays_and_is_counted_by_its_reason(
    engine: Engine, images: Engine, operations: Operations
) -> None:
    for number in range(4):
        engine.enqueue(f"order-{number}", unique_key=f"key-{number}")
    images.enqueue("order-0")
    for number in (1, 2):
        images.enqueue(f"holder-{number}", unique_key=f"key-{number}")
    operation = start(operations)
    ended = operations.wait(operation.id, "email")
    assert (ended.done, ended.looked_at) == (1, 4)
    assert ended.skipped == {"in that queue already, ready": 1, "its unique key is held": 2}
    assert dict(ended.skipped_ids) == {
        "order-0": "in that queue already, ready",
        "order-1": "its unique key is held by holder-1",
        "order-2": "its unique key is held by holder-2",
    }
    assert sorted(engine.check_books()["tasks"]) == ["order-0", "order-1", "order-2"]
    assert "order-3" in images.check_books()["tasks"]


def test_task_that_was_restored_on_its_way_stays(engine: Engine, images: Engine, operations: Operations) -> None:
    ids = engine.enqueue_many(3)
    operation = start(operations)
    with pytest.raises(Died):
        Operations(client=Mortal(engine, 1, is_sent=True)).wait(operation.id, "email")
    restored = Control(client=engine.client).restore("email", ids[:1], by="bob", action_id="b1")
    assert restored.done == (ids[0],)
    engine.later(SILENT_MS)
    ended = operations.wait(operation.id, "email")
    assert (ended.done, ended.skipped, ended.looked_at) == (2, {"called back": 1}, 3)
    assert check(engine, images) == ({ids[0]}, set(ids[1:]))


def test_tasks_that_slept_on_their_way_are_told_once_more(
    engine: Engine, images: Engine, operations: Operations
) -> None:
    ids = set(engine.enqueue_many(3))
    operation = start(operations)

    class Slow(Client):
        def run(self, call: Call[Any], session: Session | None = None) -> Any:
            if call.script.name == "import" and not slept:
                slept.append(True)
                engine.later(700_000)
            return super().run(call, session)

    slept: list[bool] = []
    slow = Operations(client=Slow(engine.url, engine.client.namespace, clock=lambda: engine.now))
    assert slow.run_chunk(operation.id, "email").word == "more"
    assert check(engine, images) == (ids, set())
    assert slow.wait(operation.id, "email").done == 3
    assert check(engine, images) == (set(), ids)


def test_large_tasks_go_in_as_many_chunks_as_they_need(engine: Engine, images: Engine, operations: Operations) -> None:
    for state, delay_ms in ((State.READY, 0), (State.SCHEDULED, 60_000)):
        ids = {engine.enqueue(payload=b'{"x":"%b"}' % (b"x" * 400_000), delay_ms=delay_ms) for _ in range(5)}
        operation = start(operations, state, f"m-{state}")
        words = [operations.run_chunk(operation.id, "email").word for _ in range(4)]
        assert words == ["more", "more", "more", "ended"]
        assert found(engine, operation).done == 5
        assert ids <= check(engine, images)[1]


def test_drip_keeps_its_pace(engine: Engine, images: Engine, operations: Operations) -> None:
    engine.enqueue_many(60)
    operation = start(operations, drip=20)
    first = engine.now
    while (done := operations.run_chunk(operation.id, "email")).word != "ended":
        assert done.word == "due"
        assert found(engine, operation).done <= 20 + 20 * (engine.now - first) / 1_000
        engine.later(max(0, (done.next_ms or 0) - engine.now))
    assert found(engine, operation).done == 60
    assert 2_000 <= engine.now - first <= 4_000


def test_dripping_move_that_is_cancelled_waits_for_no_turn_to_end(
    engine: Engine, images: Engine, operations: Operations
) -> None:
    engine.enqueue_many(60)
    operation = start(operations, drip=20)
    assert operations.run_chunk(operation.id, "email").word == "due"
    operations.cancel(operation.id, "email", by="bob", action_id="b1")
    operations.tend(["email"])
    assert engine.check_books()["operations"] == {operation.id: engine.now}
    assert 0 < engine.redis.ttl(engine.queue.operation(operation.id)) <= 7 * 86_400


def test_export_sent_twice_puts_nothing_more_aside(engine: Engine, images: Engine, operations: Operations) -> None:
    engine.enqueue_many(COUNT)
    operation = start(operations)
    chunk = Chunk(operation.id, "me")
    command = engine.command(protocol.export_chunk(engine.queue, "images", "t1", "ada", "", chunk))
    answer = engine.send(command)
    after = engine.check_books()
    assert engine.send(command) == answer
    again = engine.run(protocol.export_chunk(engine.queue, "images", "t2", "ada", "", chunk))
    assert isinstance(again, protocol.Exported)
    assert {task.ticket.partition(":")[2] for task in again.tasks} == {f"t1.{engine.now}"}
    assert engine.state()["trash"] == after["trash"]
    assert len(after["trash"]) == 128


@pytest.mark.parametrize(
    ("to", "error"), [("", InvalidName), ("a b", InvalidName), ("email", InvalidArgument), (7, InvalidArgument)]
)
def test_target_has_a_name_of_its_own(engine: Engine, operations: Operations, to: Any, error: type[Exception]) -> None:
    engine.enqueue()
    with pytest.raises((error, InvalidName)):
        operations.preview("email", "move", state=State.READY, to_queue=to)
    bound = operations.preview("email", "move", state=State.READY, to_queue="images").bound
    with pytest.raises((error, InvalidName)):
        operations.start(replace(bound, to_queue=to), by="ada", action_id="m1")
    with pytest.raises(InvalidArgument, match="no other queue"):
        operations.preview("email", "trash", state=State.READY, to_queue="images")
    assert engine.redis.keys("*operation*") == []


@pytest.mark.parametrize("field", ["to", "aside", "confirm", "looked", "cursor", "verb"])
@pytest.mark.parametrize("value", [b"", b"\xff\0", b"email", b"x y z", b"a:b c:d"])
def test_damaged_move_loses_no_task(
    engine: Engine, images: Engine, operations: Operations, field: str, value: bytes
) -> None:
    ids = set(engine.enqueue_many(3))
    operation = start(operations)
    engine.redis.hset(engine.queue.operation(operation.id), field, value)
    for _ in range(3):
        operations.tend(["email"])
        engine.later(SILENT_MS)
    engine.redis.delete(engine.queue.operation(operation.id), engine.queue.outcomes, engine.queue.operations)
    left, arrived = check(engine, images)
    assert left | arrived == ids
