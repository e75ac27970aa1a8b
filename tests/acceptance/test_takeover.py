"""Bulk work goes on when the console that runs it dies: real processes, killed."""

from __future__ import annotations

import sys

import pytest
from playwright.sync_api import Page, expect
from redis import Redis

from queue_core.keys import QueueKeys
from queue_core.snapshot import Operation
from tests.acceptance.harness import Console, wait_until
from tests.conftest import PageFaults
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


@pytest.mark.browser
def test_another_console_goes_on_with_what_a_killed_one_left_and_an_open_page_sees_but_a_band(
    redis_url: str, redis_client: Redis, namespace: str, tasks: Tasks, page: Page, page_faults: PageFaults
) -> None:
    page_faults.allow("ERR_CONNECTION_|ERR_EMPTY_RESPONSE|Failed to fetch")
    ids = tasks.die(count=LETTERS)
    operations = tasks.yard.operations
    bound = operations.preview("billing", "requeue").bound
    began = operations.start(bound, by="ada", action_id="form", drip=200)
    operations.pause(began.id, "billing", by="ada", action_id="p")

    def now() -> Operation:
        return tasks.inspector.operation(began.id, "billing")

    first = Gunicorn(redis_url, namespace, TASKYARD_NO_LOGIN="1")
    page.goto(f"{first.url}/activity/{began.id}")
    opened = page.url
    operations.resume(began.id, "billing", by="ada", action_id="r")
    wait_until(lambda: now().done > 0)
    first.kill()
    left = now()
    assert not left.has_ended
    expect(page.locator("#band-console")).to_be_visible()
    expect(page.get_by_role("heading", name=f"Retry {LETTERS} dead letters")).to_be_visible()
    second = Console(redis_url, namespace, port=first.port)
    try:
        # Nobody takes over while the runner may still be alive: 15 s pass here in a moment.
        assert now().done == left.done
        key = QueueKeys(namespace, "billing").operation(began.id)
        runner = redis_client.hget(key, "runner")
        redis_client.hset(key, "heard", int(redis_client.hget(key, "heard") or 0) - 16_000)
        wait_until(lambda: now().has_ended)
        assert redis_client.hget(key, "runner") != runner
        assert (now().done, now().skipped) == (LETTERS, {})
        expect(page.get_by_role("heading", name=f"Done Retry {LETTERS} dead letters")).to_be_visible(timeout=10_000)
        expect(page.locator("#band-console")).to_be_hidden()
        assert page.url == opened
        histories = [tasks.inspector.task("billing", task_id).history for task_id in ids[:: LETTERS // 20]]
        assert [[entry.kind for entry in history] for history in histories] == [["failed", "requeued"]] * 20
        page.close()  # else it asks the console while that ends
    finally:
        second.stop()
