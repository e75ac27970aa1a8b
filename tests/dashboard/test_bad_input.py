"""Whatever is asked with and whatever is sent: a page that says what is wrong, never an error of ours.

The parameters are not listed here: a request notes under which names a view looks for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import unescape
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import quote

import pytest
from flask import Flask
from werkzeug.test import TestResponse
from werkzeug.utils import cached_property

from dashboard.parameters import SEVERAL, ConsoleRequest, OnceOnly
from tests.console import PARTIAL, Tasks, Visitor, text_of
from tests.forms import Form, forms_of
from tests.hostile import UNSEEN
from tests.places import Place, Places

BAD = [
    "word",
    "\u00b2",
    "\u00b2-1",
    "9" * 5_000,
    "billing/x/\u00b2",
    "0001-01-01T00:00:00+14:00",
    "\x00\r\nSet-Cookie: evil=1",
    "//evil.example/<script>alert(1)</script>",
    "\u202e\u200b\ufdd0\U0010ffff",
]
NAMES = ["..", "a b", "\u00b2", "a" * 5_000, "\x00", "<script>alert(1)</script>", "billing\u202e"]
"""In the place of what a path names."""
TOKENS = {"csrf_token", "action_id"}


class Noted(OnceOnly):
    """`names`: that were looked for."""

    names: ClassVar[set[str]] = set()

    def get(self, key: str, *args: Any, **options: Any) -> Any:
        self.names.add(key)
        return super().get(key, *args, **options)

    def getlist(self, key: str, *args: Any, **options: Any) -> Any:
        self.names.add(key)
        return super().getlist(key, *args, **options)


class NotedAddress(Noted):
    """`single`: of which one value was looked for."""

    single: ClassVar[set[str]] = set()

    def get(self, key: str, *args: Any, **options: Any) -> Any:
        self.single.add(key)
        return super().get(key, *args, **options)


class NotingRequest(ConsoleRequest):
    parameter_storage_class = Noted

    @cached_property
    def args(self) -> NotedAddress:
        return NotedAddress(super().args)


@pytest.fixture
def app(app: Flask) -> Flask:
    """As it is served: what breaks in it becomes a page."""
    app.testing = False
    app.request_class = NotingRequest
    return app


class Asking:
    """A browser that notes which parameters are looked for."""

    def __init__(self, app: Flask, visitor: Visitor, places: Places) -> None:
        self._app, self._places = app, places
        self._client, self._token, self._forms = visitor.client, visitor.token(), 0
        self._pages: list[Form] = []

    def ask(self, place: Place, given: Mapping[str, str], headers: Mapping[str, str] | None = None) -> TestResponse:
        if not place.changes:
            return self._client.get(place.path, query_string=given, headers=headers)
        self._forms += 1
        form = {"csrf_token": self._token, "action_id": str(self._forms), **given}
        return self._client.post(place.path, data=form, headers=headers)

    def twice(self, place: Place, name: str, filled_in: Mapping[str, str]) -> TestResponse:
        given: dict[str, str | list[str]] = {**filled_in, name: [filled_in.get(name, "1")] * 2}
        if not place.changes:
            return self._client.get(place.path, query_string=given)
        self._forms += 1
        form = {"csrf_token": self._token, "action_id": str(self._forms), **given}
        return self._client.post(place.path, data=form)

    def names(
        self,
        place: Place,
        filled_in: Mapping[str, str] = MappingProxyType({}),
        headers: Mapping[str, str] | None = None,
    ) -> set[str]:
        """What it looks for; some only once there is something under another name."""
        found: set[str] = set()
        for _ in range(3):
            Noted.names.clear()
            self.ask(place, {**dict.fromkeys(found - TOKENS, "x"), **filled_in}, headers)
            found |= Noted.names
        return found - TOKENS

    def filled_in(self, place: Place) -> dict[str, str]:
        """What the form of that address holds on the page where it stands."""
        if not self._pages:
            for page in self._places.every(self._app):
                if not (page.changes or page.is_for_programs):
                    self._pages += forms_of(self._client.get(page.path).text, page.path)
        found = next((form.fields for form in self._pages if form.action.partition("?")[0] == place.path), {})
        return {name: text for name, text in found.items() if name not in TOKENS}


def check(answer: TestResponse, accepted: set[int]) -> None:
    what = f"{answer.request.method} {answer.request.path[:80]} {answer.request.query_string[:80]!r}"
    assert answer.status_code in accepted, what
    assert "Something broke" not in answer.text, what
    assert "console's last start" not in unescape(answer.text), what  # it was this form that was looked at
    assert "<script>alert" not in answer.text, what
    assert not re.search(UNSEEN, answer.text), what
    if answer.location:
        assert answer.location.startswith("/"), what
        assert not answer.location.startswith("//"), what
    elif answer.status_code != 200 and "HX-Request-Type" not in answer.request.headers:
        assert answer.text.startswith("<!doctype html>"), what
        assert "<h1" in answer.text, what


PARTS = pytest.mark.parametrize("part", range(3))
"""Of the routes, so that none takes long."""


def pages(app: Flask, places: Places, *, changes: bool, part: int | None = None) -> Iterator[Place]:
    every = (place for place in places.every(app) if place.changes is changes and not place.is_for_programs)
    named = (place for place in every if not place.endpoint.startswith("sign_in."))
    return (place for number, place in enumerate(named) if part is None or number % 3 == part)


@pytest.mark.parametrize(
    ("endpoint", "names"),
    [
        ("queues.show", {"state", "cursor", "held"}),
        ("failures.index", {"queue", "task", "class", "q", "since", "until", "sort", "page", "held"}),
        ("workers.tell", {"choice", "reason", "next"}),
        ("tasks.requeue", {"died_at", "reason", "next"}),
    ],
)
def test_parameters_are_found_by_looking(
    app: Flask, visitor: Visitor, places: Places, endpoint: str, names: set[str]
) -> None:
    asking = Asking(app, visitor, places)
    place = next(place for place in places.every(app) if place.endpoint == endpoint)
    headers = None if place.changes else PARTIAL
    assert names <= asking.names(place, asking.filled_in(place) if place.changes else {}, headers)


@PARTS
def test_no_parameter_of_a_page_breaks_it(app: Flask, visitor: Visitor, places: Places, part: int) -> None:
    asking = Asking(app, visitor, places)
    for place in pages(app, places, changes=False, part=part):
        names = asking.names(place)
        for headers, some in ((None, names), (PARTIAL, asking.names(place, headers=PARTIAL) - names - {"held"})):
            for name in sorted(some):
                for text in BAD:
                    check(asking.ask(place, {name: text}, headers), {200, 303, 400, 404})


@PARTS
def test_no_field_of_a_form_breaks_it(app: Flask, visitor: Visitor, places: Places, part: int) -> None:
    asking = Asking(app, visitor, places)
    for place in pages(app, places, changes=True, part=part):
        filled_in = asking.filled_in(place)
        for name in sorted(asking.names(place, filled_in)):
            for text in BAD:
                check(asking.ask(place, {**filled_in, name: text}), {200, 303, 400, 404, 409, 422})


@pytest.mark.parametrize(
    ("path", "said", "link"),
    [
        ("/queues?sort=colour", "In the address, sort is 'colour'; it must be one of trouble, name, ready", "/queues"),
        ("/workers?sort=--name&q=web", "with - before it the largest first", "/workers?q=web"),
        ("/schedules?page=0", "page is '0'; it must be a whole number from 1 on.", "/schedules"),
        ("/dead?page=x&queue=billing", "page is 'x'", "/dead?queue=billing"),
        ("/dead?muted=yes", "muted is 'yes'; it must be 1.", "/dead"),
        ("/dead/letters?since=yesterday", "since is 'yesterday'; it must be a time", "/dead/letters"),
        ("/queues?quiet=2", "quiet is '2'", "/queues"),
        ("/queues/billing?state=gone", "it must be ready, ", "/queues/billing"),
        ("/queues/billing/figures?span=7d", "span is '7d'; it must be 1h or 24h.", "/queues/billing/figures"),
        ("/queues/billing/bulk/trash?seen=many", "seen is 'many'", "/queues/billing/bulk/trash"),
        ("/queues/billing/bulk/move?state=gone", "state is 'gone'; it must be dead, ", "/queues/billing/bulk/move"),
        ("/activity?what=Frobnicate", "what is 'Frobnicate'; it must be Add, ", "/activity"),
        (f"/find?q={'x' * 129}", "q has 129 characters; 128 are the most.", "/find"),
        ("/queues/billing?cursor=x&state=dead", "not one of a page's own", "/queues/billing?state=dead"),
        ("/dead?queue=nowhere&task=x", "There is no queue nowhere.", "/dead"),
    ],
)
def test_a_value_that_is_not_accepted_is_refused_with_what_would_be_and_a_way_on(
    visitor: Visitor, tasks: Tasks, path: str, said: str, link: str
) -> None:
    tasks.die()
    answer = visitor.get(path)
    check(answer, {400, 404})
    assert said in text_of(answer.text)
    links = [unescape(found) for found in re.findall(r'<p><a href="([^"]*)">Show the', answer.text)]
    assert links == [link]
    assert visitor.get(link).status_code == 200


def test_a_page_beyond_the_last_is_the_last_and_an_empty_value_is_none(visitor: Visitor, tasks: Tasks) -> None:
    """Lists become shorter, and forms send their empty fields."""
    tasks.die()
    for path in ("/queues?page=99", "/dead?page=7&sort=&q=&since=&until=&muted=&queue=", "/queues/billing?state="):
        assert visitor.get(path).status_code == 200, path


@PARTS
def test_a_parameter_of_a_page_that_takes_one_value_is_not_given_two(
    app: Flask, visitor: Visitor, places: Places, part: int
) -> None:
    asking = Asking(app, visitor, places)
    for place in pages(app, places, changes=False, part=part):
        NotedAddress.single.clear()
        asking.names(place)
        for name in sorted(NotedAddress.single):
            answer = asking.twice(place, name, {})
            check(answer, {400})
            assert f"{name} was given 2 times: it takes one value." in text_of(answer.text), place.path


@PARTS
def test_a_field_that_stands_twice_in_a_form_is_refused(
    app: Flask, visitor: Visitor, places: Places, part: int
) -> None:
    asking = Asking(app, visitor, places)
    for place in pages(app, places, changes=True, part=part):
        filled_in = asking.filled_in(place)
        for name in sorted(asking.names(place, filled_in) - SEVERAL):
            answer = asking.twice(place, name, filled_in)
            check(answer, {400})
            assert f"{name} was given 2 times" in text_of(answer.text), place.path


def test_names_that_no_page_knows_are_left_aside(app: Flask, visitor: Visitor, places: Places) -> None:
    """Chats and mail add some to the addresses that pass through them."""
    asking, unknown = Asking(app, visitor, places), {"utm_source": ["chat", "chat"], "fbclid": ["x"]}
    for place in pages(app, places, changes=False):
        plain = asking.ask(place, {}).status_code
        assert visitor.client.get(place.path, query_string=unknown).status_code == plain, place.path


def test_no_link_of_a_page_is_refused(app: Flask, visitor: Visitor, places: Places) -> None:
    seen: set[tuple[str, ...]] = set()
    for place in pages(app, places, changes=False):
        for link in map(unescape, re.findall(r'href="(/[^"]*\?[^"]*)"', visitor.get(place.path).text)):
            path, _, query = link.partition("?")
            kind = (path, *sorted(query.split("&")))
            if kind not in seen and not path.startswith("/static/"):
                seen.add(kind)
                assert visitor.get(link).status_code in (200, 303), f"{place.path}: {link}"
    assert len(seen) > 50


def test_no_name_in_a_path_breaks_a_page(app: Flask, visitor: Visitor, places: Places) -> None:
    asking = Asking(app, visitor, places)
    for name in sorted(places.values.keys() - {"filename"}):
        for text in NAMES:
            for place in places.every(app, **{name: text}):
                if name in place.arguments and not place.is_for_programs:
                    check(asking.ask(place, {}), {200, 303, 400, 404, 405, 409, 422})


@pytest.mark.parametrize("name", ["time", "zone", "theme", "density", "keys", "seen", "session"])
def test_no_cookie_breaks_a_page(app: Flask, name: str) -> None:
    for text in [*BAD, "America", "../UTC", "leapseconds"]:
        for value in (quote(text), text.encode().decode("latin-1").replace("\x00\r\n", "")):
            check(app.test_client().get("/workers", headers={"Cookie": f"taskyard_{name}={value}"}), {200})


@pytest.mark.parametrize(
    "name", ["HX-Current-URL", "If-None-Match", "HX-Request-Type", "Accept", "Authorization", "Range"]
)
def test_no_header_breaks_a_page(app: Flask, visitor: Visitor, name: str) -> None:
    token = visitor.token()
    for text in ["", "x", "\u00b2", "http://[", "a" * 10_000, "bytes=9-1", '"', ";q=x,*/*;q=9"]:
        check(visitor.get("/workers", **{name: text}), {200})
        form = {"csrf_token": token, "action_id": "1", "reason": "why", "next": "/workers"}
        for headers in ({name: text}, {**PARTIAL, name: text}):
            check(visitor.client.post("/queues/billing/pause", data=form, headers=headers), {200, 303, 404})


def test_a_form_that_is_too_large_is_said(app: Flask, visitor: Visitor, tasks: Tasks) -> None:
    tasks.enqueue()
    answer = visitor.client.post("/queues/billing/pause", data={"reason": "x" * 2_000_000})
    check(answer, {413})
    assert "The form is too large" in answer.text
