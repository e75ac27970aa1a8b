"""Signing in, and what becomes of an open page when that ends, in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from queue_core.snapshot import State
from tests.acceptance.harness import Console
from tests.conftest import PageFaults
from tests.console import Tasks
from tests.people import PASSWORD, write_users

pytestmark = pytest.mark.browser


@pytest.fixture
def console(redis_url: str, namespace: str, tmp_path: Path) -> Iterator[Console]:
    file = write_users(tmp_path / "users.json")
    running = Console(redis_url, namespace, TASKYARD_USERS_FILE=str(file.path))
    yield running
    running.stop()


def sign_in(page: Page, name: str, password: str = PASSWORD) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def sign_out(page: Page) -> None:
    page.locator("#account summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_an_open_page_survives_the_end_of_its_sign_in_and_goes_on_with_the_next(
    console: Console, tasks: Tasks, page: Page, page_faults: PageFaults
) -> None:
    page_faults.allow("status of 401")
    ids = tasks.die(count=3)
    path = f"{console.url}/queues/billing/faults/{tasks.fingerprint()}"
    page.goto(path)
    sign_in(page, "otto", "not his password")
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    expect(page.get_by_label("Password")).to_be_focused()
    sign_in(page, "otto")
    page.wait_for_url(path)
    expect(page.locator("#account summary")).to_contain_text("otto")

    page.get_by_label("Reason").fill("half a sen")
    page.locator("#rows input").first.check()
    other = page.context.new_page()
    other.goto(console.url)
    sign_out(other)
    band = page.locator("#band-signed-out")
    expect(band).to_contain_text("You are signed out. What you see is from")
    expect(page.locator("#live-switch")).to_have_text("waiting")
    page.locator("#rows").get_by_role("button", name="Retry").last.click()
    expect(page.locator("#toasts")).to_contain_text("You are signed out, so nothing was done.")
    assert all(tasks.state(task_id) is State.DEAD for task_id in ids)
    assert page.url == path

    sign_in(other, "ada")
    expect(band).to_be_hidden()
    expect(page.get_by_label("Reason")).to_have_value("half a sen")
    expect(page.locator("#rows input:checked")).to_have_count(1)
    page.locator("#rows").get_by_role("button", name="Retry").last.click()
    expect(page.locator("#toasts")).to_contain_text("1 dead letter retried.")

    sign_out(other)
    expect(band).to_be_visible()
    band.get_by_role("link", name="Sign in").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    sign_in(page, "ada")
    page.wait_for_url(path)


def test_those_who_only_look_press_no_keys_that_act(console: Console, tasks: Tasks, page: Page) -> None:
    (task_id,) = tasks.die()
    page.goto(f"{console.url}/dead/letters")
    sign_in(page, "vi")
    page.wait_for_url(f"{console.url}/dead/letters")
    page.keyboard.press("j")
    expect(page.locator("#rows tr.current")).to_have_count(1)
    for key in ("x", "r", "p"):
        page.keyboard.press(key)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).not_to_contain_text("purge")
    expect(page.locator("#toasts")).to_be_empty()
    assert tasks.state(task_id) is State.DEAD


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_what_only_sign_ins_have(
    console: Console,
    new_page: Callable[..., Page],
    axe: Callable[[Page], list[str]],
    page_faults: PageFaults,
    scheme: str,
) -> None:
    page_faults.allow("status of 401")
    page = new_page(color_scheme=scheme, viewport={"width": 320, "height": 640})
    page.goto(f"{console.url}/queues")
    assert axe(page) == []
    sign_in(page, "vi", "not her password")
    expect(page.get_by_role("alert")).to_be_visible()
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    sign_in(page, "vi")
    page.locator("#account summary").click()
    page.context.clear_cookies()
    expect(page.locator("#band-signed-out")).to_be_visible()
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
