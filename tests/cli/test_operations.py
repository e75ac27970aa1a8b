"""`taskyard operations`."""

from __future__ import annotations

import json

import pytest

from queue_core.snapshot import Operation
from tests.cli.harness import Run
from tests.console import Tasks


def begin(tasks: Tasks, count: int = 3, **how: object) -> Operation:
    tasks.die(count=count)
    operations = tasks.yard.operations
    bound = operations.preview("billing", "requeue").bound
    return operations.start(bound, by="ada", action_id=f"a{count}", reason="fixed", **how)  # type: ignore[arg-type]


def test_without_any_it_says_so(here: Run, tasks: Tasks) -> None:
    expected = "There are no operations: one begins with an action on all that match.\n"
    assert here("operations") == (0, expected, "")
    assert json.loads(here("operations", "--json")[1]) == {"operations": []}


def test_lists_them_with_their_figures(here: Run, tasks: Tasks) -> None:
    operation = begin(tasks)
    head, row = here("operations")[1].splitlines()
    assert head.split()[:5] == ["Operation", "State", "Queue", "Verb", "What"]
    assert row.split()[:9] == [operation.id, "running", "billing", "requeue", "dead", "letters", "0", "3", "0"]


def test_waits_until_it_has_ended_and_tells_what_came_of_it(here: Run, tasks: Tasks) -> None:
    operation = begin(tasks)
    code, output, _ = here("operations", "show", operation.id, "--wait")
    assert code == 0
    assert output.splitlines() == [
        "Ended: 3 of 3 tasks done",
        f"{operation.id} requeue of dead letters in billing, by ada: fixed",
        "0 completed, 0 failed again, 3 still under way",
    ]
    found = json.loads(here("operations", "show", operation.id, "--json")[1])
    assert (found["id"], found["progress"], found["under_way"], found["bound"]["count"]) == (
        operation.id,
        "ended",
        3,
        3,
    )


def test_steers_one(here: Run, tasks: Tasks) -> None:
    operation = begin(tasks)
    _, output, _ = here("operations", "pause", operation.id, "--by", "bob", "--reason", "too fast\x1b[31m", "-y")
    assert output.startswith("Paused (bob: too fast")
    assert "\x1b" not in output
    assert here("operations", "resume", operation.id, "--yes")[1].startswith("Running: 0 of 3 tasks done\n")
    assert here("operations", "cancel", operation.id, "--by", "bob", "-y")[1].startswith("Cancelled (bob)")
    code, _, complaint = here("operations", "pause", operation.id, "--yes")
    assert (code, operation.id in complaint) == (1, True)


@pytest.mark.parametrize("action", ["pause", "resume", "cancel"])
def test_asks_before_it_steers_one(here: Run, tasks: Tasks, action: str) -> None:
    operation = begin(tasks)
    code, output, complaint = here("operations", action, operation.id)
    assert (code, output) == (2, "")
    assert f"{action.capitalize()} operation {operation.id}? Nobody can be asked here: add --yes." in complaint
    assert tasks.inspector.operation(operation.id).progress == "running"
    assert not [entry for entry in tasks.inspector.audit().rows if entry.verb.endswith("_operation")]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("show", 2),
        ("list 0123456789ab", 2),
        ("explode 0123456789ab", 2),
        ("--wait", 2),
        ("--limit 0", 2),
        ("show 0123456789ab", 1),
        ("show x", 1),
    ],
)
def test_bad_input_is_one_clear_line(here: Run, tasks: Tasks, words: str, code: int) -> None:
    found, output, complaint = here("operations", *words.split())
    assert (found, output, complaint.count("\n")) == (code, "", 1)
    assert complaint.startswith("taskyard operations: ")


def test_pulls_back_what_a_retry_has_put_back_once_whoever_asks(here: Run, tasks: Tasks) -> None:
    operation = begin(tasks)
    here("operations", "show", operation.id, "--wait")
    code, _, complaint = here("operations", "pull-back", operation.id)
    assert (code, "Pull back 3 tasks not yet started? Nobody can be asked here: add --yes." in complaint) == (2, True)
    begun = json.loads(here("operations", "pull-back", operation.id, "--yes", "--by", "bo", "--json")[1])
    assert (begun["bound"]["verb"], begun["bound"]["count"], begun["by"]) == ("recall", 3, "bo")
    assert json.loads(here("operations", "pull-back", operation.id, "--json")[1])["id"] == begun["id"]
    said = here("operations", "show", begun["id"], "--wait")[1].splitlines()
    assert said == [
        "Ended: 3 of 3 tasks done",
        f"{begun['id']} recall of what {operation.id} requeued in billing, by bo",
    ]
    assert ", 3 pulled back" in here("operations", "show", operation.id)[1]
    assert tasks.inspector.queue("billing").counts.dead == 3
    code, _, complaint = here("operations", "pull-back", begun["id"], "--yes")
    assert (code, complaint.count("\n")) == (2, 1)
