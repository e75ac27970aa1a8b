"""Schedules do what their specification says, however many schedulers there are, and whatever dies midway: see
`schedules_machine`."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.engine import Engine
from tests.proof.machine import live
from tests.proof.schedules_machine import FAULTS, VERBS, SchedulesMachine

RUNS = {"valkey": 80, "redis": 40}
STEPS = 60
ANSWERS = ("made", "met", "noted", "early")


@pytest.mark.each_server
@pytest.mark.timeout(600)
def test_schedules_do_what_their_model_does(engine: Engine, request: pytest.FixtureRequest) -> None:
    done: Counter[str] = Counter()
    runs = RUNS[request.node.callspec.params["server"]]
    live(engine, done, runs, STEPS, SchedulesMachine)
    assert done["steps"] >= runs * STEPS
    wanted = [*FAULTS, *(f"operator: {verb}" for verb in VERBS), *(f"occurrence: {answer}" for answer in ANSWERS)]
    assert not [what for what in wanted if done[what] < runs / 10]
