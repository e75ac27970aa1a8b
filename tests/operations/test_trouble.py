"""Audit, full servers, damage, and what is forgotten."""

from __future__ import annotations

import pytest

from queue_core import keys
from queue_core.errors import CorruptQueue, TooManyOperations
from queue_core.inspector import Inspector
from queue_core.operations import Operations
from queue_core.snapshot import State
from tests.engine import Engine
from tests.operations.harness import SILENT_MS, run, start


def test_what_cannot_be_audited_is_not_begun(engine: Engine, operations: Operations) -> None:
    engine.kill(3)
    shown = operations.preview("email", "requeue")
    engine.redis.set(keys.audit("test"), "no stream")
    before = engine.state()
    with pytest.raises(CorruptQueue):
        start(operations, shown)
    assert engine.state() == before
    assert engine.redis.keys("*operation*") == []
    engine.redis.delete(keys.audit("test"))
    operation = start(operations, shown)
    engine.redis.delete(keys.audit("test"))
    engine.redis.set(keys.audit("test"), "no stream")
    with pytest.raises(CorruptQueue):
        operations.cancel(operation.id, "email", by="ada", action_id="c1")
    assert Inspector(client=engine.client).operation(operation.id, "email").progress == "running"


@pytest.mark.each_server
def test_full_server_can_be_emptied(engine: Engine, operations: Operations) -> None:
    engine.kill(300)
    engine.redis.config_set("maxmemory", 1)
    assert run(operations, start(operations, operations.preview("email", "trash"))).done == 300
    trashed = operations.preview("email", "delete", state=State.TRASHED)
    assert run(operations, start(operations, trashed, "a2")).done == 300
    assert "tasks" not in engine.check_books()


def test_operation_that_cannot_go_on_pauses_and_says_why(engine: Engine, operations: Operations) -> None:
    engine.kill(3)
    operation = start(operations, operations.preview("email", "requeue"))
    engine.redis.delete(engine.queue.prioritized)
    engine.redis.set(engine.queue.prioritized, "x")
    assert operations.tend(["email"]) is None
    paused = Inspector(client=engine.client).operation(operation.id, "email")
    assert paused.progress == "paused"
    assert "prioritized" in paused.why
    engine.redis.delete(engine.queue.prioritized)
    operations.resume(operation.id, "email", by="ada", action_id="r1")
    assert run(operations, operation).done == 3


FIELDS = (
    "verb", "place", "cursor", "count", "until", "since", "top", "looked", "done", "drip", "canary", "next", "faults",
    "runner", "heard", "listed", "left", "of", "keep",
)  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", [b"", b"\xff\0", b"-1", b"1e400", b"nan", b"x y z"])
def test_damaged_operation_loses_no_task(engine: Engine, operations: Operations, field: str, value: bytes) -> None:
    engine.kill(3)
    operation = start(operations, operations.preview("email", "requeue"))
    engine.redis.hset(engine.queue.operation(operation.id), field, value)
    for _ in range(3):
        operations.tend(["email"])
        engine.later(SILENT_MS)
    assert Inspector(client=engine.client).operation(operation.id, "email").id == operation.id
    engine.redis.delete(engine.queue.operation(operation.id), engine.queue.outcomes)
    engine.check_books()


def test_keys_that_are_not_ours_do_not_break_reading(
    engine: Engine, operations: Operations, inspector: Inspector
) -> None:
    engine.kill(3)
    engine.client.register("email")
    operation = start(operations, operations.preview("email", "requeue"))
    engine.redis.zadd(engine.queue.operations, {b"\xff": -1, "x": 1, "0" * 12: -2})
    engine.redis.zadd(keys.operations("test"), {b"\xff": 1, "no such": 2, "none": 3})
    engine.redis.set(engine.queue.operation("0" * 12), "x")
    assert [found.id for found in inspector.operations()] == [operation.id]
    operations.tend()
    assert inspector.operation(operation.id, "email").progress == "ended"
    engine.redis.hset(engine.queue.operation("1" * 12), "state", b"\xff")
    assert inspector.operation("1" * 12).bound.count == 0
    engine.redis.delete(engine.queue.operations)
    engine.redis.set(engine.queue.operations, "x")
    assert inspector.operations() == ()


def test_what_was_begun_goes_on_where_the_directory_cannot_be_read(
    engine: Engine, operations: Operations, inspector: Inspector
) -> None:
    engine.kill(3)
    engine.client.register("email")
    operation = start(operations, operations.preview("email", "requeue"))
    engine.redis.delete(keys.operations("test"))
    engine.redis.set(keys.operations("test"), "x")
    operations.tend()
    assert inspector.operation(operation.id, "email").progress == "ended"


def test_an_operation_that_is_damaged_is_not_told_as_none(
    engine: Engine, operations: Operations, inspector: Inspector
) -> None:
    engine.kill(3)
    engine.client.register("email")
    operation = start(operations, operations.preview("email", "requeue"))
    engine.redis.delete(engine.queue.operation(operation.id))
    engine.redis.set(engine.queue.operation(operation.id), "x")
    for queue in ("email", None):
        with pytest.raises(CorruptQueue, match=f"operation:{operation.id} has a type"):
            inspector.operation(operation.id, queue)


def test_operations_are_listed_the_newest_first_and_the_oldest_are_forgotten(
    engine: Engine, operations: Operations, inspector: Inspector
) -> None:
    engine.client.register("email")
    engine.kill(1)
    shown = operations.preview("email", "requeue")
    begun = []
    for number in range(100):
        engine.later(1)
        begun.append(start(operations, shown, f"a{number}").id)
    assert [found.id for found in inspector.operations(200)] == begun[::-1]
    assert [found.id for found in inspector.operations(3, "email")] == begun[:96:-1]
    assert inspector.operations(3, "alpha") == ()
    with pytest.raises(TooManyOperations, match="100 operations"):
        start(operations, shown, "one more")
    for name in begun[:99]:
        operations.cancel(name, "email", by="ada", action_id="c1")
    assert [found.progress for found in inspector.operations(2)] == ["running", "cancelled"]
    engine.later(8 * 86_400_000)
    latest = start(operations, shown, "latest")
    assert set(engine.state()["operations"]) == {begun[99], latest.id}
    assert {name.partition(":")[0] for name in engine.state()["outcomes"]} == {begun[99], latest.id}
