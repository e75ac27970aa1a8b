"""`taskyard mute`, `unmute` and `note`."""

from __future__ import annotations

import json

import click
import pytest

from queue_core.cli.fault_ids import matching
from tests.cli.harness import Run
from tests.console import Tasks


def test_fault_is_muted_listed_as_such_and_unmuted(here: Run, tasks: Tasks) -> None:
    tasks.die(count=3)
    fault, server_ms = tasks.fingerprint(), tasks.inspector.server_ms()
    given = ("mute", fault, "--queue", "billing", "--for", "4h", "--attempts", "1000")
    code, output, _ = here(*given, "--reason", "known", "--by", "ada", "--yes")
    assert (code, output) == (0, f"{fault} is muted for 4 h 00 min or for 1,000 more failed attempts.\n")
    (found,) = tasks.inspector.faults("billing")
    assert found.mute is not None
    assert (found.mute.by, found.mute.reason, found.mute.attempts) == ("ada", "known", 1_003)
    assert found.mute.until is not None
    assert 0 <= found.mute.until - server_ms - 4 * 3_600_000 < 30_000
    assert "(muted) ConnectionError: payments.internal" in here("faults")[1]
    assert json.loads(here("faults", "--json")[1])["faults"][0]["mute"]["by"] == "ada"
    assert here("unmute", fault, "--queue", "billing", "--yes")[:2] == (0, f"{fault} is not muted any more.\n")
    assert here("unmute", fault, "--queue", "billing", "--yes") == (
        1, "", f"Nothing was changed: {fault} is not muted.\n",
    )  # fmt: skip
    assert "(muted)" not in here("faults")[1]


def test_note_stands_beside_the_fault(here: Run, tasks: Tasks) -> None:
    tasks.die()
    fault = tasks.fingerprint()
    assert here("note", fault, "see #4411", "--queue", "billing", "--by", "bo")[:2] == (0, f"Noted beside {fault}.\n")
    (note,) = tasks.inspector.fault("billing", fault)[0].notes or ()
    assert (note.by, note.text) == ("bo", "see #4411")


def test_the_beginning_of_a_faults_id_names_it_where_no_other_one_begins_so(here: Run, tasks: Tasks) -> None:
    tasks.die(count=2)
    fault = tasks.fingerprint()
    assert here("note", fault[:6], "hm", "--queue", "billing")[:2] == (0, f"Noted beside {fault}.\n")
    for command in (("mute", fault[:6], "--for", "4h"), ("unmute", fault[:6]), ("retry", "--fault", fault[:6])):
        assert here(*command, "--queue", "billing", "--yes", *(("--no-wait",) if command[0] == "retry" else ()))[0] == 0
    assert here("dead", "billing", "--fault", fault[:3])[2].count("no fault of billing begins with") == 1


def test_several_faults_that_begin_alike_are_named() -> None:
    known = [f"7f3a9c21{number:04}" for number in range(9)] + ["7f3a"]
    assert matching("7f3a9c210003", known, "billing") == "7f3a9c210003"
    assert matching("7f3a", known, "billing") == "7f3a"
    with pytest.raises(click.UsageError, match=r"9 faults of billing begin with 7f3a9: 7f3a9c210000, .*, …"):
        matching("7f3a9", known, "billing")


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        (("mute", "F", "--queue", "billing", "--yes"), 2, "Say for how long: --for, --attempts, or both."),
        (("mute", "F", "--queue", "billing", "--for", "long", "--yes"), 2, "it is a time such as 90s"),
        (("mute", "F", "--queue", "billing", "--attempts", "0", "--yes"), 2, "0 is not in the range"),
        (("mute", "F", "--for", "4h", "--yes"), 2, "Missing option '--queue'"),
        (("mute", "F", "--queue", "billing", "--for", "4h"), 2, "Nobody can be asked here: add --yes."),
        (
            ("mute", "0123abcd", "--queue", "billing", "--for", "4h", "--yes"),
            1,
            "no fault of billing begins with '0123abcd'",
        ),
        (("unmute", "0123abcd", "--queue", "billing", "--yes"), 1, "no fault of billing begins with '0123abcd'"),
        (("note", "F", " ", "--queue", "billing"), 2, "a note without words"),
        (("note", "F", "hm", "--queue", "absent"), 1, "there is no queue 'absent'"),
    ],
)
def test_what_cannot_be_is_said_and_not_done(
    here: Run, tasks: Tasks, given: tuple[str, ...], code: int, said: str
) -> None:
    tasks.die()
    fault = tasks.fingerprint()
    found, _, told = here(*(fault if word == "F" else word for word in given))
    assert (found, said in told) == (code, True), told
    assert tasks.inspector.faults("billing")[0].mute is None
    assert tasks.inspector.fault("billing", fault)[0].notes == ()
