"""Who may what: every route, by every method, for everybody; under a prefix and behind a proxy, too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask, jsonify
from flask.typing import ResponseReturnValue

from dashboard import ConsoleSettings, create_app
from dashboard.identity import Role, actor, needs
from tests.console import PARTIAL, Tasks, field, text_of
from tests.people import NAMES, TOKENS, Person

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
OPEN = {"static", "health.healthz", "health.readyz", "sign_in.show", "sign_in.enter", "sign_in.leave"}
"""For everybody: nothing of the queues is there."""
OWN = {"preferences.save"}
"""Changes nothing but the reader's own browser."""
PREFIX = "/ops"


@pytest.fixture
def settings(closed: ConsoleSettings, tmp_path: Path) -> ConsoleSettings:
    """The demo's routes are there, too."""
    return replace(closed, hosts=("q.example",), demo_socket=str(tmp_path / "nobody.sock"))


@pytest.fixture
def app(settings: ConsoleSettings) -> Flask:
    return make(settings)


def make(settings: ConsoleSettings) -> Flask:
    """With a change that programs may ask for, and one that only an admin may."""
    application = create_app(settings)
    application.testing = True

    @application.post("/api/v1/probe")
    @needs(Role.OPERATOR)
    def probe() -> ResponseReturnValue:
        return jsonify(by=actor())

    @application.get("/api/v1/probe")
    @needs(Role.ADMIN)
    def admins() -> ResponseReturnValue:
        return jsonify(by=actor())

    if not any(rule.rule == "/metrics" for rule in application.url_map.iter_rules()):
        application.add_url_rule("/metrics", "metrics", lambda: actor())
    return application


@pytest.fixture
def values(tasks: Tasks) -> dict[str, str]:
    """Of parameters of routes: what is really there."""
    (task_id,) = tasks.die()
    return {"name": "billing", "task_id": task_id, "fingerprint": tasks.fingerprint(), "filename": "app.css"}


def routes(app: Flask, values: dict[str, str]) -> dict[str, dict[str, str]]:
    """Path → method → endpoint; but for those that are for everybody."""
    adapter = app.url_map.bind("localhost")
    found: dict[str, dict[str, str]] = {}
    for rule in app.url_map.iter_rules():
        methods = rule.methods or set()
        arguments = {name: values.get(name, "some") for name in rule.arguments}
        if rule.endpoint not in OPEN:
            path = adapter.build(rule.endpoint, arguments, method=min(methods))
            found.setdefault(path, {}).update(dict.fromkeys(methods, rule.endpoint))
    assert len(found) > 20
    return found


def is_for_programs(path: str) -> bool:
    return path.startswith("/api/") or path == "/metrics"


def is_too_much(app: Flask, endpoint: str | None, method: str, role: Role) -> bool:
    needed: Role = getattr(app.view_functions.get(endpoint or ""), "needed_role", Role.VIEWER)
    return needed > role and method != "OPTIONS"


def check_nobody(app: Flask, values: dict[str, str], *, prefix: str = "", https: bool = False) -> None:
    stranger = Person(app, prefix=prefix, https=https)
    for path in [*routes(app, values), "/nowhere", "/api/v1/nowhere", "/metrics/nowhere"]:
        for method in METHODS:
            answer = stranger.client.open(prefix + path, method=method)
            if is_for_programs(path):
                assert answer.status_code == 401, (method, path)
                assert answer.headers["WWW-Authenticate"] == "Bearer"
            else:
                assert answer.status_code == 303, (method, path)
                assert answer.location.startswith(f"{prefix}/sign-in?next="), (method, path)
            assert "payments.internal" not in answer.text, (method, path)
            assert stranger.client.open(prefix + path, method=method, headers=PARTIAL).status_code == 401


def check_person(app: Flask, values: dict[str, str], name: str, *, prefix: str = "", https: bool = False) -> None:
    role, person = NAMES[name], Person(app, name, prefix=prefix, https=https)
    form = {"csrf_token": field(person.client.get(f"{prefix}/workers").text, "csrf_token"), "action_id": "a"}
    for path, endpoints in routes(app, values).items():
        for method in METHODS:
            changes = method not in ("GET", "HEAD", "OPTIONS")
            answer = person.client.open(prefix + path, method=method, data=form if changes else None)
            if is_for_programs(path) and changes:
                assert answer.status_code == 401, (name, method, path)  # a cookie is no token
            elif is_too_much(app, endpoints.get(method), method, role):
                assert answer.status_code == 403, (name, method, path)
            else:
                assert answer.status_code not in (401, 403, 500), (name, method, path)
            if method in endpoints and changes and not is_for_programs(path):
                assert person.client.open(prefix + path, method=method).status_code == 400, (name, method, path)


