"""`taskyard schedules`."""

from __future__ import annotations

import json

from queue_core import keys, protocol, timetable
from tests.cli.harness import Run
from tests.console import Tasks

ADD = ("schedules", "add", "nightly", "report", "--queue", "reports", "--cron", "0 3 * * *")


def test_without_any_it_says_how_one_begins(here: Run) -> None:
    assert here("schedules")[1].startswith("There are no schedules: declare one with yard.schedule(…)")
    assert json.loads(here("schedules", "--json")[1]) == {"schedules": []}


def test_one_is_added_shown_and_removed(here: Run, tasks: Tasks) -> None:
    code, output, _ = here(*ADD, "--time-zone", "Europe/Vienna", "--missed", "all", "--no-overlap", "days=7", "to=ada")
    assert (code, output) == (0, "nightly is added: every day at 03:00, Europe/Vienna.\n")
    code, output, said = here("schedules")
    head, row = output.splitlines()
    assert head.split()[:3] == ["Schedule", "State", "When"]
    assert row.startswith("nightly    active   every day at 03:00, Europe/Vienna   report   reports   in ")
    assert said.startswith("No worker is alive, so nothing is enqueued.")
    lines = here("schedules", "show", "nightly")[1].splitlines()
    assert lines[0].startswith("Active: it comes in ")
    assert lines[1] == "nightly every day at 03:00, Europe/Vienna"
    assert lines[2] == 'report in reports {"days":7,"to":"ada"}'
    assert lines[3].startswith(
        "all missed ones are made up for; none while the task of an earlier one has not ended; added"
    )
    assert lines[4].startswith("Next: ")
    assert lines[4].count("03:00") == 5
    found = json.loads(here("schedules", "show", "nightly", "--json")[1])
    assert (found["name"], found["cron"], found["overlap"], len(found["next_at"])) == ("nightly", "0 3 * * *", False, 5)
    code, output, _ = here("schedules", "remove", "nightly", "--yes")
    assert (code, output) == (0, "nightly is removed; tasks that it has made stay.\n")
    assert json.loads(here("schedules", "--json")[1]) == {"schedules": []}


def test_one_that_is_there_is_not_added_again(here: Run) -> None:
    here(*ADD)
    assert here(*ADD) == (1, "", "Nothing was changed: it exists already.\n")


def test_pause_change_resume_and_run_now(here: Run, tasks: Tasks) -> None:
    here(*ADD)
    assert here("schedules", "pause", "nightly", "--by", "bob", "--reason", "moving\x1b[31m", "-y")[1] == (
        "nightly is paused.\n"
    )
    said = here("schedules", "show", "nightly")[1]
    assert said.startswith("Paused: by bob just now: moving")
    assert "\x1b" not in said
    assert here("schedules", "pause", "nightly", "-y")[0] == 1
    code, output, _ = here("schedules", "change", "nightly", "--every", "90", "days=2", "-y")
    assert (code, output) == (0, "nightly is changed: every 90 s.\n")
    assert 'report in reports {"days":2}' in here("schedules", "show", "nightly")[1]
    output = here("schedules", "run-now", "nightly", "-y")[1]
    task_id = output.removeprefix("nightly has made task ").removesuffix(".\n")
    assert tasks.yard.task_status(task_id).options["schedule"] == "nightly"
    assert "from schedule nightly, for " in here("task", task_id)[1]
    assert here("schedules", "resume", "nightly", "-y")[1] == "nightly goes on.\n"
    verbs = [row.verb for row in tasks.yard.inspector.audit().rows]
    assert verbs == ["resume_schedule", "run_schedule", "change_schedule", "pause_schedule", "add_schedule"]


def test_last_occurrence_is_shown_with_what_became_of_it(here: Run, tasks: Tasks) -> None:
    here("schedules", "add", "often", "report", "--queue", "reports", "--every", "1")
    client = tasks.yard.client
    queue = client.queue("reports")
    data = client.redis.hget(keys.schedules(client.namespace), "often")
    now_ms = tasks.yard.inspector.server_ms()
    task = timetable.read("often", data).occurrence(now_ms)
    client.run(protocol.enqueue_occurrence(queue, "often", now_ms, task))
    assert here("schedules")[1].splitlines()[1].split()[-1] == "ready"
    assert f"task {task.id}: ready" in here("schedules", "show", "often")[1]


def test_damaged_one_is_shown_and_can_be_removed(here: Run, tasks: Tasks) -> None:
    client = tasks.yard.client
    client.redis.hset(keys.schedules(client.namespace), "broken", "{}")
    assert "unreadable" in here("schedules")[1]
    assert here("schedules", "show", "broken")[1].startswith("Unreadable: schedule broken cannot be read")
    assert here("schedules", "remove", "broken", "-y")[0] == 0


def test_slips_are_said(here: Run) -> None:
    for words, said in (
        (("show",), "Say which schedule"),
        (("list", "nightly"), "Say which schedule"),
        (("add", "nightly"), "Say which task"),
        (("add", "nightly", "report"), "either cron=… or every=…"),
        (("add", "nightly", "report", "--cron", "x"), "has 1 fields"),
        (("add", "nightly", "report", "--cron", "@daily", "--time-zone", "Europe/Wien"), "is not known here"),
        (("pause", "nightly", "--cron", "@daily"), "pause takes a NAME"),
        (("change", "nightly", "--queue", "q"), "change takes a NAME"),
    ):
        code, _, complaint = here("schedules", *words)
        assert code == 2, words
        assert said in complaint
    code, _, complaint = here("schedules", "show", "nightly")
    assert (code, complaint) == (1, "taskyard schedules: there is no schedule nightly\n")
