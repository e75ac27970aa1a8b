"""`taskyard task`: one task in every state."""

from __future__ import annotations

import json

from tests.cli.harness import Run
from tests.console import Tasks


def test_first_line_says_why_it_is_where_it_is(here: Run, tasks: Tasks) -> None:
    (task_id,) = tasks.die()
    code, output, _ = here("task", task_id)
    lines = output.splitlines()
    assert code == 0
    assert lines[0].startswith("Dead: It will not run again by itself: its only attempt failed. The fault: Connection")
    assert lines[1] == f"  Retry it: taskyard retry {task_id}"
    assert lines[3] == f"charge {task_id} in billing"
    assert lines[4] == "priority 0 · 1 of 1 attempt failed"
    begin = lines.index("Timeline (UTC)") + 1
    timeline = [line.split("  ", 2)[2] for line in lines[begin : lines.index("", begin)]]
    assert timeline[0] == "enqueued, priority 0"
    assert timeline[1].startswith("attempt 1 on ")
    assert '  {"order":0}' in lines


def test_every_state_can_be_looked_at(here: Run, tasks: Tasks) -> None:
    (ready,) = tasks.enqueue()
    assert here("task", ready)[1].startswith("Ready: No worker takes billing.")
    with tasks.yard.queue("billing").claim(limit=1):
        assert here("task", ready, "--queue", "billing")[1].startswith("Running: It has been running for")
    (scheduled,) = tasks.enqueue(delay=3_600)
    assert here("task", scheduled)[1].startswith("Scheduled: It is due in 1 h")
    (dead,) = tasks.die("email")
    tasks.control.trash("email", [dead], by="ada", reason="old", action_id="a")
    assert here("task", dead)[1].startswith("Trashed: Purged by ada, “old”. It was dead.")


def test_payload_and_traceback_are_shown_whole_on_demand(here: Run, tasks: Tasks) -> None:
    try:
        raise ConnectionError("refused\x1b[2J")
    except ConnectionError as error:
        (task_id,) = tasks.die(error=error)
    output = here("task", task_id)[1]
    assert "lines: --traceback)" in output
    assert "Traceback (most recent call last):" not in output
    whole = here("task", task_id, "--payload", "--traceback")[1]
    assert '  {\n    "order": 0\n  }' in whole
    assert "  Traceback (most recent call last):\n" in whole
    assert "\x1b" not in whole


def test_json_has_a_stable_shape(here: Run, tasks: Tasks) -> None:
    (task_id,) = tasks.die()
    found = json.loads(here("task", task_id, "--json")[1])
    assert found.keys() >= {
        "queue", "id", "name", "state", "options", "payload_json", "payload_bytes", "unreadable", "enqueued_at", "at",
        "priority", "attempts", "attempts_before", "crashes", "releases", "max_retries", "history", "fingerprint",
        "traceback", "worker", "lease_expires_at", "lane", "trashed_from", "trashed_by", "trashed_reason",
        "explanation",
    }  # fmt: skip
    assert found["explanation"]["cause"] == "dead"
    assert json.loads(found["payload_json"]) == {"order": 0}


def test_what_is_not_there_is_said(here: Run, tasks: Tasks) -> None:
    tasks.enqueue()
    missing = "taskyard task: there is no task mine in any queue, or it ended and left no record\n"
    assert here("task", "mine") == (1, "", missing)
    assert here("task", "mine", "--queue", "billing")[0] == 1
    assert here("task", "mine", "--queue", "absent") == (
        1,
        "",
        "taskyard task: there is no queue 'absent'; there are: billing\n",
    )
    assert here("task", "a/b")[0] == 2


def test_a_result_is_shown(here: Run, tasks: Tasks) -> None:
    yard = tasks.yard

    @yard.task(queue="reports", result_ttl=60)
    def count_rows() -> dict[str, int]:
        return {"rows": 42}

    handle = count_rows.enqueue()
    with yard.queue("reports").claim(limit=1) as leases:
        for lease in leases:
            lease.complete({"rows": 42})
    output = here("task", handle.id)[1]
    assert output.startswith("Completed: It was completed just now. Its result is kept for ")
    assert '\nResult (11 B)\n  {"rows":42}\n' in output
