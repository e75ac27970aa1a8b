"""Who may ask and who may change something; and that no route is without it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask, g

from dashboard import ConsoleSettings, create_app
from dashboard.identity import NOBODY, Role, User, current_user
from dashboard.security import CONTENT_SECURITY_POLICY, is_host_allowed, is_same_origin
from dashboard.server import check_access
from queue_core.errors import ConfigurationError
from queue_core.schedules import Schedules
from queue_core.snapshot import State
from tests.console import PARTIAL, Tasks, Visitor
from tests.engine import Engine
from tests.workers import put_worker

READS = {"GET", "HEAD", "OPTIONS"}
PLACEHOLDERS = {
    "worker_id": "web-1:7",
    "command": "quiet",
    "name": "billing",
    "task_id": "some-task",
    "fingerprint": "abc123",
    "filename": "app.css",
    "verb": "requeue",
    "operation_id": "0123456789ab",
    "form": "0123456789abcdef01234567",
    "schedule": "nightly",
    "action_id": "0123456789abcdef01234567",
}


@pytest.fixture
def settings(settings: ConsoleSettings) -> ConsoleSettings:
    return replace(settings, demo_socket="/nowhere")  # so that the demo's routes are there, too


def all_changing_routes(app: Flask) -> list[str]:
    adapter = app.url_map.bind("localhost")
    return [
        adapter.build(rule.endpoint, {name: PLACEHOLDERS[name] for name in rule.arguments}, method="POST")
        for rule in app.url_map.iter_rules()
        if (rule.methods or set()) - READS
    ]


def changing_routes(app: Flask) -> list[str]:
    """Forms: those for programs are another matter."""
    return [route for route in all_changing_routes(app) if not route.startswith("/api/")]


def program_routes(app: Flask) -> list[str]:
    return [route for route in all_changing_routes(app) if route.startswith("/api/")]


def test_there_are_routes_that_change_something(app: Flask) -> None:
    routes = changing_routes(app)
    assert "/queues/billing/tasks/some-task/requeue" in routes
    assert len(routes) >= 9
    assert len(program_routes(app)) >= 20


@pytest.mark.parametrize("headers", [{}, PARTIAL])
def test_no_route_changes_anything_without_a_token(visitor: Visitor, app: Flask, headers: dict[str, str]) -> None:
    visitor.text("/")
    for route in changing_routes(app):
        response = visitor.client.post(route, data={"action_id": "a", "reason": "x"}, headers=headers)
        assert response.status_code == 400, route
        assert "nothing was done" in response.text, route


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_no_route_takes_a_form_from_another_site(visitor: Visitor, app: Flask, headers: dict[str, str]) -> None:
    token = visitor.token()
    for route in changing_routes(app):
        data = {"csrf_token": token, "action_id": "a", "reason": "x"}
        response = visitor.client.post(route, data=data, headers=headers)
        assert response.status_code == 400, route
        assert "another site" in response.text, route


def test_no_route_answers_under_a_foreign_name(visitor: Visitor, app: Flask) -> None:
    token = visitor.token()
    for route in ["/", "/healthz", "/static/app.css", "/api/v1/stats"]:
        assert visitor.client.get(route, headers={"Host": "rebound.example"}).status_code == 400, route
    for route in changing_routes(app):
        data = {"csrf_token": token, "action_id": "a"}
        assert visitor.client.post(route, data=data, headers={"Host": "rebound.example"}).status_code == 400, route
    for route in program_routes(app):
        assert visitor.client.post(route, headers={"Host": "rebound.example"}).status_code == 400, route


def test_no_form_leads_to_what_programs_may_change(visitor: Visitor, app: Flask) -> None:
    token = visitor.token()
    for route in program_routes(app):
        answer = visitor.client.post(route, data={"csrf_token": token, "action_id": "a", "reason": "x"})
        assert (answer.status_code, "Nothing was done." in answer.text) == (401, True), route
        answer = visitor.client.post(route, json={}, headers={"Sec-Fetch-Site": "cross-site"})
        assert (answer.status_code, "another site" in answer.text) == (400, True), route


FOR_EVERYBODY = {"preferences.save", "sign_in.enter", "sign_in.leave"}
"""Routes that change nothing but the reader's own browser."""


