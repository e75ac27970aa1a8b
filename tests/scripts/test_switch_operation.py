"""switch_operation: seeded state → one call → the whole resulting state."""

from __future__ import annotations

from typing import Any

import pytest

from queue_core import protocol
from queue_core.errors import OperationEnded, UnknownOperation
from queue_core.protocol import Switched
from tests.engine import Engine, changed
from tests.scripts.scenarios import OPERATION, TO_REQUEUE

pytestmark = pytest.mark.each_server

KEY = f"operation:{OPERATION}"


def seeded(engine: Engine, **facts: Any) -> dict[str, Any]:
    engine.seed("dead")
    call = protocol.start_operation(engine.queue, OPERATION, {**TO_REQUEUE, **facts}, counts_outcome=True)
    engine.run(call)
    engine.later(5)
    return engine.state()


def switch(engine: Engine, verb: str, why: str = "ada") -> Switched:
    return engine.run(protocol.switch_operation(engine.queue, OPERATION, verb, why))


@pytest.mark.parametrize(
    ("facts", "verb", "fields"),
    [
        ({}, "pause", {"state": "paused", "why": "ada"}),
        ({"state": "paused"}, "resume", {"state": "running", "why": ""}),
        ({"canary": 2, "looked": 2, "done": 2}, "resume", {"canary": "0"}),
    ],
)
def test_operation_is_as_it_was_told_to_be(
    engine: Engine, facts: dict[str, Any], verb: str, fields: dict[str, str]
) -> None:
    before = seeded(engine, **facts)
    assert switch(engine, verb) == Switched(engine.now, True)
    assert engine.check_books() == changed(before, **{KEY: {**before[KEY], **fields}})
    assert engine.redis.ttl(engine.queue.operation(OPERATION)) == -1


@pytest.mark.parametrize(
    ("facts", "verb"),
    [({"state": "paused"}, "pause"), ({}, "resume"), ({"canary": 2, "looked": 1, "done": 1}, "resume")],
)
def test_what_is_so_already_stays(engine: Engine, facts: dict[str, Any], verb: str) -> None:
    before = seeded(engine, **facts)
    assert switch(engine, verb) == Switched(engine.now, False)
    assert engine.state() == before


@pytest.mark.parametrize("state", ["running", "paused"])
def test_cancelled_one_has_ended(engine: Engine, state: str) -> None:
    before = seeded(engine, state=state)
    assert switch(engine, "cancel") == Switched(engine.now, True)
    ended = {**before[KEY], "state": "cancelled", "why": "ada", "ended": str(engine.now)}
    assert engine.check_books() == changed(before, **{KEY: ended}, operations={OPERATION: engine.now})
    assert engine.redis.ttl(engine.queue.operation(OPERATION)) > 600_000
    after = engine.state()
    for verb in ("pause", "resume", "cancel"):
        with pytest.raises(OperationEnded):
            switch(engine, verb)
    assert engine.state() == after


def test_one_that_is_not_there_is_told(engine: Engine) -> None:
    engine.seed("dead")
    before = engine.state()
    with pytest.raises(UnknownOperation):
        switch(engine, "pause")
    assert engine.state() == before


def test_two_who_cancel_at_once_cancel_once(engine: Engine) -> None:
    seeded(engine)
    call = protocol.switch_operation(engine.queue, OPERATION, "pause", "ada")
    assert sorted(found.has_changed for found in engine.at_once([lambda: call] * 6)) == [False] * 5 + [True]
