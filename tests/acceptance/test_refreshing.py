"""Pages that are open while what they show changes, and while the server or the console is away."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from queue_core.embedded import EmbeddedServer
from tests.acceptance.harness import Console
from tests.conftest import PageFaults
from tests.console import Tasks

pytestmark = pytest.mark.browser


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


def test_a_row_that_left_shows_its_whole_state(console: Console, tasks: Tasks, page: Page) -> None:
    (task_id,) = tasks.die(name="warehouse_sync_with_a_name_that_is_long")
    page.goto(f"{console.url}/queues/billing/faults/{tasks.fingerprint()}")
    page.locator(f"#row-billing-{task_id}").get_by_role("button", name="Retry").click()
    state = page.locator(f"#row-billing-{task_id} .now-at")
    expect(state).to_contain_text("Ready")
    is_inside = """state => state.getBoundingClientRect().right <= state.closest('td').getBoundingClientRect().right
        && state.scrollWidth <= state.clientWidth + 1"""
    assert state.evaluate(is_inside)


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
