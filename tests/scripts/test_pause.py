"""pause: seeded state → one call → the whole resulting state."""

from __future__ import annotations

import pytest

from queue_core import protocol
from queue_core.protocol import Switched
from tests.engine import START_MS, Engine, changed

pytestmark = pytest.mark.each_server


def test_queue_is_paused_and_nobody_is_woken_any_more(engine: Engine) -> None:
    engine.enqueue_many(3)
    before = engine.state()
    assert engine.run(protocol.pause(engine.queue, "ada", "broken")) == Switched(START_MS, True)
    paused = {"by": "ada", "reason": "broken", "at": START_MS}
    assert engine.check_books() == changed(before, control={"format": "1", "paused": paused}, notify=None)


def test_queue_that_does_not_exist_yet_can_be_paused(engine: Engine) -> None:
    engine.run(protocol.pause(engine.queue, "ada", ""))
    paused = {"by": "ada", "reason": "", "at": START_MS}
    assert engine.check_books() == {"control": {"format": "1", "paused": paused}}


def test_who_paused_it_first_and_why_stays(engine: Engine) -> None:
    engine.run(protocol.pause(engine.queue, "ada", "first"))
    before = engine.state()
    engine.later(5)
    assert engine.run(protocol.pause(engine.queue, "bob", "second")) == Switched(engine.now, False)
    assert engine.state() == before


@pytest.mark.parametrize("text", ['"quoted" \\ {}', "two\nlines", "\0", "ü€😀", "x" * 3_000])
def test_strange_reasons_are_kept(engine: Engine, text: str) -> None:
    engine.run(protocol.pause(engine.queue, text, text))
    paused = engine.check_books()["control"]["paused"]
    assert (paused["by"], paused["reason"]) == (text, text)


def test_one_of_many_callers_at_once_pauses_it(engine: Engine) -> None:
    answers = engine.at_once([lambda: protocol.pause(engine.queue, "ada", "")] * 8)
    assert sorted(answer.has_changed for answer in answers) == [False] * 7 + [True]
    engine.check_books()
