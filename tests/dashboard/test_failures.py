"""Failures are chosen by a set of faults × a range of time; every count is exact, and leads to what can be done."""

from __future__ import annotations

import re
from datetime import UTC, timedelta, timezone
from html import unescape

import pytest

from dashboard.fault_filter import FaultFilter, is_local, read_time
from dashboard.filters import for_input, iso
from dashboard.viewer import TIME_COOKIE, ZONE_COOKIE
from queue_core.errors import InvalidArgument
from tests.console import Tasks, Visitor, text_of


@pytest.fixture
def faults(tasks: Tasks) -> dict[str, int]:
    """Three faults in two queues; when the first letters of each died."""
    names = {"charge": ("billing", 3), "refund": ("billing", 2), "send": ("email", 4)}
    died = {}
    for name, (queue, count) in names.items():
        error = KeyError("total") if name == "refund" else f"{name} failed"
        died[name] = tasks.died_at(tasks.die(queue, count, name=name, error=error)[0], queue)
    return died


def listed(page: str) -> list[str]:
    """Task names of the rows of the page's list."""
    return [text_of(row) for row in re.findall(r'<tr id="(?:fault|row)-.*?</tr>', page, re.S)]


def whole(page: str) -> list[tuple[str, str]]:
    """The buttons for all that match: label and address."""
    (found,) = re.findall(r'<div id="whole".*?</div>', page, re.S)
    return [(label, unescape(href)) for href, label in re.findall(r'href="([^"]*)">([^<]*)</a>', found)]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["charge", "refund", "send"]),
        ("queue=billing", ["charge", "refund"]),
        ("task=send", ["send"]),
        ("class=KeyError", ["refund"]),
        ("q=FAILED", ["charge", "send"]),
        ("queue=billing&q=failed", ["charge"]),
        ("since=2021-01-01T00:00Z", ["charge", "refund", "send"]),
        ("until=2021-01-01T00:00Z", []),
    ],
)
def test_faults_are_chosen_by_queue_task_class_text_and_time(
    visitor: Visitor, faults: dict[str, int], query: str, names: list[str]
) -> None:
    rows = listed(visitor.text(f"/dead?{query}&sort=queue"))
    assert [next(name for name in faults if f" {name} " in row) for row in rows] == names


@pytest.mark.parametrize(
    ("query", "count"),
    [("", 9), ("queue=billing", 5), ("class=KeyError", 2), ("q=failed", 7), ("task=send&class=KeyError", 0)],
)
def test_letters_are_chosen_by_the_same_and_counted(
    visitor: Visitor, faults: dict[str, int], query: str, count: int
) -> None:
    page = visitor.text(f"/dead/letters?{query}")
    assert len(listed(page)) == count
    (tabs,) = re.findall(r'<nav id="tabs".*?</nav>', page, re.S)
    assert f"Letters {count} " in text_of(tabs)
    assert ("No letter matches" in page) is (count == 0)


def test_counts_of_a_range_of_time_are_exact(visitor: Visitor, tasks: Tasks) -> None:
    for count in (3, 2, 4):
        tasks.die(count=count)
    died = [row.at or 0 for row in tasks.inspector.letters("billing").rows]
    middle = sorted(died)[4]
    for query, count in {
        f"until={iso(middle)}": sum(at <= middle for at in died),
        f"since={iso(middle)}": sum(at >= middle for at in died),
        f"since={iso(middle)}&until={iso(middle)}": died.count(middle),
    }.items():
        page = visitor.text(f"/dead?queue=billing&{query}")
        assert [label for label, _ in whole(page)] == [f"Retry {count}…", f"Purge {count}…", f"Move {count}…"]
        assert f'<span class="t-bad">{count}</span>' in page
        assert len(listed(visitor.text(f"/dead/letters?queue=billing&{query}"))) == count
        assert f"<h1>Retry {count} dead letter" in visitor.text(whole(page)[0][1])


def test_what_matches_leads_to_its_preview(visitor: Visitor, faults: dict[str, int]) -> None:
    path = "/dead?class=KeyError&since=2021-01-01T00:00:00.000Z"
    retry, purge, _ = whole(visitor.text(path))
    assert (retry[0], purge[0]) == ("Retry 2…", "Purge 2…")
    preview = visitor.text(retry[1])
    assert "<h1>Retry 2 dead letters</h1>" in preview
    assert "left out" not in preview
    assert f'<a class="button" href="{path.replace("&", "&amp;")}">Back</a>' in preview


