"""The schedules: what comes when, what became of the last, which are late; pausing, resuming, running one now."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from redis import Redis

from dashboard.pagination import Order
from dashboard.views.schedules import COLUMNS, schedules_page, why
from queue_core import keys, protocol, timetable
from queue_core.schedules import Schedules
from queue_core.snapshot import Pause, ScheduleSnapshot, State
from tests.console import Tasks, Visitor, field, text_of
from tests.engine import Engine
from tests.workers import put_worker

NOW = 1_763_770_000_000
HOUR = 3_600_000
TROUBLE = Order.read(None, COLUMNS, "trouble")


@pytest.fixture
def engine(redis_url: str, namespace: str) -> Iterator[Engine]:
    """By the server's own clock."""
    made = Engine(redis_url, namespace, "reports")
    made.now = time.time_ns() // 1_000_000
    yield made
    made.client.close()


def add(schedules: Schedules, name: str = "weekly-report", **options: Any) -> None:
    given = {"queue": "reports", "cron": "0 9 * * MON-FRI", "time_zone": "Europe/Vienna", **options}
    schedules.add(name, "report", **given, by="ada", action_id=f"add-{name}")


def occur(engine: Engine, name: str = "weekly-report") -> str:
    """Its task is enqueued for the full minute before this one."""
    schedule = timetable.read(name, engine.redis.hget(keys.schedules(engine.client.namespace), name))
    at = engine.now // 60_000 * 60_000
    engine.client.register(schedule.queue)
    return engine.run(protocol.enqueue_occurrence(engine.queue, name, at, schedule.occurrence(at))).task_id


def names(page: str) -> list[str]:
    return re.findall(r'<tr id="schedule-([^"]*)"', page)


def test_list_says_the_rule_in_plain_words_what_comes_and_what_came(
    visitor: Visitor, schedules: Schedules, engine: Engine
) -> None:
    put_worker(engine, heartbeat_at=engine.now)
    add(schedules)
    task_id = occur(engine)
    row = visitor.text("/schedules").partition('id="schedule-weekly-report"')[2]
    said = text_of(row)
    assert "every weekday at 09:00, Europe/Vienna" in said
    assert re.search(r"in \d+ (min|h|d)", said.replace("\u202f", " "))
    assert f'href="/queues/reports/tasks/{task_id}"' in row
    assert "Ready" in said


def test_overdue_schedules_come_first_the_longest_overdue_before_the_others() -> None:
    found = [
        ScheduleSnapshot("a-next", next_at=(NOW + HOUR,)),
        ScheduleSnapshot("b-paused", pause=Pause("ada", "", NOW)),
        ScheduleSnapshot("c-undeclared", undeclared_at=NOW, next_at=(NOW + HOUR,)),
        ScheduleSnapshot("d-failed", next_at=(NOW + HOUR,), last_at=NOW, last_state=State.DEAD),
        ScheduleSnapshot("e-late", overdue_since=NOW - HOUR),
        ScheduleSnapshot("f-later", overdue_since=NOW - 2 * HOUR),
        ScheduleSnapshot("g-broken", unreadable="why"),
        ScheduleSnapshot("h-sooner", next_at=(NOW + 1,)),
    ]
    page = schedules_page(found, order=TROUBLE)
    assert "".join(row.name[0] for row in page.part.rows) == "fegdcbha"
    assert (page.overdue, page.paused, page.total) == (2, 1, 8)


@pytest.mark.parametrize(("sort", "order"), [("name", "abc"), ("-name", "cba"), ("next", "cab"), ("last", "bac")])
def test_list_is_sorted_by_any_column_and_what_is_not_known_comes_last(sort: str, order: str) -> None:
    found = [
        ScheduleSnapshot("a", next_at=(NOW + 9,), last_at=NOW - 9),
        ScheduleSnapshot("b", last_at=NOW - 1),
        ScheduleSnapshot("c", next_at=(NOW + 1,)),
    ]
    page = schedules_page(found, order=Order.read(sort, COLUMNS, "trouble"))
    assert "".join(row.name for row in page.part.rows) == order


def test_many_schedules_are_filtered_by_name_task_or_queue_and_paged() -> None:
    found = [ScheduleSnapshot(f"s{i:03}", task=f"task-{i % 2}", queue="Mail" if i < 3 else "other") for i in range(120)]
    assert schedules_page(found, order=TROUBLE, number=3).part.first_shown == 101
    assert [row.name for row in schedules_page(found, order=TROUBLE, text="mail").part.rows] == ["s000", "s001", "s002"]
    assert schedules_page(found, order=TROUBLE, text="TASK-1").part.total == 60
    assert schedules_page(found, order=TROUBLE).is_large
    assert not schedules_page(found[:20], order=TROUBLE).is_large


def test_without_a_live_worker_it_is_said_that_nothing_is_enqueued(
    visitor: Visitor, schedules: Schedules, engine: Engine
) -> None:
    add(schedules)
    assert "No worker is alive" in visitor.text("/schedules")
    assert "nobody enqueues it" in visitor.text("/schedules/weekly-report")
    put_worker(engine, heartbeat_at=engine.now)
    assert "No worker is alive" not in visitor.text("/schedules")


def test_page_of_one_says_zone_policy_who_declares_it_and_when_it_comes_next(
    visitor: Visitor, schedules: Schedules
) -> None:
    add(schedules, missed="skip", overlap=False, arguments={"days": 7})
    said = text_of(visitor.text("/schedules/weekly-report").partition("<main")[2])
    for words in (
        "missed ones are skipped",
        "skipped while the last one runs",
        "added by ada",
        '"days": 7',
        "Europe/Vienna",
    ):
        assert words in said
    assert len(re.findall(r"(?:Mon|Tue|Wed|Thu|Fri) \d+ \w+ 09:00", said)) == 5


