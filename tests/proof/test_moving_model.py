"""Two queues and moves between them do what their specification says, whatever dies midway: see `moving_machine`."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.engine import Engine
from tests.proof.machine import live
from tests.proof.moving_machine import MovingMachine

RUNS = {"valkey": 100, "redis": 50}
STEPS = 60
VERBS = {"export", "import", "forget", "confirm", "restore", "delete_queue", "enqueue", "claim", "complete", "fail"}


@pytest.mark.each_server
@pytest.mark.timeout(600)
def test_two_queues_do_what_their_model_does(engine: Engine, request: pytest.FixtureRequest) -> None:
    done: Counter[str] = Counter()
    runs = RUNS[request.node.callspec.params["server"]]
    live(engine, done, runs, STEPS, MovingMachine)
    assert done["steps"] >= runs * STEPS
    assert not [verb for verb in VERBS if done[verb] < runs / 5]
