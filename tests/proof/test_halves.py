"""Destination before source: a script that fails before any of its writes may leave a task twice, never nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Set
from contextlib import suppress
from dataclasses import replace

import pytest

from queue_core import fsck
from queue_core.errors import OperationEnded, ServerRefused, UnknownQueue
from queue_core.protocol import Call
from tests.engine import Engine, State, problems_of
from tests.proof.halves import stopping_after
from tests.scripts.scenarios import SCENARIOS

BESIDE = (
    "fault ",
    "faults and ",
    "tokens while paused",
    "nobody wakes",
    "can expire",
    "unique key",
    "its time is over",
    "operation ",
)
"""What says no more than how a task is to be treated: fsck leaves it alone."""
HALF_GONE = {"delete_queue"}
"""Was to leave nothing: what is left of it is no queue."""


@pytest.fixture
def engine(redis_url: str, namespace: str) -> Iterator[Engine]:
    engine = Engine(redis_url, namespace)
    yield engine
    engine.close()


@pytest.mark.parametrize("verb", SCENARIOS)
def test_script_that_fails_before_any_of_its_writes_loses_no_task(engine: Engine, verb: str) -> None:
    assert stops_of(engine, verb) > 1


def stops_of(engine: Engine, verb: str) -> int:
    """Let the scenario fail before its first write, its second, and so on. Returns at how many it could fail."""
    engine.start_over()
    call = SCENARIOS[verb](engine)
    before = engine.state()
    engine.run(call)
    there = before.get("tasks", {}).keys()
    stays = there & engine.state().get("tasks", {}).keys()
    writes = 0
    while True:
        engine.start_over()
        call = SCENARIOS[verb](engine)
        if not fails(engine, call, writes):
            return writes
        at = f"{verb} failed before its write {writes + 1}"
        assert lost_of(there, stays, engine.state()) == [], at
        if engine.state():
            list(fsck.check(engine.client, "email", repair=True))
        assert damage_of(engine) == [] or verb in HALF_GONE, f"{at}; and after fsck"
        assert lost_of(there, stays, engine.state()) == [], f"{at}; and after fsck"
        with suppress(OperationEnded, UnknownQueue):  # it was done already, but for what did not matter
            engine.run(call)
        assert damage_of(engine) == [] or verb in HALF_GONE, f"{at}; and after fsck and the call itself"
        writes += 1


def fails(engine: Engine, call: Call[object], writes: int) -> bool:
    try:
        engine.run(replace(call, script=stopping_after(call.script, writes)))
    except ServerRefused as error:
        if "HALFWAY" in str(error):
            return True
        raise
    return False


def damage_of(engine: Engine) -> list[str]:
    return [line for line in problems_of(engine.state()) if not any(hint in line for hint in BESIDE)]


def lost_of(there: Set[str], stays: Set[str], state: State) -> list[str]:
    """Tasks that are gone without being meant to go, or stand nowhere."""
    gone = [f"{task_id} is gone" for task_id in stays - state.get("tasks", {}).keys()]
    nowhere = [problem for problem in problems_of(state) if "no place" in problem]
    return gone + [problem for problem in nowhere if problem.partition(" ")[0] not in there - stays]
