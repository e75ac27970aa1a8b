"""A console as it is started, with a port of its own for Prometheus: what is open there, and what is not anywhere."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.harness import Console, free_port
from tests.people import write_users


class WithMetrics(Console):
    def start(self) -> None:
        self.metrics_port = free_port()
        super().start()

    def _command(self) -> list[str]:
        return [*super()._command(), "--metrics-port", str(self.metrics_port)]


@pytest.fixture
def console(redis_url: str, namespace: str, tmp_path: Path) -> Iterator[WithMetrics]:
    file = write_users(tmp_path / "users.json")
    running = WithMetrics(redis_url, namespace, TASKYARD_USERS_FILE=str(file.path))
    yield running
    running.stop()


def status(port: int, path: str, **headers: str) -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def test_metrics_are_open_at_their_own_port_alone(console: WithMetrics) -> None:
    own = console.metrics_port
    assert [status(own, path) for path in ("/metrics", "/readyz", "/healthz")] == [200, 200, 200]
    assert [status(own, path) for path in ("/", "/api/v1/stats", "/sign-in")] == [404, 404, 404]
    assert status(console.port, "/metrics") == 401
    assert status(console.port, "/metrics", Host=f"127.0.0.1:{own}") == 401
