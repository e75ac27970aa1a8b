"""resume: seeded state → one call → the whole resulting state."""

from __future__ import annotations

import pytest

from queue_core import protocol
from queue_core.protocol import Switched
from tests.engine import START_MS, Engine, changed

pytestmark = pytest.mark.each_server


@pytest.mark.parametrize(
    ("place", "count", "tokens"),
    [
        ("ready", 1, 1), ("ready", 40, 16), ("prioritized", 2, 2), ("scheduled", 2, 2), ("retrying", 1, 1),
        ("held", 1, 1), ("dead", 1, 0), ("trashed", 1, 0), ("ready", 0, 0),
    ],
)  # fmt: skip
def test_workers_are_woken_for_what_may_run(engine: Engine, place: str, count: int, tokens: int) -> None:
    for _ in range(count):
        engine.seed(place)
    running = engine.state()
    engine.run(protocol.pause(engine.queue, "ada", ""))
    assert engine.run(protocol.resume(engine.queue)) == Switched(START_MS, True)
    control = {"format": "1", **running.get("control", {})}
    assert engine.check_books() == changed(running, control=control, notify=["1"] * tokens or None)


def test_queue_that_runs_is_left_alone(engine: Engine) -> None:
    engine.seed("ready")
    before = engine.state()
    assert engine.run(protocol.resume(engine.queue)) == Switched(START_MS, False)
    assert engine.state() == before


def test_queue_that_does_not_exist_is_not_made(engine: Engine) -> None:
    engine.run(protocol.resume(engine.queue))
    assert engine.state() == {}


def test_struck_out_elements_wake_nobody(engine: Engine) -> None:
    engine.trash(*engine.enqueue_many(3))
    engine.run(protocol.pause(engine.queue, "ada", ""))
    engine.run(protocol.resume(engine.queue))
    assert "notify" not in engine.check_books()


def test_one_of_many_callers_at_once_resumes_it(engine: Engine) -> None:
    engine.run(protocol.pause(engine.queue, "ada", ""))
    answers = engine.at_once([lambda: protocol.resume(engine.queue)] * 8)
    assert sorted(answer.has_changed for answer in answers) == [False] * 7 + [True]
