"""A queue does what its specification says, whatever happens between two calls: see `queue_machine`."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.engine import Engine
from tests.proof.machine import live
from tests.proof.queue_machine import QueueMachine

RUNS = {"valkey": 200, "redis": 100}
STEPS = 60
VERBS = {
    "enqueue", "claim", "complete", "fail", "extend", "release", "recover", "requeue", "trash", "cancel", "restore",
    "delete", "promote", "expire", "list_outstayed", "pause", "resume", "limit", "open_lane", "close_lane",
    "mute_fault", "unmute_fault", "note_fault", "edit",
}  # fmt: skip


@pytest.mark.each_server
@pytest.mark.timeout(600)
def test_queue_does_what_its_model_does(engine: Engine, request: pytest.FixtureRequest) -> None:
    done: Counter[str] = Counter()
    runs = RUNS[request.node.callspec.params["server"]]
    live(engine, done, runs, STEPS, QueueMachine)
    assert done["steps"] >= runs * STEPS
    assert not [verb for verb in VERBS if done[verb] < runs / 20]
