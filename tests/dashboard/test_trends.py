"""What each queue did in the last hour: read once for all, only what is new, and exact all the same."""

from __future__ import annotations

import math
import random
from contextlib import closing
from typing import Any, cast

import pytest

from dashboard.charts import Count
from dashboard.trends import MINUTES, UNKNOWN, Known, Trend, Trends, merged, minutes_to_read, trend_of
from queue_core import protocol
from queue_core.errors import ServerUnavailable
from queue_core.histogram import Histogram
from queue_core.inspector import Inspector
from queue_core.snapshot import Figures, Minutes
from tests.engine import START_MS, Engine

MINUTE_MS = 60_000
NOW = START_MS - START_MS % MINUTE_MS + 40_000
MINUTE = NOW // MINUTE_MS


def known(counted: dict[int, Figures], *, since_minutes: int | None = 90) -> Known:
    return Known(None if since_minutes is None else NOW - since_minutes * MINUTE_MS, MINUTE, counted)


# Out of minutes.


def test_the_last_hour_is_sixty_minutes_of_which_the_last_is_not_over() -> None:
    counted = {
        MINUTE - 60: Figures(completed=1_000),
        MINUTE - 59: Figures(completed=7, failed=2, crashed=1),
        MINUTE: Figures(completed=4),
    }
    trend = trend_of(known(counted), NOW)
    assert trend.counts == ((7, 3), *[(0, 0)] * 58, (4, 0))
    assert (trend.completed, trend.failed, trend.attempts) == (11, 3, 14)


def test_what_was_before_the_counting_is_unknown_and_not_zero() -> None:
    trend = trend_of(known({MINUTE: Figures(completed=4)}, since_minutes=2), NOW)
    assert trend.counts == (*[None] * 57, (0, 0), (0, 0), (4, 0))
    assert trend_of(known({}, since_minutes=None), NOW) == UNKNOWN


@pytest.mark.parametrize(("seconds", "rate"), [(59, None), (60, 90.0), (180, 30.0)])
def test_rates_need_a_minute_of_data(seconds: int, rate: float | None) -> None:
    counted = Known(NOW - seconds * 1_000, MINUTE, {MINUTE: Figures(completed=90, enqueued=45)})
    trend = trend_of(counted, NOW)
    assert trend.completed_per_minute == rate
    assert trend.service_rate == (None if rate is None else pytest.approx(rate / 60))
    assert (trend.clears_in_seconds(10) is None) == (rate is None)


