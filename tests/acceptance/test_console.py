"""The console in a real browser, served as `taskyard console` serves it, on a real server, with a real worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from queue_core.embedded import EmbeddedServer
from queue_core.snapshot import State
from tests.acceptance.harness import ROOT, Console, wait_until
from tests.conftest import PageFaults
from tests.console import Tasks
from tests.engine import Engine
from tests.hostile import ALL_AT_ONCE, TEXTS, add_strangers
from tests.workers import put_worker

pytestmark = pytest.mark.browser

HERE = Path(__file__).parent
NARROW = {"width": 320, "height": 640}
WIDTHS = (320, 390, 768, 1024, 1920)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


@pytest.fixture
def start_worker(redis_url: str, namespace: str) -> Iterator[Callable[[], None]]:
    """A worker whose task `sync` fails while the file of the warehouse is missing."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        environ = {**os.environ, "TASKYARD_REDIS_URL": redis_url, "TASKYARD_NAMESPACE": namespace}
        command = [sys.executable, "-m", "queue_core.cli", "worker", "warehouse:yard", "--log-level", "warning"]
        started.append(subprocess.Popen(command, cwd=HERE, env=environ | {"PYTHONPATH": str(ROOT)}))

    yield start
    for worker in started:
        worker.terminate()
    for worker in started:
        worker.wait(20)


