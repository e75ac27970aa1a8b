"""Programs that use the console under test, each by the token of its role."""

from __future__ import annotations

from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from dashboard.identity import Role
from tests.people import TOKENS
from tests.places import Place, Places

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

    def send(self, place: Place, body: Any, role: Role = Role.ADMIN) -> TestResponse:
        """To one route of the API, by an admin."""
        headers = {"Authorization": f"Bearer {TOKENS[role]}"}
        return self._client.post(place.path, headers=headers, json=body)

    def bodies(self, places: Places) -> dict[str, dict[str, Any]]:
        """Of each act that needs one: what does something to what there is."""
        dead = places.dead
        letter = {"id": dead, "died_at": self._died_at(places)}
        edit: dict[str, Any] = {"died_at": letter["died_at"], "priority": 3}
        path = f"/queues/billing/tasks/{dead}/edit/preview"
        return {
            **{f"tasks_{verb}": {"ids": [dead]} for verb in ("trash", "restore", "promote", "cancel", "delete")},
            "tasks_requeue": {"letters": [letter]},
            "tasks_move": {"ids": [dead], "to_queue": "images"},
            "edits_edit_preview": edit,
            "edits_edit": {**edit, "selection": self._selection(self.do(path, role=Role.ADMIN, **edit))},
            "queues_limit": {"max_length": 5, "claim_rate": {"tasks": 5, "seconds": 60}},
            "failed_mute": {"attempts": 5},
            "failed_note": {"text": "see #4411"},
            **{f"schedules_{verb}": {"task": "send", "every_seconds": 60} for verb in ("add", "check")},
            "schedules_change": {"missed": "all"},
            "operations_start": {"selection": self._selection(self.ask("/queues/billing/preview", Role.ADMIN))},
            "together_together_start": {"selection": self._selection(self.ask("/preview", Role.ADMIN))},
            **{f"workers_{verb}": {"workers": ["web-1:7"]} for verb in ("quiet", "resume", "stop")},
        }

    def _died_at(self, places: Places) -> str:
        found = self.ask(f"/queues/billing/tasks/{places.dead}").get_json()
        return str(found.get("at") or "2026-01-01T00:00:00Z")

    @staticmethod
    def _selection(answer: TestResponse) -> str:
        return str(answer.get_json().get("selection") or "none")