@pytest.mark.parametrize(
    ("arrived", "ready", "seconds"), [(0, 0, None), (340, 20, math.inf), (0, 17, 17.0), (170, 17, 34.0)]
)
def test_clears_in_is_ready_by_completions_without_arrivals_of_five_minutes(
    arrived: int, ready: int, seconds: float | None
) -> None:
    minutes = {minute: Figures(completed=68, enqueued=arrived // 5) for minute in range(MINUTE - 5, MINUTE)}
    found = trend_of(known(minutes), NOW).clears_in_seconds(ready)
    assert found == (pytest.approx(seconds) if seconds is not None else None)


def test_the_p95_is_of_the_whole_hour() -> None:
    short, long = Histogram((0, 0, 90)), Histogram((0,) * 9 + (10,))
    trend = trend_of(known({MINUTE - 50: Figures(run=short), MINUTE - 2: Figures(run=long)}), NOW)
    assert trend.p95_run_ms == pytest.approx(750)


# Only what is new.


@pytest.mark.parametrize(("passed", "count"), [(0, 2), (1, 3), (57, 59), (58, 60), (600, 60), (-5, 60)])
def test_minutes_since_the_last_look_are_read(passed: int, count: int) -> None:
    assert minutes_to_read(known({}), NOW + passed * MINUTE_MS) == count
    assert minutes_to_read(None, NOW) == MINUTES


def test_a_queue_that_was_made_anew_forgets_what_was_before() -> None:
    before = known({MINUTE - 9: Figures(completed=9)})
    fresh = Minutes("email", NOW, NOW - 1_000, {MINUTE: Figures(completed=1)})
    found = merged(before, fresh, asked=2)
    assert found.counted == fresh.counted
    assert minutes_to_read(found, NOW) == MINUTES


@pytest.mark.parametrize("seed", range(3))
def test_looks_of_any_rhythm_tell_what_one_look_at_all_tells(redis_url: str, namespace: str, seed: int) -> None:
    chance = random.Random(seed)
    with closing(Engine(redis_url, namespace)) as engine, closing(Inspector(client=engine.client)) as inspector:
        engine.now = NOW
        engine.enqueue()
        seconds, known_changes = 0.0, None
        often = Trends(inspector, clock=lambda: seconds)
        for _ in range(120):
            engine.later(chance.choice([400, 5_000, 20_000, 61_000, 400_000]))
            for _ in range(chance.randint(0, 2)):
                engine.enqueue_many(chance.randint(1, 5))
                claimed = engine.claim(chance.randint(1, 3))
                held = [protocol.Held(task.id, claimed.fence) for task in claimed.tasks]
                engine.run(protocol.complete(engine.queue, held))
            if chance.random() < 0.6:
                seconds += 6
                changes = inspector.queue("email").changes
                behind = 0 if changes == known_changes else chance.choice([0, 0, 900])  # the console's idea of the time
                found, known_changes = often.of({"email": changes}, engine.now - behind), changes
                assert found == Trends(inspector).of({"email": None}, engine.now)


# When it is read.


class Source:
    """Counts how often it is asked, and for how many minutes."""

    def __init__(self) -> None:
        self.asked: list[dict[str, int]] = []
        self.is_away = False

    def minutes(self, asked: dict[str, int]) -> dict[str, Minutes]:
        self.asked.append(asked)
        if self.is_away:
            raise ServerUnavailable
        return {name: Minutes(name, NOW, NOW - MINUTE_MS, {MINUTE: Figures(completed=2)}) for name in asked}


def test_it_is_read_every_five_seconds_at_most_and_a_failure_keeps_what_was_known() -> None:
    source, seconds = Source(), 100.0
    trends = Trends(cast(Inspector, cast(Any, source)), clock=lambda: seconds)
    assert trends.last == {}
    assert source.asked == []
    first = trends.of({"email": None, "images": None}, NOW)
    assert trends.of({"email": None}, NOW) is first
    assert source.asked == [{"email": 60, "images": 60}]
    seconds += 5
    source.is_away = True
    assert trends.of({"email": None, "images": None}, NOW) is first
    assert source.asked[1] == {"email": 2, "images": 2}
    assert trends.of({"email": None}, NOW) is first
    assert len(source.asked) == 2  # a failure is believed for as long


def test_queue_that_has_not_changed_is_not_read_again_and_its_hour_goes_on() -> None:
    source, seconds = Source(), 100.0
    trends = Trends(cast(Inspector, cast(Any, source)), clock=lambda: seconds)
    trends.of({"email": 7, "images": 3}, NOW)
    seconds += 5
    found = trends.of({"email": 7, "images": 4}, NOW + MINUTE_MS)
    assert [list(asked) for asked in source.asked] == [["email", "images"], ["images"]]
    assert found["email"].counts[-2:] == ((2, 0), (0, 0))
    seconds += 5
    trends.of({"email": 7, "images": 4}, NOW + MINUTE_MS)
    assert len(source.asked) == 2


@pytest.mark.parametrize(
    ("counts", "is_said"),
    [
        (((0, 0), (1, 3), *[None] * 8), True),
        (((9, 0), *[(0, 1)] * 3, *[(0, 0)] * 7), True),  # ten minutes ago: before
        (((3, 3), *[(0, 0)] * 9), False),
        (((0, 2), *[(0, 0)] * 9), False),
        ((None,) * 10, False),
    ],
)
def test_of_a_queue_in_which_lately_more_fails_than_completes_it_is_said(
    counts: tuple[Count, ...], is_said: bool
) -> None:
    assert Trend(counts=counts).mostly_fails is is_said
