"""Pausing a queue or a lane of it."""

from __future__ import annotations

import pytest

from queue_core.control import Control
from queue_core.errors import InvalidArgument
from queue_core.inspector import Inspector
from tests.engine import Engine


def test_pausing_what_is_paused_changes_nothing(engine: Engine, control: Control, inspector: Inspector) -> None:
    engine.seed("ready")
    assert control.pause("email", by="ada", reason="first", action_id="a1").done == ("email",)
    outcome = control.pause("email", by="bob", reason="second", action_id="a2")
    assert (outcome.done, outcome.skipped) == ((), {"email": "paused already"})
    pause = inspector.queue("email").pause
    assert pause is not None
    assert pause.by == "ada"
    assert control.resume("email", by="bob", action_id="a3").done == ("email",)
    assert control.resume("email", by="bob", action_id="a4").skipped == {"email": "not paused"}
    assert inspector.queue("email").pause is None


def test_lane_is_closed_and_opened_once(engine: Engine, control: Control, inspector: Inspector) -> None:
    engine.seed("ready")
    said = {"by": "ada", "reason": "partner is down"}
    assert control.close_lane("email", "name:send", **said, action_id="a1").done == ("name:send",)
    assert control.close_lane("email", "name:send", **said, action_id="a2").skipped == {"name:send": "closed already"}
    assert engine.claim().tasks == ()
    assert inspector.queue("email").counts.held == 1
    assert control.open_lane("email", "name:send", by="ada", action_id="a3").done == ("name:send",)
    assert control.open_lane("email", "name:send", by="ada", action_id="a4").skipped == {"name:send": "not closed"}
    assert len(engine.claim().tasks) == 1


@pytest.mark.parametrize("lane", ["", "send", "key:x", "name:", "name:a b", "name:a/b", "unknown:" + "x" * 129])
def test_lanes_that_cannot_be_are_refused(engine: Engine, control: Control, lane: str) -> None:
    engine.seed("ready")
    with pytest.raises(InvalidArgument):
        control.close_lane("email", lane, by="ada", reason="", action_id="a1")
    with pytest.raises(InvalidArgument):
        control.open_lane("email", lane, by="ada", action_id="a1")
