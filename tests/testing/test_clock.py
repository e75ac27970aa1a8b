"""`Clock`: time in the hand of a test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from queue_core import (
    InvalidArgument,
    testing,
)


def test_clock_stands_still_until_time_passes(clock: testing.Clock) -> None:
    assert clock() == clock() == clock.now_ms == 1_767_225_600_000
    clock.advance(days=1, hours=1, minutes=1, seconds=1, milliseconds=1)
    assert clock.now == datetime(2026, 1, 2, 1, 1, 1, 1_000, tzinfo=UTC)
    clock.advance_to(datetime(2026, 1, 3, tzinfo=timezone(timedelta(hours=1))))
    assert clock.now == datetime(2026, 1, 2, 23, tzinfo=UTC)
    clock.advance_to(datetime(2026, 1, 1, tzinfo=UTC))
    assert clock.now == datetime(2026, 1, 2, 23, tzinfo=UTC)
    assert repr(clock) == "<Clock 2026-01-02T23:00:00.000+00:00>"
    assert abs(testing.Clock().now - datetime.now(UTC)) < timedelta(minutes=1)


def test_time_does_not_go_back_and_has_a_zone(clock: testing.Clock) -> None:
    with pytest.raises(InvalidArgument, match="time does not go back"):
        clock.advance(seconds=-1)
    with pytest.raises(InvalidArgument, match="with its time zone"):
        clock.advance_to(datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(InvalidArgument, match="with its time zone"):
        testing.Clock(datetime(2026, 1, 1))  # noqa: DTZ001
