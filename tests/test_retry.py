"""When a failed task runs again: a table of cases."""

from __future__ import annotations

import pytest

from queue_core.retry import JITTER, MAX_DELAY_SECONDS, retry_delay_seconds


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 1), (2, 4), (3, 9), (10, 100), (59, 3_481), (60, 3_600)])
def test_delay_grows_with_the_square_of_the_attempt(attempt: int, seconds: float) -> None:
    assert retry_delay_seconds(attempt, 0.0) == seconds


@pytest.mark.parametrize("attempt", [61, 1_000, 10**9])
def test_delay_is_at_most_an_hour(attempt: int) -> None:
    assert retry_delay_seconds(attempt, 0.0) == MAX_DELAY_SECONDS == 3_600


@pytest.mark.parametrize("attempt", [1, 3, 60, 1_000])
@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
def test_jitter_makes_it_longer_by_its_share(attempt: int, jitter: float) -> None:
    plain = retry_delay_seconds(attempt, 0.0)
    assert retry_delay_seconds(attempt, jitter) == pytest.approx(plain * (1 + JITTER * jitter))
