"""Whether a fault fails more often than it did, and since when."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dashboard.rising import Pace, lasting_since, pace, rising_since
from queue_core.snapshot import AttemptsMinute, Fault, NameAttempts

NOW = 29_396_166 * 60_000 + 42_000
MINUTE = 60_000
START = NOW - NOW % MINUTE


def fault(*attempts: tuple[int, int], first_minutes_ago: int = 10_000) -> Fault:
    """`attempts`: how many minutes ago, and how many."""
    recent = tuple((START - minutes * MINUTE, count) for minutes, count in sorted(attempts))
    first = START - first_minutes_ago * MINUTE
    return Fault("billing", "7f3a", "charge", "KeyError", "", "", first, NOW, 9, 1, 0, recent=recent)


def every(minutes: range, count: int) -> tuple[tuple[int, int], ...]:
    return tuple((minute, count) for minute in minutes)


@pytest.mark.parametrize(
    ("attempts", "since"),
    [
        ((), None),
        (((0, 9),), None),
        (((0, 10),), 0),
        (((9, 10),), 9),
        (((10, 10),), None),
        (((0, 5), (3, 5)), 0),
        (((0, 5), (3, 5), (4, 5)), 3),
        # 36 in the 6 hours before: one in ten minutes.
        ((*every(range(10, 370, 10), 1), (0, 10)), 0),
        # 5 in ten minutes before: 15 are three times as many.
        ((*every(range(10, 370, 10), 5), (0, 14)), None),
        ((*every(range(10, 370, 10), 5), (0, 15)), 0),
        # Two hours at a higher rate are what it does.
        (every(range(110), 2), 109 - 4),
        (every(range(140), 2), None),
        (every(range(420), 2), None),
        # What came before counts by five minutes.
        ((*every(range(60, 420, 5), 5), *every(range(60), 1)), None),
        ((*every(range(60, 420, 5), 5), *every(range(10, 60), 1), *every(range(10), 6)), 5),
    ],
)
def test_it_rises_where_ten_minutes_are_three_times_what_they_were(
    attempts: tuple[tuple[int, int], ...], since: int | None
) -> None:
    assert rising_since(fault(*attempts), NOW) == (None if since is None else START - since * MINUTE)


@pytest.mark.parametrize(
    ("age", "is_rising"), [(10_000, True), (420, True), (200, True), (100, False), (61, False), (9, False), (0, False)]
)
def test_a_young_fault_is_compared_with_what_is_known_of_it(age: int, is_rising: bool) -> None:
    """60 in 40 minutes, as many in each ten of them: of an older one it would be many."""
    found = rising_since(fault(*every(range(40), 1), (41, 20), first_minutes_ago=age), NOW)
    assert (found is not None) is is_rising


@pytest.mark.parametrize(
    ("lately", "completed", "known", "age", "since"),
    [
        (10, 30, 60, 600, 30),  # since nothing of its task completes
        (10, 30, 60, 20, 20),  # since it is there
        (10, None, 60, 600, 60),  # as long as anything is known
        (9, 30, 60, 600, None),
        (10, 9, 60, 600, None),
        (10, None, 9, 600, None),
    ],
)
def test_it_lasts_where_nothing_of_its_task_completes_for_ten_minutes(
    lately: int, completed: int | None, known: int, age: int, since: int | None
) -> None:
    told = NameAttempts((AttemptsMinute(NOW - known * MINUTE, 0, 1),), completed and NOW - completed * MINUTE)
    found = lasting_since(replace(fault((0, lately)), first_seen_at=NOW - age * MINUTE), told, NOW)
    assert found == (since and NOW - since * MINUTE)


def test_it_is_not_known_to_last_where_nobody_tells_of_its_task() -> None:
    assert lasting_since(fault((0, 10)), None, NOW) is None


def test_what_was_not_read_does_not_rise() -> None:
    unread = Fault("billing", "7f3a", "charge", "KeyError", "", "", 1, NOW, 900, 1, 0)
    assert rising_since(unread, NOW) is None
    assert pace([unread], NOW) == Pace((0,) * 60, 0, 0.0)


def test_pace_is_the_hour_the_last_ten_minutes_and_what_is_usual() -> None:
    found = pace([fault((0, 3), (9, 4), (59, 5), (60, 360)), fault((0, 1), (-1, 1))], NOW)
    assert (found.minutes[0], found.minutes[-10], found.minutes[-1], sum(found.minutes)) == (5, 4, 5, 14)
    assert found.lately == 9
    assert round(found.usually, 2) == round(365 / 36, 2)


def test_without_faults_there_is_no_pace() -> None:
    assert pace([], NOW) == Pace((0,) * 60, 0, 0.0)
