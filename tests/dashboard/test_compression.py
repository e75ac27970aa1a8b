"""What goes over the wire of scripts and styles."""

from __future__ import annotations

import gzip
import re

import pytest

from tests.console import Visitor

GZIP = {"Accept-Encoding": "br;q=1.0, gzip;q=0.8"}
BUDGET = 60_000


def assets(visitor: Visitor) -> list[str]:
    return re.findall(r'(?:href|src)="(/static/[^"]*\.(?:css|js)\?[^"]*)"', visitor.text("/"))


def test_styles_and_scripts_of_the_first_page_are_small_enough_compressed(visitor: Visitor) -> None:
    found = assets(visitor)
    assert len(found) >= 3
    answers = [visitor.get(path, **GZIP) for path in found]
    assert {answer.headers.get("Content-Encoding") for answer in answers} == {"gzip"}
    assert sum(len(answer.data) for answer in answers) <= BUDGET
    for path, answer in zip(found, answers, strict=True):
        assert gzip.decompress(answer.data) == visitor.get(path).data
        assert int(answer.headers["Content-Length"]) == len(answer.data)


@pytest.mark.parametrize("accepted", ["", "identity", "br", "gzip;q=0"])
def test_whoever_does_not_take_it_compressed_gets_it_as_it_is(visitor: Visitor, accepted: str) -> None:
    answer = visitor.get("/static/app.css", **{"Accept-Encoding": accepted})
    assert "Content-Encoding" not in answer.headers
    assert answer.data.startswith(b"/* Tokens first")


def test_caches_keep_both_forms_apart_and_need_not_load_either_again(visitor: Visitor) -> None:
    for headers in ({}, GZIP):
        answer = visitor.get("/static/app.css", **headers)
        assert "Accept-Encoding" in answer.headers["Vary"]
        again = visitor.get("/static/app.css", **{**headers, "If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")


def test_pages_are_not_compressed_as_their_length_would_tell_of_what_is_secret_in_them(visitor: Visitor) -> None:
    assert "Content-Encoding" not in visitor.get("/", **GZIP).headers


@pytest.mark.parametrize("name", ["nowhere.css", "../pyproject.toml", "%2e%2e/app.js", "pages/../../x.css"])
def test_what_is_not_there_stays_so(visitor: Visitor, name: str) -> None:
    assert visitor.get(f"/static/{name}", **GZIP).status_code == 404
