"""One of everything that has a page, and the addresses of all pages and forms with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flask import Flask

from tests.console import Tasks
from tests.engine import Engine
from tests.workers import put_worker

READS = {"GET", "HEAD", "OPTIONS"}


@dataclass(frozen=True, slots=True)
class Place:
    """One route with its parameters filled in."""

    endpoint: str
    path: str
    arguments: frozenset[str]
    changes: bool

    @property
    def is_for_programs(self) -> bool:
        return self.path.startswith("/api/")


class Places:
    """Queues `billing` and `email`, a dead letter, its fault, a schedule, a worker and an operation."""

    def __init__(self, tasks: Tasks, engine: Engine) -> None:
        self.tasks = tasks
        now = tasks.inspector.server_ms()
        tasks.die("email", name="send")
        (self.dead, self.running) = tasks.die(count=2)
        tasks.yard.schedules.add("billing", "charge", every=3_600, queue="billing", by="ada", action_id="s")
        operations = tasks.yard.operations
        self.operation = operations.start(operations.preview("email", "requeue").bound, by="ada", action_id="a").id
        runs = {"queue": "billing", "task_id": self.running, "task_name": "charge", "started_at": now}
        put_worker(engine, "web-1:7", now, queues={"billing": 1}, running=[runs], busy=1, started_at=now)

    @property
    def values(self) -> dict[str, str]:
        """Of parameters of paths."""
        return {
            "name": "billing",  # a queue, and a schedule
            "schedule": "billing",
            "task_id": self.dead,
            "fingerprint": self.tasks.fingerprint(),
            "operation_id": self.operation,
            "form": "a",  # the operation's
            "action_id": "a",
            "worker_id": "web-1:7",
            "command": "quiet",
            "verb": "requeue",
            "filename": "app.css",
        }

    def every(self, app: Flask, **values: str) -> Iterator[Place]:
        """All routes but those of static files and of the servers' health. `values`: other ones than those here."""
        given = {**self.values, **values}
        adapter = app.url_map.bind("localhost")
        for rule in sorted(app.url_map.iter_rules(), key=lambda rule: (rule.rule, sorted(rule.methods or ()))):
            methods = rule.methods or set()
            if rule.endpoint == "static" or rule.endpoint.startswith(("health.", "metrics.")):
                continue
            arguments = {name: given[name] for name in rule.arguments}
            changes = bool(methods - READS)
            path = adapter.build(rule.endpoint, arguments, method="POST" if changes else "GET")
            yield Place(rule.endpoint, path, frozenset(arguments), changes)


def changing_endpoints(app: Flask) -> set[str]:
    """Those that take forms: what programs may change is another matter."""
    return {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if (rule.methods or set()) - READS and not rule.rule.startswith("/api/")
    }