def test_what_matches_in_several_queues_leads_to_a_preview_of_them_all(
    visitor: Visitor, faults: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for path, count in {"/dead": 9, "/dead/letters": 9, "/dead?q=failed": 7}.items():
        (retry, purge) = whole(visitor.text(path))
        assert (retry[0], purge[0]) == (f"Retry {count}…", f"Purge {count}…")
        assert f"<h1>Retry {count} dead letters in 2 queues</h1>" in visitor.text(retry[1])
    of_one = ["Retry 4…", "Purge 4…", "Move 4…"]
    assert [label for label, _ in whole(visitor.text("/dead/letters?queue=email"))] == of_one
    assert [label for label, _ in whole(visitor.text("/dead?task=send"))] == of_one
    monkeypatch.setattr("dashboard.views.failures.MOST_QUEUES", 1)
    page = visitor.text("/dead")
    assert whole(page) == []
    assert "Choose a queue to act on all of it" in page


def test_the_trash_of_a_queue_is_restored_or_deleted_for_good(visitor: Visitor, tasks: Tasks) -> None:
    tasks.control.trash("billing", tasks.die(count=3)[:2], by="bo", action_id="t")
    assert [label for label, _ in whole(visitor.text("/dead/trash"))] == ["Restore 2…", "Delete for good 2…"]


def test_a_time_of_the_readers_zone_becomes_one_for_everybody(visitor: Visitor, faults: dict[str, int]) -> None:
    visitor.client.set_cookie(ZONE_COOKIE, "Asia/Tokyo")
    visitor.client.set_cookie(TIME_COOKIE, "local")
    response = visitor.get("/dead?q=failed&task=&since=2026-11-22T12:00&until=&sort=dead")
    assert response.status_code == 303
    assert unescape(response.location) == "/dead?q=failed&since=2026-11-22T03%3A00%3A00.000Z&sort=dead"
    page = visitor.text(response.location)
    assert 'name="since" type="datetime-local" step="1" value="2026-11-22T12:00:00"' in page


@pytest.mark.parametrize("path", ["/dead?since=tomorrow", "/dead/letters?until=9999-99-99", "/dead?until=1e99"])
def test_a_time_that_cannot_be_is_refused(visitor: Visitor, faults: dict[str, int], path: str) -> None:
    response = visitor.get(path)
    assert response.status_code == 400
    assert "it must be a time" in response.text


def test_the_tabs_keep_the_filter(visitor: Visitor, faults: dict[str, int]) -> None:
    page = visitor.text("/dead?class=KeyError&queue=billing")
    assert 'href="/dead/letters?queue=billing&amp;class=KeyError"' in page
    assert 'href="/dead/trash?queue=billing"' in page


def test_hostile_filters_are_text(visitor: Visitor, faults: dict[str, int]) -> None:
    for name in ("q", "task", "class"):
        page = visitor.text(f'/dead?{name}="><script>alert(1)</script>')
        assert "<script>alert" not in page
        assert "No fault matches" in page


@pytest.mark.parametrize(
    ("text", "zone", "is_end", "at"),
    [
        ("", UTC, False, None),
        ("1970-01-01T00:00:01Z", UTC, False, 1_000),
        ("1970-01-01T00:00:01Z", UTC, True, 1_999),
        ("1970-01-01T00:00:01.500Z", UTC, True, 1_500),
        ("1970-01-01T09:00", timezone(timedelta(hours=9)), False, 0),
        ("1970-01-01T09:00+09:00", UTC, False, 0),
    ],
)
def test_times_as_addresses_have_them(text: str, zone: timezone, is_end: bool, at: int | None) -> None:
    assert read_time("since", text, zone, is_end=is_end) == at


@pytest.mark.parametrize("text", ["x", "1969-01-01T00:00Z", "0001-01-01T00:00", "9999-12-31T23:59:59Z"])
def test_times_that_cannot_be(text: str) -> None:
    with pytest.raises(InvalidArgument):
        read_time("since", text, timezone(timedelta(hours=9)))


def test_a_filter_is_the_same_in_its_address() -> None:
    chosen = FaultFilter("billing", "charge", "KeyError", "x", 1_000, 2_999)
    assert FaultFilter.read(chosen.query()) == chosen
    assert FaultFilter.read({}) == FaultFilter()
    assert (is_local("2026-11-22T12:00"), is_local("2026-11-22T12:00Z"), is_local("x")) == (True, False, False)
    assert for_input(None, UTC) == ""
