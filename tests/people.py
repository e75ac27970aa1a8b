"""Who uses the console under test: a users file whose passwords cost little, and browsers that sign in."""

from __future__ import annotations

from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from dashboard.identity import Role
from dashboard.passwords import Cost, hash_password
from dashboard.users import Account, Token, Users, UsersFile, hash_token
from tests.console import Visitor, field

PASSWORD = "correct horse battery"
CHEAP = Cost(n=16, r=1, p=1)
NAMES = {"vi": Role.VIEWER, "otto": Role.OPERATOR, "ada": Role.ADMIN}
TOKENS = {role: f"taskyard_{role.word}" for role in Role}


def write_users(path: Path) -> UsersFile:
    """One person and one token of each role; a token is named after its role."""
    file = UsersFile(path)
    accounts = {name: new_account(name, role) for name, role in NAMES.items()}
    tokens = {role.word: Token(role.word, role, hash_token(text), 0) for role, text in TOKENS.items()}
    file.change(lambda users: Users(accounts, tokens))
    return file


def new_account(name: str, role: Role, password: str = PASSWORD) -> Account:
    return Account(name, role, hash_password(password, CHEAP), 0)


class Person(Visitor):
    """A browser. `prefix`: below which the console is reached; `https`: through a proxy that speaks TLS."""

    def __init__(self, app: Flask, name: str = "", *, prefix: str = "", https: bool = False) -> None:
        super().__init__(app.test_client())
        self.prefix = prefix
        if https:
            self.client.environ_base |= {"HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_FOR": "203.0.113.9"}
        if name:
            assert self.sign_in(name).status_code == 303

    def sign_in(self, name: str, password: str = PASSWORD, *, next: str = "/", **environ: str) -> TestResponse:
        return try_to_sign_in(self.client, name, password, next=next, prefix=self.prefix, **environ)


def try_to_sign_in(
    client: FlaskClient, name: str, password: str, *, next: str = "/", prefix: str = "", **environ: str
) -> TestResponse:
    page = client.get(f"{prefix}/sign-in", environ_overrides=environ)
    form = {"csrf_token": field(page.text, "csrf_token"), "name": name, "password": password, "next": next}
    return client.post(f"{prefix}/sign-in", data=form, environ_overrides=environ)
