"""A proxy that signs people in: believed from its own address alone, whatever headers say."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from dashboard import ConsoleSettings, create_app
from dashboard.identity import Role, User
from dashboard.proxy import believe_paths, is_listed, read_user
from queue_core.errors import ConfigurationError
from tests.console import Tasks, field, text_of
from tests.people import Person, write_users

PROXY = {"REMOTE_ADDR": "10.0.0.7"}
STRANGER = {"REMOTE_ADDR": "203.0.113.9"}


@pytest.fixture
def settings(redis_url: str, namespace: str) -> ConsoleSettings:
    return ConsoleSettings(
        redis_url=redis_url,
        namespace=namespace,
        proxy_user_header="X-Forwarded-User",
        proxy_role_header="X-Role",
        proxy_addresses=(ipaddress.ip_network("10.0.0.0/24"),),
    )


def status(app: Flask, peer: dict[str, str], **headers: str) -> int:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return app.test_client().get("/workers", headers=given, environ_overrides=peer).status_code


def test_the_one_whom_the_proxy_names_is_in(app: Flask, tasks: Tasks) -> None:
    tasks.enqueue()
    client = app.test_client()
    given: dict[str, Any] = {"headers": {"X-Forwarded-User": "ada@example.com", "X-Role": "operator"}}
    page = client.get("/queues/billing/pause", environ_overrides=PROXY, **given).text
    assert "ada@example.com · operator" in text_of(page)
    assert "Sign out" not in page
    form = {"csrf_token": field(page, "csrf_token"), "action_id": "a", "reason": "x"}
    client.post("/queues/billing/pause", data=form, environ_overrides=PROXY, **given)
    assert [entry.by for entry in tasks.inspector.audit().rows] == ["ada@example.com"]


def test_nobody_else_is_believed(app: Flask) -> None:
    assert status(app, PROXY, X_Forwarded_User="ada") == 200
    assert status(app, STRANGER, X_Forwarded_User="ada") == 401
    assert status(app, STRANGER, X_Forwarded_User="ada", X_Forwarded_For="10.0.0.7") == 401
    assert status(app, PROXY) == 401
    assert status(app, {"REMOTE_ADDR": ""}, X_Forwarded_User="ada") == 401


def test_the_connections_own_address_decides_behind_other_proxies_too(settings: ConsoleSettings) -> None:
    app = create_app(replace(settings, proxy_count=1))
    assert status(app, PROXY, X_Forwarded_User="ada", X_Forwarded_For="203.0.113.9") == 200
    assert status(app, STRANGER, X_Forwarded_User="ada", X_Forwarded_For="10.0.0.7") == 401


@pytest.mark.parametrize(
    ("said", "root"),
    [
        ("/queues", "/queues"),
        ("/a/b-c.d", "/a/b-c.d"),
        ("//evil.example", ""),
        ("/queues//evil.example", ""),
        ("https://evil.example", ""),
        ("/a\\evil", ""),
        ("/a\tb", ""),
        ('/"onload', ""),
        ("//evil.example, /queues", ""),
    ],
)
@pytest.mark.parametrize("place", ["HTTP_X_FORWARDED_PREFIX", "SCRIPT_NAME"])
def test_the_console_is_below_paths_alone(settings: ConsoleSettings, said: str, root: str, place: str) -> None:
    found: list[str] = []

    def serve(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        found.append(environ.get(place, ""))
        return []

    believe_paths(serve)({place: said}, lambda *_: lambda _: None)
    assert found == [root]


def test_a_proxy_cannot_lead_links_to_another_host(settings: ConsoleSettings) -> None:
    app = create_app(replace(settings, proxy_count=1))
    headers = {"X-Forwarded-User": "ada", "X-Forwarded-Prefix": "//evil.example"}
    page = app.test_client().get("/queues", headers=headers, environ_overrides=PROXY)
    assert page.status_code == 200
    assert "evil.example" not in page.text


def test_programs_get_401_and_refreshes_too(app: Flask) -> None:
    client = app.test_client()
    assert client.get("/api/v1/stats").status_code == 401
    assert client.get("/", headers={"HX-Request-Type": "partial"}).status_code == 401
    assert "named nobody" in client.get("/").text


def test_whoever_the_proxy_does_not_name_may_sign_in_where_there_are_users(
    settings: ConsoleSettings, tmp_path: Path
) -> None:
    file = write_users(tmp_path / "users.json")
    app = create_app(replace(settings, users_file=str(file.path)))
    assert Person(app, "ada").get("/workers").status_code == 200
    assert status(app, PROXY, X_Forwarded_User="otto") == 200


@pytest.mark.parametrize(
    ("headers", "user"),
    [
        ({"USER": "ada"}, User("ada", Role.VIEWER, "proxy")),
        ({"USER": " ada "}, User("ada", Role.VIEWER, "proxy")),
        ({"USER": "ada", "ROLE": "Admin"}, User("ada", Role.ADMIN, "proxy")),
        ({"USER": "ada", "ROLE": "staff, operator,viewer"}, User("ada", Role.OPERATOR, "proxy")),
        ({"USER": "ada", "ROLE": "boss"}, User("ada", Role.VIEWER, "proxy")),
        ({"USER": "J\u00fcrgen".encode().decode("latin-1")}, User("Jürgen", Role.VIEWER, "proxy")),
        ({"USER": ""}, None),
        ({}, None),
        ({"USER": "evil,ada"}, None),
        ({"USER": "token ci"}, None),
        ({"USER": "a" * 101}, None),
        ({"USER": "a\u200bb".encode().decode("latin-1")}, None),
    ],
)
def test_what_a_proxy_can_say(headers: dict[str, str], user: User | None) -> None:
    settings = ConsoleSettings(
        proxy_user_header="User", proxy_role_header="Role", proxy_addresses=(ipaddress.ip_network("10.0.0.7"),)
    )
    environ = {f"HTTP_{name}": value for name, value in headers.items()}
    assert read_user(environ, settings) == user


def test_without_a_header_for_it_the_role_is_the_usual_one() -> None:
    settings = ConsoleSettings(
        proxy_user_header="User", proxy_role=Role.OPERATOR, proxy_addresses=(ipaddress.ip_network("10.0.0.7"),)
    )
    assert read_user({"HTTP_USER": "ada", "HTTP_ROLE": "admin"}, settings) == User("ada", Role.OPERATOR, "proxy")


@pytest.mark.parametrize(
    ("address", "listed"),
    [("10.0.0.7", True), ("::ffff:10.0.0.7", True), ("10.0.1.7", False), ("::1", False), ("", False), ("x", False)],
)
def test_which_addresses_are_listed(address: str, listed: bool) -> None:
    assert is_listed(address, (ipaddress.ip_network("10.0.0.0/24"),)) is listed


def test_settings_of_the_proxy_are_read_and_checked() -> None:
    given = {
        "TASKYARD_PROXY_USER_HEADER": "X-Forwarded-Email",
        "TASKYARD_PROXY_ROLE": "operator",
        "TASKYARD_PROXY_ADDRESSES": "127.0.0.1, 10.0.0.0/8,::1",
    }
    read = ConsoleSettings.from_env(given)
    assert read.proxy_role is Role.OPERATOR
    assert [str(network) for network in read.proxy_addresses] == ["127.0.0.1/32", "10.0.0.0/8", "::1/128"]
    assert not read.is_open
    for name, value, complaint in (
        ("TASKYARD_PROXY_ADDRESSES", "", "anybody can send a header"),
        ("TASKYARD_PROXY_ADDRESSES", "proxy.local", "has 'proxy.local'"),
        ("TASKYARD_PROXY_USER_HEADER", "X User", "must be a header's name"),
        ("TASKYARD_PROXY_ROLE", "boss", "must be one of viewer, operator, admin"),
        ("TASKYARD_SIGN_IN_HOURS", "0", "above 0"),
        ("TASKYARD_SIGN_IN_IDLE_HOURS", "nan", "above 0"),
        ("TASKYARD_SIGN_IN_IDLE_HOURS", "soon", "must be a number"),
    ):
        with pytest.raises(ConfigurationError, match=complaint):
            ConsoleSettings.from_env({**given, name: value})
