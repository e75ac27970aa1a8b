"""What programs do as the forms of pages do it: edits, several queues at once, workers that were shown, schedules."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from dashboard import ConsoleSettings, create_app, live
from dashboard.identity import Role
from dashboard.redaction import MASK
from queue_core.snapshot import State
from tests.console import Tasks
from tests.engine import Engine
from tests.programs import Program
from tests.workers import put_worker


@pytest.fixture
def settings(closed: ConsoleSettings) -> ConsoleSettings:
    return closed


@pytest.fixture
def program(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Program:
    monkeypatch.setattr(live, "INTERVAL_SECONDS", 0)
    return Program(app)


# Edit and retry.


@pytest.fixture
def letter(tasks: Tasks, program: Program) -> dict[str, Any]:
    """As the API tells it; its token is hidden."""
    pay = tasks.yard.task(name="pay", queue="billing", max_retries=0)(lambda order, token: None)
    made = pay.options(priority=3).enqueue(order=1, token="hunter2-hunter2")
    with tasks.yard.queue("billing").claim(limit=1) as leases:
        leases[0].fail(ValueError("no such order"))
    found = program.look(f"/queues/billing/tasks/{made.id}")
    assert isinstance(found, dict)
    return found


def edit_of(letter: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"died_at": letter["at"], "payload_json": letter["payload_json"].replace(":1", ":2"), **more}


def stored(tasks: Tasks, task_id: str) -> str:
    return tasks.inspector.task("billing", task_id).payload_json


def test_a_letter_is_edited_after_its_difference_was_told_and_keeps_what_is_hidden(
    program: Program, tasks: Tasks, letter: dict[str, Any]
) -> None:
    path, wanted = f"/queues/billing/tasks/{letter['id']}/edit", edit_of(letter, priority=5)
    assert MASK in letter["payload_json"]
    shown = program.do(f"{path}/preview", **wanted).get_json()
    assert [(change["path"], change["before"], change["after"]) for change in shown["changes"]] == [
        ("order", "1", "2"),
        ("priority", "3", "5"),
    ]
    assert (shown["hidden"], tasks.state(letter["id"])) == (1, State.DEAD)
    told = [program.do(path, "k", selection=shown["selection"], **wanted).get_json() for _ in range(2)]
    assert told[0] == told[1]
    assert (told[0]["done"], told[0]["skipped"]) == ([letter["id"]], {})
    assert tasks.inspector.task("billing", letter["id"]).priority == 5
    assert stored(tasks, letter["id"]) == '{"order":2,"token":"hunter2-hunter2"}'
    assert [entry.verb for entry in tasks.audited()] == ["edit"]


def test_what_an_edit_does_not_name_stays(program: Program, tasks: Tasks, letter: dict[str, Any]) -> None:
    path, wanted = f"/queues/billing/tasks/{letter['id']}/edit", {"died_at": letter["at"], "max_retries": 7}
    shown = program.do(f"{path}/preview", **wanted).get_json()
    assert [change["path"] for change in shown["changes"]] == ["max retries"]
    for _ in range(2):
        assert program.do(path, "k", selection=shown["selection"], **wanted).get_json()["done"] == [letter["id"]]
    assert tasks.inspector.task("billing", letter["id"]).priority == 3
    assert stored(tasks, letter["id"]) == '{"order":1,"token":"hunter2-hunter2"}'


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"payload_json": json.dumps({"order": 1, "key": MASK})}, "moved"),
        ({"payload_json": "[1"}, "not JSON"),
        ({"payload_json": '{"a":' * 600 + '{"token":1}' + "}" * 600}, "too deep"),
        ({"payload_json": '"text"'}, "object of the arguments"),
        ({"priority": 99_999}, "priority"),
        ({"max_retries": -1}, "max_retries"),
        ({"died_at": "yesterday"}, "died_at"),
    ],
)
def test_an_edit_that_cannot_be_stored_says_why(
    program: Program, tasks: Tasks, letter: dict[str, Any], change: dict[str, Any], said: str
) -> None:
    answer = program.do(f"/queues/billing/tasks/{letter['id']}/edit/preview", **edit_of(letter, **change))
    assert (answer.status_code, said in answer.get_json()["detail"]) == (422, True), answer.text
    assert "hunter2" not in answer.text


def test_a_hidden_value_is_not_bared_by_an_edit_of_what_stands_beside_it(program: Program, tasks: Tasks) -> None:
    deploy = tasks.yard.task(name="deploy", queue="billing", max_retries=0)(lambda env: None)
    made = deploy.enqueue(env=[{"name": "DB_PASSWORD", "value": "hunter2-hunter2"}])
    with tasks.yard.queue("billing").claim(limit=1) as leases:
        leases[0].fail(ValueError("no such host"))
    path, found = f"/queues/billing/tasks/{made.id}", program.look(f"/queues/billing/tasks/{made.id}")
    wanted = {"died_at": found["at"], "payload_json": found["payload_json"].replace("DB_PASSWORD", "COLOUR")}
    assert MASK in wanted["payload_json"]
    answer = program.do(f"{path}/edit/preview", **wanted)
    assert (answer.status_code, "would be seen" in answer.get_json()["detail"]) == (422, True), answer.text


def test_only_what_was_previewed_is_stored(program: Program, tasks: Tasks, letter: dict[str, Any]) -> None:
    path = f"/queues/billing/tasks/{letter['id']}/edit"
    selection = program.do(f"{path}/preview", **edit_of(letter)).get_json()["selection"]
    refused = [
        program.do(path, selection=selection, **edit_of(letter, priority=1)),
        program.do(path, role=Role.ADMIN, selection=selection, **edit_of(letter)),
        program.do(path, selection="made up", **edit_of(letter)),
    ]
    assert [answer.status_code for answer in refused] == [409] * 3
    assert tasks.state(letter["id"]) is State.DEAD
    program.do("/queues/billing/requeue", letters=[{"id": letter["id"], "died_at": letter["at"]}])
    late = program.do(path, selection=selection, **edit_of(letter))
    assert late.get_json()["skipped"] == {letter["id"]: "not dead"}
    assert program.do(f"{path}/preview", **edit_of(letter)).status_code == 409
    assert stored(tasks, letter["id"]) == '{"order":1,"token":"hunter2-hunter2"}'


def test_who_may_edit_is_a_setting(settings: ConsoleSettings, tasks: Tasks, letter: dict[str, Any]) -> None:
    program = Program(create_app(replace(settings, edit_role=Role.ADMIN)))
    path = f"/queues/billing/tasks/{letter['id']}/edit/preview"
    assert program.do(path, **edit_of(letter)).status_code == 403
    assert program.do(path, role=Role.ADMIN, **edit_of(letter)).status_code == 200
    assert program.do("/schedules/nightly/add", task="send", every_seconds=60).status_code == 403


# Several queues at once.


@pytest.fixture
def letters(tasks: Tasks) -> dict[str, list[str]]:
    return {
        "billing": tasks.die(count=2),
        "email": tasks.die("email", 3, name="send", error=KeyError("total")),
        "sms": tasks.die("sms", 1, name="text", error=KeyError("total")),
    }


def test_several_queues_are_previewed_begun_watched_and_steered_as_one(
    program: Program, tasks: Tasks, letters: dict[str, list[str]]
) -> None:
    shown = program.look("/preview", verb="requeue", error_class="KeyError")
    assert (shown["count"], {bound["queue"]: bound["count"] for bound in shown["queues"]}) == (
        4,
        {"email": 3, "sms": 1},
    )
    begun, again = (
        program.do("/operations/together", "k", selection=shown["selection"], reason="x", per_second=1).get_json()
        for _ in range(2)
    )
    assert begun == again
    assert {one["bound"]["queue"] for one in begun["operations"]} == {"email", "sms"}
    assert (begun["whole"]["bound"]["count"], begun["left_out"]) == (4, {})
    path = f"/operations/together/{begun['whole']['id']}"
    for verb, progress in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        assert program.do(f"{path}/{verb}").get_json()["whole"]["progress"] == progress
    assert program.look(path)["whole"]["progress"] == "cancelled"
    assert program.do(f"{path}/pause").status_code == 409
    assert tasks.state(letters["billing"][0]) is State.DEAD
    assert {entry.by for entry in tasks.audited()} == {"token operator"}


def test_a_purge_of_several_queues_is_undone_once(
    program: Program, tasks: Tasks, letters: dict[str, list[str]]
) -> None:
    selection = program.look("/preview", verb="trash")["selection"]
    begun = program.do("/operations/together", selection=selection).get_json()
    path = f"/operations/together/{begun['whole']['id']}/undo"
    assert program.do(path).status_code == 409
    tasks.yard.operations.tend()
    assert tasks.state(letters["sms"][0], "sms") is State.TRASHED
    undone = [program.do(path, key).get_json() for key in ("one", "another")]
    assert {one["id"] for one in undone[0]["operations"]} == {one["id"] for one in undone[1]["operations"]}
    tasks.yard.operations.tend()
    assert {tasks.state(ids[0], queue) for queue, ids in letters.items()} == {State.DEAD}


def test_to_delete_for_good_the_number_of_all_queues_is_said(
    program: Program, tasks: Tasks, letters: dict[str, list[str]]
) -> None:
    program.do("/operations/together", selection=program.look("/preview", verb="trash")["selection"])
    tasks.yard.operations.tend()
    selection = program.look("/preview", verb="delete")["selection"]
    assert program.do("/operations/together", selection=selection).status_code == 409
    assert program.do("/operations/together", selection=selection, count=5).status_code == 409
    assert program.do("/operations", selection=selection, count=6).status_code == 409
    assert program.do("/operations/together", selection=selection, count=6).get_json()["whole"]["bound"]["count"] == 6


def test_a_filter_that_does_not_hold_there_is_not_taken_for_all(
    program: Program, letters: dict[str, list[str]]
) -> None:
    program.do("/queues/sms/trash", ids=letters["sms"])
    told = program.look("/preview", verb="restore", task="nobody")
    assert (told["count"], told["selection"], "dead letters alone" in told["why"]) == (0, None, True)
    assert program.look("/preview", verb="restore", queue="sms")["count"] == 1
    assert program.look("/preview", verb="requeue", task="nobody")["selection"] is None


# Workers that were shown.


@pytest.fixture
def workers(engine: Engine, tasks: Tasks) -> int:
    """Two of `email`; when they were heard."""
    now = tasks.inspector.server_ms()
    for name in ("web-1:7", "web-2:7"):
        put_worker(engine, name, now, version="1.9.0", started_at=now)
    return now


def test_workers_are_told_after_a_preview_that_says_who_would_do_it(
    program: Program, engine: Engine, workers: int
) -> None:
    put_worker(engine, "old-1:7", workers - 60_000, version="1.8.0")
    shown = program.look("/preview/workers", verb="quiet")
    assert (shown["workers"], set(shown["skipped"]), shown["forsaken"]) == (
        ["web-1:7", "web-2:7"],
        {"old-1:7"},
        ["email"],
    )
    assert program.look("/preview/workers", verb="stop", ids="web-1:7")["forsaken"] == []
    assert program.look("/preview/workers", verb="stop", version="1.8.0")["selection"] is None
    put_worker(engine, "web-2:7", workers + 1, started_at=workers + 1)
    told = program.do("/workers/quiet", "k", selection=shown["selection"]).get_json()
    assert (told["done"], told["skipped"]) == (["web-1:7"], {"web-2:7": "started anew since"})
    refused = [
        program.do("/workers/stop", selection=shown["selection"]),
        program.do("/workers/quiet", role=Role.ADMIN, selection=shown["selection"]),
        program.do("/workers/quiet", selection="made up"),
        program.do("/workers/quiet", selection=shown["selection"], workers=["web-1:7"]),
        program.do("/workers/quiet"),
    ]
    assert [answer.status_code for answer in refused] == [409, 409, 409, 422, 422]


def test_one_worker_is_told_of_and_what_became_of_its_tasks(
    program: Program, engine: Engine, tasks: Tasks, workers: int
) -> None:
    (task_id,) = tasks.enqueue()
    runs = {"queue": "billing", "task_id": task_id, "task_name": "charge", "started_at": workers - 200_000}
    put_worker(engine, "lost-1:7", workers - 200_000, running=[runs], busy=1)
    told = program.look("/workers/lost-1:7")
    assert (told["worker"]["condition"], told["became"]) == ("lost", "1 ready again")
    assert [task["id"] for task in told["tasks"]] == [task_id]
    assert told["by_hand"]["From anywhere"] == "taskyard workers stop lost-1:7"
    assert program.ask("/workers/nobody:1").status_code == 404
    assert [one["id"] for one in program.look("/workers", version="1.9.0")["workers"]] == ["web-1:7", "web-2:7"]
    assert [one["id"] for one in program.look("/workers", text="LOST")["workers"]] == ["lost-1:7"]


# Schedules.


def test_a_schedule_is_checked_added_changed_and_removed(program: Program, tasks: Tasks) -> None:
    wanted: dict[str, Any] = {"task": "send", "queue": "email", "cron": "0 3 * * *", "time_zone": "Europe/Berlin"}
    checked = program.do("/schedules/nightly/check", **wanted).get_json()
    assert ("03:00" in checked["words"], len(checked["next_at"])) == (True, 5)
    assert program.look("/schedules")["schedules"] == []
    for _ in range(2):
        added = program.do("/schedules/nightly/add", "k", arguments_json='{"days": 7}', **wanted)
        assert added.get_json()["done"] == ["nightly"], added.text
    assert program.do("/schedules/nightly/add", **wanted).get_json()["skipped"] == {"nightly": "it exists already"}
    assert program.do("/schedules/nightly/change", every_seconds=60, missed="all").get_json()["done"] == ["nightly"]
    found = program.look("/schedules/nightly")
    assert (found["every_seconds"], found["missed"], found["payload_start"], found["condition"], found["refusal"]) == (
        60.0,
        "all",
        '{"days":7}',
        "active",
        "",
    )
    assert program.do("/schedules/nightly/remove").get_json()["done"] == ["nightly"]
    assert program.do("/schedules/nightly/remove").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"cron": "0 3 * * *", "every_seconds": 60},
        {},
        {"cron": "at noon"},
        {"every_seconds": 0},
        {"every_seconds": 60, "arguments_json": "[1]"},
        {"every_seconds": 60, "arguments_json": json.dumps({"token": MASK})},
        {"every_seconds": 60, "missed": "some"},
        {"every_seconds": 60, "queue": "a b"},
        {"cron": "0 3 * * *", "time_zone": "Mars/Phobos"},
    ],
)
def test_a_schedule_that_can_be_none_is_refused(program: Program, tasks: Tasks, body: dict[str, Any]) -> None:
    for verb in ("check", "add"):
        assert program.do(f"/schedules/nightly/{verb}", task="send", **body).status_code == 422
    tasks.yard.schedules.add("nightly", "send", every=60, by="bo", action_id="a")
    change = {name: value for name, value in body.items() if name != "queue"}
    if "every_seconds" not in change or len(change) > 1 or not change["every_seconds"]:
        assert program.do("/schedules/nightly/change", **change).status_code == 422


def test_what_code_declares_is_changed_in_the_code(
    program: Program, tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.api.schedules.refusal", lambda schedule: "shop:yard declares it.")
    tasks.yard.schedules.add("nightly", "send", every=60, by="bo", action_id="a")
    for answer in (program.do("/schedules/nightly/change", every_seconds=5), program.do("/schedules/nightly/remove")):
        assert (answer.status_code, "shop:yard declares it" in answer.get_json()["detail"]) == (409, True)
    assert program.look("/schedules/nightly")["every_seconds"] == 60.0


# What pages show beside.


def test_the_audit_is_filtered_as_on_the_page(program: Program, tasks: Tasks) -> None:
    tasks.enqueue()
    tasks.enqueue("email")
    tasks.control.pause("email", by="bo", action_id="a")
    program.do("/queues/billing/pause", reason="x")
    program.do("/queues/billing/resume")
    assert [entry["by"] for entry in program.look("/audit", queue="email")["entries"]] == ["bo"]
    assert [entry["verb"] for entry in program.look("/audit", by="token operator")["entries"]] == ["resume", "pause"]
    assert [entry["verb"] for entry in program.look("/audit", what="Resume")["entries"]] == ["resume"]


def test_a_fault_says_whether_a_retry_would_work_and_what_was_done(program: Program, tasks: Tasks) -> None:
    tasks.die()
    path = f"/queues/billing/faults/{tasks.fingerprint()}"
    begun = program.do("/operations", selection=program.look("/queues/billing/preview")["selection"]).get_json()
    told = program.look(path)
    assert (told["would_work"], told["versions_without"]) == ("Not known", [])
    assert [one["id"] for one in told["operations"]] == [begun["id"]]
    assert program.look(f"/operations/{begun['id']}")["outcome"] == "nothing yet"


def test_faults_and_queues_are_chosen_as_on_the_pages(program: Program, tasks: Tasks) -> None:
    tasks.die(count=2)
    tasks.die("email", error=KeyError("total"))
    tasks.control.mute_fault("email", tasks.fingerprint("email"), attempts=9, by="bo", action_id="a")
    assert [(one["queue"], one["dead"]) for one in program.look("/faults", since="2020-01-01T00:00:00Z")["faults"]] == [
        ("email", 1),
        ("billing", 2),
    ]
    assert program.look("/faults", until="2020-01-01T00:00:00Z")["faults"] == []
    assert [one["queue"] for one in program.look("/faults", muted="true")["faults"]] == ["email"]
    assert [one["name"] for one in program.look("/queues", text="MAI")["queues"]] == ["email"]


def test_letters_and_the_trash_are_listed_oldest_first_as_on_the_pages(program: Program, tasks: Tasks) -> None:
    ids = [tasks.die()[0] for _ in range(3)]
    fault = tasks.fingerprint()
    for path, query in (("/failed", {}), ("/failed", {"fault": fault}), ("/queues/billing/tasks", {"state": "dead"})):
        rows: list[str] = []
        cursor: dict[str, str] = {}
        while len(rows) < 3:
            page = program.look(path, oldest_first="true", limit=2, **query, **cursor)
            rows += [row["id"] for row in page.get("letters", page.get("tasks"))]
            cursor = {"cursor": page["older"]}
        assert rows == ids, path
    for task_id in ids:
        program.do("/queues/billing/trash", ids=[task_id])
    assert [row["id"] for row in program.look("/trash", oldest_first="true")["tasks"]] == ids
    assert [row["id"] for row in program.look("/trash")["tasks"]] == ids[::-1]