def check_token(app: Flask, values: dict[str, str], role: Role) -> None:
    client, headers = app.test_client(), {"Authorization": f"Bearer {TOKENS[role]}"}
    for path, endpoints in routes(app, values).items():
        for method in METHODS:
            answer = client.open(path, method=method, headers=headers)
            if not is_for_programs(path):
                assert answer.status_code == 303, (role, method, path)  # pages are for people
                continue
            if is_too_much(app, endpoints.get(method), method, role):
                assert answer.status_code == 403, (role, method, path)
            else:
                assert answer.status_code not in (400, 401, 403, 500), (role, method, path)
            assert "Set-Cookie" not in answer.headers


def test_nobody_learns_and_changes_anything(app: Flask, values: dict[str, str], tasks: Tasks) -> None:
    before = tasks.inspector.queue("billing")
    check_nobody(app, values)
    assert tasks.inspector.queue("billing") == before


@pytest.mark.parametrize("name", NAMES)
def test_people_may_what_their_role_may(app: Flask, values: dict[str, str], name: str) -> None:
    check_person(app, values, name)


@pytest.mark.parametrize("role", list(Role), ids=lambda role: role.word)
def test_tokens_may_what_their_role_may_and_only_as_programs(app: Flask, values: dict[str, str], role: Role) -> None:
    check_token(app, values, role)


def test_those_who_look_change_nothing(app: Flask, values: dict[str, str], tasks: Tasks) -> None:
    before = tasks.inspector.queue("billing")
    check_person(app, values, "vi")
    check_token(app, values, Role.VIEWER)
    assert tasks.inspector.queue("billing") == before


def test_under_a_prefix_it_is_the_same(settings: ConsoleSettings, values: dict[str, str]) -> None:
    app = make(replace(settings, url_prefix=PREFIX))
    check_nobody(app, values, prefix=PREFIX)
    check_person(app, values, "vi", prefix=PREFIX)
    answer = Person(app, prefix=PREFIX).sign_in("ada", next="/queues")
    assert answer.location == f"{PREFIX}/queues"
    assert f"Path={PREFIX}" in answer.headers["Set-Cookie"].split("; ")


def test_behind_a_proxy_that_speaks_tls_it_is_the_same_and_cookies_are_secure(
    settings: ConsoleSettings, values: dict[str, str]
) -> None:
    app = make(replace(settings, proxy_count=1))
    check_nobody(app, values, https=True)
    check_person(app, values, "otto", https=True)
    answer = Person(app, https=True).sign_in("ada")
    assert "Secure" in answer.headers["Set-Cookie"].split("; ")
    assert "Secure" not in Person(app).sign_in("ada").headers["Set-Cookie"].split("; ")
    asked = app.test_client().get("/queues", headers={"X-Forwarded-Proto": "https", "X-Forwarded-Host": "q.example"})
    assert asked.location == "/sign-in?next=/queues"


def test_cookies_can_be_for_tls_alone(settings: ConsoleSettings) -> None:
    app = make(replace(settings, secure_cookies=True))
    assert "Secure" in app.test_client().get("/sign-in").headers["Set-Cookie"].split("; ")


def test_a_change_by_a_program_needs_no_form_and_is_its_own(app: Flask) -> None:
    answer = app.test_client().post("/api/v1/probe", headers={"Authorization": f"bearer  {TOKENS[Role.OPERATOR]} "})
    assert (answer.status_code, answer.json) == (200, {"by": "token operator"})


@pytest.mark.parametrize("text", ["Bearer taskyard_wrong", "Bearer taskyard_", "Bearer", "Basic YTpi", "Bearer x", ""])
def test_what_is_no_token_of_ours_is_nobodys(app: Flask, text: str) -> None:
    client = app.test_client()
    assert client.get("/api/v1/stats", headers={"Authorization": text}).status_code == 401
    assert client.post("/api/v1/probe", headers={"Authorization": text}).status_code == 401


