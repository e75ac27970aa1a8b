"""Secrets do not get past the place where the console reads: not onto a page, not into the API, a copy or the log."""

from __future__ import annotations

import logging
from dataclasses import fields, is_dataclass, replace
from typing import Any, get_type_hints

import pytest
from flask import Flask

from dashboard import ConsoleSettings, create_app
from dashboard.redacting import PAYLOADS, TEXTS, guard, redacted
from dashboard.redaction import MASK, Redactor
from queue_core import Taskyard, snapshot
from tests.console import Tasks, Visitor

SECRET = "hunter2secret"
TOKEN = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
NO_TEXTS = {
    "action_id", "app", "by", "cancelled_by", "client", "command", "cron", "enqueued_at", "error_class",
    "eviction_policy", "fingerprint", "frame", "from_", "host", "id", "key_held_by", "kind", "lane",
    "last_task_id", "missed", "mode", "moving_to", "name", "newer", "older", "product", "progress",
    "queue", "role", "state", "task", "task_id", "task_name", "time_zone", "to_queue",
    "trashed_by", "trashed_from", "undoes", "unreadable_schedules", "verb", "version", "words", "worker",
}  # fmt: skip
"""Fields that name something, or hold a word of the engine's own."""


def test_every_text_of_the_engine_is_looked_at_or_is_known_to_be_a_name() -> None:
    unknown = []
    for kind in vars(snapshot).values():
        if isinstance(kind, type) and is_dataclass(kind):
            looked_at = {*TEXTS.get(kind, ()), *PAYLOADS.get(kind, ())}
            hints = get_type_hints(kind)
            unknown += [
                f"{kind.__name__}.{field.name}"
                for field in fields(kind)
                if hints[field.name] in (str, str | None) and field.name not in looked_at | NO_TEXTS
            ]
    assert unknown == []


@pytest.fixture
def leaky(redis_url: str, namespace: str, tasks: Tasks) -> str:
    """A dead letter with a secret in everything that it has."""
    yard = Taskyard(redis_url, namespace=namespace)

    @yard.task(queue="billing")
    def pay(order: int, password: str, note: str) -> None: ...

    pay.options(max_retries=0, unique_key=f"token={SECRET}").enqueue(1, password=SECRET, note=f"use {TOKEN}")
    with yard.queue("billing").claim(limit=1) as leases:
        for lease in leases:
            try:
                raise ConnectionError(f"redis://ada:{SECRET}@host refused, token={SECRET}, {TOKEN}")
            except ConnectionError as error:
                lease.fail(error)
                task_id = lease.id
    control = yard.control
    control.pause("billing", by="ada", action_id="p1", reason=f"password is password={SECRET}")
    fault = tasks.fingerprint()
    control.mute_fault("billing", fault, attempts=9, by="ada", action_id="p2", reason=f"token={SECRET}")
    control.note_fault("billing", fault, f"try {TOKEN}, password={SECRET}", by="ada", action_id="p3")
    return task_id


def test_no_page_and_no_answer_of_the_api_has_a_secret(app: Flask, visitor: Visitor, tasks: Tasks, leaky: str) -> None:
    fault = tasks.fingerprint()
    paths = [
        "/", "/queues", "/queues/billing", "/queues/billing?state=dead", "/dead", "/dead/letters",
        f"/queues/billing/faults/{fault}", f"/queues/billing/tasks/{leaky}", "/activity", "/queues/billing/pause",
        "/queues/billing/bulk/requeue?state=dead", "/api/v1/stats", "/api/v1/queues", "/api/v1/failed",
    ]  # fmt: skip
    seen = 0
    for path in paths:
        response = visitor.get(path)
        assert response.status_code in (200, 404), path
        assert SECRET not in response.text, path
        assert TOKEN not in response.text, path
        seen += MASK in response.text or "\\u2022\\u2022\\u2022" in response.text
    assert seen > 8
    page = visitor.text(f"/queues/billing/tasks/{leaky}")
    assert "hidden" in page


def test_nobody_writes_a_line_of_the_log(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    for logger in (app.logger, logging.getLogger("dashboard.noted")):
        logger.warning("refused: %s", "x\n2026 CRITICAL fake\x1b[31m\r\u202e\u2028é")
    try:
        raise ValueError("\x1b[2J")
    except ValueError:
        app.logger.exception("failed")
    assert caplog.messages[:2] == [r"refused: x\n2026 CRITICAL fake\x1b[31m\r\u202e\u2028é"] * 2
    assert "\x1b" not in caplog.text
    assert "\nTraceback (most recent call last):\n" in caplog.text


def test_log_has_no_secret(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("dashboard.errors")
    with caplog.at_level(logging.INFO):
        try:
            raise ValueError(f"password={SECRET}")
        except ValueError:
            log.exception("%s failed", f"/x?token={SECRET}")
    assert SECRET not in caplog.text
    assert MASK in caplog.text


def test_names_are_set_from_outside(settings: ConsoleSettings, tasks: Tasks) -> None:
    (task_id,) = tasks.die()
    path = f"/queues/billing/tasks/{task_id}"
    shown = Visitor(create_app(settings).test_client()).text(path)
    chosen = replace(settings, redact=ConsoleSettings.from_env({"TASKYARD_REDACT": "order, -card"}).redact)
    hidden = Visitor(create_app(chosen).test_client()).text(path)
    assert (MASK in shown, MASK in hidden) == (False, True)
    assert "1 value hidden" in hidden


def test_names_of_queues_and_tasks_stay_as_they_are(tasks: Tasks, visitor: Visitor) -> None:
    (task_id,) = tasks.die("token:refresh", name="password:reset")
    assert "password:reset" in visitor.text(f"/queues/token:refresh/tasks/{task_id}")
    assert "/queues/token:refresh" in visitor.text("/queues")


def test_what_has_nothing_to_hide_is_not_made_anew(tasks: Tasks) -> None:
    tasks.die()
    whole: Any = tasks.inspector.snapshot()
    found = redacted(whole, Redactor())
    assert found == whole
    assert found.faults is whole.faults
    assert found.queues is whole.queues


def test_snapshot_is_looked_through_where_it_is_another_one_than_the_last(tasks: Tasks) -> None:
    guarded = guard(tasks.inspector, Redactor())
    tasks.die(error="cannot reach redis://app:hunter2@cache:6379")
    first = guarded.snapshot()
    again = guarded.snapshot()
    assert again.faults[0] is first.faults[0]
    tasks.die(queue="other", error="cannot reach redis://app:hunter3@cache:6379")
    messages = [fault.message for fault in guarded.snapshot().faults]
    assert len(messages) == 2
    assert "hunter" not in str(messages)
    assert [fault.message for fault in tasks.inspector.snapshot().faults] != messages
