"""Schedules by form: nothing is stored before its rule was shown in words; what code declares is left to the code."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask, g

from dashboard import ConsoleSettings, create_app
from dashboard.identity import Role, User
from queue_core.schedules import Schedules
from tests.console import Tasks, Visitor, field, text_of

RULE = {"kind": "cron", "cron": "0 9 * * MON-FRI", "time_zone": "Europe/Vienna", "every": ""}
POLICY = {"missed": "skip", "overlap": "no", "priority": "5", "arguments": '{"days": 7}'}
WANTED = {"name": "weekly-report", "task": "report", "queue": "reports", **RULE, **POLICY}
ADD, CHECK = "/schedules/-/add", "/schedules/-/check"


def put(schedules: Schedules, name: str = "ping", **options: object) -> None:
    given: dict[str, object] = {"every": 30, "queue": "reports", "arguments": {"password": "hunter2"}, **options}
    schedules.add(name, "check", by="ada", action_id=f"add-{name}", **given)  # type: ignore[arg-type]


def test_a_rule_is_shown_in_words_with_what_comes_next_before_it_is_stored(visitor: Visitor, tasks: Tasks) -> None:
    assert "Add…" in visitor.text("/schedules")
    page = visitor.text(ADD)
    assert "Add it" not in page
    checked = visitor.post(CHECK, WANTED)
    assert checked.status_code == 200
    shown = text_of(checked.text)
    assert "every weekday at 09:00, Europe/Vienna" in shown
    assert len(re.findall(r"(?:Mon|Tue|Wed|Thu|Fri) \d+ \w+ (?:\d+ )?09:00", shown)) == 5
    assert "Add it" in shown
    assert tasks.inspector.schedules() == ()
    added = visitor.post(ADD, WANTED, checked=field(checked.text, "checked"), reason="as agreed")
    assert added.location == "/schedules/weekly-report"
    (found,) = tasks.inspector.schedules()
    assert (found.cron, found.time_zone, found.missed, found.overlap) == (
        "0 9 * * MON-FRI",
        "Europe/Vienna",
        "skip",
        False,
    )
    assert (found.task, found.queue, found.payload, found.priority) == ("report", "reports", '{"days":7}', 5)
    (entry, *_) = tasks.inspector.audit().rows
    assert (entry.verb, entry.by, entry.reason) == ("add_schedule", "console", "as agreed")


def test_what_was_changed_since_it_was_checked_is_shown_again(visitor: Visitor, tasks: Tasks) -> None:
    checked = field(visitor.post(CHECK, WANTED).text, "checked")
    again = visitor.post(ADD, {**WANTED, "cron": "* * * * *"}, checked=checked)
    assert again.status_code == 200
    assert "every minute" in text_of(again.text)
    assert tasks.inspector.schedules() == ()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"cron": "0 99 * * *"}, "is not accepted"),
        ({"cron": "0 0 30 2 *"}, "is not accepted"),
        ({"time_zone": "europe/vienna"}, "did you mean Europe/Vienna"),
        ({"kind": "every", "every": "soon"}, "it is a number"),
        ({"kind": "every", "every": "0.1"}, "from 1 s to 366 days"),
        ({"kind": "sometimes"}, "Say when it comes"),
        ({"name": "a b"}, "is not allowed"),
        ({"task": ""}, "is not allowed"),
        ({"queue": "{"}, "is not allowed"),
        ({"missed": "some"}, "is not accepted"),
        ({"priority": "high"}, "is not accepted"),
        ({"priority": "99999"}, "priority"),
        ({"arguments": "{"}, "this is not JSON"),
        ({"arguments": "[1]"}, "a JSON object"),
        ({"arguments": '{"password": "•••"}'}, "hide a value"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(
    visitor: Visitor, tasks: Tasks, wrong: dict[str, str], said: str
) -> None:
    response = visitor.post(CHECK, {**WANTED, **wrong}, reason="typed")
    assert response.status_code == 422
    assert said in text_of(response.text)
    assert 'value="typed"' in response.text
    assert "Add it" not in response.text


def test_a_name_that_is_taken_is_said(visitor: Visitor, tasks: Tasks, schedules: Schedules) -> None:
    put(schedules, "weekly-report")
    checked = field(visitor.post(CHECK, WANTED).text, "checked")
    response = visitor.post(ADD, WANTED, checked=checked)
    assert response.status_code == 422
    assert "There is a schedule weekly-report already" in text_of(response.text)


def change(visitor: Visitor, **changes: str) -> None:
    page = visitor.text("/schedules/ping/change")
    assert "hunter2" not in page
    typed = {
        "kind": "every",
        "cron": "",
        "time_zone": "UTC",
        "every": "30",
        "missed": "one",
        "overlap": "yes",
        **changes,
    }
    checked = field(visitor.post("/schedules/ping/check", typed).text, "checked")
    response = visitor.post("/schedules/ping/change", typed, checked=checked)
    assert (response.status_code, response.location) == (303, "/schedules/ping")


def test_a_change_keeps_the_arguments_that_are_not_typed(visitor: Visitor, tasks: Tasks, schedules: Schedules) -> None:
    put(schedules)
    change(visitor, kind="cron", cron="@daily", missed="all")
    found = tasks.inspector.schedule("ping")
    assert (found.cron, found.missed, found.payload) == ("@daily", "all", '{"password":"hunter2"}')
    change(visitor, kind="cron", cron="@daily", missed="all", arguments='{"host": "a"}')
    assert tasks.inspector.schedule("ping").payload == '{"host":"a"}'
    assert "is changed" in visitor.said()
    change(visitor, kind="cron", cron="@daily", missed="all")
    assert "it is so already" in visitor.said()


def test_an_interval_that_is_not_touched_keeps_its_beginning(
    visitor: Visitor, tasks: Tasks, schedules: Schedules
) -> None:
    put(schedules, start=datetime(2026, 1, 1, 0, 0, 7, tzinfo=UTC))
    before = tasks.inspector.schedule("ping")
    change(visitor, overlap="no")
    after = tasks.inspector.schedule("ping")
    assert (after.start_at, after.overlap) == (before.start_at, False)


def test_a_schedule_is_removed_after_it_was_asked(visitor: Visitor, tasks: Tasks, schedules: Schedules) -> None:
    put(schedules)
    assert "Remove…" in visitor.text("/schedules/ping")
    assert "There is no way back" in visitor.text("/schedules/ping/remove")
    assert visitor.post("/schedules/ping/remove", reason="of no use").location == "/schedules"
    assert tasks.inspector.schedules() == ()
    assert tasks.inspector.audit().rows[0].reason == "of no use"


def test_what_code_declares_is_marked_and_changed_in_the_code(
    visitor: Visitor, tasks: Tasks, schedules: Schedules
) -> None:
    put(schedules)
    redis: Any = tasks.yard.client.redis
    name, directory = b"ping", f"{tasks.yard.client.namespace}:schedules"
    stored = redis.hget(directory, name)
    redis.hset(directory, name, stored.replace(b'"name"', b'"app":"shop:yard","name"'))
    page = visitor.text("/schedules/ping")
    assert "shop:yard" in page
    assert "changed in the code, paused here" in page
    assert "Pause…" in page
    assert "Change…" not in page
    assert "Remove…" not in page
    for verb in ("change", "remove"):
        assert "shop:yard declares it" in text_of(visitor.text(f"/schedules/ping/{verb}"))
        visitor.post(f"/schedules/ping/{verb}", {"kind": "every", "every": "60"})
    assert tasks.inspector.schedule("ping").every_seconds == 30
    stored = redis.hget(directory, name)
    redis.hset(directory, name, stored.replace(b'"name"', b'"undeclared_at":5,"name"'))
    assert "Remove…" in visitor.text("/schedules/ping")


def test_whoever_may_not_edit_tasks_may_not_add_schedules(settings: ConsoleSettings, tasks: Tasks) -> None:
    app: Flask = create_app(replace(settings, edit_role=Role.ADMIN))
    app.testing = True
    app.before_request(lambda: setattr(g, "user", User("bo", Role.OPERATOR)))
    visitor = Visitor(app.test_client())
    assert "Add…" not in visitor.text("/schedules")
    assert visitor.get(ADD).status_code == 403
    assert visitor.post(CHECK, WANTED).status_code == 403


def test_a_queue_that_is_new_or_that_no_worker_takes_is_said_after_the_check_and_stored_all_the_same(
    visitor: Visitor, tasks: Tasks
) -> None:
    tasks.enqueue("email", name="send")
    for queue, notice in (("emial", "There is no queue emial yet"), ("email", "No present worker takes email")):
        wanted = {**WANTED, "queue": queue, "name": f"weekly-{queue}"}
        assert notice not in text_of(visitor.text(ADD))
        checked = visitor.post(CHECK, wanted)
        assert notice in text_of(checked.text)
        assert visitor.post(ADD, wanted, checked=field(checked.text, "checked")).status_code == 303
    assert {schedule.queue for schedule in tasks.inspector.schedules()} == {"email", "emial"}