@pytest.mark.parametrize("has_script", [True, False], ids=["with JavaScript", "without"])
def test_two_clicks_from_the_overview_to_a_retry_that_is_seen_to_complete(
    console: Console,
    tasks: Tasks,
    new_page: Callable[..., Page],
    start_worker: Callable[[], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    has_script: bool,
) -> None:
    warehouse = tmp_path / "open"
    monkeypatch.setenv("WAREHOUSE", str(warehouse))
    start_worker()
    ids = tasks.enqueue("orders", 3, name="sync", max_retries=0)
    wait_until(lambda: all(tasks.state(task_id, "orders") is State.DEAD for task_id in ids))

    page = new_page(java_script_enabled=has_script)
    page.goto(console.url)
    problem = page.locator("#problems li", has_text="the warehouse is closed")
    expect(problem).to_contain_text("3 dead")
    problem.get_by_role("link", name="Open").click()  # the first
    expect(page.locator("#traceback")).to_contain_text('raise ConnectionError("the warehouse is closed")')
    expect(page.locator("#list tbody tr")).to_have_count(3)
    fault = page.url

    warehouse.touch()
    page.get_by_label("Reason").fill("opened again")
    page.get_by_role("button", name="Retry 3", exact=True).click()  # the second
    wait_until(lambda: all(tasks.state(task_id, "orders") is State.COMPLETED for task_id in ids))
    assert page.url == fault  # it stays, and shows how far it is
    if not has_script:
        page.reload()
    expect(page.locator("#retry-box")).to_contain_text("Nothing of this fault is left")
    expect(page.locator("#before")).to_contain_text("3 letters, console retried all (“opened again”): 3 completed")
    expect(page.locator("#fault-head h1")).to_have_attribute("data-state", "good")
    good = page.locator("#retry-box .icon").inner_html()
    assert page.locator("#fault-head h1 .icon").inner_html() == good
    page.goto(f"{console.url}/queues/orders/tasks/{ids[0]}")
    expect(page.locator("#timeline")).to_contain_text("retried by console opened again")
    expect(page.locator("#task-head")).to_contain_text("Completed")


def test_two_clicks_by_keyboard(console: Console, tasks: Tasks, page: Page) -> None:
    tasks.die(count=3)
    page.goto(console.url)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Retry 3", exact=True)).to_be_visible()
    page.wait_for_load_state()  # keys are listened to from then on
    page.keyboard.press("r")
    expect(page.locator("#before")).to_contain_text("3 letters, console retried all")
    assert tasks.inspector.operations()[0].bound.count == 3


def test_two_touches_on_a_phone(console: Console, tasks: Tasks, new_page: Callable[..., Page]) -> None:
    tasks.die(count=3)
    page = new_page(viewport={"width": 390, "height": 844}, has_touch=True)
    page.goto(console.url)
    page.locator("#problems li").get_by_role("link", name="Open").tap()
    retry = page.get_by_role("button", name="Retry 3", exact=True)
    expect(retry).to_be_visible()
    size = retry.bounding_box()
    assert size
    assert size["height"] >= 44
    retry.tap()
    expect(page.locator("#before")).to_contain_text("3 letters, console retried all")
    assert tasks.inspector.operations()[0].bound.count == 3


def test_what_is_chosen_in_the_retry_box_survives_refreshes(console: Console, tasks: Tasks, page: Page) -> None:
    tasks.die(count=4)
    page.goto(f"{console.url}/queues/billing/faults/{tasks.fingerprint()}")
    page.get_by_label("spread:").check()
    page.get_by_label("How many a minute").fill("30")
    page.get_by_label("Reason").fill("half a sen")
    tasks.die(count=2)
    expect(page.get_by_role("button", name="Retry 6", exact=True)).to_be_visible()
    expect(page.locator("#retry-box")).to_contain_text("done in 12")
    expect(page.get_by_label("spread:")).to_be_checked()
    expect(page.get_by_label("How many a minute")).to_have_value("30")
    expect(page.get_by_label("Reason")).to_have_value("half a sen")
    page.get_by_role("button", name="Retry 6", exact=True).click()
    expect(page.locator("#retry-box")).to_contain_text("console is retrying")
    (operation,) = tasks.inspector.operations()
    assert (operation.bound.count, operation.drip, operation.reason) == (6, 0.5, "half a sen")


def test_one_letter_is_retried_from_its_row_and_another_purged_and_restored(
    console: Console, tasks: Tasks, page: Page
) -> None:
    first, second = tasks.die(count=2)
    page.goto(f"{console.url}/dead/letters")
    page.locator(f"#row-billing-{first}").get_by_role("button", name="Retry").click()
    expect(page.locator("#toasts")).to_contain_text("1 dead letter retried.")
    expect(page.locator(f"#row-billing-{first}")).to_have_class("left")
    expect(page.locator(f"#row-billing-{first}")).to_contain_text("Ready")
    page.locator(f"#row-billing-{second}").get_by_role("link").click()
    page.get_by_role("button", name="Purge").click()
    expect(page.locator("#task-head")).to_contain_text("Trashed")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#task-head")).to_contain_text("Dead")
    assert (tasks.state(first), tasks.state(second)) == (State.READY, State.DEAD)


def test_back_leads_from_what_was_filtered_to_the_whole_page(console: Console, tasks: Tasks, page: Page) -> None:
    tasks.die()
    tasks.die(name="refund", error=KeyError("total"))
    page.goto(f"{console.url}/dead")
    rows = page.locator("#rows tr")
    expect(rows).to_have_count(2)
    page.get_by_placeholder("Error, task, file").fill("KeyError")
    page.keyboard.press("Enter")
    expect(rows).to_have_count(1)
    page.go_back()
    expect(rows).to_have_count(2)
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    page.go_forward()
    expect(rows).to_have_count(1)


def test_two_tabs_retry_one_letter_and_the_second_is_told(
    console: Console, tasks: Tasks, new_page: Callable[..., Page]
) -> None:
    (task_id,) = tasks.die()
    tabs = [new_page(), new_page()]
    for tab in tabs:
        tab.goto(f"{console.url}/queues/billing/tasks/{task_id}")
        tab.get_by_role("button", name="live").click()  # it stays as it is
    for tab in tabs:
        tab.get_by_role("button", name="Retry", exact=True).click()
    said = [tab.locator("#toasts") for tab in tabs]
    for toast in said:
        expect(toast).to_contain_text("retried")
    second = said["Nothing retried" in said[1].inner_text()]  # the server met them in either order
    first = said[second is said[0]]
    expect(first).to_contain_text("1 dead letter retried.")
    expect(second).to_contain_text("Nothing retried")
    expect(second).to_contain_text("it was retried or purged already")
    assert [entry.kind for entry in tasks.inspector.task("billing", task_id).history] == ["failed", "requeued"]


def test_a_row_that_left_shows_its_whole_state(console: Console, tasks: Tasks, page: Page) -> None:
    (task_id,) = tasks.die(name="warehouse_sync_with_a_name_that_is_long")
    page.goto(f"{console.url}/queues/billing/faults/{tasks.fingerprint()}")
    page.locator(f"#row-billing-{task_id}").get_by_role("button", name="Retry").click()
    state = page.locator(f"#row-billing-{task_id} .now-at")
    expect(state).to_contain_text("Ready")
    is_inside = """state => state.getBoundingClientRect().right <= state.closest('td').getBoundingClientRect().right
        && state.scrollWidth <= state.clientWidth + 1"""
    assert state.evaluate(is_inside)


def test_a_problem_opens_from_anywhere_in_its_row(console: Console, tasks: Tasks, page: Page) -> None:
    tasks.die(count=3)
    page.goto(console.url)
    page.locator("#problems li .problem-more").click()
    expect(page.locator("#fault-head")).to_contain_text("payments.internal")


def test_a_paused_task_with_a_long_name_can_be_read_on_a_phone(
    console: Console, tasks: Tasks, new_page: Callable[..., Page]
) -> None:
    tasks.enqueue(count=2)
    tasks.control.close_lane("billing", "name:" + "task_" * 20, by="bo", reason="bad release", action_id="a")
    page = new_page(viewport=NARROW)
    page.goto(f"{console.url}/queues/billing")
    said = page.locator(".notice", has_text="bad release").locator("span").first
    assert said.evaluate("element => element.getBoundingClientRect().width") >= 180
    page.get_by_role("button", name="Resume task_").click()
    expect(page.locator("#toasts")).to_contain_text("is resumed")


def test_ticks_focus_and_typed_text_survive_refreshes(console: Console, tasks: Tasks, page: Page) -> None:
    tasks.die(count=4)
    page.goto(f"{console.url}/queues/billing/faults/{tasks.fingerprint()}")
    page.get_by_label("Reason").fill("half a sen")
    page.locator("#rows input").nth(1).check()
    expect(page.get_by_text("List held: 1 row ticked")).to_be_visible()
    expect(page.get_by_role("button", name="Retry 1…")).to_be_enabled()
    ticked = page.locator("#rows input:checked").get_attribute("id")
    page.get_by_label("Reason").focus()
    tasks.die(count=2)
    expect(page.locator("#retry-box")).to_contain_text("6 dead letters")  # the rest goes on
    expect(page.locator("#rows tr")).to_have_count(4)
    assert page.locator("#rows input:checked").get_attribute("id") == ticked
    expect(page.get_by_label("Reason")).to_have_value("half a sen")
    expect(page.get_by_label("Reason")).to_be_focused()
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_role("link", name="2 new rows")).to_be_visible()
    expect(page.locator("#rows tr")).to_have_count(4)
    page.get_by_role("link", name="2 new rows").click()
    expect(page.locator("#rows tr")).to_have_count(6)


