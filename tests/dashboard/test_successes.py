"""Since when nothing of a task has completed any more: what is said, of what, and what it costs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from redis import Redis

from dashboard import live, trends
from dashboard.successes import NewestAttempts, Standstill, nothing_since
from queue_core import protocol
from queue_core.protocol import Session
from queue_core.snapshot import AttemptsMinute, Fault, Figures, NameAttempts
from tests.console import Tasks, Visitor
from tests.dashboard.test_known_faults import commands

MINUTE_MS = 60_000
NOW = 1_700_000_040_000
FAULT = Fault("billing", "abc", "charge", "KeyError", "total", "", 0, NOW - 4_000, 5, 3, 0)


def failing(failed: int, *, success: int | None = None) -> NameAttempts:
    """In this minute and ten minutes ago; `success`: how many seconds ago."""
    minutes = (AttemptsMinute(NOW, 0, failed), AttemptsMinute(NOW - 10 * MINUTE_MS, 1, 0))
    return NameAttempts(minutes, None if success is None else NOW - success * 1_000)


@pytest.mark.parametrize(
    ("attempts", "since"),
    [
        (failing(3, success=61), NOW - 61_000),
        (failing(3), NOW - 10 * MINUTE_MS),  # as long as anything is known of it
        (failing(3, success=59), None),
        (failing(2, success=61), None),
        (None, None),
    ],
)
def test_it_is_said_where_some_failed_and_none_completed_for_a_minute(
    attempts: NameAttempts | None, since: int | None
) -> None:
    known = {("billing", "charge"): attempts} if attempts else {}
    found = nothing_since([FAULT], known, NOW)
    assert (found.at if found else None) == since
    if found and attempts:
        assert found.is_first_counted is (attempts.last_completed_at is None)


def test_of_several_queues_it_is_said_where_it_is_so_in_all() -> None:
    faults = [FAULT, replace(FAULT, queue="images")]
    one = failing(3, success=200)
    assert nothing_since(faults, {("billing", "charge"): one}, NOW) is None
    assert nothing_since(faults, dict.fromkeys((("billing", "charge"), ("images", "charge")), one), NOW)
    both = {("billing", "charge"): one, ("images", "charge"): failing(3, success=100)}
    assert nothing_since(faults, both, NOW) == Standstill(NOW - 100_000, is_first_counted=False)
    assert nothing_since([], {}, NOW) is None


def test_it_is_read_once_for_a_snapshot_however_many_look(
    visitor: Visitor, tasks: Tasks, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "INTERVAL_SECONDS", 60.0)
    monkeypatch.setattr(trends, "INTERVAL_SECONDS", 60.0)
    tasks.die(count=3)
    visitor.text("/")
    before = commands(redis_client)
    for _ in range(3):
        visitor.text("/")
    assert commands(redis_client) - before == 1  # the question itself


def test_of_a_queue_that_has_not_changed_it_is_not_read_again(tasks: Tasks, redis_client: Redis) -> None:
    newest = NewestAttempts(tasks.inspector)
    tasks.die(count=3)
    tell = protocol.measure(tasks.yard.client.queue("billing"), {"charge": Figures(failed=3)}, {})
    tasks.yard.client.run(tell, Session("web-1"))
    found, before = newest.of(taken := tasks.inspector.snapshot()), commands(redis_client)
    assert list(found) == [("billing", "charge")]
    assert newest.of(taken) == found
    assert commands(redis_client) - before == 1  # the question itself
    tasks.yard.client.run(tell, Session("web-2"))
    again = newest.of(tasks.inspector.snapshot())
    assert again["billing", "charge"].failed_since_last_completed() == 6
