"""What one queue did, as charts, as text and as a table; and its limits, changed by a form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from dashboard import ConsoleSettings
from dashboard.queue_figures import NameRow, charts
from queue_core import protocol
from queue_core.histogram import Histogram
from queue_core.snapshot import (
    AttemptsMinute,
    AuditEntry,
    Figures,
    NameAttempts,
    Period,
    Rate,
    Statistics,
    WorkerSnapshot,
)
from tests.console import Tasks, Visitor, field, text_of
from tests.engine import Engine

MINUTE_MS = 60_000
BEGIN = 1_700_000_040_000
SECOND = Histogram((0,) * 9 + (10,))


def statistics(*figures: Figures, since: int | None = 0) -> Statistics:
    """A minute each; the last is not over."""
    periods = tuple(Period(BEGIN + i * MINUTE_MS, of) for i, of in enumerate(figures))
    total = sum(figures, Figures())
    return Statistics(
        queue="email",
        taken_at=periods[-1].at + 5_000,
        since=since,
        step_ms=MINUTE_MS,
        periods=periods,
        total=total,
        rate_seconds=300,
        arrival_rate=1.0,
        service_rate=1.0,
        ready=0,
        oldest_wait_ms=None,
        time_to_drain_seconds=None,
    )


def entry(verb: str, at: int, *, count: int = 1, queue: str = "email") -> AuditEntry:
    return AuditEntry(f"{at}-0", at, "ada", verb, queue, "", count, "", "form-1")


def test_all_charts_have_one_time_axis_and_the_peak_is_named() -> None:
    found = charts("1h", statistics(Figures(completed=3), Figures(completed=118, failed=2), Figures(crashed=1)))
    assert [row.at for row in found.rows] == [BEGIN, BEGIN + MINUTE_MS, BEGIN + 2 * MINUTE_MS]
    assert found.peak is not None
    assert (found.peak.value, found.peak.at) == (118, BEGIN + MINUTE_MS)
    assert (found.total.completed, found.failed, found.attempts) == (121, 3, 124)
    assert found.throughput.most == 200
    assert found.failures.most == 2


def test_what_was_before_the_counting_is_a_gap() -> None:
    found = charts("1h", statistics(Figures(), Figures(run=SECOND), Figures(run=SECOND), since=BEGIN + MINUTE_MS))
    assert [row.figures is None for row in found.rows] == [True, False, False]
    assert found.run.lines[0].path.count("M") == 1


def test_minutes_without_a_run_break_the_line_and_are_no_zero() -> None:
    found = charts("1h", statistics(Figures(run=SECOND), Figures(completed=1), Figures(run=SECOND)))
    assert found.run.lines[1].path.count("M") == 2


def test_marks_are_what_was_done_to_the_queue_or_to_many_tasks() -> None:
    entries = [
        entry("trash", BEGIN + 30_000, count=40),
        entry("requeue", BEGIN + 20_000),  # one task
        entry("pause", BEGIN + 15_000),
        entry("pause", BEGIN + 15_000, queue="images"),
        entry("pause", BEGIN - 1),
        entry("refuse", BEGIN + 15_000, count=9),
    ]
    found = charts("1h", statistics(Figures(), Figures()), entries)
    assert [(mark.entry.verb, mark.x) for mark in found.marks if mark.entry] == [("trash", 150.0), ("pause", 75.0)]


def test_the_first_worker_of_each_version_is_a_mark() -> None:
    def worker(version: str, started_at: int, queue: str = "email", since: int = 0) -> WorkerSnapshot:
        facts = ("w", "web-1", 7, {queue: 1}, 4, "running", version, started_at, started_at)
        return WorkerSnapshot(*facts, version_since=since)

    workers = [
        worker("1.9.0", BEGIN + 45_000),
        worker("1.9.0", BEGIN + 30_000),
        worker("1.8.4", BEGIN - 60_000),  # before the charts begin
        worker("2.0.0", BEGIN + 60_000, "images"),
        worker("", BEGIN + 60_000),
        worker("1.9.1", BEGIN - 60_000, since=BEGIN + 60_000),  # its processes were replaced
    ]
    found = charts("1h", statistics(Figures(), Figures()), [entry("pause", BEGIN + 15_000)], workers=workers)
    assert [(mark.version, mark.x) for mark in found.marks] == [("1.9.1", 300.0), ("1.9.0", 150.0), ("", 75.0)]


def test_names_that_workers_know_have_a_row_even_if_they_did_nothing() -> None:
    found = charts("1h", statistics(Figures()), known=("send", "digest"))
    assert [row.name for row in found.names.rows] == ["digest", "send"]


def test_the_last_hour_of_a_name_is_told_by_the_minute_as_far_as_it_is_known() -> None:
    now = statistics(Figures()).taken_at
    newest = now - now % MINUTE_MS

    def row(*minutes: tuple[int, int, int]) -> NameRow:
        """Each: how many minutes ago, completed, failed."""
        told = tuple(AttemptsMinute(newest - ago * MINUTE_MS, completed, failed) for ago, completed, failed in minutes)
        known = replace(statistics(Figures()), attempts={"send": NameAttempts(told, newest - 5)})
        (row,) = charts("1h", known, known=["send"]).names.rows
        return row

    hour = row((0, 3, 1), (59, 4, 0), (60, 9, 9)).hour
    assert hour
    assert hour.counts == ((4, 0), *[(0, 0)] * 58, (3, 1))
    assert (hour.completed, hour.failed, hour.since) == (7, 1, None)
    late = row((-7, 3, 1), (2, 4, 0))  # a clock went back
    assert late.hour
    assert late.hour.counts == (*[None] * 57, (4, 0), (0, 0), (3, 1))
    assert (late.hour.since, late.last_completed_at) == (newest - 2 * MINUTE_MS, newest - 5)
    (unknown,) = charts("1h", statistics(Figures()), known=["send"]).names.rows
    assert (unknown.hour, unknown.last_completed_at) == (None, None)


@pytest.fixture
def busy(settings: ConsoleSettings, tasks: Tasks) -> Iterator[Engine]:
    """A queue that was worked for ten minutes until now."""
    with closing(Engine(settings.redis_url, settings.namespace, "email")) as engine:
        engine.client.register("email")
        engine.now = tasks.inspector.server_ms() - 10 * MINUTE_MS
        for _ in range(11):
            engine.enqueue_many(4, name="send")
            claimed = engine.claim(4)
            held = [protocol.Held(task.id, claimed.fence) for task in claimed.tasks]
            engine.run(protocol.complete(engine.queue, held[1:]))
            engine.fail(held[0], protocol.DEAD)
            measured = Figures(completed=3, failed=1, died=1, wait=SECOND, run=Histogram((0,) * 7 + (4,)))
            engine.run(protocol.measure(engine.queue, {"send": measured}))
            engine.later(MINUTE_MS)
        yield engine


@pytest.mark.parametrize(("span", "text"), [("", "Last hour: "), ("?span=24h", "Last 24 hours: ")])
def test_charts_have_their_text_beside_and_their_figures_as_a_table(
    visitor: Visitor, busy: Engine, span: str, text: str
) -> None:
    page = visitor.text(f"/queues/email/figures{span}")
    plain = text_of(page)
    assert f"{text}33 completed, 11 failed (25 %), peak " in plain
    assert "11 failed attempts: 0 retried, 11 died" in plain
    assert "Half ran up to 150 ms, 95 % up to 195 ms" in plain
    for chart in ("throughput", "failures", "wait", "run"):
        assert f'id="chart-{chart}"' in page
    table = page.partition('id="figures-table"')[2].partition("</details>")[0]
    assert table.count("<tr>") == 1 + (24 if span else 60)
    assert "not known: counting began later" in table
    assert re.search(r'<path d="M[^"]*" fill="url\(#hatch\)"/>', page)
    assert "style=" not in page


def test_each_name_of_a_queue_has_its_figures_and_can_be_paused(visitor: Visitor, busy: Engine) -> None:
    page = visitor.text("/queues/email/figures")
    row = page.partition('<tr id="name-send"')[2].partition("</tr>")[0]
    assert "33 11 25 %" in text_of(row)
    assert re.search(r'title="Since \d\d:\d\d: 33 completed, 11 failed"><svg class="spark"', row)
    assert re.search(r'data-label="last success"><time datetime="[^"]+"', row)
    assert 'href="/queues/email/pause?task=send"' in row
    visitor.post("/queues/email/pause", task="send", reason="bad release")
    row = visitor.text("/queues/email/figures").partition('<tr id="name-send"')[2].partition("</tr>")[0]
    assert "Resume…" in row


def test_the_charts_say_when_somebody_paused(visitor: Visitor, busy: Engine) -> None:
    visitor.post("/queues/email/pause", reason="partner maintenance")
    assert "Pause by console: “partner maintenance”" in text_of(visitor.text("/queues/email/figures"))


def test_the_span_is_the_url_and_no_other_is_known(visitor: Visitor, busy: Engine) -> None:
    page = visitor.text("/queues/email/figures?span=24h")
    assert 'href="/queues/email/figures"' in page
    assert visitor.get("/queues/email/figures?span=99h").status_code == 400
    assert visitor.get("/queues/none/figures").status_code == 404


def test_a_new_queue_has_charts_without_anything_in_them(visitor: Visitor, tasks: Tasks) -> None:
    tasks.enqueue("email")
    plain = text_of(visitor.text("/queues/email/figures"))
    assert "Last hour: 0 completed, 0 failed" in plain
    assert "No wait was measured" in plain
    assert "Nothing ran" in plain


@pytest.mark.parametrize("junk", [b"-5", b"\xff<script>", b"1e400", b"\x93\x91\xfb\x90\x90", b"\x93\x90\x90\x91\xfb"])
def test_damaged_figures_break_no_page(visitor: Visitor, tasks: Tasks, busy: Engine, junk: bytes) -> None:
    minute = tasks.inspector.server_ms() // MINUTE_MS
    for number in (minute, minute - 1, minute - 2):
        busy.redis.hset(busy.queue.telemetry, f"m{number}", junk)
    for name in ("last", f"h{minute // 60}", f"n{minute // 60}"):
        busy.redis.hset(busy.queue.telemetry, name, junk)
    for counter in ("completed", "failed", "wait", "run"):
        busy.redis.hset(busy.queue.stats, counter, junk)
    busy.redis.hset(busy.queue.names, b":" + junk, junk)
    for path in ("/", "/queues", "/queues/email", "/queues/email/figures", "/queues/email/figures?span=24h"):
        page = visitor.text(path)
        assert "<script>" not in page
        assert "nan" not in re.findall(r' d="([^"]*)"', page)


# Limits.


def change(visitor: Visitor, path: str = "/queues/email/limits", **given: str) -> int:
    page = visitor.text(path)
    shown = {name: field(page, name) for name in re.findall(r'name="(shown_\w+)"', page)}
    current = {name.removeprefix("shown_"): value for name, value in shown.items()}
    return visitor.post(path, {**shown, **current, "reason": "the provider allows no more", **given}).status_code


def test_limits_are_changed_by_a_form_with_a_reason_and_stand_in_the_audit(visitor: Visitor, tasks: Tasks) -> None:
    tasks.enqueue("email")
    assert change(visitor, wait_target="15min", claim_rate="50/1s", max_length="100,000") == 303
    assert visitor.said() == "email is limited: max_length=100000, claim_rate=50/1s, wait_target=900s."
    limits = tasks.inspector.queue("email").limits
    assert (limits.wait_target, limits.claim_rate, limits.max_length) == (900.0, Rate(50, 1.0), 100_000)
    entry = tasks.inspector.audit().rows[0]
    assert (entry.verb, entry.reason) == ("limit", "the provider allows no more")
    page = text_of(visitor.text("/queues/email"))
    assert "target 15 min" in page
    assert "gives out 50 in 1.0 s" in page


def test_an_empty_field_ends_a_limit_and_others_stay_as_they_are(visitor: Visitor, tasks: Tasks) -> None:
    tasks.enqueue("email")
    change(visitor, max_length="5", dead_max_age="30d")
    before = tasks.inspector.queue("email").limits
    assert change(visitor, max_length="") == 303
    after = tasks.inspector.queue("email").limits
    assert after == replace(before, max_length=None, at=after.at)


def test_what_somebody_else_changed_meanwhile_is_not_set_back(visitor: Visitor, tasks: Tasks) -> None:
    tasks.enqueue("email")
    page = visitor.text("/queues/email/limits")
    shown = {name: field(page, name) for name in re.findall(r'name="(shown_\w+)"', page)}
    tasks.control.limit("email", claim_rate=(5, 1), by="bo", action_id="a1")
    current = {name.removeprefix("shown_"): value for name, value in shown.items()}
    visitor.post("/queues/email/limits", {**shown, **current, "max_length": "9", "reason": "small"})
    limits = tasks.inspector.queue("email").limits
    assert (limits.claim_rate, limits.max_length) == (Rate(5, 1.0), 9)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"claim_rate": "fast"}, "Claim rate: 'fast' is not accepted. Write it like 50/1s"),
        ({"wait_target": "15"}, "Wait target: '15' is not accepted. Write it like 15min"),
        ({"max_length": "0"}, "Length: '0' is not accepted"),
        ({"max_length": "9" * 5_000}, "is not accepted"),
        ({"dead_max_age": "<script>"}, "Age of dead letters: '<script>' is not accepted"),
        ({}, "Nothing was changed."),
        ({"max_length": "9", "reason": ""}, "Say why"),
    ],
)
def test_a_wrong_limit_is_said_beside_what_was_typed_and_changes_nothing(
    visitor: Visitor, tasks: Tasks, given: dict[str, str], message: str
) -> None:
    tasks.enqueue("email")
    page = visitor.text("/queues/email/limits")
    shown = {name: field(page, name) for name in re.findall(r'name="(shown_\w+)"', page)}
    current = {name.removeprefix("shown_"): value for name, value in shown.items()}
    response = visitor.post("/queues/email/limits", {**shown, **current, "reason": "why", **given})
    assert response.status_code == 422
    assert message in text_of(response.text)
    assert tasks.inspector.queue("email").limits.at is None
    typed = {name: value for name, value in given.items() if name != "reason"}
    for name, value in typed.items():
        assert field(response.text, name) == value[:40]