def test_ticked_rows_are_retried_by_keyboard(console: Console, tasks: Tasks, page: Page) -> None:
    ids = tasks.die(count=3)
    page.goto(f"{console.url}/dead/letters")
    for key in ("j", "x", "j", "x"):
        page.keyboard.press(key)
    expect(page.get_by_role("button", name="Retry 2…")).to_be_enabled()
    page.get_by_role("button", name="Retry 2…").click()
    expect(page.get_by_role("heading", name="Retry 2 dead letters")).to_be_visible()
    page.get_by_role("button", name="Retry 2", exact=True).click()
    expect(page.locator("#toasts")).to_contain_text("2 dead letters retried.")
    assert sorted(tasks.state(task_id) for task_id in ids) == [State.DEAD, State.READY, State.READY]
    page.keyboard.press("g")
    page.keyboard.press("q")
    expect(page.get_by_role("heading", name="Queues")).to_be_visible()
    page.wait_for_load_state()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.locator("#preferences summary").click()
    page.locator("#preferences").get_by_role("button", name="off").click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_a_rows_own_button_ignores_the_ticked_boxes(
    console: Console, tasks: Tasks, new_page: Callable[..., Page]
) -> None:
    ids = tasks.die(count=3)
    page = new_page(java_script_enabled=False)
    page.goto(f"{console.url}/dead/letters")
    for task_id in ids[:2]:
        page.locator(f"#tick-billing-{task_id}").check()
    page.locator(f"#row-billing-{ids[2]}").get_by_role("button", name="Retry").click()
    expect(page.locator("#toasts")).to_contain_text("1 dead letter retried.")
    assert [tasks.state(task_id) for task_id in ids] == [State.DEAD, State.DEAD, State.READY]


