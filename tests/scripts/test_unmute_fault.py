"""unmute_fault: seeded state → one call → the whole resulting state."""

from __future__ import annotations

import pytest

from queue_core import protocol
from queue_core.protocol import Switched
from tests.engine import START_MS, Engine

pytestmark = pytest.mark.each_server


def unmute(engine: Engine) -> Switched:
    return engine.run(protocol.unmute_fault(engine.queue, engine.fault()))


def test_fault_is_as_it_was_before_it_was_muted(engine: Engine) -> None:
    fault = engine.fault()
    before = engine.state()
    engine.run(protocol.mute_fault(engine.queue, fault, START_MS + 1, None, "ada", "test"))
    assert unmute(engine) == Switched(START_MS, True)
    assert engine.check_books() == before


def test_fault_that_is_not_muted_stays_as_it_is(engine: Engine) -> None:
    engine.fault()
    before = engine.state()
    assert unmute(engine) == Switched(START_MS, False)
    assert engine.state() == before


def test_one_of_many_callers_at_once_unmutes(engine: Engine) -> None:
    fault = engine.fault()
    engine.run(protocol.mute_fault(engine.queue, fault, START_MS + 1, None, "ada", "test"))
    answers = engine.at_once([lambda: protocol.unmute_fault(engine.queue, fault)] * 8)
    assert sorted(answer.has_changed for answer in answers) == [False] * 7 + [True]
