"""promote: seeded state → one call → the whole resulting state."""

from __future__ import annotations

from typing import Any

import pytest

from queue_core import protocol
from queue_core.protocol import Acted
from tests.engine import START_MS, Engine, changed, element_of, score_of

pytestmark = pytest.mark.each_server


def promote(engine: Engine, *task_ids: str) -> Acted:
    return engine.run(protocol.promote(engine.queue, task_ids))


@pytest.mark.parametrize("place", ["scheduled", "retrying"])
@pytest.mark.parametrize(
    ("what", "back"),
    [
        ({}, {"ready": [element_of("order-1", START_MS + 500)]}),
        ({"priority": -3}, {"prioritized": {"order-1": score_of(-3, START_MS + 500)}}),
    ],
)
def test_waiting_task_is_ready_from_now_on(engine: Engine, place: str, what: Any, back: Any) -> None:
    engine.seed(place, "order-1", **what)
    before = engine.state()
    engine.later(500)
    assert promote(engine, "order-1") == Acted(engine.now, {})
    faults = before.get("faults")
    if faults:
        (fault,) = before["faults_seen"]
        faults = {**faults, f"{fault}:retrying": "0"}
    after = engine.check_books()
    assert after == changed(before, **{place: None}, **back, faults=faults, notify=[*before["notify"], "1"])


@pytest.mark.parametrize("place", ["ready", "prioritized", "held", "dead", "trashed"])
def test_task_that_waits_for_no_time_is_left_alone(engine: Engine, place: str) -> None:
    task_id = engine.seed(place)
    before = engine.state()
    why = "not waiting for a time"
    assert promote(engine, task_id, "gone").skipped == {task_id: why, "gone": why}
    assert engine.state() == before


def test_promoted_tasks_stand_behind_what_waits_in_the_order_given(engine: Engine) -> None:
    ids = [engine.enqueue(delay_ms=1_000) for _ in range(3)]
    waiting = engine.enqueue()
    assert promote(engine, *reversed(ids), ids[0]).skipped == {ids[0]: "not waiting for a time"}
    assert engine.check_books()["ready"] == [waiting, *reversed(ids)]


def test_paused_queue_promotes_and_wakes_nobody(engine: Engine) -> None:
    task_id = engine.enqueue(delay_ms=5)
    engine.run(protocol.pause(engine.queue, "ada", ""))
    promote(engine, task_id)
    assert "notify" not in engine.check_books()


@pytest.mark.parametrize("place", ["scheduled", "retrying"])
def test_one_of_many_callers_at_once_promotes_it(engine: Engine, place: str) -> None:
    task_id = engine.seed(place)
    answers = engine.at_once([lambda: protocol.promote(engine.queue, [task_id])] * 8)
    assert sorted(len(answer.skipped) for answer in answers) == [0] + [1] * 7
    assert engine.check_books()["ready"] == [task_id]
