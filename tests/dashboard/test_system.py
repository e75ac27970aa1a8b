"""The system: each panel fails alone, counts in the background, and shows no secret."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from redis import Redis

from dashboard import ConsoleSettings, create_app
from dashboard.memory import HOURS, MINUTE_MS, Memory, forecast
from dashboard.parts import Parts
from queue_core.errors import ServerRefused
from queue_core.inspector import Inspector
from tests.console import Tasks, Visitor, text_of
from tests.people import Person, write_users

NOW = 1_763_770_000_000
MIB = 1024 * 1024


def section(page: str, name: str) -> str:
    return text_of(page.partition(f'<section id="{name}"')[2].partition("</section>")[0].partition(">")[2])


def counted(app: Flask) -> Memory:
    parts = app.extensions["taskyard"]
    assert isinstance(parts, Parts)
    parts.memory.wait()
    return parts.memory


@pytest.fixture
def limited(redis_url: str, namespace: str, tasks: Tasks) -> Iterator[ConsoleSettings]:
    """A user of the server who may do everything but ask how it is."""
    with Redis.from_url(redis_url) as client:
        client.execute_command(
            "ACL", "SETUSER", "limited", "on", ">hunter2", "~*", "&*", "+@all", "-info", "-slowlog", "-memory"
        )
        scheme, _, rest = redis_url.partition("://")
        yield ConsoleSettings(redis_url=f"{scheme}://limited:hunter2@{rest}", namespace=namespace)
        client.execute_command("ACL", "DELUSER", "limited")


def test_page_says_what_the_server_is_and_how_safe_the_tasks_are_there(visitor: Visitor, tasks: Tasks) -> None:
    said = section(visitor.text("/system"), "server")
    for words in ("Valkey", "standalone", "noeviction", "Append-only file on", "no limit set", "No forecast yet"):
        assert words in said, words


def test_memory_by_queue_is_counted_in_the_background_and_says_how_old_it_is(
    visitor: Visitor, tasks: Tasks, app: Flask
) -> None:
    tasks.enqueue("billing", 50)
    tasks.enqueue("email", 1)
    counted_at_first = section(visitor.text("/system"), "shares")
    assert "Counting…" in counted_at_first or "counted" in counted_at_first
    counted(app)
    said = section(visitor.text("/system"), "shares")
    assert said.index("billing") < said.index("email")
    assert "counted now" in said or "ago" in said


def test_counting_is_kept_for_a_minute_and_a_failure_is_told(app: Flask) -> None:
    class Counting:
        times = 0

        def memory(self, queues: tuple[str, ...]) -> dict[str, int]:
            self.times += 1
            if self.times == 2:
                raise ServerRefused("it may not")
            return dict.fromkeys(queues, 7)

    clock = [100.0]
    counting = Counting()
    memory = Memory(counting, clock=lambda: clock[0])  # type: ignore[arg-type]  # what of an Inspector it uses
    assert memory.shares(["a"], NOW).is_counting
    memory.wait()
    assert memory.shares(["a"], NOW + 1).queues == {"a": 7}
    assert memory.shares(["a"], NOW + 1).counted_at == NOW
    assert counting.times == 1
    clock[0] += 60
    memory.shares(["a"], NOW)
    memory.wait()
    assert memory.shares(["a"], NOW).error == "it may not"


@pytest.mark.parametrize(
    ("sizes", "limit", "full_in_hours"),
    [
        ([100 + minute for minute in range(60)], 459, 5),  # a byte a minute, 300 to go
        ([159 - minute for minute in range(60)], 400, None),
        ([100] * 60, 400, None),
        ([100 + minute for minute in range(60)], 0, None),
        ([100 + minute for minute in range(60)], 100, 0),
        ([100 + minute / 1_000_000 for minute in range(60)], 10**9, None),
    ],
)
def test_when_the_server_is_full_is_told_by_a_line_through_the_last_hours(
    sizes: list[int], limit: int, full_in_hours: float | None
) -> None:
    samples = [(NOW + minute * MINUTE_MS, size) for minute, size in enumerate(sizes)]
    found = forecast(samples, limit, sizes[-1], samples[-1][0])
    assert found.samples == 60
    assert (found.full_in_ms is None) == (full_in_hours is None)
    if full_in_hours is not None and found.full_in_ms is not None:
        assert found.full_in_ms == pytest.approx(full_in_hours * 3_600_000, abs=10)


def test_there_is_no_forecast_of_few_minutes_nor_of_long_ago() -> None:
    few = [(NOW + minute * MINUTE_MS, 100 + minute) for minute in range(8)]
    assert forecast(few, 1_000, 100, NOW).per_hour is None
    old = [(NOW - (HOURS + 2) * 60 * MINUTE_MS + minute * MINUTE_MS, minute) for minute in range(60)]
    assert forecast(old, 1_000, 100, NOW).per_hour is None


def test_without_the_right_to_ask_each_panel_says_so_and_the_others_are_shown(
    limited: ConsoleSettings, tasks: Tasks
) -> None:
    tasks.enqueue()
    app = create_app(limited)
    app.testing = True
    visitor = Visitor(app.test_client())
    visitor.text("/system")
    counted(app)
    page = visitor.text("/system")
    assert "may not ask for INFO" in section(page, "server")
    assert "ACL SETUSER <user> +slowlog|get" in section(page, "slow")
    assert "It cannot be counted" in section(page, "shares")
    assert "Taskyard" in section(page, "console")
    assert "hunter2" not in page


def test_users_are_shown_to_admins_with_their_roles_and_without_their_secrets(
    redis_url: str, namespace: str, tmp_path: Path
) -> None:
    file = write_users(tmp_path / "users.json")
    app = create_app(
        ConsoleSettings(redis_url=redis_url, namespace=namespace, users_file=str(file.path), secret_key="k" * 32)
    )
    app.testing = True
    page = Person(app, "ada").text("/system")
    said = section(page, "members")
    for words in ("ada admin", "otto operator", "vi viewer", "viewer token viewer"):
        assert words in said, words
    assert "scrypt" not in page
    assert "k" * 32 not in page
    assert "Admins see who may sign in." in section(Person(app, "otto").text("/system"), "members")


def test_slow_log_shows_no_payload(visitor: Visitor, tasks: Tasks, redis_client: Redis, app: Flask) -> None:
    tasks.enqueue()
    visitor.text("/system")
    counted(app)
    redis_client.config_set("slowlog-log-slower-than", 0)
    try:
        tasks.enqueue(unique_key="hunter2")
        said = section(visitor.text("/system"), "slow")
    finally:
        redis_client.config_set("slowlog-log-slower-than", 10_000)
        redis_client.slowlog_reset()
    assert "enqueue test:{billing}:control" in said
    assert "hunter2" not in said


def test_system_is_in_the_menu_and_under_more(visitor: Visitor, tasks: Tasks) -> None:
    page = visitor.text("/system")
    assert page.count('href="/system"') == 2
    assert isinstance(tasks.inspector, Inspector)
