"""Signing in and out: what it takes, how long it holds, what ends it, and that it tells strangers nothing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from redis import Redis

from dashboard import ConsoleSettings, create_app
from dashboard.identity import Role
from dashboard.users import Users, UsersFile
from queue_core.snapshot import State
from tests.console import PARTIAL, Tasks, field, text_of
from tests.people import PASSWORD, Person, new_account, try_to_sign_in

HOUR = 3600.0


class Clock:
    """Seconds by this host's clock."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(closed: ConsoleSettings) -> ConsoleSettings:
    return closed


@pytest.fixture
def app(settings: ConsoleSettings, clock: Clock) -> Flask:
    application = create_app(settings, wall=clock)
    application.testing = True
    return application


@pytest.fixture
def person(app: Flask) -> Callable[..., Person]:
    return lambda name="", **options: Person(app, name, **options)


def test_whoever_is_not_signed_in_is_asked_to_and_comes_back(person: Callable[..., Person]) -> None:
    stranger = person()
    asked = stranger.get("/queues?sort=name&x=a%2Fb")
    assert asked.status_code == 303
    assert asked.location == "/sign-in?next=/queues?sort%3Dname%26x%3Da%252Fb"
    page = stranger.client.get(asked.location)
    assert field(page.text, "next") == "/queues?sort=name&x=a%2Fb"
    answer = stranger.sign_in("ada", next=field(page.text, "next"))
    assert (answer.status_code, answer.location) == (303, "/queues?sort=name&x=a%2Fb")
    assert stranger.get(answer.location).status_code == 200


def test_the_sign_in_page_tells_nothing_of_the_queues(
    person: Callable[..., Person], tasks: Tasks, settings: ConsoleSettings
) -> None:
    tasks.die("secret-queue", count=3, error="secret-error")
    page = person().client.get("/sign-in?next=/queues").text
    assert "secret" not in page
    assert settings.redis_url not in page
    assert not re.search(r"\(\d+\)", page)
    assert [label for label in ("Overview", "Failures", "Workers") if label in text_of(page)] == []


def test_wrong_passwords_and_unknown_names_get_the_same_answer(app: Flask) -> None:
    said = {
        re.sub(r'value="[^"]*"', "", answer.text)
        for name in ("ada", "nobody", "x" * 500, "<script>", "ada\0")
        for answer in (try_to_sign_in(app.test_client(), name, "wrong", REMOTE_ADDR=f"192.0.2.{len(name) % 250}"),)
        if answer.status_code == 401
    }
    assert len(said) == 1
    assert "do not belong together" in said.pop()


def test_a_wrong_password_lets_nobody_in(person: Callable[..., Person]) -> None:
    stranger = person()
    for password in ("", "wrong", PASSWORD + "x", PASSWORD[:-1]):
        assert stranger.sign_in("ada", password).status_code == 401
        assert stranger.get("/").status_code == 303


def test_a_name_that_nobody_has_costs_as_much_as_one_that_somebody_has(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    scrypt = hashlib.scrypt

    def look(password: bytes, **given: Any) -> bytes:
        asked.append(password.decode())
        return scrypt(password, **given)

    monkeypatch.setattr(hashlib, "scrypt", look)
    for name in ("ada", "nobody", ""):
        try_to_sign_in(app.test_client(), name, f"of {name}")
    assert asked == ["of ada", "of nobody", "of "]


def test_whoever_signs_in_rightly_never_has_to_wait(person: Callable[..., Person]) -> None:
    for _ in range(12):
        for _ in range(2):
            person().sign_in("ada", "a slip")
        assert person().sign_in("ada").status_code == 303


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "/\tx", "", "x"]
)
def test_one_goes_on_to_paths_of_the_console_alone(person: Callable[..., Person], target: str) -> None:
    assert person().sign_in("ada", next=target).location == "/"
    assert field(person().client.get("/sign-in", query_string={"next": target}).text, "next") == "/"


