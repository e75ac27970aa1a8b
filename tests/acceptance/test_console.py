"""The console in a real browser, served as `taskyard console` serves it, on a real server, with a real worker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from queue_core.snapshot import State
from tests.acceptance.harness import Console, wait_until
from tests.console import Tasks

pytestmark = pytest.mark.browser

NARROW = {"width": 320, "height": 640}


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
    """One `r` alone only leads to the button, wherever it is."""
    tasks.die(count=3)
    page.set_viewport_size({"width": 320, "height": 640})
    page.goto(console.url)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    retry = page.get_by_role("button", name="Retry 3", exact=True)
    expect(retry).to_be_visible()
    page.wait_for_load_state()  # keys are listened to from then on
    page.keyboard.press("r")
    expect(retry).to_be_focused()
    expect(retry).to_be_in_viewport(ratio=1)
    assert retry.evaluate("button => getComputedStyle(button).outlineStyle") == "solid"
    assert tasks.inspector.operations() == ()
    page.keyboard.press("Enter")
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
    chart = page.locator("#attempts").bounding_box()
    assert chart
    assert size["y"] < chart["y"]
    retry.tap()
    expect(page.locator("#before")).to_contain_text("3 letters, console retried all")
    assert tasks.inspector.operations()[0].bound.count == 3


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


def test_ticked_rows_are_retried_by_keyboard(console: Console, tasks: Tasks, page: Page) -> None:
    ids = tasks.die(count=3)
    page.goto(f"{console.url}/dead/letters")
    for key in ("j", "x", "j", "x", "j", "r"):
        page.keyboard.press(key)
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
