"""When schedules come: rules, their words, changes of the clocks, and what is to be done now. Time is passed in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from queue_core import schedule
from queue_core.errors import InvalidArgument
from queue_core.schedule import ALL, MOST_MISSED, ONE, SKIP, TOLERANCE_MS, Cron, Due, Every, Rule, due, next_after

NOW = 1_763_770_000_000  # 2025-11-22 00:06:40 UTC
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def at(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def told(rule: Cron, begin: str, count: int) -> list[str]:
    """The next occurrences as the clock on the wall shows them, with its difference from UTC."""
    zone = ZoneInfo(rule.time_zone)
    moments = next_after(rule, at(begin, rule.time_zone), count)
    return [datetime.fromtimestamp(ms / 1000, zone).strftime("%d %H:%M %z") for ms in moments]


@pytest.mark.parametrize(
    ("expression", "zone", "begin", "expected"),
    [
        # Vienna: 31 March 2024, 2:00 becomes 3:00; 27 October, 3:00 becomes 2:00.
        ("30 2 * * *", "Europe/Vienna", "2024-03-30T12:00", ["31 03:00 +0200", "01 02:30 +0200"]),
        ("30 2 * * *", "Europe/Vienna", "2024-10-26T12:00", ["27 02:30 +0200", "28 02:30 +0100"]),
        ("0 3 * * *", "Europe/Vienna", "2024-03-30T12:00", ["31 03:00 +0200", "01 03:00 +0200"]),
        ("0,30 2,3 * * *", "Europe/Vienna", "2024-03-31T01:00", ["31 03:00 +0200", "31 03:30 +0200", "01 02:00 +0200"]),
        # New York: 10 March 2024, 2:00 becomes 3:00; 3 November, 2:00 becomes 1:00.
        ("*/20 2 * * *", "America/New_York", "2024-03-10T00:00", ["10 03:00 -0400", "11 02:00 -0400"]),
        (
            "*/30 1 * * *",
            "America/New_York",
            "2024-11-03T00:00",
            ["03 01:00 -0400", "03 01:30 -0400", "04 01:00 -0500"],
        ),
        (
            "*/30 * * * *",
            "America/New_York",
            "2024-11-03T00:40",
            ["03 01:00 -0400", "03 01:30 -0400", "03 01:00 -0500", "03 01:30 -0500", "03 02:00 -0500"],
        ),
        ("0 * * * *", "America/New_York", "2024-03-10T00:30", ["10 01:00 -0500", "10 03:00 -0400", "10 04:00 -0400"]),
        # Lord Howe: half an hour; 6 October 2024, 2:00 becomes 2:30; 7 April, 2:00 becomes 1:30.
        ("15 2 * * *", "Australia/Lord_Howe", "2024-10-05T12:00", ["06 02:30 +1100", "07 02:15 +1100"]),
        ("45 1 * * *", "Australia/Lord_Howe", "2024-04-06T12:00", ["07 01:45 +1100", "08 01:45 +1030"]),
        ("0 * * * *", "Australia/Lord_Howe", "2024-04-07T00:30", ["07 01:00 +1100", "07 02:00 +1030"]),
        # Apia left out a whole day, 30 December 2011.
        ("0 12 * * *", "Pacific/Apia", "2011-12-29T00:00", ["29 12:00 -1000", "31 00:00 +1400", "31 12:00 +1400"]),
        ("0 0 29 2 *", "UTC", "2097-01-01T00:00", ["29 00:00 +0000"]),  # 2104: 2100 is no leap year
        ("0 9 * * MON#1", "UTC", "2024-01-01T10:00", ["05 09:00 +0000"]),
        ("@daily", "Europe/Vienna", "2024-10-26T12:00", ["27 00:00 +0200", "28 00:00 +0100"]),
    ],
)
def test_occurrences_at_changes_of_the_clocks(expression: str, zone: str, begin: str, expected: list[str]) -> None:
    assert told(schedule.cron(expression, zone), begin, len(expected)) == expected


RULES: dict[str, Rule] = {
    "daily in Vienna": schedule.cron("30 2 * * *", "Europe/Vienna"),
    "quarters in New York": schedule.cron("*/15 * * * *", "America/New_York"),
    "nights in New York": schedule.cron("*/20 1-2 * * *", "America/New_York"),
    "half hours on Lord Howe": schedule.cron("0,30 1,2 * * *", "Australia/Lord_Howe"),
    "weekly": schedule.cron("@weekly"),
    "every 90 s": schedule.every(90),
    "every 7 h from a start": schedule.every(7 * 3_600, datetime(2024, 3, 1, tzinfo=UTC)),
}
CHANGES = [at(day) for day in ("2024-03-10", "2024-03-31", "2024-04-07", "2024-10-06", "2024-10-27", "2024-11-03")]


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=60, deadline=None)
@given(change=st.sampled_from(CHANGES), begin=st.integers(-DAY, DAY), further=st.integers(0, DAY))
def test_occurrences_are_the_same_from_wherever_one_begins(name: str, change: int, begin: int, further: int) -> None:
    rule = RULES[name]
    whole = next_after(rule, change + begin, 60)
    assert all(a < b for a, b in pairwise(whole))
    assert whole[0] > change + begin
    later = change + begin + further
    behind = [ms for ms in whole if ms > later]
    assert list(next_after(rule, later, len(behind))) == behind


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=60, deadline=None)
@given(change=st.sampled_from(CHANGES), begin=st.integers(-DAY, DAY), length=st.integers(0, 3 * DAY))
def test_what_is_due_is_what_has_come(name: str, change: int, begin: int, length: int) -> None:
    rule, after, now = RULES[name], change + begin, change + begin + length
    come = list(takewhile(lambda ms: ms <= now, rule.after(after)))
    assert due(rule, ALL, after, now) == Due(tuple(come[-MOST_MISSED:]), len(come) > MOST_MISSED)
    assert due(rule, ONE, after, now).occurrences == tuple(come[-1:])
    assert due(rule, SKIP, after, now).occurrences == tuple(ms for ms in come[-1:] if now - ms <= TOLERANCE_MS)
    assert schedule.overdue_since(rule, after, now) == (come[0] if come else None)


def test_nothing_is_due_twice_and_nothing_before_its_time() -> None:
    rule = Every(HOUR)
    hour = NOW // HOUR * HOUR
    assert due(rule, ALL, hour - HOUR, hour - 1).occurrences == ()
    assert due(rule, ALL, hour - HOUR, hour).occurrences == (hour,)
    assert due(rule, ALL, hour, hour + 1).occurrences == ()


@pytest.mark.parametrize(("late_ms", "count"), [(0, 1), (TOLERANCE_MS, 1), (TOLERANCE_MS + 1, 0), (HOUR - 1, 0)])
def test_skipped_are_those_that_are_later_than_the_tolerance(late_ms: int, count: int) -> None:
    hour = NOW // HOUR * HOUR
    assert due(Every(HOUR), SKIP, hour - 10 * HOUR, hour + late_ms).occurrences == (hour,) * count


def test_no_more_than_a_thousand_are_made_up_for() -> None:
    found = due(Every(1_000), ALL, NOW - 400 * DAY, NOW)
    assert found.is_cut
    assert found.occurrences == tuple(range(NOW - 999_000, NOW + 1, 1_000))
    assert not due(Every(1_000), ALL, NOW - 1_000_000, NOW).is_cut


@pytest.mark.timeout(20)
def test_an_absence_of_years_is_looked_over_at_once() -> None:
    minutely = schedule.cron("* * * * *", "Europe/Vienna")
    for _ in range(20):
        assert len(due(minutely, ALL, 0, NOW).occurrences) == MOST_MISSED
        assert due(minutely, ONE, 0, NOW).occurrences == (NOW // MINUTE * MINUTE,)
    assert due(schedule.cron("0 0 29 2 *"), ONE, 0, NOW).occurrences == (at("2024-02-29"),)


def test_interval_is_counted_from_its_start() -> None:
    start = datetime(2024, 5, 1, 10, 7, tzinfo=ZoneInfo("Europe/Vienna"))
    rule = schedule.every(timedelta(minutes=20), start)
    assert next_after(rule, 0, 2) == (at("2024-05-01T08:07"), at("2024-05-01T08:27"))
    assert next_after(rule, at("2024-05-01T08:07")) == (at("2024-05-01T08:27"),)
    assert next_after(rule, at("2024-05-01T08:07") - 1) == (at("2024-05-01T08:07"),)
    assert next_after(schedule.every(3_600), at("2024-05-01T08:07")) == (at("2024-05-01T09:00"),)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Cron("0 3 * * *", "Europe/Vienna"), "every day at 03:00, Europe/Vienna"),
        (Cron("0 0,12 * * *"), "every day at 00:00 and 12:00, UTC"),
        (Cron("0 9 * * MON-FRI"), "every weekday at 09:00, UTC"),
        (Cron("0 9 * JAN MON-FRI"), "every weekday in January at 09:00, UTC"),
        (Cron("0 9 * * MON,WED,FRI"), "every Monday, Wednesday, and Friday at 09:00, UTC"),
        (Cron("0 9 * * 2-4"), "every Tuesday through Thursday at 09:00, UTC"),
        (Cron("0 9 1 * MON"), "on the first day of month and on Monday at 09:00, UTC"),
        (Cron("0 9 * * MON#1"), "on the first Monday of the month at 09:00, UTC"),
        (Cron("@monthly"), "on the first day of every month at 00:00, UTC"),
        (Cron("*/5 * * * *"), "every 5 minutes, UTC"),
        (Cron("*/7 * * * *"), "every seventh minute of every hour, UTC"),
        (Cron("*/1 * * * *"), "every minute, UTC"),
        (Cron("@hourly"), "at the start of every hour, UTC"),
        (Cron("* * L/2 * *"), None),
        (Every(1_000), "every 1 s"),
        (Every(90_000), "every 90 s"),
        (Every(60_000), "every minute"),
        (Every(HOUR), "every hour"),
        (Every(2 * DAY), "every 2 days"),
        (Every(90 * MINUTE), "every 90 minutes"),
        (Every(2 * HOUR, at("2024-05-01T08:00")), "every 2 hours, counted from 2024-05-01T08:00:00.000Z"),
    ],
)
def test_rule_in_words(rule: Rule, words: str | None) -> None:
    assert words is None or rule.words == words
    assert rule.words


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "either cron=… or every=…"),
        ({"cron": "* * * * *", "every": 5}, "either cron=… or every=…"),
        ({"cron": "0 3 * *"}, "has 4 fields"),
        ({"cron": "0 0 3 * * *"}, "has 6 fields"),
        ({"cron": "@reboot"}, "@daily"),
        ({"cron": ""}, "has 0 fields"),
        ({"cron": 5}, "is not accepted"),
        ({"cron": "* " * 500}, "is not accepted"),
        ({"cron": "61 * * * *"}, "Bad minute"),
        ({"cron": "* 24 * * *"}, "Bad hour"),
        ({"cron": "* * 0 * *"}, "Bad day-of-month"),
        ({"cron": "* * * 13 *"}, "Bad month"),
        ({"cron": "* * * * MON#6"}, "Bad day-of-week"),
        ({"cron": "L/0 * * * *"}, "Bad minute"),
        ({"cron": "5-1 * * * *"}, "Bad minute"),
        ({"cron": "0 0 30 2 *"}, "Bad day-of-month"),
        ({"cron": "0 0 31 4,6 *"}, "Bad day-of-month"),
        ({"cron": "* * * * *", "time_zone": "Europe/Wien"}, "is not known here"),
        ({"cron": "* * * * *", "time_zone": "europe/vienna"}, "did you mean Europe/Vienna"),
        ({"cron": "* * * * *", "time_zone": "../etc/passwd"}, "an IANA name"),
        ({"cron": "* * * * *", "time_zone": ""}, "an IANA name"),
        ({"cron": "* * * * *", "time_zone": 1}, "an IANA name"),
        ({"cron": "* * * * *", "start": datetime(2024, 1, 1, tzinfo=UTC)}, "start is of an interval"),
        ({"every": 5, "time_zone": "UTC"}, "time_zone is of a cron expression"),
        ({"every": 0.9}, "from 1 s to 366 days"),
        ({"every": float("nan")}, "from 1 s to 366 days"),
        ({"every": True}, "from 1 s to 366 days"),
        ({"every": timedelta(days=367)}, "from 1 s to 366 days"),
        ({"every": "5"}, "from 1 s to 366 days"),
        ({"every": 10**400}, "from 1 s to 366 days"),
        ({"every": 5, "start": datetime(2024, 1, 1)}, "with its time zone"),  # noqa: DTZ001
        ({"every": 5, "start": "now"}, "with its time zone"),
    ],
)
def test_what_is_no_rule_is_refused_with_what_is_one(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgument) as error:
        schedule.rule(**options)
    assert said in str(error.value)


def test_rules_that_differ_in_their_writing_only_are_read() -> None:
    assert schedule.cron("  0   3 * *  mon ", ZoneInfo("Europe/Vienna")) == Cron("0 3 * * mon", "Europe/Vienna")
    assert schedule.cron("@Daily").words == "every day at 00:00, UTC"


@pytest.mark.parametrize(
    "rule", [schedule.cron("*/7 9-17 * * MON", "Europe/Vienna"), schedule.every(90)], ids=["cron", "every"]
)
def test_what_comes_is_the_same_whenever_it_was_asked_for_before(rule: Rule) -> None:
    """Also where the time goes back, or what was asked for last has come."""
    begin = at("2024-05-06T11:00")
    for ms in (begin, begin + 1, begin + 419_000, begin + 420_000, begin + 3_600_000, begin - 5, begin):
        assert next_after(rule, ms, 4) == tuple(islice(rule.after(ms), 4))