def test_too_many_attempts_have_to_wait_also_with_the_right_password(
    person: Callable[..., Person], clock: Clock, redis_url: str
) -> None:
    stranger = person()
    for _ in range(5):
        assert stranger.sign_in("ada", "wrong").status_code == 401
    answer = stranger.sign_in("ada")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "300")
    assert "Too many attempts. Try again in 5" in answer.text
    assert person().sign_in("ada", REMOTE_ADDR="192.0.2.9").status_code == 303
    clock.now += 300
    assert stranger.sign_in("ada").status_code == 429  # in Redis it is not over
    with Redis.from_url(redis_url) as redis:
        redis.delete(*redis.keys("test:tries:*"))
    assert stranger.sign_in("ada").status_code == 303


def test_too_many_attempts_at_one_console_have_to_wait_at_all(
    person: Callable[..., Person], settings: ConsoleSettings
) -> None:
    for _ in range(5):
        assert person().sign_in("ada", "wrong").status_code == 401
    elsewhere = create_app(settings)
    assert Person(elsewhere).sign_in("ada").status_code == 429
    assert Person(elsewhere).sign_in("otto").status_code == 303


def test_an_attempt_that_was_not_looked_at_does_not_count(
    app: Flask, person: Callable[..., Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.access.BUSY_SECONDS", 0.0)
    checking = app.extensions["taskyard"].access._checking
    with checking, checking:
        for _ in range(10):
            answer = person().sign_in("ada")
            assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert person().sign_in("ada").status_code == 303


def test_a_form_of_another_site_signs_nobody_in(app: Flask, person: Callable[..., Person]) -> None:
    client = app.test_client()
    answer = client.post("/sign-in", data={"name": "ada", "password": PASSWORD})
    assert answer.status_code == 400
    assert "Sign in once more" in answer.text
    assert client.get("/").status_code == 303
    answer = person().client.post("/sign-in", data={"name": "ada"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 400


def test_a_form_token_from_before_the_sign_in_is_worth_nothing_after_it(
    person: Callable[..., Person], tasks: Tasks
) -> None:
    (task_id,) = tasks.die()
    browser = person()
    before = field(browser.client.get("/sign-in").text, "csrf_token")
    browser.sign_in("ada")
    answer = browser.client.post(
        f"/queues/billing/tasks/{task_id}/trash", data={"csrf_token": before, "action_id": "a", "next": "/"}
    )
    assert answer.status_code == 400
    assert tasks.state(task_id) is State.DEAD


def test_the_one_who_signed_in_stands_in_histories_and_audit(person: Callable[..., Person], tasks: Tasks) -> None:
    (task_id,) = tasks.die()
    otto = person("otto")
    otto.post(f"/queues/billing/tasks/{task_id}/requeue", died_at=str(tasks.died_at(task_id)))
    assert "retried by otto" in otto.text(f"/queues/billing/tasks/{task_id}")
    entries = [(entry.by, entry.verb) for entry in tasks.inspector.audit().rows]
    assert entries == [("otto", "requeue"), ("otto", "sign_in")]


def test_signing_out_ends_it_also_for_copies_of_the_cookie(
    person: Callable[..., Person], settings: ConsoleSettings, clock: Clock
) -> None:
    ada = person("ada")
    cookie = ada.client.get_cookie("taskyard_session")
    assert cookie is not None
    page = ada.text("/")
    assert "ada" in text_of(page)
    answer = ada.client.post("/sign-out", data={"csrf_token": field(page, "csrf_token")})
    assert (answer.status_code, answer.location) == (303, "/sign-in?was=out")
    assert "You are signed out." in ada.client.get(answer.location).text
    assert ada.get("/").status_code == 303
    ada.client.set_cookie("taskyard_session", cookie.value)
    assert ada.get("/").status_code == 303


def test_signing_out_ends_it_at_every_console_within_a_second(
    person: Callable[..., Person], settings: ConsoleSettings, clock: Clock
) -> None:
    ada, elsewhere = person("ada"), Person(create_app(settings, wall=clock))
    cookie = ada.client.get_cookie("taskyard_session")
    assert cookie is not None
    elsewhere.client.set_cookie("taskyard_session", cookie.value)
    assert elsewhere.get("/").status_code == 200
    ada.client.post("/sign-out", data={"csrf_token": ada.token()})
    clock.now += 1
    assert elsewhere.get("/").status_code == 303
    assert elsewhere.fragment("/").status_code == 401
    begun_later = Person(create_app(settings, wall=clock))
    begun_later.client.set_cookie("taskyard_session", cookie.value)
    assert begun_later.get("/").status_code == 303
    assert person("ada").get("/").status_code == 200


def test_signing_out_is_possible_while_redis_is_away(settings: ConsoleSettings, clock: Clock) -> None:
    ada = Person(create_app(replace(settings, redis_url="redis://127.0.0.1:1"), wall=clock), "ada")
    cookie = ada.client.get_cookie("taskyard_session")
    assert cookie is not None
    assert ada.get("/system").status_code == 200
    ada.client.post("/sign-out", data={"csrf_token": ada.token()})
    ada.client.set_cookie("taskyard_session", cookie.value)
    assert ada.get("/").status_code == 303


def test_who_came_and_went_stands_in_the_audit(person: Callable[..., Person], tasks: Tasks) -> None:
    ada = person("ada")
    ada.client.post("/sign-out", data={"csrf_token": ada.token()})
    ada.client.post("/sign-out", data={"csrf_token": field(ada.client.get("/sign-in").text, "csrf_token")})
    entries = [(entry.by, entry.verb, entry.target, entry.queue) for entry in tasks.inspector.audit().rows]
    assert entries == [("ada", "sign_out", "from 127.0.0.1", ""), ("ada", "sign_in", "from 127.0.0.1", "")]
    shown = text_of(person("otto").text("/activity"))
    assert re.search(r"Sign out from 127.0.0.1 .{0,40}ada", shown)


def test_whoever_comes_and_goes_all_day_does_not_fill_the_audit(person: Callable[..., Person], tasks: Tasks) -> None:
    for _ in range(15):
        person("ada")
    assert len(tasks.inspector.audit().rows) == 10


def test_nobody_is_signed_out_by_another_site(person: Callable[..., Person]) -> None:
    ada = person("ada")
    assert ada.client.post("/sign-out").status_code == 400
    assert ada.get("/").status_code == 200


def test_a_sign_in_ends_when_nobody_clicks(person: Callable[..., Person], clock: Clock) -> None:
    ada = person("ada")
    for _ in range(3):
        clock.now += 11 * HOUR
        assert ada.get("/").status_code == 200
    clock.now += 12 * HOUR + 1
    assert ada.get("/").status_code == 303


def test_a_page_that_refreshes_itself_keeps_nobody_signed_in(person: Callable[..., Person], clock: Clock) -> None:
    ada = person("ada")
    for _ in range(12):
        clock.now += HOUR
        assert ada.fragment("/").status_code == 200
    clock.now += 1
    assert ada.fragment("/").status_code == 401


def test_a_sign_in_ends_after_its_time_whoever_clicks(person: Callable[..., Person], clock: Clock) -> None:
    ada = person("ada")
    for _ in range(14):
        clock.now += 12 * HOUR
        assert ada.get("/").status_code == 200
    clock.now += 1
    assert ada.get("/").status_code == 303


def test_times_of_sign_ins_can_be_set(settings: ConsoleSettings, clock: Clock) -> None:
    read = ConsoleSettings.from_env({"TASKYARD_SIGN_IN_HOURS": "2", "TASKYARD_SIGN_IN_IDLE_HOURS": "0.5"})
    settings = replace(settings, sign_in_hours=read.sign_in_hours, sign_in_idle_hours=read.sign_in_idle_hours)
    ada = Person(create_app(settings, wall=clock), "ada")
    cookie = ada.client.get_cookie("taskyard_session")
    assert cookie is not None
    assert cookie.expires is not None
    assert abs((cookie.expires - datetime.now(UTC)).total_seconds() - 2 * HOUR) < 60
    clock.now += HOUR / 2
    assert ada.get("/").status_code == 200
    clock.now += HOUR / 2 + 1
    assert ada.get("/").status_code == 303


def test_a_user_who_is_removed_is_out_at_once(person: Callable[..., Person], file: UsersFile) -> None:
    ada, otto = person("ada"), person("otto")
    file.change(lambda users: Users({n: a for n, a in users.accounts.items() if n != "ada"}, users.tokens))
    assert ada.get("/").status_code == 303
    assert ada.fragment("/").status_code == 401
    assert otto.get("/").status_code == 200


def test_another_password_ends_the_sign_ins_with_the_old_one(person: Callable[..., Person], file: UsersFile) -> None:
    ada = person("ada")
    changed = new_account("ada", Role.ADMIN)
    file.change(lambda users: Users({**users.accounts, "ada": changed}, users.tokens))
    assert ada.get("/").status_code == 303


def test_another_role_holds_with_the_next_click(person: Callable[..., Person], file: UsersFile) -> None:
    ada = person("ada")
    file.change(
        lambda users: Users({**users.accounts, "ada": replace(users.accounts["ada"], role=Role.VIEWER)}, users.tokens)
    )
    assert "viewer" in text_of(ada.text("/"))


def test_nobody_is_let_in_while_the_file_cannot_be_read(person: Callable[..., Person], file: UsersFile) -> None:
    ada = person("ada")
    file.path.write_text("{")
    assert ada.get("/").status_code == 303
    assert person().sign_in("ada").status_code == 401


def test_a_forged_cookie_is_nobodys(settings: ConsoleSettings, person: Callable[..., Person], clock: Clock) -> None:
    other = Person(create_app(replace(settings, secret_key="another"), wall=clock), "ada")
    cookie = other.client.get_cookie("taskyard_session")
    assert cookie is not None
    stranger = person()
    stranger.client.set_cookie("taskyard_session", cookie.value)
    assert stranger.get("/").status_code == 303


def test_consoles_with_the_same_key_know_each_others_sign_ins(
    settings: ConsoleSettings, person: Callable[..., Person], clock: Clock
) -> None:
    cookie = person("ada").client.get_cookie("taskyard_session")
    assert cookie is not None
    other = Person(create_app(settings, wall=clock))
    other.client.set_cookie("taskyard_session", cookie.value)
    assert other.get("/").status_code == 200


def test_cookie_is_for_this_console_alone(person: Callable[..., Person]) -> None:
    answer = person().sign_in("ada")
    cookie = next(line for line in answer.headers.getlist("Set-Cookie") if "taskyard_session" in line)
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie


def test_consoles_on_one_machine_sign_nobody_out(person: Callable[..., Person], settings: ConsoleSettings) -> None:
    """Browsers send the cookies of a name to all of its ports."""
    first, second = person(), Person(create_app(replace(settings, secret_key="another key")))
    second.client._cookies = first.client._cookies  # one browser
    first.sign_in("ada", HTTP_HOST="localhost:8080")
    second.sign_in("ada", HTTP_HOST="localhost:8081")
    assert first.get("/", Host="localhost:8080").status_code == 200


@pytest.mark.parametrize("host", ["localhost:", "localhost:port", "localhost:99999999", "[::1]"])
def test_no_host_makes_a_cookie_of_another_name(app: Flask, host: str) -> None:
    answer = app.test_client().get("/sign-in", headers={"Host": host})
    assert all(line.startswith("taskyard_session=") for line in answer.headers.getlist("Set-Cookie"))


def test_a_refresh_that_meets_its_end_is_answered_by_401_and_nothing_else(person: Callable[..., Person]) -> None:
    answer = person().fragment("/queues")
    assert (answer.status_code, answer.text) == (401, "")
    assert "Set-Cookie" not in answer.headers


def test_an_action_that_meets_its_end_says_so_where_it_was_pressed(person: Callable[..., Person], tasks: Tasks) -> None:
    (task_id,) = tasks.die()
    path = f"/queues/billing/tasks/{task_id}"
    answer = person().client.post(f"{path}/trash", data={"next": path}, headers=PARTIAL)
    assert answer.status_code == 401
    assert "You are signed out, so nothing was done." in answer.text
    answer = person().client.post(f"{path}/trash", data={"next": path})
    assert (answer.status_code, answer.location) == (303, f"/sign-in?next={path}&was=lost")
    assert "nothing was done" in person().client.get(answer.location).text
    assert person().client.post(f"{path}/trash", data={"next": "//evil"}).location == "/sign-in?next=/&was=lost"
    assert tasks.state(task_id) is State.DEAD


def test_a_page_that_is_open_gets_the_token_of_the_new_sign_in(person: Callable[..., Person], tasks: Tasks) -> None:
    (task_id,) = tasks.die()
    ada = person("ada")
    ada.client.post("/sign-out", data={"csrf_token": ada.token()})
    ada.sign_in("ada")
    token = ada.fragment("/").headers["Taskyard-Form-Token"]
    form = {"csrf_token": token, "action_id": "a", "next": "/"}
    assert ada.client.post(f"/queues/billing/tasks/{task_id}/trash", data=form).status_code == 303


def test_pages_in_several_tabs_that_ask_at_once_get_tokens_that_hold_together(person: Callable[..., Person]) -> None:
    ada = person("ada")
    cookie = ada.client.get_cookie("taskyard_session")
    assert cookie
    answers = []
    for _ in range(2):  # each with the cookie that the sign-in gave, before the other was answered
        ada.client.set_cookie("taskyard_session", cookie.value)
        answers.append(ada.fragment("/").headers["Taskyard-Form-Token"])
    for token in answers:
        form = {"csrf_token": token, "time": "utc", "next": "/"}
        assert ada.client.post("/preferences", data=form).status_code == 303


def test_whoever_is_signed_in_is_not_asked_again(person: Callable[..., Person]) -> None:
    assert person("ada").get("/sign-in").location == "/"


def test_without_users_there_is_nothing_to_sign_in_to(redis_url: str, namespace: str) -> None:
    client = create_app(ConsoleSettings(redis_url=redis_url, namespace=namespace)).test_client()
    assert client.get("/sign-in").location == "/"
    page = client.get("/workers").text
    assert "Sign out" not in page
    assert client.post("/sign-in", data={"csrf_token": field(page, "csrf_token")}).location == "/"


def test_where_everybody_is_let_in_users_are_not_asked(settings: ConsoleSettings) -> None:
    client = create_app(replace(settings, no_login=True)).test_client()
    assert client.get("/").status_code == 200


def test_health_is_for_everybody(person: Callable[..., Person]) -> None:
    assert person().get("/healthz").status_code == 200
    assert person().get("/static/app.css").status_code == 200


def test_wrong_sign_ins_stand_in_the_audit_without_what_was_typed(person: Callable[..., Person], tasks: Tasks) -> None:
    person().sign_in("ada", "wrong")
    person().sign_in("my password by mistake", "wrong")
    rows = tasks.inspector.audit().rows
    assert [(row.by, row.verb, row.target) for row in rows] == [
        ("127.0.0.1", "refuse", "sign in as somebody unknown"),
        ("127.0.0.1", "refuse", "sign in as ada"),
    ]


def test_strangers_cannot_fill_the_audit(
    person: Callable[..., Person], tasks: Tasks, clock: Clock, redis_url: str
) -> None:
    for number in range(25):
        person().sign_in("ada", "wrong", REMOTE_ADDR=f"192.0.2.{number}")
    assert len(tasks.inspector.audit().rows) == 10
    clock.now += HOUR
    with Redis.from_url(redis_url) as redis:
        redis.delete(*redis.keys("test:tries:*"))
    person().sign_in("ada", "wrong", REMOTE_ADDR="192.0.2.99")
    rows = tasks.inspector.audit().rows
    assert len(rows) == 11
    assert rows[0].reason == "wrong name or password; 15 others before it"
