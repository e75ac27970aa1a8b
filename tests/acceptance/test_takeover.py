"""Bulk work goes on when the console that runs it dies: real processes, killed."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from redis import Redis

from queue_core.keys import QueueKeys
from queue_core.snapshot import Operation
from tests.acceptance.harness import Console, wait_until
from tests.console import Tasks

LETTERS = 400


class Gunicorn(Console):
    """The application under a server of somebody's own, which loads it before it forks."""

    def _command(self) -> list[str]:
        options = [
            "--no-control-socket",
            "--preload",
            "--workers",
            "1",
            "--worker-class",
            "gthread",
            "--bind",
            f"127.0.0.1:{self.port}",
        ]
        return [sys.executable, "-m", "gunicorn", *options, "dashboard.wsgi:app"]


@pytest.fixture
def tasks(redis_url: str, namespace: str) -> Iterator[Tasks]:
    made = Tasks(redis_url, namespace)
    yield made
    made.close()


def test_another_console_goes_on_with_what_a_killed_one_left(
    redis_url: str, redis_client: Redis, namespace: str, tasks: Tasks
) -> None:
    ids = tasks.die(count=LETTERS)
    operations = tasks.yard.operations
    bound = operations.preview("billing", "requeue").bound
    began = operations.start(bound, by="ada", action_id="form", drip=200)

    def now() -> Operation:
        return tasks.inspector.operation(began.id, "billing")

    first = Gunicorn(redis_url, namespace, TASKYARD_NO_LOGIN="1")
    wait_until(lambda: now().done > 0)
    first.kill()
    left = now()
    assert not left.has_ended
    second = Console(redis_url, namespace)
    try:
        # Nobody takes over while the runner may still be alive: 15 s pass here in a moment.
        assert now().done == left.done
        key = QueueKeys(namespace, "billing").operation(began.id)
        runner = redis_client.hget(key, "runner")
        redis_client.hset(key, "heard", int(redis_client.hget(key, "heard") or 0) - 16_000)
        wait_until(lambda: now().has_ended)
        assert redis_client.hget(key, "runner") != runner
        assert (now().done, now().skipped) == (LETTERS, {})
        histories = [tasks.inspector.task("billing", task_id).history for task_id in ids[:: LETTERS // 20]]
        assert [[entry.kind for entry in history] for history in histories] == [["failed", "requeued"]] * 20
    finally:
        second.stop()
