"""release: seeded state → one call → the whole resulting state."""

from __future__ import annotations

from typing import Any

import pytest

from queue_core import protocol
from queue_core.protocol import Held, ReleasedTask
from tests.engine import START_MS, Engine, changed, element_of, lease_of, running_of, score_of
from tests.invariants import State

pytestmark = pytest.mark.each_server

SETTLED: State = {"leases": lease_of(expires_at=0), "running": running_of(fence=0, at=0)}


def release(engine: Engine, *held: Held, lane: str = "", facts: dict[str, Any] | None = None) -> list[str]:
    return engine.run(protocol.release(engine.queue, [ReleasedTask(h.id, h.fence, lane, facts) for h in held]))


@pytest.mark.parametrize(
    ("task_id", "what", "back"),
    [
        ("order-1", {}, {"ready": [element_of("order-1", START_MS)]}),
        ("A" * 22, {}, {"ready": [element_of("A" * 22, START_MS)]}),
        ("order-1", {"priority": 4}, {"prioritized": {"order-1": score_of(4, START_MS)}}),
        ("order-1", {"priority": -2_000}, {"prioritized": {"order-1": score_of(-2_000, START_MS)}}),
    ],
)
def test_task_goes_back_to_its_place_with_its_time(
    engine: Engine, task_id: str, what: dict[str, Any], back: State
) -> None:
    held = engine.lease(task_id, **what)
    before = engine.state()
    engine.later(5_000)
    assert release(engine, held) == []
    assert engine.check_books() == changed(before, **SETTLED, **back, notify=["1", "1"])


def test_released_tasks_stand_at_the_head_in_their_order(engine: Engine) -> None:
    task_ids = engine.enqueue_many(5)
    claimed = engine.claim(3)
    assert release(engine, *(Held(task.id, claimed.fence) for task in claimed.tasks)) == []
    assert engine.check_books()["ready"] == task_ids


def test_run_that_had_begun_is_noted_and_nothing_is_held_against_the_task(engine: Engine) -> None:
    held = engine.lease()
    before = engine.state()
    release(engine, held, facts={"worker": "w1"})
    assert engine.check_books() == changed(
        before,
        **SETTLED,
        ready=[held.id],
        history={held.id: f'0 0 1 0 -\n{START_MS} released {{"worker":"w1"}}\n'},
        notify=["1", "1"],
    )


def test_unknown_name_closes_its_lane_and_is_held_in_it(engine: Engine) -> None:
    held = engine.lease()
    before = engine.state()
    release(engine, held, lane="unknown:send")
    reason = {"by": "w1", "reason": "no worker knows this task", "at": START_MS}
    assert engine.check_books() == changed(
        before,
        **SETTLED,
        held={f"unknown:send/{held.id}": 0},
        closed={"unknown:send": ("closed", reason)},
        notify=["1"] * 16,  # all who listen: one of them may know the name
    )


def test_lane_that_was_closed_before_keeps_its_reason(engine: Engine) -> None:
    held = engine.lease()
    engine.run(protocol.close_lane(engine.queue, "unknown:send", "ada", "mine"))
    release(engine, held, lane="unknown:send")
    assert engine.check_books()["closed"]["unknown:send"][1]["by"] == "ada"


def test_lane_that_was_opened_is_closed_again_by_a_worker_that_does_not_know_the_name(engine: Engine) -> None:
    held = engine.seed("held")
    engine.run(protocol.open_lane(engine.queue, "unknown:resize", "ada"))
    claimed = engine.claim()
    assert [task.id for task in claimed.tasks] == [held]
    release(engine, Held(held, claimed.fence), lane="unknown:resize")
    assert engine.check_books()["closed"]["unknown:resize"][0] == "closed"
    assert engine.claim().tasks == ()


@pytest.mark.parametrize("lane", ["", "unknown:send"])
@pytest.mark.parametrize("wrong", [-1, 1])
def test_wrong_fence_changes_nothing(engine: Engine, lane: str, wrong: int) -> None:
    held = engine.lease()
    before = engine.state()
    assert release(engine, Held(held.id, held.fence + wrong), lane=lane, facts={}) == [held.id]
    assert engine.state() == before


def test_each_task_of_a_batch_is_judged_by_itself(engine: Engine) -> None:
    first, second = engine.lease(), engine.lease()
    lost = release(engine, Held("gone", 1), first, Held(second.id, 1), second, second)
    assert sorted(lost) == sorted(["gone", second.id, second.id])
    assert engine.check_books()["ready"] == [first.id, second.id]


def test_paused_queue_takes_tasks_back_and_wakes_nobody(engine: Engine) -> None:
    held = engine.lease()
    engine.run(protocol.pause(engine.queue, "ada", ""))
    release(engine, held)
    assert "notify" not in engine.check_books()


def test_id_whose_old_element_is_struck_out_takes_it_again(engine: Engine) -> None:
    engine.enqueue("first")
    engine.enqueue("again")
    engine.trash("again")
    engine.delete("again")
    engine.enqueue("again", delay_ms=1)
    engine.redis.zadd(engine.queue.scheduled, {"again": START_MS})  # due before the list is reached
    engine.later(2)
    claimed = engine.claim(2)
    assert [task.id for task in claimed.tasks] == ["first", "again"]
    release(engine, *(Held(task.id, claimed.fence) for task in claimed.tasks))
    assert [task.id for task in engine.claim().tasks] == ["first", "again"]
    engine.check_books()


def test_one_of_many_callers_at_once_gives_the_task_back(engine: Engine) -> None:
    held = engine.lease()
    answers = engine.at_once([lambda: protocol.release(engine.queue, [ReleasedTask(held.id, held.fence)])] * 8)
    assert sorted(answers) == [[]] + [[held.id]] * 7
    assert engine.check_books()["ready"] == [held.id]
