"""claim.lua, lanes: what is put aside for want of somebody who can run it, or while its name is paused."""

from __future__ import annotations

import pytest

from queue_core import protocol
from queue_core.keys import SENTINEL
from queue_core.protocol import Claimed
from tests.engine import LEASE_MS, START_MS, Engine, changed, lease_of

pytestmark = pytest.mark.each_server

FENCE = START_MS * 1000


def ids_of(claimed: Claimed) -> list[str]:
    return [task.id for task in claimed.tasks]


def test_tasks_of_a_closed_lane_are_put_aside_once(engine: Engine) -> None:
    engine.run(protocol.close_lane(engine.queue, "name:send", "ada", "broken"))
    shut, high = engine.enqueue("shut"), engine.enqueue("high", priority=3)
    other = engine.enqueue("other", name="resize")
    before = engine.state()
    claimed = engine.claim()
    assert (ids_of(claimed), claimed.closed_lanes, claimed.has_more) == ([other], ("name:send",), False)
    assert engine.check_books() == changed(
        before,
        ready=None,
        prioritized=None,
        held={f"name:send/{shut}": 0, f"name:send/{high}": 0},
        leases=lease_of(other, expires_at=START_MS + LEASE_MS),
        running={other: f"{claimed.fence} {engine.now} {claimed.tasks[0].ready_digits} w1", SENTINEL: SENTINEL},
        control={**before["control"], "seen": str(START_MS), "turn": "1", "fence": str(FENCE)},
    )
    assert ids_of(engine.claim()) == []


def test_task_that_is_put_aside_for_want_of_its_name_wakes_all_who_may_know_it(engine: Engine) -> None:
    engine.seed("held", name="resize")
    engine.redis.delete(engine.queue.notify)
    engine.enqueue(name="resize")
    assert engine.claim().tasks == ()
    assert len(engine.check_books()["notify"]) == 16
    engine.redis.ltrim(engine.queue.notify, 0, 4)
    assert engine.claim().tasks == ()
    # They stay for the one that knows it; those who do not, do not wake one another for ever.
    assert len(engine.check_books()["notify"]) == 5


def test_worker_that_can_run_an_unknown_name_empties_its_lane_and_then_opens_it(engine: Engine) -> None:
    held = [engine.seed("held", name="resize")]
    held += [engine.enqueue(name="resize"), engine.enqueue(name="resize")]
    assert ids_of(engine.claim()) == []
    assert ids_of(engine.claim(lanes=["unknown:shrink"])) == []
    able = ["unknown:resize"]
    first = engine.claim(2, lanes=able)
    assert (len(first.tasks), first.has_more, first.closed_lanes) == (2, True, ("unknown:resize",))
    assert len(engine.check_books()["notify"]) >= 1
    second = engine.claim(2, lanes=able)
    assert (sorted(ids_of(first) + ids_of(second)), second.has_more) == (sorted(held), False)
    assert "closed" in engine.state()
    assert engine.claim(2, lanes=able).closed_lanes == ()
    assert "closed" not in engine.check_books()


def test_name_that_is_paused_stays_so_for_the_worker_that_can_run_it(engine: Engine) -> None:
    held = engine.seed("held", name="resize")
    engine.run(protocol.close_lane(engine.queue, "name:resize", "ada", "broken"))
    ready = engine.enqueue(name="resize")
    assert ids_of(engine.claim(lanes=["unknown:resize"])) == []
    assert engine.check_books()["held"] == {f"unknown:resize/{held}": 0, f"name:resize/{ready}": 0}
    engine.run(protocol.open_lane(engine.queue, "name:resize", "ada"))
    assert set(ids_of(engine.claim(lanes=["unknown:resize"]))) == {held, ready}
    engine.check_books()


def test_open_lanes_empty_one_after_the_other_and_disappear(engine: Engine) -> None:
    names = ("a", "a.b", "a:b")
    for name in names:
        engine.run(protocol.close_lane(engine.queue, f"name:{name}", "ada", ""))
    made = [engine.enqueue(name=name) for name in names for _ in range(3)]
    engine.claim()
    for name in names:
        engine.run(protocol.open_lane(engine.queue, f"name:{name}", "ada"))
    taken: list[str] = []
    for _ in range(5):
        claimed = engine.claim(2)
        taken += ids_of(claimed)
        engine.check_books()
        assert claimed.has_more is (len(taken) < len(made))
    assert sorted(taken) == sorted(made)
    engine.claim()
    assert not engine.check_books().keys() & {"closed", "held", "notify"}


def test_open_lane_is_not_left_without_a_token(engine: Engine) -> None:
    engine.run(protocol.close_lane(engine.queue, "name:send", "ada", ""))
    engine.enqueue_many(40)
    engine.claim()
    engine.run(protocol.open_lane(engine.queue, "name:send", "ada"))
    for _ in range(20):
        assert engine.redis.lpop(engine.queue.notify) is not None
        assert len(engine.claim(2).tasks) == 2


def test_lane_whose_name_begins_as_anothers_is_another(engine: Engine) -> None:
    engine.run(protocol.close_lane(engine.queue, "name:send", "ada", ""))
    engine.run(protocol.close_lane(engine.queue, "name:send.now", "ada", ""))
    engine.enqueue("a", name="send")
    engine.enqueue("b", name="send.now")
    engine.claim()
    engine.run(protocol.open_lane(engine.queue, "name:send", "ada"))
    assert ids_of(engine.claim()) == ["a"]
    assert engine.check_books()["held"] == {"name:send.now/b": 0}


def test_more_tasks_than_a_claim_looks_at_are_put_aside_step_by_step(engine: Engine) -> None:
    engine.run(protocol.close_lane(engine.queue, "name:send", "ada", ""))
    engine.enqueue_many(1_500)
    last = engine.enqueue(name="resize")
    first = engine.claim(1)
    assert (ids_of(first), first.has_more, len(engine.check_books()["held"])) == ([], True, 1_024)
    assert ids_of(engine.claim(1)) == [last]
