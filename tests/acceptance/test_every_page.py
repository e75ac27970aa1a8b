"""Every page of the console in a real browser, with something on it, hostile texts among it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Literal
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.harness import Console, wait_until
from tests.conftest import PageFaults
from tests.console import Tasks
from tests.engine import Engine
from tests.hostile import ALL_AT_ONCE, TEXTS, add_strangers
from tests.workers import put_worker

pytestmark = pytest.mark.browser

WIDTHS = (320, 390, 768, 1024, 1920)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


PAGES = [
    "/",
    "/queues",
    "/queues/billing?state=dead",
    "/queues/billing?state=ready",
    "/queues/billing/pause",
    "/queues/billing/figures",
    "/queues/billing/limits",
    "/dead",
    "/dead?muted=1",
    "/dead/letters",
    "/dead/letters?queue=billing&class=ConnectionError&since=2026-01-01T00:00:00Z",
    "/dead/trash",
    "/workers",
    "/workers/web-1:7",
    "/workers/web-2:7",
    "/workers/tell/stop",
    "/schedules",
    "/schedules/nightly-report",
    "/schedules/nightly-report/pause",
    "/schedules/nightly-report/change",
    "/schedules/-/add",
    "/bulk/trash",
    "TOGETHER",
    "/system",
    "/activity",
    "OPERATION",
    "PAUSED OPERATION",
    "PULL BACK",
    "BULK PREVIEW",
    "DELETE PREVIEW",
    "/find?q=b",
    "FAULT",
    "MUTE",
    "TASK",
    "EDIT",
    "MOVE",
    "LONG FAULT",
    "LONG TASK",
    "PREVIEW",
    "/nowhere",
]


HOSTILE = [
    "HOSTILE FAULT",
    "HOSTILE TASK",
    "HOSTILE EDIT",
    "HOSTILE WORKER",
    "HOSTILE FILTER",
    "/queues/hostile",
    "/queues/hostile/bulk/requeue",
]


@pytest.fixture
def every_page(console: Console, tasks: Tasks, redis_url: str, namespace: str) -> list[str]:
    """Each with something on it, hostile texts among it."""
    engine, now_ms = Engine(redis_url, namespace), tasks.inspector.server_ms()
    runs = {"queue": "billing", "task_id": "a1", "task_name": "charge", "started_at": now_ms}
    put_worker(engine, "web-1:7", now_ms + 300_000, running=[runs], busy=1, version="1.9.0", state="quiet")
    put_worker(engine, "web-2:7", now_ms - 300_000, running=[runs], version="1.8.4")
    for number in range(25):
        name = "nightly-report" if number == 0 else f"tenant-{number}"
        tasks.yard.schedules.add(name, "report", cron="0 3 * * *", by="ada", action_id=name)
    tasks.yard.schedules.pause("tenant-1", by="ada", action_id="p", reason="it moves")
    dead = tasks.die(count=3)
    tasks.enqueue(count=2)
    tasks.enqueue("exports", name="export")
    tasks.control.pause("exports", by="console", reason="partner maintenance", action_id="p")
    tasks.control.trash("billing", [dead[0]], by="console", action_id="t")
    tasks.die("email", count=2, name="send")
    fault = tasks.fingerprint()
    tasks.control.mute_fault("billing", fault, attempts=99, by="bo", action_id="m", reason="it is known, ticket 4411")
    for number in range(2):
        tasks.control.note_fault("billing", fault, f"note {number}", by="bo", action_id=f"n{number}")
    long = "a-queue.with-a-long-name." + "x" * 100
    (last,) = tasks.die(long, name="task_" + "y" * 120, error=RuntimeError("Z" * 300))
    operations = tasks.yard.operations
    ended, paused = (
        operations.start(operations.preview(queue, "requeue").bound, by="ada", action_id=queue, reason="it is back")
        for queue in ("email", long)
    )
    operations.pause(paused.id, long, by="ada", action_id="p", reason="too fast")
    hostile = "".join(TEXTS[:4])[:150]
    (worst,) = tasks.die("hostile", name="send", error=RuntimeError(ALL_AT_ONCE))
    tasks.control.pause("hostile", by=hostile, reason=hostile, action_id="h")
    engine.redis.hset(f"{namespace}:{{hostile}}:tasks", worst, f"send\n{json.dumps({ALL_AT_ONCE: ALL_AT_ONCE})}")
    add_strangers(engine.redis, namespace)
    engine.close()
    special = {
        "HOSTILE FAULT": f"/queues/hostile/faults/{tasks.fingerprint('hostile')}",
        "HOSTILE TASK": f"/queues/hostile/tasks/{worst}",
        "HOSTILE EDIT": f"/queues/hostile/tasks/{worst}/edit",
        "HOSTILE WORKER": f"/workers/{quote(ALL_AT_ONCE, safe='')}",
        "HOSTILE FILTER": f"/dead/letters?q={quote(ALL_AT_ONCE[:128])}&task={quote(ALL_AT_ONCE[:128])}",
        "OPERATION": f"/activity/{ended.id}",
        "PULL BACK": f"/activity/{ended.id}/recall",
        "PAUSED OPERATION": f"/activity/{paused.id}?queue={long}",
        "BULK PREVIEW": f"/queues/{long}/bulk/requeue?seen=9",
        "DELETE PREVIEW": "/queues/billing/bulk/delete",
        "TOGETHER": f"/activity/together/{long}",
        "LONG FAULT": f"/queues/{long}/faults/{tasks.fingerprint(long)}",
        "LONG TASK": f"/queues/{long}/tasks/{last}",
        "FAULT": f"/queues/billing/faults/{fault}",
        "MUTE": f"/queues/billing/faults/{fault}/mute",
        "EDIT": f"/queues/billing/tasks/{dead[1]}/edit",
        "MOVE": f"/queues/billing/tasks/{dead[1]}/move",
        "TASK": f"/queues/billing/tasks/{dead[1]}",
        "PREVIEW": f"/dead/requeue?letter={tasks.letters([dead[1]])[0]}",
    }
    return [console.url + special.get(path, path) for path in (*PAGES, *HOSTILE)]


@pytest.mark.timeout(180)
def test_axe_finds_nothing(
    every_page: list[str], page: Page, axe: Callable[[Page], list[str]], page_faults: PageFaults
) -> None:
    page_faults.allow("status of 404")
    found = []
    for url in every_page[: len(PAGES)]:
        page.goto(url)
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            found += [f"{url}, {scheme}: {violation}" for violation in axe(page)]
    assert found == []


@pytest.mark.timeout(180)
def test_no_page_scrolls_sideways_and_targets_are_large_enough(
    every_page: list[str], page: Page, page_faults: PageFaults
) -> None:
    page_faults.allow("status of 404")
    # A box counts with its label, a box of a row with its cell.
    small = """() => [...document.querySelectorAll('button, summary, label.check, select, nav a, a.button, td.c-tick')]
        .map(element => [element.outerHTML.slice(0, 120), element.getBoundingClientRect()])
        .filter(([, box]) => box.width && (box.height < 24 || box.width < 24)).map(([html]) => html)"""
    for url in every_page:
        page.set_viewport_size({"width": 1280, "height": 800})
        page.goto(url)
        assert page.evaluate(small) == [], url
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("innerWidth") == width
            assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{url} at {width}"


def test_links_on_a_phone_are_large_enough_to_hit(
    console: Console, tasks: Tasks, new_page: Callable[..., Page], start_worker: Callable[[], None]
) -> None:
    tasks.die(count=3)
    start_worker()
    wait_until(lambda: bool(tasks.inspector.workers()))
    page = new_page(viewport={"width": 390, "height": 844})
    small = """() => [...document.querySelectorAll('main a')]
        .map(element => [element.outerHTML.slice(0, 120), element.getBoundingClientRect()])
        .filter(([, box]) => box.width && (box.height < 24 || box.width < 24)).map(([html]) => html)"""
    for path in ("/", "/queues", "/workers"):
        page.goto(console.url + path)
        expect(page.locator("main a").first).to_be_visible()
        assert page.evaluate(small) == [], path
