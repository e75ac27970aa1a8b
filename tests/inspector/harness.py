"""What tests of reading share: tasks in every place, walks over pages, what the server and the client had to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from queue_core.client import Client
from queue_core.snapshot import Fault, Page, State
from tests.engine import Engine

PLACES = {
    "held": State.HELD,
    "dead": State.DEAD,
    "retrying": State.RETRYING,
    "scheduled": State.SCHEDULED,
    "prioritized": State.READY,
    "ready": State.READY,
}


def seed_everywhere(engine: Engine) -> dict[str, str]:
    """Place → the task that is there."""
    tasks = {"trashed": engine.seed("trashed")}
    tasks |= {place: engine.seed(place) for place in ("held", "dead", "retrying", "scheduled")}
    tasks["running"] = engine.lease().id
    tasks |= {place: engine.seed(place) for place in ("prioritized", "ready")}
    return tasks


def in_short(*faults: Fault) -> tuple[Fault, ...]:
    """As a list has them: without what is read of one alone, or for the overview."""
    return tuple(replace(fault, recent=None, notes=None, next_retry_at=None) for fault in faults)


def ids_of(page: Page) -> list[str]:
    return [row.id for row in page.rows]


def walk(read: Callable[[str | None], Page]) -> list[list[str]]:
    """All pages from the first to the last, and back again to see that they are the same."""
    page = read(None)
    pages = [ids_of(page)]
    while page.older:
        page = read(page.older)
        pages.append(ids_of(page))
    back = [ids_of(page)]
    while page.newer:
        page = read(page.newer)
        back.insert(0, ids_of(page))
    assert back == pages
    return pages


def commands_of(engine: Engine, act: Callable[[], object]) -> dict[str, int]:
    """How often the server ran each command meanwhile, those inside of scripts included."""
    engine.redis.config_resetstat()
    act()
    stats = engine.redis.info("commandstats")
    calls = {name.removeprefix("cmdstat_"): stat["calls"] for name, stat in stats.items()}
    return {name: count for name, count in calls.items() if not name.startswith("config")}


def round_trips_of(engine: Engine, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> int:
    """How often the client wrote and waited."""
    count = 0
    original = Client.read

    def read(client: Client, *commands: Any) -> list[Any]:
        nonlocal count
        count += 1
        return original(client, *commands)

    with monkeypatch.context() as patched:
        patched.setattr(Client, "read", read)
        act()
    return count