def test_every_route_that_changes_something_says_whom_it_needs(app: Flask) -> None:
    unguarded = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if (rule.methods or set()) - READS and not hasattr(app.view_functions[rule.endpoint], "needed_role")
    }
    assert unguarded == FOR_EVERYBODY


def test_no_route_lets_those_act_who_may_only_look(visitor: Visitor, app: Flask) -> None:
    app.before_request(lambda: setattr(g, "user", User("bo", Role.VIEWER)))
    token = visitor.token()
    for rule in app.url_map.iter_rules():
        if (rule.methods or set()) - READS and rule.endpoint not in FOR_EVERYBODY and rule.rule[:5] != "/api/":
            route = app.url_map.bind("localhost").build(
                rule.endpoint, {name: PLACEHOLDERS[name] for name in rule.arguments}, method="POST"
            )
            response = visitor.client.post(route, data={"csrf_token": token, "action_id": "a", "reason": "x"})
            assert response.status_code == 403, route
            assert "bo is viewer" in response.text, route


def test_reading_an_action_changes_nothing(visitor: Visitor, tasks: Tasks, app: Flask, engine: Engine) -> None:
    (task_id,) = tasks.die()
    tasks.yard.schedules.add("billing", "charge", every=3_600, queue="billing", by="ada", action_id="s")
    operations = tasks.yard.operations
    began = operations.start(operations.preview("billing", "requeue").bound, by="ada", action_id="a")
    Schedules(client=tasks.yard.client).add("billing", "charge", queue="billing", every=60, by="ada", action_id="s")
    now, runs = tasks.inspector.server_ms(), {"queue": "billing", "task_id": task_id, "task_name": "charge"}
    put_worker(engine, "web-1:7", now, queues={"billing": 1}, running=[{**runs, "started_at": now}], started_at=now)
    there_is = {"some-task": task_id, "abc123": tasks.fingerprint(), "0123456789ab": began.id}
    before = tasks.inspector.queue("billing")
    for route in all_changing_routes(app):
        for placeholder, name in there_is.items():
            route = route.replace(placeholder, name)
        response = visitor.get(route)
        assert response.status_code in (200, 303, 404, 405), route  # 200: its preview; 303: nobody has to sign in
    assert tasks.inspector.queue("billing") == before
    assert tasks.state(task_id) is State.DEAD


def test_a_token_holds_until_the_console_starts_anew(visitor: Visitor, settings: ConsoleSettings, tasks: Tasks) -> None:
    (task_id,) = tasks.die()
    token = visitor.token()
    other = create_app(settings)
    other.testing = True
    response = other.test_client().post(
        f"/queues/billing/tasks/{task_id}/trash", data={"csrf_token": token, "action_id": "a"}
    )
    assert response.status_code == 400
    assert "Reload the page" in response.text


def test_every_answer_carries_the_headers(visitor: Visitor) -> None:
    for route in ("/", "/nowhere", "/api/v1/stats", "/healthz", "/static/app.css"):
        headers = visitor.get(route).headers
        assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "frame-ancestors 'none'" in CONTENT_SECURITY_POLICY


def test_cookies_are_for_this_site_and_not_for_scripts(visitor: Visitor) -> None:
    cookie = visitor.get("/workers").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


SETTINGS = ConsoleSettings(hosts=("queues.example",))


@pytest.mark.parametrize(
    ("netloc", "no_login", "is_allowed"),
    [
        ("localhost", False, True),
        ("LOCALHOST:8080", False, True),
        ("127.0.0.1:8080", False, True),
        ("127.1.2.3", False, True),
        ("[::1]:8080", False, True),
        ("queues.example", False, True),
        ("queues.example.:443", False, True),
        ("evil.example", False, False),
        ("localhost.evil.example", False, False),
        ("10.0.0.5:8080", False, False),
        ("10.0.0.5:8080", True, True),
        ("evil.example", True, False),
        ("", True, False),
        ("[::1", False, False),
        ("user@evil.example", False, False),
    ],
)
def test_names_under_which_the_console_is_known(netloc: str, no_login: bool, is_allowed: bool) -> None:
    assert is_host_allowed(netloc, replace(SETTINGS, no_login=no_login)) is is_allowed
    assert is_host_allowed(netloc, replace(SETTINGS, users_file="" if not no_login else "users.json")) is is_allowed


def test_whoever_was_not_found_out_is_nobody_and_may_nothing(app: Flask) -> None:
    with app.test_request_context("/"):
        assert current_user() is NOBODY
        assert [role for role in Role if current_user().may(role)] == []


