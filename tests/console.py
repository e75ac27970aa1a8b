"""The console under test: tasks that went where a test wants them, and a browser without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import unescape
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from queue_core import Task, Taskyard
from queue_core.snapshot import AuditEntry, State

PARTIAL = {"HX-Request-Type": "partial", "HX-Request": "true"}


class Tasks:
    """Puts real tasks into each state."""

    def __init__(self, url: str, namespace: str) -> None:
        self._url, self._namespace = url, namespace
        self._yards: list[Taskyard] = []
        self._known: dict[tuple[str, str], Task[..., Any]] = {}
        self.yard = self._new_yard()
        self.inspector = self.yard.inspector
        self.control = self.yard.control

    def enqueue(self, queue: str = "billing", count: int = 1, *, name: str = "charge", **options: Any) -> list[str]:
        task = self._task(queue, name)
        sent = task.options(**options) if options else task
        return [sent.enqueue(order=number).id for number in range(count)]

    def die(
        self,
        queue: str = "billing",
        count: int = 1,
        *,
        name: str = "charge",
        error: Exception | str = "payments.internal refused the connection",
    ) -> list[str]:
        """Dead letters of one fault, all tasks of the queue that were ready before among them."""
        self.enqueue(queue, count, name=name, max_retries=0)
        dead: list[str] = []
        while len(dead) < count:
            with self.yard.queue(queue).claim(limit=200) as leases:
                assert leases
                for lease in leases:
                    lease.fail(error if isinstance(error, Exception) else ConnectionError(error))
                    dead.append(lease.id)
        return dead

    def retry_later(self, queue: str = "billing") -> str:
        (task_id,) = self.enqueue(queue)
        with self.yard.queue(queue).claim(limit=1) as leases:
            for lease in leases:
                lease.fail(ConnectionError("refused"))
        return task_id

    def state(self, task_id: str, queue: str = "billing") -> State:
        return self.inspector.task(queue, task_id).state

    def died_at(self, task_id: str, queue: str = "billing") -> int:
        at = self.inspector.task(queue, task_id).at
        assert at is not None
        return at

    def fingerprint(self, queue: str = "billing") -> str:
        return self.inspector.faults(queue)[0].fingerprint

    def letters(self, ids: Sequence[str], queue: str = "billing") -> list[str]:
        return [f"{queue}/{task_id}/{self.died_at(task_id, queue)}" for task_id in ids]

    def audited(self) -> list[AuditEntry]:
        """What people did, newest first; but for coming and going."""
        return [row for row in self.inspector.audit().rows if row.verb not in ("sign_in", "sign_out")]

    def close(self) -> None:
        for yard in self._yards:
            yard.close()

    def _new_yard(self) -> Taskyard:
        self._yards.append(Taskyard(self._url, namespace=self._namespace, version="1.9.0"))
        return self._yards[-1]

    def _task(self, queue: str, name: str) -> Task[..., Any]:
        """A name belongs to one queue of a yard; here it may stand in several."""
        if (queue, name) not in self._known:

            def handler(order: int) -> None: ...

            self._known[queue, name] = self._new_yard().task(name=name, queue=queue)(handler)
        return self._known[queue, name]


class Visitor:
    """One browser without JavaScript: keeps cookies, takes the token and the action id from the page it is on."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(path, headers=headers)

    def text(self, path: str) -> str:
        response = self.get(path)
        assert response.status_code == 200, response.text
        return response.text

    def fragment(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(path, headers={**PARTIAL, **headers})

    def token(self) -> str:
        return field(self.client.get("/workers").text, "csrf_token")

    def post(
        self, path: str, data: dict[str, Any] | None = None, *, headers: dict[str, str] | None = None, **given: str
    ) -> TestResponse:
        """A form with everything that a real one has; `given` replaces its own fields."""
        page = self.client.get("/workers").text
        fields = {
            "csrf_token": field(page, "csrf_token"),
            "action_id": field(page, "action_id"),
            "next": "/workers",
            **(data or {}),
            **given,
        }
        return self.client.post(path, data=fields, headers=headers or {})

    def said(self) -> str:
        """The toasts of the next page, as a reader sees them."""
        return toasts_of(self.client.get("/workers").text)


def field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, f"no field {name} in the page"
    return unescape(found[1])


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def toasts_of(page: str) -> str:
    toasts = re.findall(r'<div class="toast".*?</p>', page.partition('<form id="act"')[0], re.S)
    return " ".join(text_of(toast) for toast in toasts)
