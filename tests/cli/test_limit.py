"""`taskyard limit`."""

from __future__ import annotations

import json

import pytest

from queue_core.snapshot import Rate
from tests.cli.harness import Run
from tests.console import Tasks


def test_limits_are_set_shown_and_ended(here: Run, tasks: Tasks) -> None:
    tasks.enqueue()
    assert here("limit", "billing")[1].splitlines() == [
        "Length         as many as come",
        "Enqueue rate   as they come",
        "Claim rate     as they come",
        "Dead letters   kept",
        "Wait target    5 min 00 s",
        "Warning        from 10,001 dead letters on",
    ]
    code, output, _ = here(
        "limit", "billing", "--max-length", "100,000", "--claim-rate", "50/1", "--dead-max-age", "30d", "--yes",
        "--by", "ada", "--reason", "the bank allows no more",
    )  # fmt: skip
    assert code == 0
    assert output == "billing is limited: max_length=100000, claim_rate=50/1s, dead_max_age=2592000s.\n"
    found = tasks.inspector.queue("billing").limits
    assert (found.max_length, found.claim_rate, found.dead_max_age, found.by) == (
        100_000,
        Rate(50, 1),
        2_592_000,
        "ada",
    )
    assert tasks.inspector.audit().rows[0].reason == "the bank allows no more"
    code, output, _ = here("limit", "billing", "--show")
    assert "Length         at most 100,000 tasks\n" in output
    assert "Claim rate     at most 50 in 1.0 s\n" in output
    assert "Dead letters   at most 30 d old\n" in output
    assert output.endswith("Set by ada just now.\n")
    assert json.loads(here("limit", "billing", "--json")[1])["claim_rate"] == [50, 1.0]
    again = here("limit", "billing", "--max-length", "100000", "--yes")
    assert again == (1, "", "Nothing was changed: it is limited so already.\n")
    assert here("limit", "billing", "--max-length", "none", "--claim-rate", "NONE", "--yes")[0] == 0
    assert tasks.inspector.queue("billing").limits.max_length is None


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--max-length", "many", "'many' is not accepted: it is a whole number, such as 10000, or none"),
        ("--max-length", "0", "max_length 0 is not accepted: a whole number from 1 to 1000000000"),
        ("--enqueue-rate", "100", "'100' is not accepted: it is how many in how many seconds"),
        ("--enqueue-rate", "100/60/2", "'100/60/2' is not accepted"),
        ("--claim-rate", "5/0", "claim_rate: time 0.0 is not accepted"),
        ("--claim-rate", "nan/1", "'nan/1' is not accepted"),
        ("--dead-max-age", "30 days", "'30 days' is not accepted: it is a time such as 90s, 15min, 12h or 30d"),
        ("--dead-max-age", "30", "'30' is not accepted: it is a time such as 90s, 15min, 12h or 30d"),
        ("--dead-max-count", "-1", "dead_max_count -1 is not accepted"),
        ("--dead-warning", "1e99", "'1e99' is not accepted"),
    ],
)
def test_bad_input_is_told_and_changes_nothing(here: Run, tasks: Tasks, option: str, value: str, said: str) -> None:
    tasks.enqueue()
    code, output, complaint = here("limit", "billing", option, value, "--yes")
    assert (code, output) == (2, "")
    assert said in complaint
    assert tasks.inspector.queue("billing").limits.at is None


def test_show_changes_nothing_and_an_unknown_queue_is_told(here: Run, tasks: Tasks) -> None:
    tasks.enqueue()
    assert here("limit", "billing", "--show", "--max-length", "5")[0] == 2
    assert here("limit", "absent", "--max-length", "5", "--yes")[0] == 1
    assert here("limit", "billing", "--max-length", "5")[0] == 2  # nobody can be asked
