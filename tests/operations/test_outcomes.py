"""What became of requeued letters is counted."""

from __future__ import annotations

import pytest

from queue_core import protocol
from queue_core.control import Control
from queue_core.inspector import Inspector
from queue_core.operations import Operations
from queue_core.protocol import Held
from tests.engine import Engine
from tests.operations.harness import run, settle, start


@pytest.mark.each_server
def test_what_became_of_requeued_letters_is_counted(
    engine: Engine, operations: Operations, inspector: Inspector
) -> None:
    engine.kill(8)
    operation = start(operations, operations.preview("email", "requeue"))
    run(operations, operation)

    def outcome() -> tuple[int, int, int, int]:
        found = inspector.operation(operation.id, "email")
        return found.completed, found.failed, found.left, found.under_way

    assert outcome() == (0, 0, 0, 8)
    claimed = engine.claim(7)
    done, retried, dead, crashed, discarded, trashed, released = (
        Held(task.id, claimed.fence, task.has_history) for task in claimed.tasks
    )
    engine.run(protocol.complete(engine.queue, [done]))
    engine.fail(retried)
    engine.fail(dead, protocol.DEAD)
    engine.run(protocol.recover(engine.queue, 1, held=[crashed]))
    engine.fail(discarded, protocol.DISCARD)
    engine.run(protocol.release(engine.queue, [protocol.ReleasedTask(released.id, released.fence, facts={"why": "x"})]))
    assert outcome() == (1, 3, 1, 3)
    # What failed again and completed at last has completed; what failed twice counts once.
    engine.fail(trashed)
    engine.later(5_000)
    again = {task.id: task for task in engine.claim(9).tasks}
    fence = engine.state()["control"]["fence"]
    engine.run(protocol.complete(engine.queue, [Held(retried.id, int(fence), again[retried.id].has_history)]))
    engine.fail(Held(crashed.id, int(fence), True))
    assert outcome() == (2, 3, 1, 2)
    engine.trash(dead.id)
    engine.delete(dead.id)
    assert outcome() == (2, 2, 2, 2)
    engine.check_books()


def test_letter_that_is_requeued_again_counts_in_the_newer_operation(
    engine: Engine, operations: Operations, inspector: Inspector
) -> None:
    engine.kill(2)
    first = run(operations, start(operations, operations.preview("email", "requeue")))
    settle(engine, 2, fails=2)
    second = run(operations, start(operations, operations.preview("email", "requeue"), "a2"))
    settle(engine, 2, fails=1)
    counts = [inspector.operation(operation.id, "email") for operation in (first, second)]
    assert [(found.completed, found.failed) for found in counts] == [(0, 2), (1, 1)]
    (letter,) = engine.state()["dead"]
    died_at = engine.state()["dead"][letter]
    Control(client=engine.client).requeue("email", [(letter, died_at)], by="ada", action_id="by hand")
    settle(engine, 1)
    assert [inspector.operation(one.id, "email").completed for one in (first, second)] == [0, 1]


def test_operation_that_nobody_remembers_is_not_counted(engine: Engine, operations: Operations) -> None:
    engine.kill(2)
    run(operations, start(operations, operations.preview("email", "requeue")))
    engine.redis.delete(engine.queue.outcomes)
    settle(engine, 2, fails=1)
    assert not engine.redis.exists(engine.queue.outcomes)
    engine.check_books()


def test_some_operations_are_read_at_once_and_what_is_none_is_missing(
    engine: Engine, operations: Operations, inspector: Inspector
) -> None:
    engine.kill(2)
    begun = start(operations, operations.preview("email", "requeue"))
    wanted = [("email", begun.id), ("email", "0" * 12), ("email", "nonsense"), ("{no queue}", begun.id), ("", begun.id)]
    assert inspector.operations_named(wanted) == {("email", begun.id): begun}
    assert inspector.operations_named([]) == {}
