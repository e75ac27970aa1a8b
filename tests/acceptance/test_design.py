"""The measures of the design, as the browser takes them: few pages, many looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.acceptance.harness import Console
from tests.conftest import PageFaults
from tests.console import Tasks

LEAVING = ["q7", "q6", "q5", "q4", "q3", "q2"]
"""Columns of the queues, in the order in which they leave where there is little room."""
VISIBLE = """() => [...document.querySelectorAll('.t-queues thead th')]
    .filter(head => head.checkVisibility()).flatMap(head => [...head.classList].filter(name => /^q\\d$/.test(name)))"""
HEIGHTS = "rows => [...new Set(rows.map(row => Math.round(row.getBoundingClientRect().height)))]"
BAR = "bar => [bar.getBoundingClientRect().height, bar.getBoundingClientRect().width === innerWidth]"
MOTION = "toast => { const style = getComputedStyle(toast); return [style.animationName, style.animationDuration]; }"


PROBE = """element => { const probe = element.appendChild(document.createElement('i'));
    probe.style.color = 'var(--violet)'; const is = getComputedStyle(probe).color; probe.remove(); return is; }"""


@pytest.fixture
def console(redis_url: str, namespace: str) -> Iterator[Console]:
    environment: dict[str, Any] = {"TASKYARD_ENVIRONMENT": "production", "TASKYARD_ENVIRONMENT_COLOUR": "violet"}
    running = Console(redis_url, namespace, **environment)
    yield running
    running.stop()


def check_header_and_columns(page: Page) -> None:
    """The header has room, and columns leave from the right, none by a scroll sideways."""
    expect(page).to_have_title("(1) Overview · production · Taskyard")
    name = page.locator(".environment")
    expect(name).to_have_text("production")
    assert name.evaluate("element => getComputedStyle(element).color") == name.evaluate(PROBE)
    left: list[str] = []
    for width in range(1440, 700, -40):
        page.set_viewport_size({"width": width, "height": 800})
        shown = page.evaluate(VISIBLE)
        gone = [column for column in LEAVING if column not in shown]
        assert gone == LEAVING[: len(gone)], width
        assert len(gone) >= len(left), width
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
        left = gone
    assert left
    page.set_viewport_size({"width": 1280, "height": 800})


def check_rows_and_head(page: Page) -> None:
    rows = page.locator("#rows tr")
    assert rows.evaluate_all(HEIGHTS) == [36]
    page.locator("#preferences summary").click()
    page.get_by_role("button", name="compact", exact=True).click()
    expect(page.locator("html")).to_have_attribute("data-density", "compact")
    assert rows.evaluate_all(HEIGHTS) == [28]
    page.mouse.move(600, 500)
    page.mouse.wheel(0, 600)
    expect(rows.first).not_to_be_in_viewport()
    head, top = page.locator("#list thead th").first.bounding_box(), page.locator(".top").bounding_box()
    assert head
    assert top
    assert abs(head["y"] - (top["y"] + top["height"])) <= 1


def check_waiting_and_motion(page: Page) -> None:
    held: list[Route] = []
    page.route("**/requeue", lambda route: held.append(route))
    page.clock.pause_at(page.evaluate("Date.now() / 1000") + 5)
    page.locator("#rows tr").last.get_by_role("button", name="Retry").click()
    expect(page.locator("#act")).to_have_attribute("data-sending", "yes")
    page.clock.run_for(399)
    expect(page.locator("#waiting")).to_have_count(0)
    page.clock.run_for(2)
    assert page.locator("#waiting").evaluate(BAR) == [2, True]
    page.clock.resume()
    held[0].continue_()
    toast = page.locator("#toasts .toast")
    expect(toast).to_have_count(1)
    expect(page.locator("#waiting")).to_have_count(0)
    name, length = toast.evaluate(MOTION)
    assert name != "none"
    assert length == "0.12s"
    page.emulate_media(reduced_motion="reduce")
    assert toast.evaluate(MOTION)[0] == "none"


def test_what_is_shown_has_the_measures_of_the_design(
    console: Console, tasks: Tasks, page: Page, new_page: Callable[..., Page], page_faults: PageFaults
) -> None:
    page_faults.allow("htmx:error: timeout")  # the clock goes on faster than the console answers
    tasks.die(count=40)
    page.clock.install()
    page.goto(console.url)
    check_header_and_columns(page)
    page.goto(f"{console.url}/queues/billing?state=dead")
    check_rows_and_head(page)
    check_waiting_and_motion(page)
    touched = new_page(viewport={"width": 1024, "height": 768}, has_touch=True, is_mobile=True)
    touched.goto(f"{console.url}/queues/billing?state=dead")
    for width in (1024, 390):
        touched.set_viewport_size({"width": width, "height": 800})
        assert min(touched.locator("#rows tr").evaluate_all(HEIGHTS)) >= 48
