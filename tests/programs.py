"""Programs that use the console under test, each by the token of its role."""

from __future__ import annotations

from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from dashboard.identity import Role
from tests.people import TOKENS

PREFIX = "/api/v1"


class Program:
    def __init__(self, app: Flask) -> None:
        self._client = app.test_client()

    def do(self, path: str, key: str = "", role: Role = Role.OPERATOR, **body: Any) -> TestResponse:
        """A change; `body` as JSON."""
        headers = {"Authorization": f"Bearer {TOKENS[role]}"} | ({"Idempotency-Key": key} if key else {})
        return self._client.post(f"{PREFIX}{path}", headers=headers, json=body)

    def ask(self, path: str, role: Role = Role.OPERATOR, **query: Any) -> TestResponse:
        return self._client.get(
            f"{PREFIX}{path}", headers={"Authorization": f"Bearer {TOKENS[role]}"}, query_string=query
        )

    def look(self, path: str, **query: Any) -> Any:
        answer = self.ask(path, **query)
        assert answer.status_code == 200, answer.text
        return answer.get_json()
