"""Faults, of one queue and of all."""

from __future__ import annotations

from collections.abc import Callable

from queue_core import protocol
from queue_core.inspector import Inspector
from queue_core.protocol import Held
from queue_core.snapshot import Mute
from tests.engine import START_MS, Engine
from tests.inspector.harness import in_short


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
    assert in_short(*inspector.snapshot().faults) == (newer, older)
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
    assert in_short(*inspector.snapshot().faults) == faults[:50]


def test_fault_in_full_has_its_attempts_by_time_its_notes_and_its_next_retry(
    engine: Engine, inspector: Inspector
) -> None:
    engine.fail(engine.lease(), protocol.RETRY, delay_ms=90_000)
    engine.fail(engine.lease(), protocol.RETRY, delay_ms=1_000, message="something else")
    engine.later(60_000)
    engine.fail(engine.lease(), protocol.RETRY, delay_ms=80_000)
    fault = next(found for found in inspector.faults("email") if found.attempts == 2)
    for text in ("first", "second"):
        engine.run(protocol.note_fault(engine.queue, fault.fingerprint, "ada", text))
    assert (fault.recent, fault.notes, fault.next_retry_at) == (None, None, None)
    whole, _ = inspector.fault("email", fault.fingerprint)
    minute = START_MS - START_MS % 60_000
    assert whole.recent == ((minute + 60_000, 1), (minute, 1))
    assert [(note.text, note.by, note.at) for note in whole.notes or ()] == [
        ("second", "ada", engine.now),
        ("first", "ada", engine.now),
    ]
    assert whole.next_retry_at == START_MS + 90_000


def test_snapshot_has_attempts_by_time_of_what_was_seen_in_the_last_hour(engine: Engine, inspector: Inspector) -> None:
    engine.kill(1, "old")
    engine.later(3_600_000)
    engine.kill(2, "new")
    newer, older = inspector.snapshot().faults
    assert newer.recent == ((engine.now - engine.now % 60_000, 2),)
    assert older.recent is None


def test_next_retry_is_looked_for_among_the_hundred_that_come_next(engine: Engine, inspector: Inspector) -> None:
    engine.fail(engine.lease(), protocol.RETRY, delay_ms=5_000, message="late")
    (late,) = inspector.faults("email")
    assert inspector.fault("email", late.fingerprint)[0].next_retry_at == START_MS + 5_000
    engine.enqueue_many(100)
    claimed = engine.claim(100)
    failed = [engine.failed(Held(task.id, claimed.fence)) for task in claimed.tasks]
    engine.run(protocol.fail(engine.queue, failed))
    assert inspector.fault("email", late.fingerprint)[0].next_retry_at is None


def test_mute_ends_by_itself_by_time_or_by_attempts(engine: Engine, inspector: Inspector) -> None:
    engine.kill(3)
    until = START_MS + 60_000
    engine.run(protocol.mute_fault(engine.queue, engine.fault(), until, 2, "ada", "the provider is down"))
    (fault,) = inspector.faults("email")
    assert fault.mute == Mute("ada", "the provider is down", START_MS, until, 5)
    assert [fault.is_muted(at) for at in (START_MS, until - 1, until)] == [True, True, False]
    for is_muted in (True, False):
        engine.kill(1)
        (fault,) = inspector.snapshot().faults
        assert fault.is_muted(START_MS) is is_muted
    engine.run(protocol.unmute_fault(engine.queue, engine.fault()))
    assert inspector.faults("email")[0].mute is None