@pytest.mark.parametrize(
    ("origin", "fetch_site", "is_same"),
    [
        (None, None, True),
        ("http://localhost:8080", None, True),
        ("https://localhost:8080", "same-origin", True),
        ("http://localhost:8081", None, False),
        ("http://evil.example", None, False),
        ("null", None, False),
        (None, "same-origin", True),
        (None, "none", True),
        (None, "cross-site", False),
        ("http://localhost:8080", "cross-site", False),
        ("http://[", None, False),
    ],
)
def test_where_a_form_comes_from(origin: str | None, fetch_site: str | None, is_same: bool) -> None:
    assert is_same_origin(origin, fetch_site, "localhost:8080") is is_same


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.9.9.9"])
def test_on_this_machine_it_listens_without_more(host: str) -> None:
    check_access(ConsoleSettings(), host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "queues.example"])
def test_elsewhere_it_refuses_and_says_how(host: str) -> None:
    with pytest.raises(ConfigurationError, match="--no-login") as refused:
        check_access(ConsoleSettings(), host)
    assert len(str(refused.value).splitlines()) == 2
    check_access(ConsoleSettings(no_login=True), host)


def test_without_sign_in_the_page_says_so(settings: ConsoleSettings) -> None:
    client = create_app(replace(settings, no_login=True)).test_client()
    assert "No sign-in." in client.get("/").text


@pytest.mark.parametrize(
    "url", ["redis://:s3cret@cache:6379/0", "rediss://me:s3cret@cache/1", "unix:///run/valkey.sock?password=s3cret"]
)
def test_addresses_are_shown_without_passwords(url: str, settings: ConsoleSettings) -> None:
    response = create_app(replace(settings, redis_url=url)).test_client().get("/")
    assert "s3cret" not in response.text


def test_settings_say_which_variable_was_wrong() -> None:
    with pytest.raises(ConfigurationError, match="TASKYARD_ENVIRONMENT_COLOUR is 'pink'"):
        ConsoleSettings.from_env({"TASKYARD_ENVIRONMENT_COLOUR": "pink"})
    with pytest.raises(ConfigurationError, match="TASKYARD_PROXIES is 'two'"):
        ConsoleSettings.from_env({"TASKYARD_PROXIES": "two"})
    with pytest.raises(ConfigurationError, match="TASKYARD_SECURE_COOKIES is 'maybe'"):
        ConsoleSettings.from_env({"TASKYARD_SECURE_COOKIES": "maybe"})
    with pytest.raises(ConfigurationError, match="TASKYARD_URL_PREFIX is 'queues'"):
        ConsoleSettings.from_env({"TASKYARD_URL_PREFIX": "queues"})


def test_the_header_leads_to_other_consoles(settings: ConsoleSettings) -> None:
    told = {"TASKYARD_CONSOLES": "Staging EU = https://queues.staging.example/eu, us=http://10.0.0.5:8080"}
    others = ConsoleSettings.from_env(told).consoles
    assert others == (("Staging EU", "https://queues.staging.example/eu"), ("us", "http://10.0.0.5:8080"))
    shown = create_app(replace(settings, consoles=others)).test_client().get("/").text.partition("</header>")[0]
    assert '<a class="menu-link" href="https://queues.staging.example/eu">Staging EU</a>' in shown
    assert "Other consoles" not in create_app(settings).test_client().get("/").text


@pytest.mark.parametrize(
    "text",
    ["staging", "=https://a", "a=ftp://a", "a=javascript:alert(1)", "a=https://", "a=https://me:secret@a", "a=//b"],
)
def test_addresses_of_other_consoles_are_checked(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"TASKYARD_CONSOLES has .* staging=https"):
        ConsoleSettings.from_env({"TASKYARD_CONSOLES": f"good=https://good.example,{text}"})


def test_settings_are_read_from_the_environment() -> None:
    read = ConsoleSettings.from_env(
        {
            "TASKYARD_REDIS_URL": "redis://cache/2",
            "TASKYARD_ENVIRONMENT": "Production",
            "TASKYARD_HOSTS": "Queues.example, other.example",
        }
    )
    assert (read.redis_url, read.environment_colour) == ("redis://cache/2", "red")
    assert read.hosts == ("queues.example", "other.example")