def test_what_was_unfolded_stays_unfolded(console: Console, tasks: Tasks, page: Page) -> None:
    with pytest.raises(json.JSONDecodeError) as broken:
        json.loads("{")
    tasks.die(count=3, error=broken.value)
    page.goto(f"{console.url}/queues/billing/faults/{tasks.fingerprint()}")
    folded = page.locator("#traceback details")
    expect(folded).to_contain_text("frames in json")
    folded.locator("summary").click()
    for count in (4, 5):
        tasks.die(error=broken.value)
        expect(page.locator("#retry-box")).to_contain_text(f"{count} dead letters")
    assert folded.get_attribute("open") is not None


def test_new_failures_show_by_themselves(console: Console, tasks: Tasks, page: Page) -> None:
    tasks.enqueue()
    page.goto(console.url)
    expect(page.locator("#queues")).to_contain_text("billing")
    page.keyboard.press("?")
    tasks.die(count=3)
    expect(page.locator("#problems")).to_contain_text("payments.internal refused the connection")
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(page.locator("#nav-dead")).to_contain_text("3")
    expect(page).to_have_title("(1) Overview · test · Taskyard")


def test_a_hidden_tab_rests_and_catches_up(console: Console, tasks: Tasks, page: Page) -> None:
    tasks.enqueue()
    page.clock.install()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.resource_type == "fetch" else None)
    page.goto(console.url)
    expect(page.locator("#queues")).to_contain_text("billing")
    hide = "hidden => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true}); %s }"
    page.evaluate(hide % "", True)
    asked.clear()
    page.clock.run_for(10_000)
    assert asked == []
    tasks.die(count=3)
    page.evaluate(hide % "document.dispatchEvent(new Event('visibilitychange'))", False)
    expect(page.locator("#problems")).to_contain_text("New fault")


def test_the_server_goes_and_comes_back_under_an_open_page(
    new_page: Callable[..., Page], page_faults: PageFaults
) -> None:
    with EmbeddedServer() as server:
        console, tasks = Console(server.url, "qc"), Tasks(server.url, "qc")
        try:
            tasks.die(count=2)
            page = new_page()
            page.goto(f"{console.url}/dead/letters")
            expect(page.locator("#rows tr")).to_have_count(2)
            page.locator("#rows input").first.check()
            other = new_page()
            server.kill()
            page_faults.allow("status of 503")
            other.goto(f"{console.url}/queues/billing")
            expect(other.get_by_role("heading", name="Redis does not answer")).to_be_visible()
            expect(page.locator("#band")).to_contain_text("Redis has not answered since")
            expect(page.locator("#live-switch")).to_have_text("waiting")
            expect(page.locator("#rows input:checked")).to_have_count(1)
            expect(page.locator("#rows").get_by_role("button", name="Retry").first).to_be_disabled()
            purge = page.get_by_role("link", name="Purge 2…")
            expect(purge).to_have_attribute("aria-disabled", "true")
            tabs = len(page.context.pages)
            purge.focus()
            page.keyboard.press("Enter")
            purge.click(force=True)
            purge.click(force=True, button="middle")
            expect(page).to_have_url(f"{console.url}/dead/letters")
            assert len(page.context.pages) == tabs
            server.restart()
            expect(page.locator("#band")).to_be_empty()
            assert purge.get_attribute("aria-disabled") is None
            expect(page.locator("#live-switch")).to_have_text("live")
            expect(other.get_by_role("heading", name="billing")).to_be_visible()
            page.get_by_role("button", name="Release").click()
            page.locator("#rows").get_by_role("button", name="Retry").first.click()
            expect(page.locator("#toasts")).to_contain_text("1 dead letter retried.")
            for tab in (page, other):
                tab.close()  # else it asks the console while that ends
        finally:
            console.stop()
            tasks.close()


