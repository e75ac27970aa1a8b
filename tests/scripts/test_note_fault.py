"""note_fault: seeded state → one call → the whole resulting state."""

from __future__ import annotations

import json

import pytest

from queue_core import protocol
from queue_core.protocol import Acted
from tests.engine import START_MS, Engine, changed
from tests.scripts.test_fail import fail_many, words

pytestmark = pytest.mark.each_server


def note(engine: Engine, text: str, by: str = "ada") -> Acted:
    return engine.run(protocol.note_fault(engine.queue, engine.fault(), by, text))


def notes_of(engine: Engine) -> list[str]:
    lines = engine.state()["faults"][f"{engine.fault()}:notes"].split("\n")
    return [json.loads(line)["text"] for line in lines]


def test_words_stand_beside_the_fault(engine: Engine) -> None:
    fault, before = engine.fault(), engine.state()
    assert note(engine, "provider status page: status.payments.example") == Acted(START_MS, {})
    after = engine.check_books()
    stored = after["faults"][f"{fault}:notes"]
    assert json.loads(stored) == {
        "by": "ada",
        "text": "provider status page: status.payments.example",
        "at": START_MS,
    }
    assert after == changed(before, faults={**before["faults"], f"{fault}:notes": stored})


def test_newest_is_the_first_and_ten_are_kept(engine: Engine) -> None:
    for number in range(12):
        note(engine, f"note {number}")
    assert notes_of(engine) == [f"note {number}" for number in range(11, 1, -1)]


@pytest.mark.parametrize("text", ['"}\\', "ü € 😀 \u202e", "<script>alert(1)</script>", "a/b", "x" * 500])
def test_words_may_be_any(engine: Engine, text: str) -> None:
    note(engine, text)
    note(engine, "and more")
    assert notes_of(engine) == ["and more", text]


def test_fault_that_is_not_there_is_not_made(engine: Engine) -> None:
    engine.fault()
    before = engine.state()
    call = protocol.note_fault(engine.queue, "0123456789ab", "ada", "hello")
    assert engine.run(call).skipped == {"0123456789ab": "no such fault"}
    assert engine.state() == before


def test_mute_and_notes_go_with_their_fault(engine: Engine) -> None:
    engine.fail(engine.lease(), protocol.DISCARD)
    fault = engine.fault()
    note(engine, "see #4411")
    engine.run(protocol.mute_fault(engine.queue, fault, START_MS + 86_400_000, None, "ada", ""))
    engine.later(1)
    fail_many(engine, words(1_000), protocol.DISCARD)
    assert not [name for name in engine.check_books()["faults"] if name.startswith(fault)]
