"""Operations and statistics do what their specifications say, whatever happens between two calls: `bulk_machine`."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.engine import Engine
from tests.proof.bulk_machine import TARGETS, BulkMachine
from tests.proof.machine import live

RUNS = {"valkey": 100, "redis": 50}
STEPS = 60
WORDS = {"more", "due", "waiting", "busy", "paused", "ended", "cancelled", "gone"}
OUTCOMES = {"completed", "failed", "ended", "recalled"}


@pytest.mark.each_server
@pytest.mark.timeout(600)
def test_operations_do_what_their_model_does(engine: Engine, request: pytest.FixtureRequest) -> None:
    done: Counter[str] = Counter()
    runs = RUNS[request.node.callspec.params["server"]]
    live(engine, done, runs, STEPS, BulkMachine)
    assert done["steps"] >= runs * STEPS
    wanted = {"chunk: recall"} | {f"chunk: {verb}" for verb, _ in TARGETS} | {f"told: {word}" for word in WORDS}
    wanted |= {f"outcome: {how}" for how in OUTCOMES} | {
        f"tasks: {what}" for what in ("done", "undone", "skipped", "gone")
    }
    wanted |= {"another runner", "measure", "statistics"}
    missing = [what for what in wanted if not done[what]]
    assert runs < 100 or not missing, missing  # fewer lives may lack one by chance
