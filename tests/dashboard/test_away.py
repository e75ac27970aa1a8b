"""While the server is away: every page says so, keeps what it shows, and waits for nobody."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from flask import Flask
from markupsafe import escape

from dashboard import ConsoleSettings, create_app
from dashboard.live import View
from dashboard.pagination import Order
from dashboard.queue_table import COLUMNS
from dashboard.views.overview import overview
from queue_core.client import Client
from queue_core.control import Control
from queue_core.embedded import EmbeddedServer
from queue_core.snapshot import State
from tests.console import Tasks, Visitor, field, text_of
from tests.installation import PAGES, furnish

OF_THE_SNAPSHOT = {"overview", "queues", "workers", "worker", "tell"}
"""Pages that are shown without asking the server for more."""


@pytest.fixture(scope="module")
def pages(own_server: EmbeddedServer, own_tasks: Tasks) -> dict[str, str]:
    found = furnish(own_tasks, own_server.url, "qc")
    assert tuple(found) == PAGES
    return found


@pytest.fixture
def app(own_server: EmbeddedServer, pages: dict[str, str]) -> Flask:
    """Of little patience."""
    control = Control(client=Client(own_server.url, "qc", patience_seconds=0.1))
    application = create_app(ConsoleSettings(redis_url=own_server.url), control=control)
    application.testing = True
    return application


@pytest.fixture
def visitor(app: Flask) -> Visitor:
    """Who has seen the server."""
    found = Visitor(app.test_client())
    found.text("/")
    return found


@pytest.fixture(scope="module")
def forsaken(own_server: EmbeddedServer, pages: dict[str, str]) -> Visitor:
    """Who stands before a console that has lost the server for good: for the tests at the end."""
    found = Visitor(create_app(ConsoleSettings(redis_url=own_server.url)).test_client())
    found.text("/")
    own_server.kill()
    wait_until(lambda: "data-away" in found.text("/"))
    return found


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end


def test_nobody_is_called_lost_or_well_of_whom_nothing_can_be_known(visitor: Visitor, app: Flask) -> None:
    snapshot = app.extensions["taskyard"].live.view().snapshot
    away = View(snapshot, (), snapshot.taken_at + 1_000_000, snapshot.taken_at + 1_000, "has not answered")
    page = overview(away, {}, Order.read(None, COLUMNS, "trouble"))
    assert (page.alive, page.silent, [row.condition for row in page.workers]) == (1, 0, ["alive"])
    assert away.away_ms == 999_000


def test_nothing_is_tried_while_redis_is_known_to_be_away(
    own_server: EmbeddedServer, visitor: Visitor, pages: dict[str, str], own_tasks: Tasks
) -> None:
    token = visitor.token()
    own_server.kill()
    wait_until(lambda: "data-away" in visitor.text("/"))
    form = {"csrf_token": token, "action_id": "away-1", "next": pages["task"]}
    refused = visitor.client.post(f"{pages['task']}/trash", data=form)
    assert (refused.status_code, "Nothing was done." in refused.text) == (503, True)
    own_server.restart()
    assert own_tasks.state(pages["task"].rpartition("/")[2]) is State.DEAD


def test_what_may_have_been_done_is_said_as_that_and_pressed_again_acts_once(
    own_server: EmbeddedServer, visitor: Visitor, pages: dict[str, str], own_tasks: Tasks
) -> None:
    address, token = pages["pause"], visitor.token()
    form = {"csrf_token": token, "action_id": "away-2", "reason": "partner \u2028 <maintenance>", "next": "/"}
    own_server.kill()  # within the second for which the last snapshot holds
    answer = visitor.client.post(address, data=form)
    assert answer.status_code == 503
    assert "It is not known whether this was done. Press again: it acts once." in text_of(answer.text)
    assert 'http-equiv="refresh"' not in answer.text  # nor is a form sent again by itself
    assert "data-reload" not in answer.text
    assert f'hx-get="{address}"' not in answer.text
    own_server.restart()
    offered = answer.text.partition('<div class="message">')[2].partition("</form>")[0]
    again = {name: field(offered, name) for name in form}
    assert again == form
    assert visitor.client.post(address, data=again).status_code == 303
    assert visitor.client.post(address, data=again).status_code == 303
    assert [entry.verb for entry in own_tasks.inspector.audit().rows].count("pause") == 1
    own_tasks.control.resume("billing", by="ada", action_id="away-3")


def test_all_well_is_not_said_of_a_server_that_is_away() -> None:
    with EmbeddedServer() as own:
        idle = Tasks(own.url, "qc")
        idle.enqueue(delay=3_600)
        visitor = Visitor(create_app(ConsoleSettings(redis_url=own.url)).test_client())
        assert "No worker yet" in visitor.text("/")
        own.kill()
        wait_until(lambda: "data-away" in visitor.text("/"))
        said = text_of(visitor.text("/"))
        assert "Nothing was wrong when Redis last answered" in said
        assert "All is well" not in said
        idle.close()


@pytest.mark.parametrize("name", PAGES)
def test_every_page_asks_for_itself_and_has_a_place_for_what_is_away(
    app: Flask, pages: dict[str, str], name: str
) -> None:
    page = app.test_client().get(pages[name]).text
    assert f'<div id="poller" hx-get="{escape(pages[name])}"' in page
    assert '<div id="band">' in page
    assert '<div id="band-console"' in page


@pytest.mark.parametrize("name", PAGES)
def test_an_open_page_keeps_what_it_shows_with_a_band_over_it(
    forsaken: Visitor, pages: dict[str, str], name: str
) -> None:
    answer = forsaken.fragment(pages[name])
    assert answer.status_code == 200
    said = text_of(answer.text)
    assert re.search(r"Redis has not answered since \d\d:\d\d:\d\d \(\d+ s\)\. These numbers are from \d\d:", said)
    assert "Actions are off. Trying again every 2 s." in said
    replaced = set(re.findall(r'hx-target="#([^"]*)"', answer.text)) - {"band", "nav-dead"}
    assert bool(replaced) == (name in OF_THE_SNAPSHOT - {"tell"})


@pytest.mark.parametrize("name", PAGES)
def test_a_page_that_is_opened_says_at_once_that_redis_does_not_answer(
    forsaken: Visitor, pages: dict[str, str], name: str
) -> None:
    began = time.monotonic()
    answer = forsaken.get(pages[name])
    assert answer.status_code == (200 if name in {*OF_THE_SNAPSHOT, "system"} else 503)
    assert "Redis has not answered since" in text_of(answer.text)
    assert "Traceback" not in answer.text
    assert time.monotonic() - began < 1


def test_figures_of_the_system_stay_on_an_open_page(forsaken: Visitor) -> None:
    fresh = text_of(forsaken.text("/system"))
    assert "This shows itself once it is back." in fresh
    assert "No queues" not in fresh
    assert "This shows itself" not in forsaken.fragment("/system").text
