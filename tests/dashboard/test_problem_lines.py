"""Each line of "what is wrong" says since when, and leads to where it is solved: many at once, on a real server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from html import unescape
from typing import Any, NamedTuple

import pytest
from redis import Redis

from dashboard import ConsoleSettings
from dashboard.problem import TITLES, Kind
from tests.console import Tasks, Visitor, text_of
from tests.dashboard.test_causes import Later
from tests.engine import Engine
from tests.workers import put_worker

MINUTE = 60_000
AFTER = 20 * MINUTE


class Line(NamedTuple):
    text: str
    since_ms: int | None
    href: str


def lines_of(page: str) -> dict[str, Line]:
    found = {}
    for item in page.partition('id="queues"')[0].split('<li id="problem-')[1:]:
        html = item.partition("</li>")[0]
        at = re.search(r'class="problem-since">.*?datetime="([^"]*)"', html, re.S)
        href = re.search(r'row-link" href="([^"]*)"', html)
        since = int(datetime.fromisoformat(at[1]).timestamp() * 1000) if at else None
        text = text_of(html.partition(">")[2])
        name = text.partition(" · ")[0] if text.startswith("Paused") else re.match(r"[A-Z]\w+ \w+|\w+", text)[0]  # type: ignore[index]
        found[name] = Line(text, since, unescape(href[1]) if href else "")
    return found


@pytest.fixture
def later(settings: ConsoleSettings) -> Iterator[Later]:
    console = Later(settings)
    yield console
    console.close()


def hold(tasks: Tasks, queue: str, lane: str, by: str) -> None:
    tasks.enqueue(queue, 2, name=lane.partition(":")[2])
    tasks.control.close_lane(queue, lane, by=by, reason="bad release", action_id=lane)
    with tasks.yard.queue(queue).claim(limit=2) as leases:
        assert not list(leases)


def test_worst_seven_say_since_when_and_lead_where_they_are_solved_and_the_others_are_counted(
    tasks: Tasks, later: Later, redis_client: Redis, namespace: str, redis_url: str
) -> None:
    began = tasks.inspector.server_ms()
    tasks.die("billing", 3)
    tasks.control.limit("billing", dead_warning=1, by="ada", action_id="w")
    for number in range(3):
        tasks.enqueue(f"tenant-{number}", 4, name="send")
    tasks.yard.schedules.add("hourly", "report", queue="reports", every=60, by="ada", action_id="s")
    due = tasks.inspector.schedule("hourly").next_at[0]
    hold(tasks, "images", "unknown:resize", "web-1")
    hold(tasks, "orders", "name:ship", "bo")
    with closing(Engine(redis_url, namespace)) as engine:
        put_worker(engine, "web-9:1", began, queues={"idle": 1})
    tasks.enqueue("books", delay=86_400)
    redis_client.hincrby(f"{namespace}:{{books}}:stats", "enqueued", 1)
    redis_client.config_set("maxmemory-policy", "allkeys-lru")
    tasks.enqueue("exports", delay=86_400)
    tasks.control.pause("exports", by="bo", reason="partner maintenance", action_id="p")
    page = later.page(AFTER, looks=3)
    found = lines_of(page)
    fault, first_look = tasks.fingerprint("billing"), began + AFTER
    expected = {
        "New fault": ("charge · billing · 3 failed attempts, 3 dead", began, f"/queues/billing/faults/{fault}"),
        "No worker": ("3 queues · 12 ready, nobody takes them tenant-0, tenant-1, tenant-2", began, "/queues"),
        "Schedule overdue": ("hourly · not enqueued: no worker is alive", due, "/schedules"),
        "Unknown task": ("resize · images · 2 held, no present worker knows it", began, "/queues/images?state=held"),
        "Worker lost": ("web-9:1 · idle · no heartbeat", began, "/workers/web-9:1"),
        "Books off": ("look with taskyard fsck books", first_look, "/queues/books"),
        "Redis unsafe": ("under pressure tasks are thrown away", first_look, "/system"),
    }
    assert list(found) == list(expected)
    for title, (words, since, href) in expected.items():
        line = found[title]
        assert words in line.text, line
        assert line.since_ms is not None
        assert 0 <= line.since_ms - since < 15_000, line
        assert line.href == href, line
    assert "(first seen)" in found["Redis unsafe"].text
    assert "3 more: 2 × paused, 1 × many dead letters." in text_of(page)
    assert "10 problems" in text_of(page)


def test_a_fault_shows_its_attempts_where_the_last_hour_ends(tasks: Tasks, visitor: Visitor) -> None:
    tasks.die("billing", 3)
    line = visitor.text("/").partition('id="problem-1"')[2].partition("</li>")[0]
    assert 'title="3 failed attempts in the last hour"' in line
    assert 'viewBox="0 0 30 20"' in line
    assert 'd="m29.5 0v20" stroke="url(#hatch-spark)"' in line


def test_what_somebody_did_and_what_cannot_be_read_says_since_when_and_leads_there(
    tasks: Tasks, later: Later, redis_client: Redis, namespace: str
) -> None:
    began = tasks.inspector.server_ms()
    tasks.die("billing", 2)
    tasks.control.limit("billing", dead_warning=1, by="ada", action_id="w")
    hold(tasks, "orders", "name:ship", "bo")
    tasks.enqueue("exports", 2, name="export")
    tasks.control.pause("exports", by="bo", reason="partner maintenance", action_id="p")
    tasks.enqueue("damaged", delay=86_400)
    redis_client.rename(f"{namespace}:{{damaged}}:tasks", "elsewhere")
    redis_client.set(f"{namespace}:{{damaged}}:tasks", "x")
    found = lines_of(later.page(AFTER))
    expected = {
        "Unreadable damaged": ("the queue's data is damaged: ", began + AFTER, "/queues/damaged"),
        "Paused exports": ("by bo, “partner maintenance” · 2 ready", began, "/queues/exports/pause"),
        "Paused ship": ("orders · by bo, “bad release” · 2 held", began, "/queues/orders/pause?task=ship"),
        "Many dead": ("billing · 2 dead letters, warned of beyond 1", began, "/queues/billing?state=dead"),
    }
    assert found.keys() == expected.keys()
    for title, (words, since, href) in expected.items():
        line = found[title]
        assert words in line.text, line
        assert line.href == href, line
        assert line.since_ms is not None, line
        assert 0 <= line.since_ms - since < 15_000, line


def test_a_schedule_that_its_queue_refuses_is_told_as_that(
    tasks: Tasks, later: Later, redis_url: str, namespace: str
) -> None:
    tasks.yard.schedules.add("hourly", "report", queue="reports", every=60, by="ada", action_id="s")
    tasks.enqueue("reports", delay=86_400)
    tasks.control.limit("reports", max_length=1, by="ada", action_id="l")
    with closing(Engine(redis_url, namespace)) as engine:
        put_worker(engine, "web-1:7", tasks.inspector.server_ms() + AFTER, queues={"reports": 1})
    line = lines_of(later.page(AFTER))["Schedule overdue"]
    assert "hourly · not enqueued, although a worker is alive" in line.text


@pytest.mark.parametrize(
    ("settings_of_server", "words"),
    [
        ({"appendonly": "no", "save": ""}, "neither append-only file nor snapshots are on: a restart loses everything"),
        ({"maxmemory": "LITTLE"}, "memory is more than 80 % of its limit: soon nothing can be enqueued"),
    ],
    ids=["no persistence", "little memory"],
)
def test_a_server_that_loses_or_refuses_tasks_is_unsafe(
    settings_of_server: dict[str, str], words: str, tasks: Tasks, later: Later, redis_client: Redis
) -> None:
    tasks.enqueue("email", delay=86_400, name="send")
    used = redis_client.info("memory")["used_memory"]
    before: dict[str, Any] = {name: redis_client.config_get(name)[name] for name in settings_of_server}
    for name, value in settings_of_server.items():
        redis_client.config_set(name, used * 11 // 10 if value == "LITTLE" else value)
    try:
        line = lines_of(later.page())["Redis unsafe"]
        assert words in line.text
        assert line.href == "/system"
        assert words in text_of(later.page(path="/system"))
    finally:
        for name, value in before.items():
            redis_client.config_set(name, value)


def test_every_problem_is_made_by_its_cause_here_or_beside() -> None:
    beside = {
        Kind.RISING_FAULT,
        Kind.LASTING_FAULT,
        Kind.FAULT_OVER,
        Kind.WAITS_TOO_LONG,
        Kind.WORKER_STALE,
    }  # test_causes
    here = {
        "New fault", "No worker", "Schedule overdue", "Unknown task", "Worker lost", "Books off", "Redis unsafe",
        "Unreadable", "Paused", "Many dead letters",
    }  # fmt: skip
    assert {title for kind, title in TITLES.items() if kind not in beside} == here


def test_all_is_well_in_one_line(tasks: Tasks, visitor: Visitor, redis_url: str, namespace: str) -> None:
    tasks.enqueue("billing", delay=86_400)
    with closing(Engine(redis_url, namespace)) as engine:
        put_worker(engine, "web-1:7", tasks.inspector.server_ms(), queues={"billing": 1})
    page = visitor.text("/")
    assert "All is well · 1 queue, 1 worker · no dead letters" in text_of(page)
    assert '<li id="problem-' not in page
    assert "Nothing has been enqueued yet" not in page


@pytest.mark.parametrize(
    ("ages", "control", "said"),
    [
        ([], {}, "0 workers · no dead letters as of"),
        ([3 * 86_400_000], {}, "0 workers · 1 dead letter, the last one 3 d ago as of"),
        ([3 * 86_400_000, 60_000], {"purge": "yes"}, "0 workers · last dead letter 1 min ago as of"),
        ([60_000], {"purge": "yes", "forget": "yes"}, "0 workers · no dead letters now as of"),
        ([60_000], {"forget": "yes"}, "0 workers · 1 dead letter as of"),
    ],
)
def test_when_the_last_one_died_is_known_also_when_it_is_a_dead_letter_no_more(
    tasks: Tasks, visitor: Visitor, redis_url: str, namespace: str, ages: list[int], control: dict[str, str], said: str
) -> None:
    tasks.enqueue("email", delay=86_400)
    with closing(Engine(redis_url, namespace, "billing")) as engine:
        engine.client.register("billing")
        for age in ages:
            engine.now = tasks.inspector.server_ms() - age
            engine.kill(1)
        dead = [row.id for row in tasks.inspector.letters().rows]
        if dead and "purge" in control:
            tasks.control.trash("billing", dead, by="ada", action_id="a")
        if "forget" in control:
            engine.redis.hdel(engine.queue.control, "died_at")
    assert said in text_of(visitor.text("/")).replace("\u202f", " ")


def test_three_steps_tick_themselves(
    tasks: Tasks, visitor: Visitor, settings: ConsoleSettings, redis_url: str, namespace: str
) -> None:
    def done() -> list[str]:
        return re.findall(r'<li data-done="(yes|no)">', visitor.fragment("/").text)

    first = text_of(visitor.text("/"))
    assert f"namespace {namespace}" in first
    assert "taskyard worker app:yard --queues email" in first
    assert "send_email.enqueue(" in first
    assert done() == ["yes", "no", "no"]
    with closing(Engine(redis_url, namespace)) as engine:
        put_worker(engine, "web-1:7", tasks.inspector.server_ms(), queues={"email": 1})
    visitor.client.set_cookie("taskyard_seen", str(tasks.inspector.server_ms()))
    assert done() == ["yes", "yes", "no"]
    tasks.enqueue("email", name="send")
    visitor.client.set_cookie("taskyard_seen", str(tasks.inspector.server_ms()))
    assert done() == []
    assert '<tr id="queue-email"' in visitor.text("/")
