"""Redis goes under every page that stands open in a browser; under those that differ in what the browser does it hangs
and is damaged, the console dies, and the sign-in ends."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from redis import Redis

from queue_core.embedded import EmbeddedServer
from tests.acceptance.harness import Console
from tests.acceptance.test_sign_in import sign_in, sign_out
from tests.conftest import PageFaults
from tests.console import Tasks
from tests.installation import PAGES, QUEUE, furnish
from tests.panel import Demo
from tests.people import write_users

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

TYPED = {"pause": "Reason", "schedule-pause": "Reason", "limits": "Reason", "edit": "Payload", "preview": "Reason"}
"""Page → the field in which something is typed before."""
STAYING = ("overview", "queues", "letters", "pause", "edit", "preview", "system")
OF_THE_QUEUE = ("pause", "edit", "preview")
STATE = """() => ({
    off: [...document.querySelectorAll("main [data-act]:not([data-bulk])")].map(button => button.disabled),
    leaving: [...document.querySelectorAll("main form:not([data-live-form]) [data-act]:not([form]):not([data-bulk])")]
        .map(button => button.disabled),
    rows: document.querySelectorAll("main tbody tr").length,
    live: document.querySelector("#live-switch").innerText,
})"""


class Tabs:
    """All pages, each in a tab of its own, in which things are typed and ticked."""

    def __init__(self, context: BrowserContext, url: str, addresses: Mapping[str, str]) -> None:
        self.tabs: dict[str, Page] = {}
        for name, address in addresses.items():
            self.tabs[name] = context.new_page()
            self.tabs[name].goto(url + address)
        for name in TYPED.keys() & self.tabs.keys():
            self.tabs[name].get_by_label(TYPED[name]).fill("half a sen")
        self.tabs["letters"].locator("#rows input").first.check()
        self.rows = {name: self.look(name)["rows"] for name in self.tabs}

    def __getitem__(self, name: str) -> Page:
        return self.tabs[name]

    def look(self, name: str) -> Any:
        return self.tabs[name].evaluate(STATE)

    def ask(self) -> None:
        """They would by themselves, within two seconds."""
        for tab in self.tabs.values():
            tab.evaluate("htmx.trigger(document.querySelector('#poller'), 'taskyard:poll')")

    def say(self, band: str, words: str, names: tuple[str, ...] = ()) -> None:
        self.ask()
        for name in names or self.tabs:
            expect(self.tabs[name].locator(band)).to_contain_text(re.compile(words), timeout=8_000)

    def are_whole(self) -> None:
        """Nothing stands over them, and what was shown, typed and ticked before is there."""
        self.ask()
        for name, tab in self.tabs.items():
            expect(tab.locator("#band")).to_be_empty(timeout=8_000)
            expect(tab.locator("#band-console")).to_be_hidden()
            expect(tab.locator("#band-signed-out")).to_be_hidden()
            found = self.look(name)
            assert (found["live"], any(found["off"])) == ("live", False), name
        self.keep()

    def keep_forms_off(self) -> None:
        """A press would take away what was typed."""
        for name in self.tabs:
            assert all(self.look(name)["leaving"]), name
        self.keep()

    def keep(self) -> None:
        for name in TYPED.keys() & self.tabs.keys():
            expect(self.tabs[name].get_by_label(TYPED[name])).to_have_value("half a sen")
        expect(self.tabs["letters"].locator("#rows input:checked")).to_have_count(1)
        for name, tab in self.tabs.items():
            if name not in ("figures", "system"):  # a row for each minute, and what is counted in the background
                expect(tab.locator("main tbody tr")).to_have_count(self.rows[name])


@pytest.fixture
def server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer() as own:
        yield own


class Stage:
    """A console with users in a demo, and a browser in which ada is signed in."""

    def __init__(self, server: EmbeddedServer, folder: Path, context: BrowserContext) -> None:
        self._ends = ExitStack()
        self.server, self.context = server, context
        tasks = Tasks(server.url, "qc")
        self._ends.callback(tasks.close)
        self.addresses = furnish(tasks, server.url, "qc")
        self._ends.enter_context(Demo(folder / "panel").at_work())
        users = str(write_users(folder / "users.json").path)
        self.console = Console(server.url, "qc", TASKYARD_DEMO_SOCKET=str(folder / "panel"), TASKYARD_USERS_FILE=users)
        self._ends.callback(self.console.stop)
        self.other = context.new_page()
        self.other.goto(self.console.url)
        sign_in(self.other, "ada")
        self.other.wait_for_url(f"{self.console.url}/")

    def open(self, names: Sequence[str]) -> Tabs:
        return Tabs(self.context, self.console.url, {name: self.addresses[name] for name in names})

    def end(self) -> None:
        self.context.close()
        self._ends.close()


@pytest.fixture
def stage(server: EmbeddedServer, browser: Browser, page_faults: PageFaults, tmp_path: Path) -> Iterator[Stage]:
    page_faults.allow(r"status of (401|503)|ERR_CONNECTION_|ERR_EMPTY_RESPONSE|Failed to fetch")
    context = browser.new_context()
    page_faults.watch(context)
    made = Stage(server, tmp_path, context)
    yield made
    made.end()


def test_redis_is_stopped_and_started_under_every_page(stage: Stage) -> None:
    tabs, other = stage.open(PAGES), stage.other
    expect(tabs["overview"].get_by_role("button", name="Kill fast")).to_be_enabled()
    stage.server.kill()
    tabs.say(
        "#band",
        r"Redis has not answered since \d\d:\d\d:\d\d \(\d+ s\)\.\s+These numbers are from \d\d:\d\d:\d\d\.\s+"
        r"Actions are off\. Trying again every 2 s\.",
    )
    for name in tabs.tabs:
        found = tabs.look(name)
        assert (found["live"], all(found["off"])) == ("waiting", True), name
    tabs.keep()
    other.goto(f"{stage.console.url}/schedules")
    expect(other.get_by_role("heading", name="Redis does not answer")).to_be_visible()
    stage.server.restart()
    tabs.are_whole()
    expect(other.get_by_role("heading", name="Schedules")).to_be_visible()


def test_whatever_else_is_away_under_open_pages_is_said_and_takes_nothing_with_it(stage: Stage) -> None:
    tabs = stage.open(STAYING)
    redis_hangs(tabs, stage.server)
    one_queue_is_damaged(tabs, stage.server)
    the_console_is_killed(tabs, stage.console)
    somebody_signs_out(tabs, stage.other)
    tabs["letters"].locator("#rows").get_by_role("button", name="Retry").last.click()
    expect(tabs["letters"].locator("#toasts")).to_contain_text("1 dead letter retried.")
    tabs["preview"].get_by_role("button", name="Purge").click()
    expect(tabs["preview"].get_by_role("heading", name="Purge")).to_be_visible()


def redis_hangs(tabs: Tabs, server: EmbeddedServer) -> None:
    os.kill(server.pid, signal.SIGSTOP)
    try:
        tabs.say("#band", "Redis has not answered since")
        for tab in tabs.tabs.values():
            expect(tab.locator("#band-console")).to_be_hidden()
    finally:
        os.kill(server.pid, signal.SIGCONT)
    tabs.are_whole()


def one_queue_is_damaged(tabs: Tabs, server: EmbeddedServer) -> None:
    key = f"qc:{{{QUEUE}}}:control"
    with Redis.from_url(server.url) as client:
        client.rename(key, "whole")
        client.set(key, "x")
        damaged = f"What is stored cannot be read.*{key} is .*taskyard fsck {QUEUE}.*What you see is from "
        tabs.say("#band", damaged + r"\d\d:\d\d:\d\d", OF_THE_QUEUE)
        said = f"Unreadable {QUEUE}: the queue's data is damaged"
        expect(tabs["overview"].locator("#problems")).to_contain_text(said)
        expect(tabs["queues"].locator(f"#queue-{QUEUE}")).to_contain_text("cannot be read")
        for name in tabs.tabs.keys() - set(OF_THE_QUEUE):
            expect(tabs[name].locator("#band")).to_be_empty()
            expect(tabs[name]).to_have_title(re.compile(r"^\(\d+\) "))
        client.delete(key)
        client.rename("whole", key)
    tabs.are_whole()


def the_console_is_killed(tabs: Tabs, console: Console) -> None:
    console.kill()
    tabs.say("#band-console", r"The console has not answered since \d\d:\d\d:\d\d\. What you see is from then\.")
    tabs.keep_forms_off()
    console.start()
    tabs.are_whole()


def somebody_signs_out(tabs: Tabs, other: Page) -> None:
    sign_out(other)
    tabs.say("#band-signed-out", r"You are signed out\. What you see is from \d\d:\d\d:\d\d\.")
    tabs.keep_forms_off()
    sign_in(other, "ada")
    tabs.are_whole()
