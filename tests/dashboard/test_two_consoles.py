"""A browser that is answered by several processes in turn never sees what was before its own last action."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from dashboard import ConsoleSettings, create_app
from dashboard.viewer import SEEN_COOKIE
from tests.console import Tasks, Visitor, text_of


@pytest.fixture
def consoles(settings: ConsoleSettings, tasks: Tasks) -> tuple[Visitor, Visitor]:
    """Both have just looked, and would show that for a second."""
    tasks.die(count=3)
    tasks.enqueue("email", 2, name="send")
    shared = replace(settings, secret_key="k" * 32)
    found = Visitor(create_app(shared).test_client()), Visitor(create_app(shared).test_client())
    for console in found:
        assert "3 dead" in text_of(console.text("/"))
    return found


def purge_all(console: Visitor, tasks: Tasks) -> None:
    letters = tasks.letters([row.id for row in tasks.inspector.letters("billing").rows])
    assert console.post("/dead/purge", {"letter": letters, "next": "/"}).status_code == 303


def pause(console: Visitor, tasks: Tasks) -> None:
    assert console.post("/queues/email/pause", reason="maintenance").status_code == 303


def pause_task(console: Visitor, tasks: Tasks) -> None:
    assert console.post("/queues/email/pause", reason="maintenance", task="send").status_code == 303


def limit(console: Visitor, tasks: Tasks) -> None:
    assert console.post("/queues/billing/limits", reason="noise", shown_dead_warning="10000", dead_warning="1").location


@pytest.mark.parametrize(
    ("act", "before", "after"),
    [
        (purge_all, "3 dead", ""),
        (pause, "", "email · by console, “maintenance” · 2 ready"),
        (pause_task, "", "send · email · by console, “maintenance”"),
        (limit, "", "billing · 3 dead letters, warned of beyond 1"),
    ],
    ids=["purge", "pause", "pause a task name", "limit"],
)
@pytest.mark.parametrize("asks", ["page", "refresh"])
def test_no_process_shows_what_was_before_the_readers_own_action(
    act: Callable[[Visitor, Tasks], None],
    before: str,
    after: str,
    asks: str,
    consoles: tuple[Visitor, Visitor],
    tasks: Tasks,
) -> None:
    first, second = consoles
    act(first, tasks)
    seen = first.client.get_cookie(SEEN_COOKIE)
    assert seen
    second.client.set_cookie(SEEN_COOKIE, seen.value)
    answer = second.get("/") if asks == "page" else second.fragment("/")
    told = text_of(answer.text)
    assert after in told
    assert not before or before not in told