def test_the_console_goes_and_comes_back_under_an_open_page(
    console: Console, tasks: Tasks, page: Page, page_faults: PageFaults
) -> None:
    page_faults.allow("ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|Failed to fetch")
    tasks.die(count=2)
    page.goto(f"{console.url}/dead/letters")
    page.locator("#rows input").first.check()
    console.kill()
    expect(page.locator("#band-console")).to_contain_text("The console has not answered since")
    page.locator("#rows").get_by_role("button", name="Retry").last.click()
    expect(page.locator("#toasts")).to_contain_text("it is not known whether this was done")
    expect(page.locator("#rows input:checked")).to_have_count(1)
    console.start()
    expect(page.locator("#band-console")).to_be_hidden()
    page.locator("#rows").get_by_role("button", name="Retry").last.click()
    expect(page.locator("#toasts")).to_contain_text("1 dead letter retried.")


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
        "HOSTILE FILTER": f"/dead/letters?q={quote(ALL_AT_ONCE)}&task={quote(ALL_AT_ONCE)}",
        "OPERATION": f"/activity/{ended.id}",
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
    page_faults.allow("status of 40[04]")
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


def test_times_and_colours_are_as_the_reader_chose(
    console: Console, tasks: Tasks, new_page: Callable[..., Page]
) -> None:
    tasks.die()
    page = new_page(timezone_id="Asia/Tokyo")
    page.goto(f"{console.url}/dead/letters")
    expect(page.locator("#rows time").first).to_contain_text("ago")
    for choice in ("local", "dark"):
        page.locator("#preferences summary").click()
        page.get_by_role("button", name=choice, exact=True).click()
    expect(page.locator("#preferences summary")).to_contain_text("Asia/Tokyo")
    expect(page.locator("#rows time").first).not_to_contain_text("ago")
    assert page.evaluate("getComputedStyle(document.body).colorScheme") == "dark"


def test_on_a_phone_the_rest_of_the_navigation_is_behind_more(
    console: Console, tasks: Tasks, new_page: Callable[..., Page]
) -> None:
    tasks.enqueue()
    page = new_page(viewport={"width": 390, "height": 844})
    page.goto(console.url)
    bar = page.get_by_role("navigation", name="Main")
    expect(bar.get_by_role("link", name="Activity")).to_be_hidden()
    bar.get_by_text("More", exact=True).click()
    bar.get_by_role("link", name="Activity").click()
    expect(page.get_by_role("heading", name="Activity")).to_be_visible()
    expect(bar.locator("summary")).to_have_attribute("aria-current", "page")
    wide = new_page()
    wide.goto(console.url)
    expect(wide.get_by_role("navigation", name="Main").get_by_text("More", exact=True)).to_be_hidden()
    wide.keyboard.press("g")
    wide.keyboard.press("a")
    expect(wide.get_by_role("heading", name="Activity")).to_be_visible()


def test_all_of_a_fault_is_retried_and_its_page_follows_by_itself(console: Console, tasks: Tasks, page: Page) -> None:
    tasks.die(count=30)
    page.goto(f"{console.url}/dead?class=ConnectionError")
    page.get_by_role("link", name="Retry 30…").click()
    page.get_by_label("Reason").fill("the gateway is back")
    page.get_by_role("button", name="Retry 30").click()
    operation = page.locator("#operation")
    expect(operation.get_by_role("heading", name="Done Retry 30 dead letters")).to_be_visible()
    expect(operation).to_contain_text("30 still under way")
    with tasks.yard.queue("billing").claim(limit=30) as leases:
        for lease in leases:
            lease.complete()
    expect(operation).to_contain_text("30 completed.")
    page.keyboard.press("g")
    page.keyboard.press("a")
    expect(page.locator("#list tbody tr").first).to_contain_text("the gateway is back")
    expect(page.locator("#list tbody tr").first).to_contain_text("30 completed")


def test_ticked_rows_are_purged_by_keyboard(console: Console, tasks: Tasks, page: Page) -> None:
    ids = tasks.die(count=3)
    page.goto(f"{console.url}/dead/letters")
    for key in ("j", "x", "j", "x", "p"):
        page.keyboard.press(key)
    expect(page.get_by_role("heading", name="Purge 2 dead letters")).to_be_visible()
    page.get_by_role("button", name="Purge 2", exact=True).click()
    expect(page.locator("#toasts")).to_contain_text("2 dead letters purged.")
    assert sorted(tasks.state(task_id) for task_id in ids) == [State.DEAD, State.TRASHED, State.TRASHED]
