"""mute_fault: seeded state → one call → the whole resulting state."""

from __future__ import annotations

import json

import pytest

from queue_core import protocol
from queue_core.protocol import DISCARD, Acted
from tests.engine import START_MS, Engine, changed

pytestmark = pytest.mark.each_server

HOUR_MS = 3_600_000


def mute(engine: Engine, until: int | None = START_MS + HOUR_MS, attempts: int | None = None, by: str = "ada") -> Acted:
    return engine.run(protocol.mute_fault(engine.queue, engine.fault(), until, attempts, by, "the provider is down"))


@pytest.mark.parametrize(
    ("until", "attempts", "ending"),
    [
        (START_MS + HOUR_MS, None, {"until": START_MS + HOUR_MS}),
        (None, 100, {"attempts": 103}),
        (START_MS + 1, 1, {"until": START_MS + 1, "attempts": 4}),
    ],
)
def test_fault_is_muted_until_a_time_or_for_so_many_attempts_more(
    engine: Engine, until: int | None, attempts: int | None, ending: dict[str, int]
) -> None:
    engine.kill(3)
    before = engine.state()
    assert mute(engine, until, attempts) == Acted(START_MS, {})
    after = engine.check_books()
    stored = after["faults"][f"{engine.fault()}:mute"]
    said = {"by": "ada", "reason": "the provider is down", "at": START_MS}
    assert json.loads(stored) == {**said, **ending}
    assert after == changed(before, faults={**before["faults"], f"{engine.fault()}:mute": stored})


def test_last_word_holds(engine: Engine) -> None:
    mute(engine)
    mute(engine, None, 7, by="bo")
    stored = json.loads(engine.state()["faults"][f"{engine.fault()}:mute"])
    assert (stored["by"], stored["attempts"], stored.get("until")) == ("bo", 8, None)


def test_time_that_is_over_changes_nothing(engine: Engine) -> None:
    fault, before = engine.fault(), engine.state()
    assert mute(engine, START_MS).skipped == {fault: "that time is over"}
    assert engine.state() == before


def test_fault_that_is_not_there_is_not_made(engine: Engine) -> None:
    engine.fault()
    before = engine.state()
    call = protocol.mute_fault(engine.queue, "0123456789ab", START_MS + 1, None, "ada", "")
    assert engine.run(call).skipped == {"0123456789ab": "no such fault"}
    assert engine.state() == before


def test_what_is_muted_counts_on(engine: Engine) -> None:
    """Every failed attempt, every letter, every retry: as if nobody had said a word."""
    fault = engine.fault()
    mute(engine)
    before = engine.state()["faults"]
    engine.fail(engine.lease(), DISCARD)
    engine.seed("dead")
    engine.seed("retrying")
    after = engine.check_books()["faults"]
    assert int(after[f"{fault}:attempts"]) == int(before[f"{fault}:attempts"]) + 3
    assert after[f"{fault}:recent"] == f"{START_MS // 60_000} 4"
    assert after[f"{fault}:retrying"] == "1"
    assert after[f"{fault}:mute"] == before[f"{fault}:mute"]


def test_a_retry_a_purge_and_what_undoes_it_leave_the_mute_and_the_notes_as_they_are(engine: Engine) -> None:
    letters = [engine.seed("dead"), engine.seed("dead")]
    mute(engine)
    engine.run(protocol.note_fault(engine.queue, engine.fault(), "bo", "see #4411"))
    said = {name: text for name, text in engine.state()["faults"].items() if name.endswith((":mute", ":notes"))}
    assert len(said) == 2
    assert engine.run(protocol.requeue(engine.queue, [(letters[0], START_MS)], {})).skipped == {}
    assert engine.trash(letters[1]) == {}
    assert engine.run(protocol.restore(engine.queue, [letters[1]])).skipped == {}
    assert engine.trash(letters[1]) == {}
    assert engine.delete(letters[1]) == {}
    state = engine.check_books()
    assert said.items() <= state["faults"].items()
    assert engine.place_of(letters[0]) == "ready"
