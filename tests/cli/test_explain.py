"""`taskyard explain`: how an explanation is printed. What is explained is tested in `tests/explain`."""

from __future__ import annotations

import json

from tests.cli.harness import Run
from tests.console import Tasks


def test_a_task_and_below_it_the_command_that_helps(here: Run, tasks: Tasks) -> None:
    (task_id,) = tasks.enqueue()
    no_worker = "No worker takes billing.\n  Start a worker: taskyard worker module:yard --queues billing\n"
    assert here("explain", task_id) == (0, no_worker, "")
    assert here("explain", task_id, "--queue", "billing") == (0, no_worker, "")


def test_a_queue_with_the_worst_first(here: Run, tasks: Tasks) -> None:
    tasks.die()
    tasks.enqueue()
    tasks.control.pause("billing", by="bo", reason="maintenance", action_id="a")
    lines = here("explain", "billing")[1].splitlines()
    assert lines[0].startswith("billing was paused by bo just now, “maintenance”. 1 ready")
    assert lines[1] == "  Resume billing: taskyard resume billing"
    assert lines[2].startswith("1 dead letter waits for somebody to retry or purge")


def test_json_names_the_cause(here: Run, tasks: Tasks) -> None:
    (task_id,) = tasks.enqueue()
    found = json.loads(here("explain", task_id, "--json")[1])
    assert found.keys() == {"cause", "sentence", "remedy", "remedy_command", "tone", "facts"}
    assert (found["cause"], found["facts"]["queue"]) == ("no_worker", "billing")
    whole = json.loads(here("explain", "billing", "--json")[1])
    assert whole["queue"] == "billing"
    assert [reason["cause"] for reason in whole["explanations"]] == ["no_worker"]


def test_an_id_that_nobody_knows_is_1_and_what_is_no_id_is_2(here: Run, tasks: Tasks) -> None:
    tasks.enqueue()
    code, output, _ = here("explain", "nothere")
    assert code == 1
    assert output.startswith("No task nothere in any queue: it was never there, or it ended.")
    assert here("explain", "a/b")[0] == 2
    assert here("explain", "mine", "--queue", "absent")[0] == 1