def test_a_wrong_token_is_refused_also_beside_a_sign_in(app: Flask) -> None:
    ada = Person(app, "ada")
    assert ada.get("/api/v1/stats").status_code == 200
    for answer in (
        ada.get("/api/v1/stats", Authorization="Bearer taskyard_wrong"),
        ada.client.post("/api/v1/probe", headers={"Authorization": "Bearer taskyard_wrong"}),
    ):
        assert answer.status_code == 401
        assert "This token is not known (any more)." in answer.text


def test_changes_by_programs_need_a_token_also_where_everybody_is_let_in(settings: ConsoleSettings) -> None:
    client = make(replace(settings, no_login=True)).test_client()
    assert client.get("/api/v1/stats").status_code == 200
    assert client.post("/api/v1/probe").status_code == 401
    headers = {"Authorization": f"Bearer {TOKENS[Role.ADMIN]}"}
    assert client.post("/api/v1/probe", headers=headers).status_code == 200


def test_what_was_refused_stands_in_the_audit(app: Flask, values: dict[str, str], tasks: Tasks) -> None:
    Person(app, "vi").post("/queues/billing/pause", reason="x")
    (entry,) = tasks.audited()
    assert (entry.by, entry.verb, entry.queue, entry.target) == (
        "vi",
        "refuse",
        "billing",
        "POST /queues/billing/pause",
    )
    assert entry.reason == "it needs the role operator; vi is viewer"


def test_what_was_refused_is_written_for_names_that_no_queue_has(app: Flask, tasks: Tasks) -> None:
    Person(app, "vi").post("/queues/a%20{b}/pause", reason="x")
    (entry,) = tasks.audited()
    assert (entry.queue, entry.target) == ("", "POST /queues/a {b}/pause")


def test_whoever_is_refused_cannot_fill_the_audit_by_one_console_or_by_several(
    app: Flask, settings: ConsoleSettings, tasks: Tasks
) -> None:
    for number, person in enumerate([Person(app, "vi"), Person(make(settings), "vi")] * 8):
        form = {"csrf_token": person.token()}
        assert person.client.post(f"/queues/q{number}/pause", data=form).status_code == 403
    assert len(tasks.audited()) == 10


def test_those_who_look_see_no_buttons(app: Flask, values: dict[str, str], tasks: Tasks) -> None:
    tasks.control.close_lane("billing", "name:charge", by="bo", reason="x", action_id="a")
    tasks.enqueue("billing", 2, delay=600)
    tasks.enqueue("exports")
    tasks.control.pause("exports", by="bo", action_id="b")
    (gone,) = tasks.die("exports-2")
    tasks.control.trash("exports-2", [gone], by="bo", action_id="c")
    viewer, operator = Person(app, "vi"), Person(app, "otto")
    pages = [
        "/",
        "/queues/billing",
        "/queues/billing?state=dead",
        "/queues/billing?state=scheduled",
        "/queues/exports",
        "/dead/letters",
        "/dead/trash",
        f"/queues/billing/faults/{values['fingerprint']}",
        f"/queues/billing/tasks/{values['task_id']}",
    ]
    marks = ("data-act", "formaction", "/pause", "data-can-purge", "data-bulk", "Retry ticked", "c-tick")
    seen = set()
    for page in pages:
        shown = viewer.text(page)
        assert [mark for mark in marks if mark in shown] == [], page
        seen |= {mark for mark in marks if mark in operator.text(page)}
    assert seen == set(marks)


def test_those_who_look_see_what_would_be_done_and_that_it_is_not_theirs(app: Flask, values: dict[str, str]) -> None:
    """A copied address of a preview shows a colleague the same thing."""
    preview = "/queues/billing/bulk/requeue"
    shown = text_of(Person(app, "vi").text(preview))
    assert "Retry 1 dead letter" in shown
    assert "To do it needs the role operator; vi is viewer." in shown
    page = Person(app, "vi").text(preview)
    assert [name for name in ("selection", "reason", "action_id") if f'id="{name}"' in page] == []
    assert 'name="selection"' not in page
    assert "role operator" not in Person(app, "otto").text(preview)
