"""Pages of faults are made of the shared snapshot; what it has not is read once for it, however many look."""

from __future__ import annotations

import re
from typing import Any

import pytest
from redis import Redis

from dashboard import live
from queue_core.inspector.overview import SNAPSHOT_FAULTS
from tests.console import Tasks, Visitor

MANY = SNAPSHOT_FAULTS + 5


def commands(server: Redis) -> int:
    stats: Any = server.info("stats")
    return int(stats["total_commands_processed"])


def shown(page: str) -> int:
    return len(re.findall(r'<tr id="fault-', page))


def die_of(tasks: Tasks, faults: int, queue: str = "billing") -> None:
    for number in range(faults):
        kind = type(f"Error{chr(97 + number // 26)}{chr(97 + number % 26)}", (Exception,), {})
        tasks.die(queue, error=kind("refused"))


@pytest.mark.parametrize("faults", [3, MANY])
def test_faults_cost_the_server_nothing_more_while_a_snapshot_is_shared(
    visitor: Visitor, tasks: Tasks, redis_client: Redis, monkeypatch: pytest.MonkeyPatch, faults: int
) -> None:
    monkeypatch.setattr(live, "INTERVAL_SECONDS", 60.0)
    die_of(tasks, faults)
    first = visitor.text("/dead?page=1")
    before = commands(redis_client)
    others = [visitor.text(f"/dead?{query}") for query in ("page=2", "queue=billing", "q=refused", "sort=fault")]
    assert commands(redis_client) - before == 1  # the one that asked before
    rest = faults - 50 if faults > 50 else faults
    assert [shown(page) for page in (first, *others)] == [min(faults, 50), rest, *[min(faults, 50)] * 3]


def test_an_own_action_is_seen_at_once(visitor: Visitor, tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "INTERVAL_SECONDS", 60.0)
    die_of(tasks, MANY - 1)
    newest = tasks.die(error=KeyError("total"))
    before = visitor.text("/dead?class=KeyError")
    visitor.post("/dead/requeue", {"letter": tasks.letters(newest)})
    after = visitor.text("/dead?class=KeyError")
    dead = [re.search(r'data-label="dead">(?:<span[^>]*>)?(\d+)', page) for page in (before, after)]
    assert [found and found[1] for found in dead] == ["1", "0"]
