"""The demo's panel: only in a demo, and only what it does."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from dashboard import ConsoleSettings, create_app
from tests.console import Visitor, text_of
from tests.panel import STATE, Demo

ACTS = {
    "/demo/burst": "burst",
    "/demo/workers": "add_worker",
    "/demo/workers/kill": "kill_worker",
    "/demo/warehouse/open": "open_warehouse",
    "/demo/warehouse/close": "close_warehouse",
}


@pytest.fixture
def demo() -> Iterator[Demo]:
    with tempfile.TemporaryDirectory(prefix="ty-", dir="/tmp") as folder:  # a socket's path may not be long
        running = Demo(Path(folder) / "panel.sock")
        with running.at_work():
            yield running


@pytest.fixture
def settings(redis_url: str, namespace: str, demo: Demo) -> ConsoleSettings:
    return ConsoleSettings(redis_url=redis_url, namespace=namespace, demo_socket=str(demo.panel.path))


@pytest.mark.parametrize(("path", "act"), ACTS.items())
def test_press_is_asked_of_the_demo_and_what_came_of_it_is_said(
    path: str, act: str, demo: Demo, visitor: Visitor
) -> None:
    answer = visitor.post(path, worker="fast", next="/")
    assert (answer.status_code, answer.location) == (303, "/")
    (asked,) = demo.asked
    assert (asked.act, asked.by) == (act, "console")
    assert asked.worker == ("fast" if act == "kill_worker" else "")
    assert f"{act} {asked.worker}".strip() + " was done." in visitor.said()


def test_form_that_is_sent_twice_acts_once_and_another_button_is_another_action(demo: Demo, visitor: Visitor) -> None:
    for worker in ("fast", "fast", "slow"):
        visitor.post("/demo/workers/kill", worker=worker, action_id="same")
        assert f"kill_worker {worker} was done." in visitor.said()
    assert [request.worker for request in demo.asked] == ["fast", "slow"]


@pytest.mark.parametrize("missing", ["csrf_token", "action_id"])
def test_incomplete_form_does_nothing(missing: str, demo: Demo, visitor: Visitor) -> None:
    assert visitor.post("/demo/burst", {missing: ""}).status_code == 400
    assert demo.asked == []


def test_panel_stands_below_what_is_wrong_and_refreshes_with_the_page(demo: Demo, visitor: Visitor) -> None:
    page = visitor.text("/")
    assert page.index('id="problems"') < page.index('id="workers"') < page.index('id="demo"')
    assert "Send 200 tasks" in page
    assert "is closed" in page
    assert "opens by itself in 13 s" in page
    assert "Kill fast" in page
    demo.state = STATE | {"rescue": {"worker": "fast", "tasks": 7, "held": 4, "seconds": 3.0}}
    panel = text_of(visitor.fragment("/").text)
    assert "fast was killed 3.0 s ago with 7 tasks: 3 back, 4 until their leases end" in panel
    demo.state = STATE | {
        "may_add": False,
        "workers": [],
        "rescue": {"worker": "fast", "tasks": 7, "held": 0, "seconds": 9.0},
    }
    panel = text_of(visitor.fragment("/").text)
    assert "All 7 tasks of fast came back within 9.0 s, and wait for a worker." in panel
    assert "Add a worker" not in panel


def test_demo_that_is_gone_is_said_and_the_page_is_there_all_the_same(
    settings: ConsoleSettings, new_app: Callable[[ConsoleSettings], Flask]
) -> None:
    visitor = Visitor(new_app(replace(settings, demo_socket=f"{settings.demo_socket}.gone")).test_client())
    assert "The demo does not answer" in visitor.text("/")
    assert visitor.post("/demo/burst").status_code == 303
    assert "did not answer, so it is not known whether this was done" in visitor.said()


def test_outside_of_a_demo_nothing_of_it_exists(
    settings: ConsoleSettings, new_app: Callable[[ConsoleSettings], Flask]
) -> None:
    app = new_app(replace(settings, demo_socket=""))
    visitor = Visitor(app.test_client())
    assert "demo" not in visitor.text("/").replace("taskyard demo", "")
    assert not [rule for rule in app.url_map.iter_rules() if "demo" in rule.rule]
    for path in ACTS:
        assert visitor.post(path).status_code == 404


@pytest.fixture
def new_app() -> Callable[[ConsoleSettings], Flask]:
    def make(settings: ConsoleSettings) -> Flask:
        app = create_app(settings)
        app.testing = True
        return app

    return make
