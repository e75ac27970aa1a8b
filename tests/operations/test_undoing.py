"""What one act has put into the trash is restored, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from queue_core.control import Control
from queue_core.errors import InvalidArgument
from queue_core.inspector import Inspector
from queue_core.operations import Operations
from queue_core.snapshot import Bound, Operation, State
from tests.engine import START_MS, Engine
from tests.operations.harness import run, start

DAY_MS = 86_400_000


def undo(operations: Operations, trashed: Operation) -> Operation:
    assert trashed.keep_ms is not None
    assert trashed.ended_at is not None
    bound = operations.undoing(
        "email",
        trashed.id,
        trashed.done,
        since=trashed.began_at + trashed.keep_ms,
        until=trashed.ended_at + trashed.keep_ms,
    )
    return run(operations, operations.start(bound, by="bo", action_id="undo"))


@pytest.mark.each_server
def test_what_an_operation_purged_comes_back_and_nothing_else(
    engine: Engine, operations: Operations, control: Control
) -> None:
    by_hand, meant = engine.kill(2), engine.kill(300)
    control.trash("email", by_hand, by="ada", action_id="h")
    trashed = run(operations, start(operations, operations.preview("email", "trash")))
    also = engine.kill(1)
    control.trash("email", also, by="ada", action_id="i")
    undone = undo(operations, trashed)
    assert (undone.progress, undone.done, undone.skipped, undone.bound.undoes) == ("ended", 300, {}, trashed.id)
    state = engine.check_books()
    assert set(state["dead"]) == set(meant)
    assert set(state["trash"]) == {*by_hand, *also}


def test_what_left_the_trash_meanwhile_is_skipped_and_what_came_again_stays(
    engine: Engine, operations: Operations, control: Control
) -> None:
    restored, again, left = engine.kill(3)
    trashed = run(operations, start(operations, operations.preview("email", "trash")))
    control.restore("email", [restored, again], by="bo", action_id="r")
    control.trash("email", [again], by="bo", action_id="t")
    undone = undo(operations, trashed)
    assert (undone.done, undone.skipped) == (1, {"gone": 2})
    assert [engine.place_of(task_id) for task_id in (restored, again, left)] == ["dead", "trashed", "dead"]


def test_what_was_purged_by_hand_is_found_by_its_form(engine: Engine, operations: Operations, control: Control) -> None:
    first, second = engine.kill(2), engine.enqueue_many(2)
    outcomes = [control.trash("email", ids, by="ada", action_id=form) for form, ids in (("f", first), ("s", second))]
    until = outcomes[0].restorable_until or 0
    assert until == engine.now + DAY_MS
    bound = operations.undoing("email", "f", 2, since=until, until=until)
    undone = run(operations, operations.start(bound, by="ada", action_id="undo"))
    assert (undone.done, undone.skipped) == (2, {})
    assert {engine.place_of(task_id) for task_id in first} == {"dead"}
    assert {engine.place_of(task_id) for task_id in second} == {"trashed"}


def test_only_the_times_of_the_act_are_looked_at(engine: Engine, operations: Operations, control: Control) -> None:
    """However much was purged before and after it."""
    for form in ("before", "f", "after"):
        control.trash("email", engine.kill(2), by="ada", action_id=form)
        engine.later(1_000)
    until = START_MS + 1_000 + DAY_MS
    bound = operations.undoing("email", "f", 2, since=until, until=until)
    assert run(operations, operations.start(bound, by="ada", action_id="one")).done == 2
    elsewhere = operations.undoing("email", "after", 2, since=until, until=until)
    assert run(operations, operations.start(elsewhere, by="ada", action_id="two")).skipped == {"gone": 2}


def test_an_operation_that_purges_says_how_long_it_can_be_undone(
    engine: Engine, operations: Operations, inspector: Inspector
) -> None:
    engine.kill(1)
    trashed = start(operations, operations.preview("email", "trash"), keep_seconds=60)
    retried = start(operations, operations.preview("email", "requeue"), "a2")
    assert (trashed.keep_ms, retried.keep_ms) == (60_000, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"verb": "delete"},
        {"verb": "requeue", "state": State.DEAD},
        {"undoes": "x" * 201},
        {"since": None},
        {"highest": -1},
    ],
)
def test_an_undoing_that_cannot_be_is_refused(
    engine: Engine, operations: Operations, changes: dict[str, object]
) -> None:
    engine.kill(1)
    bound = Bound("email", "restore", State.TRASHED, START_MS, 1, since=1, highest=2, undoes="form")
    operations.start(bound, by="ada", action_id="a")
    with pytest.raises(InvalidArgument):
        operations.start(replace(bound, **changes), by="ada", action_id="b")  # type: ignore[arg-type]
