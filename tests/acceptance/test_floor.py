"""The floor does not move: what a reader ticked, typed, opened, selected or scrolled to is there after refreshes in
which everything around it has changed. On every page with a list, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Response, Route, expect

from tests.acceptance.harness import Console
from tests.console import Tasks
from tests.engine import Engine
from tests.workers import put_worker

pytestmark = pytest.mark.browser

LISTS = {
    "/": "#queues",
    "/queues": "#queues",
    "/queues/billing?state=ready": "#list",
    "/queues/billing?state=dead": "#list",
    "/dead": "#list",
    "/dead/letters": "#list",
    "/dead/trash": "#list",
    "/workers": "#workers",
    "/schedules": "#schedules",
    "/activity": "#list",
}
"""Page → its list."""
REFRESHES = 10

HOLD = """list => {
    const name = [...document.querySelectorAll(`${list} tbody a .name`)].at(-1);
    for (const box of [...document.querySelectorAll('input[name=letter]')].slice(1, 3)) box.click();
    document.querySelector('#search').value = 'half a sen';
    document.querySelector('#preferences').open = true;
    name.closest('a').focus({preventScroll: true});
    getSelection().selectAllChildren(name);
    name.scrollIntoView({block: 'center'});
}"""
STANDS = """() => ({
    ticked: [...document.querySelectorAll('input[name=letter]:checked')].map(box => box.id),
    typed: document.querySelector('#search').value,
    menu: document.querySelector('#preferences').open,
    focus: document.activeElement.getAttribute('href'),
    selected: String(getSelection()),
    seen_at: Math.round(document.activeElement.getBoundingClientRect().top),
})"""
RELEASE = """() => {
    for (const box of document.querySelectorAll('input[name=letter]:checked')) box.checked = false;
    getSelection().removeAllRanges();
}"""
REFRESH = "document.dispatchEvent(new Event('visibilitychange'))"
"""As when a tab is shown again."""


@pytest.fixture
def change(tasks: Tasks, engine: Engine) -> Callable[[int], None]:
    """Something happens everywhere: letters die and are purged, tasks come and go, workers are busy, people act."""
    for number in range(12):
        tasks.enqueue(f"queue-{number}", name="work")
    for name in ("nightly", "weekly"):
        tasks.yard.schedules.add(name, "report", every=3_600, queue="reports", by="ada", action_id=name)
    tasks.control.trash("billing", tasks.die(count=4), by="ada", action_id="t")
    tasks.die(count=4)

    def change(number: int) -> None:
        now = tasks.inspector.server_ms()
        tasks.die(count=2, error=ConnectionError("refused") if number % 2 else ValueError(f"bad total {number}"))
        tasks.control.trash("billing", tasks.die(), by="ada", reason=f"no {number}", action_id=f"t{number}")
        tasks.enqueue(count=3)
        tasks.enqueue(f"queue-{number}", name="work", count=5)
        tasks.yard.schedules.run_now("nightly", by="ada", action_id=str(number))
        for worker in range(number % 3 + 2):
            put_worker(engine, f"web-{worker}:7", now, queues={"billing": 4}, busy=number % 4, started_at=now - 9_000)

    change(0)
    return change


def dead_letters(page: Page) -> int:
    return int(page.locator("#nav-dead").inner_text().split()[0])


class Tab:
    """One page that counts its refreshes."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self._answers = page, 0
        page.on("response", self._count)
        page.goto(address)

    def _count(self, response: Response) -> None:
        self._answers += response.request.headers.get("hx-request-type") == "partial"

    def begin(self) -> int:
        before = self._answers
        self.page.evaluate(REFRESH)
        return before

    def end(self, before: int) -> None:
        while self._answers == before:
            self.page.wait_for_timeout(5)


def test_what_is_held_stands_through_ten_refreshes(
    console: Console, new_page: Callable[..., Page], change: Callable[[int], None]
) -> None:
    context = new_page(viewport={"width": 1280, "height": 300}).context
    tabs = {path: Tab(context.new_page(), console.url + path) for path in LISTS}
    stood: dict[str, dict[str, Any]] = {}
    for path, tab in tabs.items():
        expect(tab.page.locator(f"{LISTS[path]} tbody a .name").last).to_be_visible()
        tab.page.evaluate(HOLD, LISTS[path])
        stood[path] = tab.page.evaluate(STANDS)
        assert stood[path]["selected"], path
        assert stood[path]["focus"], path
        assert tab.page.evaluate("scrollY"), path
        assert len(stood[path]["ticked"]) == 2 * ("letters" in path or ("dead" in path and "queues" in path)), path
        assert dead_letters(tab.page) == 6, path
    for number in range(REFRESHES + 2):
        if number == REFRESHES:  # and with nothing that holds the list
            for path, tab in tabs.items():
                tab.page.evaluate(RELEASE)
                tab.page.wait_for_timeout(50)
                now = tab.page.evaluate(STANDS)
                assert now == stood[path] | {"ticked": [], "selected": "", "seen_at": now["seen_at"]}, path
                stood[path] = now
        change(number + 1)
        begun = [(tab, tab.begin()) for tab in tabs.values()]
        for tab, before in begun:
            tab.end(before)
        for path, tab in tabs.items():
            assert tab.page.evaluate(STANDS) == stood[path], f"{path}, refresh {number}"
    for path, tab in tabs.items():
        assert dead_letters(tab.page) > 20, path


def test_a_refresh_on_its_way_leaves_a_list_alone_that_is_ticked_meanwhile(
    console: Console, tasks: Tasks, page: Page, change: Callable[[int], None]
) -> None:
    page.goto(f"{console.url}/dead/letters")
    expect(page.locator("#rows tr")).to_have_count(6)
    on_its_way: list[Route] = []
    page.route("**/dead/letters*", lambda route: route.continue_() if on_its_way else on_its_way.append(route))
    shown = page.locator("#list").inner_html()
    change(1)
    page.evaluate(REFRESH)
    while not on_its_way:
        page.wait_for_timeout(5)
    box = page.locator("#rows input").nth(1)
    ticked = box.get_attribute("id")
    box.check()
    with page.expect_response(lambda response: "held=" not in response.url and "/dead/letters" in response.url):
        on_its_way[0].continue_()
    expect(page.locator("#nav-dead")).to_contain_text("8")  # the rest of the page is refreshed
    assert page.locator("#list").inner_html() == shown
    assert [box.get_attribute("id") for box in page.locator("#rows input:checked").all()] == [ticked]
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_role("link", name="2 new rows")).to_be_visible()  # it would have been another one
