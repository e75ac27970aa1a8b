"""close_lane: seeded state → one call → the whole resulting state."""

from __future__ import annotations

import pytest

from queue_core import protocol
from queue_core.errors import InvalidArgument
from queue_core.protocol import Switched
from tests.engine import START_MS, Engine, changed

pytestmark = pytest.mark.each_server

CLOSED = ("closed", {"by": "ada", "reason": "broken", "at": START_MS})


def close(engine: Engine, lane: str = "name:send", by: str = "ada") -> Switched:
    return engine.run(protocol.close_lane(engine.queue, lane, by, "broken"))


@pytest.mark.parametrize("lane", ["name:send", "unknown:send", "name:a.b:c", "name:" + "x" * 128])
def test_lane_is_closed_and_what_is_ready_stays_where_it_is(engine: Engine, lane: str) -> None:
    engine.seed("ready")
    before = engine.state()
    assert close(engine, lane) == Switched(START_MS, True)
    assert engine.check_books() == changed(before, closed={lane: CLOSED})


def test_who_closed_it_first_stays(engine: Engine) -> None:
    close(engine)
    before = engine.state()
    engine.later(5)
    assert close(engine, by="bob") == Switched(engine.now, False)
    assert engine.state() == before


def test_lane_that_is_being_emptied_is_closed_again(engine: Engine) -> None:
    engine.seed("held")
    engine.run(protocol.open_lane(engine.queue, "unknown:resize", "bob"))
    before = engine.state()
    assert close(engine, "unknown:resize").has_changed
    assert engine.check_books() == changed(before, closed={"unknown:resize": CLOSED})
    assert engine.claim().tasks == ()


@pytest.mark.parametrize(
    "lane", ["", "send", "name:", "name:a/b", "key:x", "name:a b", "name:{a}", "name:" + "x" * 129]
)
def test_malformed_lane_is_refused_before_it_is_sent(engine: Engine, lane: str) -> None:
    with pytest.raises(InvalidArgument):
        close(engine, lane)


def test_one_of_many_callers_at_once_closes_it(engine: Engine) -> None:
    answers = engine.at_once([lambda: protocol.close_lane(engine.queue, "name:send", "ada", "")] * 8)
    assert sorted(answer.has_changed for answer in answers) == [False] * 7 + [True]