def test_what_is_wrong_with_a_schedule_is_said_with_its_cause() -> None:
    assert why(ScheduleSnapshot("a", overdue_since=NOW - HOUR, has_scheduler=False), NOW).endswith(
        "no worker is alive, so nobody enqueues it."
    )
    assert "its queue takes no task" in why(ScheduleSnapshot("a", overdue_since=NOW - HOUR), NOW)
    assert "app:yard has begun without it" in why(ScheduleSnapshot("a", app="app:yard", undeclared_at=NOW), NOW)
    assert "never comes again" in why(ScheduleSnapshot("a"), NOW)
    assert why(ScheduleSnapshot("a", next_at=(NOW + 1,)), NOW) == ""


def test_schedule_is_paused_with_a_reason_and_resumed(visitor: Visitor, schedules: Schedules, tasks: Tasks) -> None:
    add(schedules)
    refused = visitor.post("/schedules/weekly-report/pause", reason=" ")
    assert refused.status_code == 422
    assert "Say why" in refused.text
    assert tasks.inspector.schedule("weekly-report").pause is None
    assert visitor.post("/schedules/weekly-report/pause", reason="<move>").status_code == 303
    pause = tasks.inspector.schedule("weekly-report").pause
    assert pause
    assert (pause.by, pause.reason) == ("console", "<move>")
    assert "by console" in text_of(visitor.text("/schedules/weekly-report"))
    assert "Resume weekly-report" in visitor.text("/schedules/weekly-report/pause")
    assert visitor.post("/schedules/weekly-report/resume").status_code == 303
    assert tasks.inspector.schedule("weekly-report").pause is None
    assert "was not paused any more" in (visitor.post("/schedules/weekly-report/resume"), visitor.said())[1]


def test_run_now_makes_one_task_however_often_the_form_is_sent(
    visitor: Visitor, schedules: Schedules, tasks: Tasks
) -> None:
    add(schedules)
    page = visitor.text("/schedules/weekly-report")
    form = {"csrf_token": field(page, "csrf_token"), "action_id": field(page, "action_id")}
    for _ in range(2):
        assert visitor.client.post("/schedules/weekly-report/run", data=form).status_code == 303
    assert tasks.inspector.queue("reports").counts.ready == 1
    assert "has made task" in visitor.said()
    page = visitor.text("/schedules/weekly-report")
    (task,) = tasks.inspector.tasks("reports", State.READY).rows
    assert page.count(f'href="/queues/reports/tasks/{task.id}"') == 1
    assert "run now by console, " in text_of(page)


def test_run_now_says_why_no_task_was_made(visitor: Visitor, schedules: Schedules, tasks: Tasks) -> None:
    add(schedules, "alone", overlap=False)
    visitor.post("/schedules/alone/run")
    visitor.post("/schedules/alone/run")
    assert "has not ended" in visitor.said()
    add(schedules)
    tasks.control.limit("reports", max_length=1, by="ada", action_id="limit")
    assert visitor.post("/schedules/weekly-report/run").status_code == 303
    assert "weekly-report has made no task" in visitor.said()


def test_stored_schedule_that_is_none_breaks_no_page(
    visitor: Visitor, schedules: Schedules, redis_client: Redis, namespace: str
) -> None:
    add(schedules)
    redis_client.hset(keys.schedules(namespace), "broken", b"<script>\x00")
    page = visitor.text("/schedules")
    assert names(page) == ["broken", "weekly-report"]
    assert "cannot be read" in visitor.text("/schedules/broken")
    assert "/schedules/broken/run" not in visitor.text("/schedules/broken")


def test_schedule_that_is_not_there_is_no_page(visitor: Visitor) -> None:
    assert visitor.get("/schedules/nowhere").status_code == 404
    assert visitor.post("/schedules/nowhere/run").status_code == 404
    assert visitor.get("/schedules/a%20b").status_code == 400


def test_hostile_text_of_a_schedule_stays_text(visitor: Visitor, schedules: Schedules) -> None:
    add(schedules, arguments={"<script>": "\u202e</pre><img src=x>"})
    schedules.pause("weekly-report", by="ada", action_id="p", reason="<b>\u202e")
    for path in ("/schedules", "/schedules/weekly-report", "/schedules/weekly-report/pause"):
        page = visitor.text(path)
        assert not re.search("<img|<b>|\u202e", page), path
        assert page.count("<script") == 2, path


def test_no_schedule_yet_is_shown_how_to_declare_one(visitor: Visitor) -> None:
    assert "yard.schedule(" in visitor.text("/schedules")


def test_overview_leads_from_an_overdue_schedule_to_the_schedules(visitor: Visitor, schedules: Schedules) -> None:
    add(schedules, "hourly", cron="* * * * *")
    directory, client = keys.schedules(schedules._client.namespace), schedules._client.redis
    stored = timetable.read("hourly", client.hget(directory, "hourly"))
    client.hset(directory, "hourly", timetable.write(msgspec.structs.replace(stored, since=NOW)))
    assert '<a class="button problem-button row-link" href="/schedules"' in visitor.text("/")
    assert names(visitor.text("/schedules")) == ["hourly"]
    assert "overdue" in visitor.text("/schedules")
