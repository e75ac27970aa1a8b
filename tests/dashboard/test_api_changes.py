"""What programs change: that it is done once, by whom, and that a slip changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from dashboard import ConsoleSettings, create_app, live
from dashboard.identity import Role
from dashboard.selections import FRESH_MS
from queue_core import protocol
from queue_core.protocol import Session
from queue_core.snapshot import Figures, State
from tests.console import Tasks
from tests.people import TOKENS, Person

Do = Callable[..., TestResponse]


@pytest.fixture
def settings(closed: ConsoleSettings) -> ConsoleSettings:
    return closed


@pytest.fixture
def do(app: Flask) -> Do:
    """A change by a token; `body` as JSON."""
    client = app.test_client()

    def send(path: str, key: str = "", role: Role = Role.OPERATOR, method: str = "POST", **body: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {TOKENS[role]}"} | ({"Idempotency-Key": key} if key else {})
        return client.open(f"/api/v1{path}", method=method, headers=headers, json=body if method == "POST" else None)

    return send


def look(do: Do, path: str) -> Any:
    answer = do(path, method="GET")
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def letters(do: Do) -> list[dict[str, str]]:
    return [{"id": found["id"], "died_at": found["died_at"]} for found in look(do, "/failed")["letters"]]


def test_letters_are_put_back_as_they_are_listed(do: Do, tasks: Tasks) -> None:
    ids = tasks.die("billing", 3)
    answer = do("/queues/billing/requeue", letters=letters(do), reason="it is mended")
    assert answer.status_code == 200
    assert (set(answer.json["done"]), answer.json["skipped"]) == (set(ids), {})  # type: ignore[index]
    assert {tasks.state(task_id) for task_id in ids} == {State.READY}


def test_one_that_died_again_since_is_left_alone(do: Do, tasks: Tasks) -> None:
    (task_id,) = tasks.die()
    told = [{"id": task_id, "died_at": "2020-01-01T00:00:00Z"}]
    answer = do("/queues/billing/requeue", letters=told)
    assert answer.get_json()["skipped"] == {task_id: "changed"}
    assert tasks.state(task_id) is State.DEAD


def test_what_is_purged_can_be_restored_and_deleted(do: Do, tasks: Tasks) -> None:
    first, second = tasks.die("billing", 2)
    told = do("/queues/billing/trash", ids=[first, second], keep_seconds=3600).get_json()
    assert (told["done_count"], told["restorable_until"][-1]) == (2, "Z")
    do("/queues/billing/restore", ids=[first])
    do("/queues/billing/delete", ids=[second])
    assert tasks.state(first) is State.DEAD
    assert look(do, "/queues/billing")["counts"]["trashed"] == 0


def test_what_another_one_has_retried_meanwhile_is_not_taken_away(do: Do, tasks: Tasks) -> None:
    first, second = tasks.die("billing", 2)
    died = {row["id"]: row["died_at"] for row in look(do, "/failed")["letters"]}
    do("/queues/billing/requeue", letters=[{"id": first, "died_at": died[first]}])
    told = do("/queues/billing/trash", ids=[first, second], died_at=died).get_json()
    assert (told["done"], told["skipped"]) == ([second], {first: "ready now"})
    for path, more in (("trash", {}), ("cancel", {}), ("move", {"to_queue": "other"})):
        told = do(f"/queues/billing/{path}", ids=[first], state="scheduled", **more).get_json()
        assert (told["done"], told["skipped"]) == ([], {first: "ready now"})
    assert tasks.state(first) is State.READY
    assert do("/queues/billing/trash", ids=[first], died_at={second: died[second]}).status_code == 422


def test_tasks_that_wait_run_now_are_cancelled_or_moved(do: Do, tasks: Tasks) -> None:
    first, second, third = tasks.enqueue("billing", 3, delay=600)
    assert do("/queues/billing/promote", ids=[first]).get_json()["done"] == [first]
    assert do("/queues/billing/cancel", ids=[second]).get_json()["done"] == [second]
    assert do("/queues/billing/move", ids=[third], to_queue="other").get_json()["done"] == [third]
    assert tasks.state(first) is State.READY
    assert tasks.state(third, "other") is State.SCHEDULED


def test_queue_and_task_name_are_paused_and_resumed(do: Do, tasks: Tasks) -> None:
    tasks.enqueue()
    do("/queues/billing/pause", reason="maintenance")
    do("/queues/billing/pause", task="charge", reason="too")
    found = look(do, "/queues/billing")
    assert (found["pause"]["by"], found["pause"]["reason"]) == ("token operator", "maintenance")
    assert [lane["lane"] for lane in found["lanes"]] == ["name:charge"]
    assert do("/queues/billing/pause").get_json()["skipped"] == {"billing": "paused already"}
    do("/queues/billing/resume", task="charge")
    do("/queues/billing/resume")
    found = look(do, "/queues/billing")
    assert (found["pause"], [lane for lane in found["lanes"] if not lane["is_open"]]) == (None, [])


def test_fault_is_muted_noted_and_unmuted(do: Do, tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "INTERVAL_SECONDS", 0)
    tasks.die(count=3)
    path = f"/queues/billing/faults/{tasks.fingerprint()}"
    muted = do(f"{path}/mute", until="2100-01-01T00:00:00Z", attempts=10, reason="known")
    assert muted.get_json()["done"] == [tasks.fingerprint()]
    do(f"{path}/note", text="see #4411")
    found = look(do, path)
    assert (found["fault"]["mute"]["by"], found["fault"]["mute"]["reason"]) == ("token operator", "known")
    assert (found["fault"]["mute"]["until"], found["fault"]["mute"]["attempts"]) == ("2100-01-01T00:00:00.000Z", 13)
    assert [(note["by"], note["text"]) for note in found["notes"]] == [("token operator", "see #4411")]
    assert [slot["count"] for slot in found["attempts_by_time"]] == [3]
    problems = look(do, "/problems")
    assert (problems["problems"], problems["muted"]) == ([], 1)
    assert [fault["mute"]["attempts"] for fault in look(do, "/failed")["faults"]] == [13]
    do(f"{path}/unmute")
    assert look(do, path)["fault"]["mute"] is None
    assert do(f"{path}/unmute").get_json()["skipped"] == {tasks.fingerprint(): "not muted"}


def test_a_mute_needs_an_end_and_a_note_words(do: Do, tasks: Tasks) -> None:
    tasks.die()
    path = f"/queues/billing/faults/{tasks.fingerprint()}"
    refused = [
        do(f"{path}/mute"),
        do(f"{path}/mute", attempts=0),
        do(f"{path}/mute", until="soon"),
        do(f"{path}/note"),
        do(f"{path}/note", text=" "),
        do(f"{path}/note", text="x" * 501),
    ]
    assert [answer.status_code for answer in refused] == [422] * 6
    assert do("/queues/billing/faults/0123abcd/mute", attempts=1).status_code == 404
    assert do(f"{path}/mute", role=Role.VIEWER, attempts=1).status_code == 403
    over = do(f"{path}/mute", until="2020-01-01T00:00:00Z").get_json()
    assert over["skipped"] == {tasks.fingerprint(): "that time is over"}


def test_what_is_not_named_stays_and_null_ends_a_limit(do: Do, tasks: Tasks) -> None:
    tasks.enqueue()
    do("/queues/billing/limit", max_length=10, claim_rate={"tasks": 5, "seconds": 60}, wait_target_seconds=30)
    do("/queues/billing/limit", max_length=None, dead_max_age_seconds=86_400)
    limits = look(do, "/queues/billing")["limits"]
    assert (limits["max_length"], limits["claim_rate"]) == (None, {"tasks": 5, "seconds": 60.0})
    assert (limits["wait_target_seconds"], limits["dead_max_age_seconds"]) == (30.0, 86_400.0)
    assert do("/queues/billing/limit").status_code == 422


def test_schedules_are_paused_resumed_and_run(do: Do, tasks: Tasks) -> None:
    tasks.yard.schedules.add("nightly", "send", cron="0 3 * * *", queue="email", by="bo", action_id="c")
    do("/schedules/nightly/pause", reason="x")
    assert look(do, "/schedules/nightly")["pause"]["by"] == "token operator"
    (made,) = do("/schedules/nightly/run").get_json()["done"]
    assert tasks.state(made, "email") is State.READY
    do("/schedules/nightly/resume")
    assert look(do, "/schedules/nightly")["pause"] is None


def test_a_queue_that_takes_no_more_says_when_it_will(do: Do, tasks: Tasks) -> None:
    tasks.yard.schedules.add("nightly", "send", cron="0 3 * * *", queue="email", by="bo", action_id="c")
    tasks.enqueue("email", name="send")
    tasks.control.limit("email", by="bo", action_id="d", enqueue_rate=(1, 600.0))
    assert do("/schedules/nightly/run").status_code == 200
    refused = do("/schedules/nightly/run")
    assert refused.status_code == 429
    assert 500 < int(refused.headers["Retry-After"]) <= 601
    tasks.control.limit("email", by="bo", action_id="e", enqueue_rate=None, max_length=1)
    assert do("/schedules/nightly/run").status_code == 409


def test_workers_that_are_not_there_are_told_nothing(do: Do, tasks: Tasks) -> None:
    for verb in ("quiet", "resume", "stop"):
        assert do(f"/workers/{verb}", workers=["web-1:7"]).get_json()["skipped"] == {"web-1:7": "no such worker"}


# Once.


def test_the_same_key_acts_once_and_gets_the_same_answer(do: Do, tasks: Tasks) -> None:
    (task_id,) = tasks.enqueue("billing", delay=600)
    first = do("/queues/billing/promote", "k", ids=[task_id])
    second = do("/queues/billing/promote", "k", ids=[task_id])
    assert first.get_json() == second.get_json()
    assert first.get_json()["done"] == [task_id]
    assert do("/queues/billing/promote", "other", ids=[task_id]).get_json()["done"] == []
    assert do("/queues/billing/promote", ids=[task_id]).get_json()["done"] == []


def test_the_same_key_is_another_act_for_other_content_another_path_and_another_token(do: Do, tasks: Tasks) -> None:
    first, second = tasks.enqueue("billing", 2, delay=600)
    acts = {
        do("/queues/billing/promote", "k", ids=[first]).get_json()["action_id"],
        do("/queues/billing/promote", "k", ids=[second]).get_json()["action_id"],
        do("/queues/billing/cancel", "k", ids=[first]).get_json()["action_id"],
        do("/queues/billing/cancel", "k", Role.ADMIN, ids=[first]).get_json()["action_id"],
    }
    assert len(acts) == 4


def test_who_did_it_and_why_stands_in_the_audit(do: Do, tasks: Tasks) -> None:
    tasks.enqueue()
    told = do("/queues/billing/pause", "k", reason="deploy 4711").get_json()
    (entry,) = look(do, "/audit")["entries"]
    assert (entry["by"], entry["verb"], entry["reason"]) == ("token operator", "pause", "deploy 4711")
    assert entry["action_id"] == told["action_id"]


# Bulk work.


def test_bulk_work_is_previewed_and_begun_by_what_was_shown(do: Do, tasks: Tasks) -> None:
    ids = tasks.die("billing", 3)
    shown = look(do, f"/queues/billing/preview?verb=requeue&faults={tasks.fingerprint()}")
    assert (shown["bound"]["count"], shown["by_fault"][0]["count"]) == (3, 3)
    assert tasks.state(ids[0]) is State.DEAD
    began = do("/operations", "k", selection=shown["selection"], first=2, reason="x").get_json()
    assert (began["first"], began["bound"]["count"], began["by"]) == (2, 3, "token operator")
    again = do("/operations", "k", selection=shown["selection"], first=2, reason="x").get_json()
    assert again["id"] == began["id"]
    assert [found["id"] for found in look(do, "/operations")["operations"]] == [began["id"]]
    assert do(f"/operations/{began['id']}/pause", queue="billing").get_json()["progress"] == "paused"
    assert do(f"/operations/{began['id']}/resume").get_json()["progress"] == "running"
    assert do(f"/operations/{began['id']}/cancel").get_json()["progress"] == "cancelled"
    assert do(f"/operations/{began['id']}/pause").status_code == 409


def test_nothing_to_do_begins_nothing(do: Do, tasks: Tasks) -> None:
    tasks.enqueue()
    nothing = look(do, "/queues/billing/preview?verb=requeue")
    assert (nothing["selection"], nothing["why"]) == (None, "there is no dead letter in billing")
    assert "no fault 7f3a9c21 in billing" in look(do, "/queues/billing/preview?verb=requeue&faults=7f3a9c21")["why"]
    assert look(do, "/preview?verb=requeue")["why"] == "nothing matches in any queue"
    assert do("/operations", selection="made up").status_code == 409


def test_a_preview_is_its_own_tokens_and_not_for_ever(do: Do, tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks.die()
    selection = look(do, "/queues/billing/preview")["selection"]
    refused = do("/operations", role=Role.ADMIN, selection=selection)
    assert (refused.status_code, "token operator" in refused.get_json()["detail"]) == (409, True)
    monkeypatch.setattr("dashboard.selections.Selection.age_ms", lambda self, now_ms: FRESH_MS + 1)
    assert do("/operations", selection=selection).status_code == 409
    assert look(do, "/operations")["operations"] == []


def test_to_delete_for_good_the_number_is_said(do: Do, tasks: Tasks) -> None:
    do("/queues/billing/trash", ids=tasks.die("billing", 2))
    selection = look(do, "/queues/billing/preview?verb=delete")["selection"]
    assert do("/operations", selection=selection).status_code == 409
    assert do("/operations", selection=selection, count=1).status_code == 409
    assert do("/operations", selection=selection, count=2).status_code == 200


# Slips.


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("pause", {"taks": "charge"}, "taks"),
        ("pause", {"task": 7}, "task"),
        ("pause", {"task": "a b"}, "task"),
        ("pause", {"reason": "x" * 201}, "reason"),
        ("trash", {}, "ids"),
        ("trash", {"ids": []}, "ids"),
        ("trash", {"ids": ["x"] * 1_001}, "ids"),
        ("trash", {"ids": ["{}"]}, "ids"),
        ("trash", {"ids": ["a"], "keep_seconds": 0}, "keep_seconds"),
        ("requeue", {"letters": [{"id": "a", "died_at": "2020-01-01T00:00:00"}]}, "died_at"),
        ("limit", {"max_length": 0}, "max_length"),
        ("limit", {"claim_rate": {"tasks": 1}}, "seconds"),
        ("resume", {"task": "a", "lane": "name:a"}, "Task and lane are not accepted"),
    ],
)
def test_a_body_that_is_not_accepted_says_why_and_changes_nothing(
    do: Do, tasks: Tasks, path: str, body: dict[str, Any], said: str
) -> None:
    tasks.enqueue()
    before = tasks.inspector.queue("billing")
    answer = do(f"/queues/billing/{path}", **body)
    assert (answer.status_code, said in answer.get_json()["detail"]) == (422, True), answer.text
    assert tasks.inspector.queue("billing") == before
    assert tasks.inspector.audit().rows == ()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/queues/billing/tasks?satte=dead", "'satte' is not known here: it takes state, cursor, limit"),
        ("/queues/billing/tasks?state=dead&state=ready", "state was given 2 times"),
        ("/queues/billing/tasks?state=gone", "state"),
        ("/queues/billing/tasks?limit=0", "limit"),
        ("/queues/billing/tasks?limit=", "limit is ''; it must be a whole number from 1 to 200."),
        ("/queues/billing/tasks?limit=1e2", "limit is '1e2'; it must be a whole number from 1 to 200."),
        ("/queues/billing/tasks?limit=5.0", "limit"),
        ("/queues/billing/statistics?last=1501", "last is '1501'; it must be a whole number from 1 to 1,500."),
        ("/queues/billing/statistics?step=day", "step"),
        ("/queues/billing/preview?since=yesterday", "since"),
        ("/queues/billing/preview?until=0.5", "until is '0.5'; it must be a time"),
        ("/audit?cursor=1", "cursor"),
        ("/stats?x=1", "it takes none"),
    ],
)
def test_a_parameter_that_is_not_accepted_says_why(do: Do, tasks: Tasks, path: str, said: str) -> None:
    tasks.enqueue()
    answer = do(path, method="GET")
    assert (answer.status_code, said in answer.get_json()["detail"]) == (400, True), answer.text


@pytest.mark.parametrize("key", ["x" * 201, "a b", "é"])
def test_a_key_that_can_be_none_is_refused(do: Do, tasks: Tasks, key: str) -> None:
    tasks.enqueue()
    assert do("/queues/billing/pause", key).status_code == 400
    assert tasks.inspector.queue("billing").pause is None


@pytest.mark.parametrize("body", ['{"reason": "a", "reason": "b"}', '{"task": "a", "task": "b"}'])
def test_what_stands_twice_in_a_body_is_refused(app: Flask, tasks: Tasks, body: str) -> None:
    tasks.enqueue()
    headers = {"Authorization": f"Bearer {TOKENS[Role.OPERATOR]}", "Content-Type": "application/json"}
    answer = app.test_client().post("/api/v1/queues/billing/pause", data=body, headers=headers)
    assert (answer.status_code, "stands twice" in answer.text) == (400, True)
    queue = tasks.inspector.queue("billing")
    assert (queue.pause, queue.lanes) == (None, ())


def test_times_that_nothing_can_have_find_nothing(do: Do, tasks: Tasks) -> None:
    (task_id,) = tasks.die()
    for died_at in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        told = do("/queues/billing/requeue", letters=[{"id": task_id, "died_at": died_at}]).get_json()
        assert told["skipped"] == {task_id: "changed"}
    assert look(do, "/queues/billing/preview?until=9999-12-31T23:59:59Z")["bound"]["count"] == 1


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("verb=promote&state=dead", "promote is for"),
        ("verb=trash&state=ready&faults=abc", "dead"),
        ("verb=move&state=ready", "queue"),
    ],
)
def test_parameters_that_do_not_go_together_find_nothing_and_say_why(
    do: Do, tasks: Tasks, query: str, why: str
) -> None:
    tasks.enqueue()
    tasks.die()
    told = look(do, f"/queues/billing/preview?{query}")
    assert (told["bound"]["count"], told["selection"], why in told["why"]) == (0, None, True), told["why"]


def test_what_does_not_go_with_what_was_previewed_begins_nothing(do: Do, tasks: Tasks) -> None:
    tasks.enqueue(delay=60)
    selection = look(do, "/queues/billing/preview?verb=cancel&state=scheduled")["selection"]
    answer = do("/operations", selection=selection, first=1)
    assert (answer.status_code, "after cancel is not counted" in answer.get_json()["detail"]) == (409, True)
    assert tasks.inspector.operations() == ()


def test_a_page_that_there_is_not_is_not_found(do: Do, tasks: Tasks) -> None:
    tasks.enqueue()
    for path in ("/queues/billing/tasks", "/failed", "/trash"):
        assert do(f"{path}?cursor=nonsense", method="GET").status_code == 404, path
    tasks.die("other", 2)
    older = look(do, "/queues/other/tasks?state=dead&limit=1")["older"]
    assert len(look(do, f"/queues/other/tasks?state=dead&cursor={older}")["tasks"]) == 1
    for path in (
        "/queues/billing/tasks?state=dead",
        "/queues/other/tasks?state=ready",
        "/failed?limit=9",
        "/trash?limit=9",
    ):
        assert do(f"{path}&cursor={older}", method="GET").status_code == 404, path


def test_a_whole_number_may_be_written_as_json_writes_it(app: Flask, tasks: Tasks) -> None:
    tasks.enqueue()
    headers = {"Authorization": f"Bearer {TOKENS[Role.OPERATOR]}", "Content-Type": "application/json"}
    for text, status in (("5.0", 200), ("5.5", 422), ('"5"', 422), ("1e400", 400), ("9" * 5_000, 400)):
        body = f'{{"max_length": {text}}}'
        answer = app.test_client().post("/api/v1/queues/billing/limit", data=body, headers=headers)
        assert answer.status_code == status, (text, answer.text)
    assert tasks.inspector.queue("billing").limits.max_length == 5


def test_letters_are_chosen_as_on_the_page(do: Do, tasks: Tasks) -> None:
    tasks.die("billing", 2)
    tasks.die("email", 1, name="send", error=ValueError("no address"))
    fault = tasks.fingerprint("email")
    for query in (
        "error_class=ValueError",
        "text=no%20addr",
        "task=send",
        f"fault={fault}",
        f"queue=email&fault={fault}",
    ):
        told = look(do, f"/failed?{query}")
        assert [letter["queue"] for letter in told["letters"]] == ["email"], query
        assert (told["total"], [found["fingerprint"] for found in told["faults"]]) == (1, [fault]), query
    assert look(do, "/failed?until=2020-01-01T00:00:00Z")["total"] == 0
    assert do(f"/failed?queue=billing&fault={fault}", method="GET").status_code == 404


def test_a_task_is_found_in_any_queue_and_the_trash_is_one(do: Do, tasks: Tasks) -> None:
    (first,), (second,) = tasks.die("billing"), tasks.die("email")
    tasks.control.trash("billing", [first], by="bo", action_id="a")
    tasks.control.trash("email", [second], by="bo", action_id="b")
    assert look(do, f"/tasks/{second}") == {"id": second, "queues": ["email"]}
    assert do("/tasks/nobody", method="GET").status_code == 404
    assert {row["id"] for row in look(do, "/trash")["tasks"]} == {first, second}
    assert [row["id"] for row in look(do, "/trash?queue=email")["tasks"]] == [second]


def test_a_purge_is_undone_once(do: Do, tasks: Tasks) -> None:
    (task_id,) = tasks.die()
    purge = do("/operations", selection=look(do, "/queues/billing/preview?verb=trash&state=dead")["selection"])
    path = f"/operations/{purge.get_json()['id']}/undo"
    assert do(path).status_code == 409
    tasks.yard.operations.tend()
    assert tasks.state(task_id) is State.TRASHED
    undone = [do(path, key).get_json()["id"] for key in ("one", "another")]
    assert undone[0] == undone[1]
    tasks.yard.operations.tend()
    assert tasks.state(task_id) is State.DEAD


def test_a_retry_is_pulled_back_once(do: Do, tasks: Tasks) -> None:
    (task_id,) = tasks.die()
    retry = do("/operations", selection=look(do, "/queues/billing/preview?verb=requeue")["selection"]).get_json()
    path = f"/operations/{retry['id']}/recall"
    assert do(path, "early").status_code == 409
    tasks.yard.operations.tend()
    assert tasks.state(task_id) is State.READY
    assert look(do, f"/operations/{retry['id']}")["can_recall"] == 1
    begun = [do(path, key, reason="too early").get_json() for key in ("one", "another")]
    assert [(one["id"], one["undoes"], one["bound"]["verb"]) for one in begun] == [
        (begun[0]["id"], retry["id"], "recall")
    ] * 2
    tasks.yard.operations.tend()
    assert tasks.state(task_id) is State.DEAD
    found = look(do, f"/operations/{retry['id']}")
    assert (found["recalled_by"], found["can_recall"]) == (begun[0]["id"], 0)
    assert (found["recalled"], found["under_way"], found["completed"]) == (1, 0, 0)


def test_what_is_hidden_is_shown_to_admins_and_audited(do: Do, tasks: Tasks) -> None:
    made = tasks.yard.task(name="login", queue="billing")(lambda password: None).enqueue(password="hunter2-hunter2")
    path = f"/queues/billing/tasks/{made.id}/unmask"
    assert do(path).status_code == 403
    for _ in range(2):
        answer = do(path, "one-key", role=Role.ADMIN)
        assert "hunter2-hunter2" in answer.get_json()["payload_json"], answer.text
    assert [entry.verb for entry in tasks.inspector.audit().rows] == ["unmask", "unmask", "refuse"]


def test_what_happened_is_told_by_the_minute(do: Do, tasks: Tasks) -> None:
    tasks.die("billing", 3)
    minutes = look(do, "/queues/billing/statistics?step=minute&last=2")
    assert (minutes["step_seconds"], minutes["total"]["died"], len(minutes["periods"])) == (60, 3, 2)
    assert len(look(do, "/queues/billing/statistics?step=hour&last=1500")["periods"]) <= 840
    (trend,) = look(do, "/trends")["queues"]
    assert (trend["queue"], trend["failed"], trend["completed"]) == ("billing", 3, 0)
    assert [len(trend[f"{what}_by_minute"]) for what in ("completed", "failed")] == [60, 60]
    assert sum(count or 0 for count in trend["failed_by_minute"]) == 3


def test_attempts_of_a_task_are_told_by_the_minute_with_the_last_success(
    do: Do, tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "INTERVAL_SECONDS", 0)
    tasks.die("billing", 3)
    fault = f"/queues/billing/faults/{tasks.fingerprint()}"
    assert look(do, fault)["task_attempts"] is None
    (line,) = look(do, "/problems")["problems"]
    assert line["nothing_completed_since"] is None
    client = tasks.yard.client
    measured = {"charge": Figures(completed=1, failed=3), "refund": Figures(completed=1)}
    client.run(protocol.measure(client.queue("billing"), measured, {"charge": 300_000}), Session("a worker"))
    charge = look(do, fault)["task_attempts"]
    assert (charge["name"], charge["minutes"][0]["completed"], charge["minutes"][0]["failed"]) == ("charge", 1, 3)
    told = look(do, "/queues/billing/statistics?by_name=true")["attempts"]
    assert [one["name"] for one in told] == ["charge", "refund"]
    assert told[0] == charge
    for path in ("/stats", "/problems"):
        (line,) = look(do, path)["problems"]
        assert line["nothing_completed_since"] == charge["last_completed_at"]


def test_only_admins_are_told_who_may_sign_in(do: Do, tasks: Tasks) -> None:
    tasks.enqueue()
    told = look(do, "/system")
    assert (told["users"], told["not_told"]["users"]) == (None, "Admins see who may sign in.")
    assert told["server"]["product"]
    users = do("/system", method="GET", role=Role.ADMIN).get_json()["users"]
    assert {(user["name"], user["is_token"]) for user in users} >= {("ada", False), ("admin", True)}


def test_nothing_is_before_the_first_entry(do: Do, tasks: Tasks) -> None:
    tasks.enqueue()
    do("/queues/billing/pause")
    assert look(do, "/audit?cursor=0-0") == {"older": None, "entries": []}


def test_a_sign_in_reads_and_changes_nothing(app: Flask, tasks: Tasks) -> None:
    tasks.enqueue()
    ada = Person(app, "ada")
    assert ada.get("/api/v1/queues/billing").status_code == 200
    answer = ada.client.post("/api/v1/queues/billing/pause", json={})
    assert (answer.status_code, answer.content_type) == (401, "application/problem+json")
    assert tasks.inspector.queue("billing").pause is None


def test_hostile_texts_go_out_as_ascii(do: Do, tasks: Tasks) -> None:
    (task_id,) = tasks.die(error="\u202e<script>\x00é \u200b")
    answer = do(f"/queues/billing/tasks/{task_id}", method="GET")
    assert answer.status_code == 200
    assert answer.data.isascii()


def test_secrets_are_hidden_as_on_pages(do: Do, tasks: Tasks) -> None:
    task = tasks.yard.task(name="login", queue="billing", max_retries=0)(lambda password: None)
    made = task.enqueue(password="hunter2-hunter2")
    with tasks.yard.queue("billing").claim(limit=1) as leases:
        leases[0].fail(ValueError("token=hunter2-hunter2"))
    for path in (f"/queues/billing/tasks/{made.id}", "/failed", "/queues/billing/tasks?state=dead"):
        assert "hunter2" not in do(path, method="GET").text, path


def test_what_redis_does_not_answer_is_503_and_changes_nothing(app: Flask) -> None:
    settings = replace(app.extensions["taskyard"].settings, redis_url="redis://127.0.0.1:1/0")
    client = create_app(settings).test_client()
    headers = {"Authorization": f"Bearer {TOKENS[Role.OPERATOR]}"}
    for path in ("stats", "queues/a", "failed", "workers", "operations", "audit", "schedules"):
        answer = client.get(f"/api/v1/{path}", headers=headers)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2"), path
