"""The API's document: that it tells of every endpoint, and only of what there is; that answers are as it says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from dashboard import ConsoleSettings
from dashboard.api import NOUNS
from dashboard.api.openapi import REFUSALS, Problem, statuses
from dashboard.api.table import ENDPOINTS, Endpoint
from dashboard.identity import Role
from queue_core.snapshot import State
from tests.console import Tasks
from tests.engine import Engine
from tests.people import TOKENS
from tests.workers import put_worker

Ask = Callable[..., TestResponse]
PREFIX = "/api/v1"


@pytest.fixture
def settings(closed: ConsoleSettings) -> ConsoleSettings:
    return closed


@pytest.fixture
def ask(app: Flask) -> Ask:
    client = app.test_client()

    def send(method: str, path: str, role: Role = Role.ADMIN, **options: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {TOKENS[role]}", **options.pop("headers", {})}
        return client.open(PREFIX + path, method=method, headers=headers, **options)

    return send


@pytest.fixture
def document(ask: Ask) -> dict[str, Any]:
    answer = ask("GET", "/openapi.json", Role.VIEWER)
    assert answer.status_code == 200
    found = answer.get_json()
    assert isinstance(found, dict)
    return found


def test_every_route_stands_in_the_document_and_nothing_else(app: Flask, document: dict[str, Any]) -> None:
    routed = {
        (method, re.sub(r"<(?:[^:>]+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/") and rule.endpoint != "api.openapi"
    }
    told = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert told == routed
    assert len(told) > 35


def test_every_change_says_whom_it_needs_and_every_name_is_said_once(app: Flask, document: dict[str, Any]) -> None:
    for endpoint in ENDPOINTS:
        assert getattr(app.view_functions[f"api.{endpoint.name}"], "needed_role", None) is endpoint.role
        assert (endpoint.role is Role.VIEWER) == (endpoint.method == "GET"), endpoint.name
    names = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(set(names)) == len(names)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in set(re.findall(r'"\$ref": "#/components/([^"]+)"', json.dumps(document))):
        group, _, name = reference.partition("/")
        assert name in document["components"][group], reference


def test_every_endpoint_is_described(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            declared = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}
            assert declared == set(re.findall(r"{(\w+)}", path)), (method, path)
            assert all(parameter.get("schema") for parameter in operation["parameters"]), (method, path)


def test_every_noun_has_endpoints() -> None:
    modules = {endpoint.view.__module__ for endpoint in ENDPOINTS}
    assert {noun.__name__ for noun in NOUNS} == modules


# What is answered.


@pytest.fixture
def there_is(tasks: Tasks, engine: Engine) -> dict[str, str]:
    """Parameters of paths → what there really is: with a letter, something completed, a schedule, an operation."""
    task = tasks.yard.task(name="charge", queue="billing", result_ttl=60)(lambda order: None)
    (task_id,) = tasks.die()
    done = task.enqueue(order=1)
    with tasks.yard.queue("billing").claim(limit=1) as leases:
        leases[0].complete({"paid": 1})
    tasks.enqueue("billing", 2, delay=600)
    tasks.enqueue("email", 3, name="send")
    tasks.control.close_lane("email", "name:send", by="bo", action_id="a", reason="x")
    tasks.control.limit("email", by="bo", action_id="b", claim_rate=(5, 60.0), max_length=10)
    tasks.yard.schedules.add("nightly", "send", cron="0 3 * * *", queue="email", by="bo", action_id="c")
    tasks.yard.schedules.pause("nightly", by="bo", action_id="d", reason="x")
    bulk = tasks.yard.operations
    put_worker(engine, "web-1:7", tasks.inspector.server_ms())
    began = bulk.start(bulk.preview("billing", "promote", state=State.SCHEDULED).bound, by="ada", action_id="e")
    assert done.id
    return {
        "name": "billing",
        "task_id": task_id,
        "fingerprint": tasks.fingerprint(),
        "operation_id": began.id,
        "schedule": "nightly",
        "action_id": "e",
        "worker_id": "web-1:7",
    }


@pytest.mark.parametrize("endpoint", [e for e in ENDPOINTS if e.method == "GET"], ids=lambda endpoint: endpoint.name)
def test_what_is_read_is_as_the_document_says(ask: Ask, there_is: dict[str, str], endpoint: Endpoint) -> None:
    path = endpoint.public_path.format(**there_is)
    answer = ask("GET", path, Role.VIEWER)
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "application/json"
    msgspec.json.decode(answer.data, type=endpoint.answer)  # nothing unknown, missing, or of another kind


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_what_is_refused_is_as_the_document_says(ask: Ask, tasks: Tasks, endpoint: Endpoint) -> None:
    """Of what there is not, and of what is not known."""
    nothing = {
        "name": "nowhere",
        "task_id": "no-task",
        "fingerprint": "abc123",
        "operation_id": "0123456789ab",
        "schedule": "never",
        "action_id": "nothing",
        "worker_id": "nobody:1",
    }
    tasks.enqueue()
    path = endpoint.public_path.format(**nothing)
    answers = [
        ask(endpoint.method, path, data=b"{" if endpoint.body else None, content_type="application/json"),
        ask(endpoint.method, f"{path}?nothing=1"),
        ask(endpoint.method, path.replace("nowhere", "a%20b").replace("never", "%00").replace("0123", "xyz")),
        ask("DELETE", path),
    ]
    if endpoint.body:
        answers.append(ask("POST", path, json={"nothing": 1}))
        answers.append(ask("POST", path, data=b'{"reason": "a", "reason": "b"}', content_type="application/json"))
        answers.append(ask("POST", path, data=b"reason=x", content_type="application/x-www-form-urlencoded"))
        answers.append(ask("POST", path, Role.VIEWER))
        answers.append(ask("POST", path, headers={"Authorization": "Bearer taskyard_wrong"}))
    for number, answer in enumerate(answers):
        if answer.status_code == 200:
            assert (number, endpoint.parameters) in ((0, ()), (2, ())), endpoint.name  # it names nothing
            continue
        assert answer.status_code in (*statuses(endpoint), 405), (number, answer.text)
        assert answer.content_type == "application/problem+json"
        told = msgspec.json.decode(answer.data, type=Problem)
        assert told.status == answer.status_code
        assert told.detail.strip(), (number, endpoint.name)
    assert set(REFUSALS) >= {answer.status_code for answer in answers} - {200, 405}
