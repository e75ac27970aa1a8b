"""What is said of a fault: mutes and notes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from queue_core.control import Control
from queue_core.errors import InvalidArgument, UnknownFault
from queue_core.inspector import Inspector
from queue_core.snapshot import Note, Outcome
from tests.engine import START_MS, Engine

SAID: dict[str, Any] = {"by": "ada", "action_id": "a1", "reason": "the provider is down"}


@pytest.mark.parametrize(
    ("ending", "told"),
    [
        ({"until": START_MS + 60_000}, "until 2025-11-22T00:07:40.000Z"),
        ({"attempts": 1_000}, "for 1,000 more failed attempts"),
        (
            {"until": START_MS + 60_000, "attempts": 1},
            "until 2025-11-22T00:07:40.000Z or for 1 more failed attempt",
        ),
    ],
)
def test_mute_stands_in_the_audit_with_its_end(
    engine: Engine, control: Control, inspector: Inspector, ending: dict[str, Any], told: str
) -> None:
    fault = engine.fault()
    assert control.mute_fault("email", fault, **ending, **SAID) == Outcome("mute_fault", (fault,), {}, START_MS)
    (entry,) = inspector.audit().rows
    assert (entry.verb, entry.by, entry.target, entry.reason) == (
        "mute_fault",
        "ada",
        f"fault {fault}: {told}",
        "the provider is down",
    )
    assert inspector.faults("email")[0].is_muted(START_MS)


def test_note_stands_beside_the_fault_and_in_the_audit(engine: Engine, control: Control, inspector: Inspector) -> None:
    fault = engine.fault()
    outcome = control.note_fault("email", fault, " status page:\n\x1b[31m status.example ", by="bo", action_id="a1")
    assert outcome == Outcome("note_fault", (fault,), {}, START_MS)
    note = "status page: [31m status.example"
    assert inspector.fault("email", fault)[0].notes == (Note("bo", note, START_MS),)
    assert inspector.audit().rows[0].target == f"fault {fault}: {note}"


def test_unmute_says_where_there_was_nothing_to_do(engine: Engine, control: Control, inspector: Inspector) -> None:
    fault = engine.fault()
    control.mute_fault("email", fault, attempts=1, **SAID)
    done, skipped = (control.unmute_fault("email", fault, by="ada", action_id=form) for form in ("a2", "a3"))
    assert (done.done, done.skipped) == ((fault,), {})
    assert (skipped.done, skipped.skipped) == ((), {fault: "not muted"})
    assert inspector.faults("email")[0].mute is None


def test_time_that_is_over_mutes_nothing(engine: Engine, control: Control) -> None:
    fault = engine.fault()
    outcome = control.mute_fault("email", fault, until=START_MS, **SAID)
    assert (outcome.done, outcome.skipped) == ((), {fault: "that time is over"})


def test_two_consoles_say_the_same(engine: Engine, control: Control) -> None:
    """Each with a connection of its own: what one mutes is muted at the other, and the last word holds."""
    fault = engine.fault()
    one, other = (Inspector(url=engine.url, namespace=engine.client.namespace) for _ in range(2))
    control.mute_fault("email", fault, attempts=9, **SAID)
    assert one.faults("email") == other.faults("email")
    assert other.faults("email")[0].is_muted(START_MS)
    Control(url=engine.url, namespace=engine.client.namespace).unmute_fault("email", fault, by="bo", action_id="b1")
    assert not any(inspector.faults("email")[0].is_muted(START_MS) for inspector in (one, other))
    one.close()
    other.close()


WRONG: list[Callable[[Control, str], Outcome]] = [
    lambda control, fault: control.mute_fault("email", fault, **SAID),
    lambda control, fault: control.mute_fault("email", fault, attempts=0, **SAID),
    lambda control, fault: control.mute_fault("email", fault, attempts=True, **SAID),
    lambda control, fault: control.mute_fault("email", fault, attempts=10**9 + 1, **SAID),
    lambda control, fault: control.mute_fault("email", fault, until=10**13, **SAID),
    lambda control, fault: control.mute_fault("email", fault, until="tomorrow", **SAID),  # type: ignore[arg-type]
    lambda control, fault: control.note_fault("email", fault, "", **SAID),
    lambda control, fault: control.note_fault("email", fault, " \n", **SAID),
    lambda control, fault: control.note_fault("email", fault, "x" * 501, **SAID),
    lambda control, fault: control.note_fault("email", fault, "\ud800", **SAID),
    lambda control, fault: control.note_fault("email", fault, 7, **SAID),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_what_cannot_be_is_refused_and_not_done(engine: Engine, control: Control, number: int) -> None:
    fault = engine.fault()
    before = engine.state()
    with pytest.raises(InvalidArgument):
        WRONG[number](control, fault)
    assert engine.state() == before
    assert not engine.redis.exists(engine.client.namespace + ":audit")


@pytest.mark.parametrize("fault", ["0123456789ab", "no:fault", "", "x" * 65])
def test_fault_that_is_not_there_is_told(engine: Engine, control: Control, fault: str) -> None:
    engine.fault()
    before = engine.state()
    acts: list[Callable[[], Outcome]] = [
        lambda: control.mute_fault("email", fault, attempts=1, **SAID),
        lambda: control.unmute_fault("email", fault, **SAID),
        lambda: control.note_fault("email", fault, "hm", **SAID),
    ]
    for act in acts:
        with pytest.raises(UnknownFault):
            act()
    assert engine.state() == before
