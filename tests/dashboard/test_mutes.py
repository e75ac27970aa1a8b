"""A fault that is muted is no problem, and counts on; notes stand beside it; every console says the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from flask import Flask

from dashboard import ConsoleSettings, create_app
from dashboard.views.mutes import morning
from queue_core.snapshot import Mute, State
from tests.console import Tasks, Visitor, text_of

HOUR_MS = 3_600_000


@pytest.fixture
def address(tasks: Tasks) -> str:
    tasks.die(count=3)
    return f"/queues/billing/faults/{tasks.fingerprint()}"


@pytest.fixture
def mute_of(tasks: Tasks) -> Callable[[], Mute | None]:
    return lambda: tasks.inspector.faults("billing")[0].mute


def problems(visitor: Visitor, tasks: Tasks) -> str:
    """As of now."""
    visitor.client.set_cookie("taskyard_seen", str(tasks.inspector.server_ms()))
    return text_of(
        visitor.text("/").partition('<section id="problems"')[2].partition("</section>")[0].partition(">")[2]
    )


@pytest.mark.parametrize(
    ("given", "hours", "attempts"),
    [
        ({}, 4, None),
        ({"for": "7d", "attempts": ""}, 168, None),
        ({"for": "1h", "attempts": "1000"}, 1, 1_003),
        ({"for": "", "attempts": "1"}, None, 4),
        ({"for": "until 2100-01-01T09:00:00+01:00", "attempts": ""}, (4_102_473_600_000, 0), None),
        ({"for": "1h", "until": "2100-01-01T00:00"}, (4_102_444_800_000, 0), None),
    ],
)
def test_fault_is_muted_until_then_with_a_reason(
    visitor: Visitor,
    tasks: Tasks,
    address: str,
    mute_of: Callable[[], Mute | None],
    given: dict[str, str],
    hours: int | tuple[int, int] | None,
    attempts: int | None,
) -> None:
    before = tasks.inspector.server_ms()
    response = visitor.post(f"{address}/mute", {"for": "4h", "reason": "the partner repairs it", **given})
    assert (response.status_code, response.location) == (303, address)
    assert "The fault is muted" in visitor.said()
    mute = mute_of()
    assert mute is not None
    assert (mute.by, mute.reason, mute.attempts) == ("console", "the partner repairs it", attempts)
    if isinstance(hours, int):
        assert mute.until is not None
        assert -5_000 < mute.until - (before + hours * HOUR_MS) < 5_000
    else:
        assert mute.until == (hours[0] if hours else None)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"reason": " "}, "Say why"),
        ({"for": "", "attempts": ""}, "Say until when, or for how many failed attempts"),
        ({"for": "2h"}, "it must be one of 1h, 4h, 1d, 7d"),
        ({"until": "2020-01-01T00:00"}, "That time is over."),
        ({"until": "soon"}, "it must be a time"),
        ({"attempts": "many"}, "it must be a whole number"),
        ({"attempts": "0"}, "attempts 0 is not accepted"),
    ],
)
def test_what_cannot_be_is_said_and_what_was_typed_stays(
    visitor: Visitor, address: str, mute_of: Callable[[], Mute | None], given: dict[str, str], said: str
) -> None:
    response = visitor.post(f"{address}/mute", {"for": "4h", "reason": "known", "attempts": "77", **given})
    assert response.status_code == 422
    assert said in text_of(response.text)
    assert f'value="{given.get("attempts", "77")}"' in response.text
    assert mute_of() is None


def test_what_is_muted_is_no_problem_is_counted_and_can_be_listed(visitor: Visitor, tasks: Tasks, address: str) -> None:
    tasks.die("email", count=3, name="send", error=KeyError("total"))
    assert problems(visitor, tasks).startswith("2 problems as of")
    visitor.post(f"{address}/mute", {"for": "4h", "reason": "known"})
    shown = problems(visitor, tasks)
    assert shown.startswith("1 problem · 1 muted as of")
    assert "charge" not in shown
    assert 'href="/dead?muted=1"' in visitor.text("/")
    listed = text_of(visitor.text("/dead?muted=1").partition('<section id="list"')[2])
    assert "Muted by console until" in listed
    assert "“known”" in listed
    assert "KeyError" not in listed
    assert "Retry 3…" not in visitor.text("/dead?muted=1")
    email = f"/queues/email/faults/{tasks.fingerprint('email')}"
    visitor.post(f"{email}/mute", {"for": "", "attempts": "9", "reason": "known"})
    assert "All is well" in problems(visitor, tasks)
    assert "· 2 muted" in problems(visitor, tasks)


def test_a_mute_ends_by_itself_and_by_hand(visitor: Visitor, tasks: Tasks, address: str) -> None:
    visitor.post(f"{address}/mute", {"for": "", "attempts": "2", "reason": "known"})
    tasks.die()
    assert "All is well" in problems(visitor, tasks)
    assert "for 1 more failed attempt" in text_of(visitor.text(address))
    tasks.die()
    assert problems(visitor, tasks).startswith("1 problem as of")
    assert "Muted by" not in visitor.text(address)
    visitor.post(f"{address}/mute", {"for": "4h", "reason": "known"})
    assert "All is well" in problems(visitor, tasks)
    assert visitor.post(f"{address}/unmute").location == address
    assert visitor.said() == "The fault is not muted any more."
    assert problems(visitor, tasks).startswith("1 problem as of")
    visitor.post(f"{address}/unmute")
    assert visitor.said() == "The fault was not muted any more."


def test_what_is_muted_counts_on_and_is_retried_as_any_other(visitor: Visitor, tasks: Tasks, address: str) -> None:
    visitor.post(f"{address}/mute", {"for": "4h", "reason": "known"})
    (fourth,) = tasks.die()
    page = text_of(visitor.text(address))
    assert "4 dead letters" in page
    assert "Last hour: 4 failed attempts" in page
    visitor.post("/dead/requeue", {"letter": tasks.letters([fourth])})
    assert tasks.state(fourth) is State.READY
    assert "Muted by console" in text_of(visitor.text(address))


def test_two_consoles_say_the_same(visitor: Visitor, tasks: Tasks, settings: ConsoleSettings, address: str) -> None:
    other = Visitor(create_app(settings).test_client())
    assert problems(other, tasks).startswith("1 problem as of")
    visitor.post(f"{address}/mute", {"for": "4h", "reason": "known"})
    visitor.post(f"{address}/note", {"text": "see #4411"})
    assert "All is well" in problems(other, tasks)
    assert "see #4411" in other.text(address)
    other.post(f"{address}/unmute")
    assert problems(visitor, tasks).startswith("1 problem as of")
    assert [entry.verb for entry in tasks.inspector.audit().rows] == ["unmute_fault", "note_fault", "mute_fault"]


def test_newest_note_is_shown_and_older_ones_are_folded(visitor: Visitor, address: str) -> None:
    for text in ("first", "second", "<b>third</b> \u202e"):
        assert visitor.post(f"{address}/note", {"text": text}).location == address
    page = visitor.text(address)
    before = page.partition('<section id="before"')[2]
    shown, _, folded = before.partition("<details")
    assert "Note by console" in text_of(shown)
    assert "&lt;b&gt;third&lt;/b&gt;" in shown
    assert "\u202e" not in page
    assert "2 older notes" in folded
    assert folded.index("second") < folded.index("first")


@pytest.mark.parametrize(("text", "said"), [(" ", "a note without words"), ("x" * 501, "at most 500 characters")])
def test_a_note_that_cannot_be_is_said(visitor: Visitor, address: str, text: str, said: str) -> None:
    response = visitor.post(f"{address}/note", {"text": text})
    assert response.status_code == 422
    assert said in text_of(response.text)


def test_a_fault_that_is_not_there_has_no_forms(visitor: Visitor, app: Flask, tasks: Tasks) -> None:
    tasks.enqueue()
    for what in ("mute", "note"):
        assert visitor.get(f"/queues/billing/faults/0123abcd/{what}").status_code == 404
    assert visitor.post("/queues/billing/faults/0123abcd/unmute").status_code == 404


@pytest.mark.parametrize(
    ("now", "zone", "want"),
    [
        ("2026-11-22T03:14+00:00", "UTC", ("until 2026-11-22T09:00:00+00:00", "until today 09:00")),
        ("2026-11-22T09:00+00:00", "UTC", ("until 2026-11-23T09:00:00+00:00", "until tomorrow 09:00")),
        ("2026-03-28T20:00+00:00", "Europe/Vienna", ("until 2026-03-29T09:00:00+02:00", "until tomorrow 09:00")),
    ],
)
def test_a_mute_until_the_readers_next_morning_can_be_chosen(now: str, zone: str, want: tuple[str, str]) -> None:
    assert morning(int(datetime.fromisoformat(now).timestamp() * 1000), ZoneInfo(zone)) == want
