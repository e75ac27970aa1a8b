"""Faults, of one queue and of all."""

from __future__ import annotations

from collections.abc import Callable

from queue_core import protocol
from queue_core.inspector import Inspector
from tests.engine import START_MS, Engine


def test_faults_are_counted_and_come_last_seen_first(
    engine: Engine, inspector: Inspector, another: Callable[[str], Engine]
) -> None:
    engine.seed("retrying")
    engine.later(10)
    engine.kill(2, "no answer")
    engine.later(10)
    alpha = another("alpha")
    alpha.later(20)
    alpha.kill(1, "wrong address 7", name="resize")
    newer, older = inspector.faults()
    assert (newer.queue, newer.title, newer.dead) == ("alpha", "ValueError: wrong address #", 1)
    assert (older.attempts, older.dead, older.retrying) == (3, 2, 1)
    assert (older.first_seen_at, older.last_seen_at) == (START_MS, START_MS + 10)
    assert inspector.snapshot().faults == (newer, older)
    assert inspector.faults("email") == (older,)


def test_versions_of_a_fault_are_listed(engine: Engine, inspector: Inspector) -> None:
    for version in ("1.0", "1.1"):
        engine.run(protocol.fail(engine.queue, [engine.failed(engine.lease(), protocol.DEAD)], version))
    assert inspector.faults("email")[0].versions == ("1.0", "1.1")


def test_snapshot_has_the_fifty_faults_last_seen_of_each_queue(engine: Engine, inspector: Inspector) -> None:
    for number in range(60):
        engine.kill(1, chr(0x4E00 + number))
        engine.later(1)
    faults = inspector.faults("email")
    assert (len(faults), inspector.queue("email").fault_count) == (60, 60)
    assert inspector.snapshot().faults == faults[:50]
