"""By keyboard alone on the newer pages; what can be switched off, what opens, and toasts that nobody runs after."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.harness import Console
from tests.conftest import PageFaults
from tests.console import Tasks
from tests.engine import Engine
from tests.panel import Demo
from tests.places import Places

pytestmark = pytest.mark.browser

UNSEEN_FOCUS = """() => [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex]')]
    .filter(element => element.checkVisibility() && !element.disabled && element.type !== 'hidden')
    .filter(element => {
        element.focus();
        const style = getComputedStyle(element);
        const isSeen = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
        return element.tabIndex > 0 || document.activeElement !== element || !(isSeen || element.tabIndex < 0);
    }).map(element => element.outerHTML.slice(0, 120))"""


@pytest.fixture
def places(tasks: Tasks, engine: Engine) -> Places:
    return Places(tasks, engine)


def test_focus_is_seen_wherever_it_goes(console: Console, places: Places, page: Page) -> None:
    paths = ["/", "/schedules", "/schedules/billing/pause", "/workers", "/workers/web-1:7", "/workers/tell/quiet"]
    paths += ["/activity", f"/activity/{places.operation}", "/system", "/queues/billing/limits", "/dead/letters"]
    paths += [f"/queues/billing/tasks/{places.dead}/edit", "/queues/billing/bulk/requeue"]
    for path in paths:
        page.goto(console.url + path)
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="To the content")).to_be_focused()
        assert page.evaluate(UNSEEN_FOCUS) == [], path


def test_newer_pages_are_gone_through_by_keyboard(console: Console, places: Places, tasks: Tasks, page: Page) -> None:
    page.goto(console.url)
    for key, path in (("s", "/schedules/billing"), ("w", "/workers/web-1:7"), ("a", "/activity/")):
        for pressed in ("g", key):
            page.keyboard.press(pressed)
        page.wait_for_url(f"**/{path.split('/')[1]}")
        page.wait_for_load_state()
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**{path}*")
        page.wait_for_load_state()
    page.goto(f"{console.url}/queues/billing/limits")
    page.get_by_label("Length").focus()
    page.keyboard.type("500")
    page.get_by_label("Reason").focus()
    page.keyboard.type("it is small? j k x r p /")
    page.keyboard.press("Enter")
    expect(page.locator("#toasts")).to_contain_text("billing is limited: ")
    assert tasks.inspector.queue("billing").limits.max_length == 500


def test_live_is_a_switch(console: Console, tasks: Tasks, page: Page) -> None:
    tasks.enqueue()
    page.clock.install()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.resource_type == "fetch" else None)
    page.goto(console.url)
    live = page.get_by_role("button", name="live")
    live.press("Enter")
    expect(live).to_have_attribute("aria-pressed", "false")
    asked.clear()
    page.clock.run_for(10_000)
    page.reload()  # it stays off in this tab
    page.clock.run_for(10_000)
    assert asked == []
    with page.expect_request(lambda request: request.resource_type == "fetch"):
        live.press("Enter")
    expect(live).to_have_attribute("aria-pressed", "true")


def test_toasts_go_after_eight_seconds_but_not_under_the_pointer_and_not_with_an_undo(
    console: Console, tasks: Tasks, page: Page, page_faults: PageFaults
) -> None:
    page_faults.allow("htmx:error: timeout")  # the clock goes on faster than the console answers
    first, second = tasks.die(count=2)
    page.clock.install()
    page.goto(f"{console.url}/dead/letters")
    toasts = page.locator("#toasts .toast")
    page.locator(f"#row-billing-{first}").get_by_role("button", name="Retry").click()
    expect(toasts).to_have_count(1)
    toasts.hover()
    page.clock.run_for(9_000)
    expect(toasts).to_have_count(1)
    toasts.get_by_role("button", name="Dismiss").focus()
    page.mouse.move(5, 5)
    page.clock.run_for(9_000)
    expect(toasts).to_have_count(1)
    toasts.hover()
    toasts.get_by_role("button", name="Dismiss").blur()
    page.clock.run_for(9_000)
    expect(toasts).to_have_count(1)
    page.mouse.move(5, 5)
    page.clock.run_for(7_000)
    expect(toasts).to_have_count(1)
    page.clock.run_for(2_000)
    expect(toasts).to_have_count(0)
    page.goto(f"{console.url}/queues/billing/tasks/{second}")
    page.get_by_role("button", name="Purge").click()
    expect(toasts.get_by_role("button", name="Undo")).to_be_visible()
    page.clock.run_for(60_000)
    expect(toasts).to_have_count(1)
    toasts.get_by_role("button", name="Dismiss").click()
    expect(toasts).to_have_count(0)


def test_axe_finds_nothing_in_what_opens(
    redis_url: str, namespace: str, tasks: Tasks, page: Page, axe: Callable[[Page], list[str]], tmp_path: Path
) -> None:
    """Menus, the list of keys, toasts, the held list and the demo's panel; on a phone, in both colour schemes."""
    demo = Demo(tmp_path / "panel.sock")
    tasks.die(count=3)
    with demo.at_work():
        console = Console(redis_url, namespace, TASKYARD_DEMO_SOCKET=str(demo.panel.path))
        try:
            page.set_viewport_size({"width": 320, "height": 700})
            page.goto(console.url)
            expect(page.locator("#demo")).to_contain_text("Send 200 tasks")
            found = in_both(page, axe)
            page.keyboard.press("?")
            expect(page.get_by_role("dialog")).to_be_visible()
            found += in_both(page, axe)
            page.goto(f"{console.url}/dead/letters")
            page.locator("#rows").get_by_role("button", name="Retry").last.click()
            expect(page.locator("#toasts .toast")).to_be_visible()
            page.locator("#rows input").first.check()
            for menu in ("#preferences", "#nav-more", ".filter-more"):
                page.locator(menu).evaluate("menu => { menu.open = true }")
            found += in_both(page, axe)
            assert page.evaluate("document.documentElement.scrollWidth") <= 320
            assert found == []
        finally:
            console.stop()


def in_both(page: Page, axe: Callable[[Page], list[str]]) -> list[str]:
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found += [f"{scheme}: {violation}" for violation in axe(page)]
    return found
