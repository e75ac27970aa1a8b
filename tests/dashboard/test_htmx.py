"""Page or fragment: each rule that has bitten someone."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from jinja2 import Template

from dashboard import create_app
from dashboard.settings import ConsoleSettings
from tests.console import PARTIAL, Tasks, Visitor, text_of

PAGES = ["/", "/queues", "/queues/billing?state=dead", "/dead", "/dead/letters", "/dead/trash", "/workers", "/activity"]


def targets(fragment: str) -> list[str]:
    return re.findall(r'<hx-partial hx-target="#([^"]*)"', fragment)


@pytest.mark.parametrize("path", PAGES)
def test_one_address_serves_the_page_and_its_panels(visitor: Visitor, tasks: Tasks, path: str) -> None:
    tasks.die()
    page, fragment = visitor.get(path), visitor.fragment(path)
    assert page.text.startswith("<!doctype html>")
    assert "<html" not in fragment.text
    for target in targets(fragment.text):
        assert len(re.findall(rf'id="{target}"', page.text)) == 1, target
    for response in (page, fragment):
        assert "HX-Request-Type" in response.headers["Vary"]
        assert response.headers["Cache-Control"] == "no-store"


def test_a_link_or_redirect_that_htmx_follows_gets_the_page(visitor: Visitor) -> None:
    for headers in ({"HX-Request": "true"}, {"HX-Request": "true", "HX-Request-Type": "full"}, {"HX-Boosted": "true"}):
        assert visitor.client.get("/queues", headers=headers).text.startswith("<!doctype html>")


@pytest.mark.parametrize("path", PAGES)
def test_ids_are_unique_on_the_page(visitor: Visitor, tasks: Tasks, path: str) -> None:
    """Morphing goes by ids: two alike, and a tick moves to another task."""
    tasks.die(count=3)
    tasks.die("email", count=2, name="send")
    ids = Counter(re.findall(r'\sid="([^"]*)"', visitor.text(path)))
    assert [name for name, count in ids.items() if count > 1] == []


def test_every_box_and_row_of_a_list_has_an_id(visitor: Visitor, tasks: Tasks) -> None:
    tasks.die(count=3)
    page = visitor.text("/dead/letters")
    for element in re.findall(r"<(?:tr data-row|input|details|select|summary|button)[^>]*>", page):
        if element.startswith(("<button", "<summary")) or 'type="hidden"' in element:
            continue
        assert ' id="' in element, element


def test_nothing_changed_is_answered_by_204(visitor: Visitor) -> None:
    first = visitor.fragment("/workers")
    again = visitor.fragment("/workers", **{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.text) == (204, "")
    assert re.fullmatch(r"\d\d:\d\d:\d\d", again.headers["Taskyard-As-Of"])


def test_a_held_list_is_left_out_and_the_rest_is_there(visitor: Visitor, tasks: Tasks) -> None:
    tasks.die()
    assert "list" in targets(visitor.fragment("/dead/letters").text)
    held = targets(visitor.fragment("/dead/letters?held=list").text)
    assert "list" not in held
    assert {"band", "nav-dead", "tabs"} <= set(held)


def test_a_refresh_gets_exactly_the_rows_that_it_names(visitor: Visitor, tasks: Tasks) -> None:
    ids = tasks.die(count=3)
    page = visitor.text("/dead/letters")
    shown = re.findall(r'<tr id="row-billing-([^"]*)"', page)
    assert sorted(shown) == sorted(ids)
    (later,) = tasks.die()
    visitor.post(f"/queues/billing/tasks/{ids[0]}/requeue", died_at=str(tasks.died_at(ids[0])))
    named = re.search(r'name="rows" value="([^"]*)"', page)
    assert named
    assert named[1] == f"billing/{','.join(shown)}"
    fragment = visitor.fragment(f"/dead/letters?rows={named[1]}").text
    assert re.findall(r'<tr id="row-billing-([^"]*)"', fragment) == shown
    assert "1 new row" in fragment
    left = re.findall(r'<tr id="row-billing-([^"]*)" data-row class="left"', fragment)
    assert left == [ids[0]]
    assert "Ready" in text_of(fragment)
    assert later not in fragment


def test_a_row_of_a_task_that_left_no_trace_says_that_it_ended(visitor: Visitor, tasks: Tasks) -> None:
    (task_id,) = tasks.enqueue()
    with tasks.yard.queue("billing").claim(limit=1) as leases:
        for lease in leases:
            lease.complete()
    fragment = visitor.fragment(f"/queues/billing?state=ready&rows=billing/{task_id}").text
    assert "data-gone" in fragment
    assert "ended" in text_of(fragment)


@pytest.mark.parametrize("rows", ["nonsense", "a/b,,c", "a/", "a/b;c"])
def test_rows_that_cannot_be_are_refused(visitor: Visitor, tasks: Tasks, rows: str) -> None:
    tasks.die()
    assert "does not name rows" in visitor.fragment(f"/dead/letters?rows={rows}").text


def test_a_page_that_is_gone_stays_and_says_so(visitor: Visitor) -> None:
    fragment = visitor.fragment("/queues/nowhere")
    assert fragment.status_code == 200
    assert targets(fragment.text) == ["band"]
    assert "There is no queue nowhere" in fragment.text


def test_each_panel_fails_alone(settings: ConsoleSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    app: Flask = create_app(settings)
    find = app.jinja_env.get_template

    def get_template(name: str, *context: Any) -> Template:
        return app.jinja_env.from_string("{{ 1 // 0 }}") if name == "workers/_table.html" else find(name, *context)

    monkeypatch.setattr(app.jinja_env, "get_template", get_template)
    response = app.test_client().get("/workers")
    assert response.status_code == 200
    assert "This part could not be shown" in response.text
    assert "Traceback" not in response.text
    assert "ZeroDivision" not in response.text


def test_no_template_uses_what_the_policy_forbids(app: Flask) -> None:
    """No inline script, style or handler, no trigger filter, no value that is evaluated, no unescaped data."""
    evaluated = r"\son\w+=|hx-on|hx-vals=.js:|hx-trigger=\"[^\"]*\["
    forbidden = re.compile(rf"\|\s*safe\b|Markup\(|\bstyle=|<script>|autoescape false|{evaluated}")
    loader = app.jinja_env.loader
    assert loader
    for name in app.jinja_env.list_templates(extensions=("html",)):
        source, _, _ = loader.get_source(app.jinja_env, name)
        assert forbidden.findall(source) == [], name


def test_a_page_of_an_error_is_not_refreshed_but_comes_back_with_redis(visitor: Visitor) -> None:
    missing = visitor.get("/nowhere").text
    assert 'id="poller"' not in missing
    assert "data-js" in missing


def test_the_vendored_script_is_the_one_that_was_tried(app: Flask) -> None:
    script = Path(app.static_folder or "") / "vendor" / "htmx-4.0.1.min.js"
    found = base64.b64encode(hashlib.sha384(script.read_bytes()).digest()).decode()
    assert found == "Qp9rdC8H7EqOoX+nR0P3RPG2Noji+qdwJlGpfzwQJsfOpp3sGwIdSP9xO3+UlEhn"


def test_polls_name_no_shared_header(app: Flask) -> None:
    """Each change is a form with its own token; nothing is inherited."""
    page = app.test_client().get("/").text
    assert "hx-headers" not in page
    assert page.count("hx-trigger") == 1
    assert 'hx-sync="this:drop"' in page
    assert PARTIAL["HX-Request-Type"] == "partial"
