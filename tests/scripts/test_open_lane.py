"""open_lane: seeded state → one call → the whole resulting state."""

from __future__ import annotations

import pytest

from queue_core import protocol
from queue_core.protocol import Switched
from tests.engine import START_MS, Engine, changed

pytestmark = pytest.mark.each_server


def hold(engine: Engine, count: int) -> None:
    """That many tasks in the closed lane `name:send`, and no token."""
    engine.run(protocol.close_lane(engine.queue, "name:send", "ada", ""))
    engine.enqueue_many(count)
    engine.claim(256)
    assert "notify" not in engine.check_books()


@pytest.mark.parametrize(("count", "tokens"), [(1, 1), (3, 3), (40, 16)])
def test_lane_with_tasks_is_open_until_it_is_empty(engine: Engine, count: int, tokens: int) -> None:
    hold(engine, count)
    before = engine.state()
    engine.later(5)
    assert engine.run(protocol.open_lane(engine.queue, "name:send", "bob")) == Switched(engine.now, True)
    opened = ("open", {"by": "bob", "reason": "", "at": engine.now})
    assert engine.check_books() == changed(before, closed={"name:send": opened}, notify=["1"] * tokens)


def test_lane_without_tasks_disappears_at_once(engine: Engine) -> None:
    engine.run(protocol.close_lane(engine.queue, "name:send", "ada", ""))
    before = engine.state()
    assert engine.run(protocol.open_lane(engine.queue, "name:send", "bob")) == Switched(START_MS, True)
    assert engine.check_books() == changed(before, closed=None, notify=["1"])


@pytest.mark.parametrize("is_open", [False, True])
def test_lane_that_is_not_closed_is_left_alone(engine: Engine, is_open: bool) -> None:
    hold(engine, 1)
    lane = "name:other"
    if is_open:
        lane = "name:send"
        engine.run(protocol.open_lane(engine.queue, lane, "bob"))
    before = engine.state()
    assert engine.run(protocol.open_lane(engine.queue, lane, "bob")) == Switched(START_MS, False)
    assert engine.state() == before


def test_paused_queue_opens_lanes_and_wakes_nobody(engine: Engine) -> None:
    hold(engine, 3)
    engine.run(protocol.pause(engine.queue, "ada", ""))
    engine.run(protocol.open_lane(engine.queue, "name:send", "bob"))
    assert "notify" not in engine.check_books()


def test_one_of_many_callers_at_once_opens_it(engine: Engine) -> None:
    hold(engine, 3)
    answers = engine.at_once([lambda: protocol.open_lane(engine.queue, "name:send", "ada")] * 8)
    assert sorted(answer.has_changed for answer in answers) == [False] * 7 + [True]
    assert len(engine.check_books()["notify"]) == 3
