"""Every act of the API: as its document says, whatever is sent and whatever is stored, and without a secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from flask import Flask
from redis import Redis

from dashboard import ConsoleSettings, live
from dashboard.api.openapi import Problem, statuses
from dashboard.api.table import ENDPOINTS, Endpoint
from tests.console import Tasks
from tests.engine import Engine
from tests.hostile import ALL_AT_ONCE, add_strangers, spoil
from tests.places import Place, Places
from tests.programs import PREFIX, Program

NOTHING_TO_UNDO = {"operations_undo", "together_together_undo", "operations_recall", "together_together_recall"}
JUNK: list[Any] = [None, "", ALL_AT_ONCE, "x" * 200_000, -1, 1e300, True, [], {}, [[]], {"a": [None]}]
SECRET = "hunter2secret"


@pytest.fixture
def settings(closed: ConsoleSettings) -> ConsoleSettings:
    return closed


@pytest.fixture
def program(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Program:
    app.testing = False  # what breaks becomes an answer
    monkeypatch.setattr(live, "INTERVAL_SECONDS", 0)
    return Program(app)


def acts(app: Flask, places: Places) -> Iterator[tuple[Place, Endpoint]]:
    by_name = {f"api.{endpoint.name}": endpoint for endpoint in ENDPOINTS}
    return ((place, by_name[place.endpoint]) for place in places.every(app) if place.is_for_programs and place.changes)


def check(answer: Any, endpoint: Endpoint, what: str) -> None:
    assert answer.status_code in (200, *statuses(endpoint)), f"{what}: {answer.status_code} {answer.text[:300]}"
    kind = endpoint.answer if answer.status_code == 200 else Problem
    assert answer.mimetype == ("application/json" if answer.status_code == 200 else "application/problem+json"), what
    assert answer.data.isascii(), what
    msgspec.json.decode(answer.data, type=kind)
    if kind is Problem:
        assert len(answer.data) < 10_000, what


def test_what_is_done_is_answered_as_the_document_says(
    app: Flask, program: Program, engine: Engine, places: Places
) -> None:
    bodies, put_back = program.bodies(places), engine.keep()
    for place, endpoint in acts(app, places):
        put_back()
        answer = program.send(place, bodies.get(endpoint.name, {}))
        check(answer, endpoint, endpoint.name)
        assert (answer.status_code == 200) is (endpoint.name not in NOTHING_TO_UNDO), f"{place.path}: {answer.text}"


def test_no_field_of_a_body_breaks_an_act(app: Flask, program: Program, engine: Engine, places: Places) -> None:
    bodies, put_back = program.bodies(places), engine.keep()
    for place, endpoint in acts(app, places):
        put_back()
        assert endpoint.body
        for name in endpoint.body.__struct_fields__:
            for junk in JUNK:
                answer = program.send(place, {**bodies.get(endpoint.name, {}), name: junk})
                check(answer, endpoint, f"{place.path} {name} {str(junk)[:20]}")


def test_every_stored_text_is_text_in_what_acts_answer(
    app: Flask, program: Program, engine: Engine, places: Places, redis_client: Redis, namespace: str
) -> None:
    put_back = engine.keep()
    for part, (place, endpoint) in enumerate(acts(app, places)):
        put_back()
        add_strangers(redis_client, namespace)
        for number, spoiled in enumerate(spoil(redis_client, namespace)):
            if number % 8 == part % 8:
                answer = program.send(place, program.bodies(places).get(endpoint.name, {}))
                check(answer, endpoint, f"{place.path} with {spoiled}")


@pytest.fixture
def leaky(redis_client: Redis, namespace: str, places: Places, tasks: Tasks) -> None:
    """Everything that the dead letter of `billing` has tells a secret."""
    stored = redis_client.hget(f"{namespace}:{{billing}}:tasks", places.dead)
    assert isinstance(stored, bytes)
    payload = json.dumps({"order": 1, "password": SECRET, "note": f"redis://ada:{SECRET}@host"}).encode()
    redis_client.hset(f"{namespace}:{{billing}}:tasks", places.dead, stored.partition(b"\n")[0] + b"\n" + payload)
    tasks.control.pause("billing", by="ada", action_id="p1", reason=f"password={SECRET}")
    fault = tasks.fingerprint()
    tasks.control.mute_fault("billing", fault, attempts=9, by="ada", action_id="p2", reason=f"token={SECRET}")


@pytest.mark.usefixtures("leaky")
def test_no_answer_has_a_secret(app: Flask, program: Program, engine: Engine, places: Places) -> None:
    for place in places.every(app):
        if place.is_for_programs and not place.changes:
            assert SECRET not in program.ask(place.path.removeprefix(PREFIX)).text, place.path
    bodies, put_back = program.bodies(places), engine.keep()
    hidden = json.dumps({"order": 2, "password": SECRET + "x", "note": "redis://ada:" + SECRET + "@other"})
    for place, endpoint in acts(app, places):
        put_back()
        body = bodies.get(endpoint.name, {})
        if endpoint.name == "edits_edit_preview":
            body = {**body, "payload_json": hidden}
        answer = program.send(place, body)
        assert (SECRET in answer.text) is (endpoint.name == "tasks_unmask"), f"{place.path}: {answer.text}"
