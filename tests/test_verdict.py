"""What becomes of a failed attempt."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

from queue_core import DeadLetter, Discard, InvalidArgument, Retry, fixed, never
from queue_core.codec import Options
from queue_core.protocol import DEAD, DISCARD, RETRY, ClaimedTask, Counters
from queue_core.retry import make_policy
from queue_core.verdict import failed_attempt, never_runs


def claimed(attempts: int = 0, crashes: int = 0, releases: int = 0, before: int = 0) -> ClaimedTask:
    counters = Counters(attempts, crashes, releases, before)
    return ClaimedTask("id", b"send\n{}", counters, has_history=bool(attempts), ready_digits="")


@pytest.mark.parametrize(
    ("attempts", "declared", "own", "verdict"),
    [
        (0, 3, None, RETRY),
        (2, 3, None, RETRY),
        (3, 3, None, DEAD),
        (9, 3, None, DEAD),
        (0, 0, None, DEAD),
        (0, 3, 0, DEAD),
        (3, 3, 10, RETRY),
        (5, 1_000, 5, DEAD),
    ],
)
def test_task_runs_again_while_it_has_retries(attempts: int, declared: int, own: int | None, verdict: str) -> None:
    failed = failed_attempt(
        claimed(attempts), 7, "send", Options(max_retries=own), ValueError("x"), max_retries=declared
    )
    assert (failed.id, failed.fence, failed.verdict) == ("id", 7, verdict)


@pytest.mark.parametrize(("attempts", "seconds"), [(0, 1), (1, 4), (2, 9), (9, 100), (59, 3_600), (900, 3_600)])
def test_wait_grows_with_the_square_of_the_attempt_up_to_an_hour(attempts: int, seconds: int) -> None:
    for _ in range(50):
        failed = failed_attempt(claimed(attempts), 7, "send", Options(max_retries=1_000), ValueError())
        assert seconds * 1_000 <= failed.delay_ms <= seconds * 1_100
        assert failed.facts["retry_in"] == round(failed.delay_ms / 1_000, 3)


def test_crashes_and_releases_use_no_retry() -> None:
    task = claimed(attempts=0, crashes=2, releases=50, before=9)
    assert failed_attempt(task, 7, "send", Options(max_retries=1), ValueError()).verdict == RETRY


def test_handler_may_say_that_its_task_can_never_complete() -> None:
    failed = failed_attempt(claimed(), 7, "send", Options(), DeadLetter("no such customer"))
    assert failed.verdict == DEAD
    assert "retry_in" not in failed.facts
    assert failed.failure.error == "DeadLetter: no such customer"


def test_handler_may_say_that_its_task_is_of_no_use_any_more() -> None:
    failed = failed_attempt(claimed(9), 7, "send", Options(), Discard("the customer has left"))
    assert (failed.verdict, failed.delay_ms) == (DISCARD, 0)
    assert failed.failure.error == "Discard: the customer has left"


@pytest.mark.parametrize(
    ("after", "ms"),
    [(60, 60_000), (0, 0), (0.25, 250), (timedelta(days=366), 31_622_400_000)],
)
def test_handler_may_say_when_its_task_runs_again_exactly(after: float | timedelta, ms: int) -> None:
    error = Retry("the warehouse is closed", after=after)
    failed = failed_attempt(claimed(), 7, "send", Options(), error, policy=make_policy(never))
    assert (failed.verdict, failed.delay_ms) == (RETRY, ms)
    assert failed.facts["retry_in"] == ms / 1_000
    assert failed.failure.error == "Retry: the warehouse is closed"


def test_retry_that_the_handler_asks_for_counts_as_an_attempt() -> None:
    verdicts = [
        failed_attempt(claimed(n), 7, "send", Options(max_retries=2), Retry(after=60)).verdict for n in range(4)
    ]
    assert verdicts == [RETRY, RETRY, DEAD, DEAD]


@pytest.mark.parametrize("after", [-1, math.nan, math.inf, "60", True, None, 10**400, timedelta(days=367)])
def test_time_that_makes_no_sense_is_refused_in_the_handler(after: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"after .* is not accepted: seconds, or a timedelta, from 0 to 366 days"):
        Retry(after=after)


def test_rule_of_the_task_decides_while_it_has_retries() -> None:
    policy = make_policy({ConnectionError: fixed(50, jitter=0), ValueError: never})

    def after(error: BaseException, attempts: int = 0) -> tuple[str, int]:
        failed = failed_attempt(claimed(attempts), 7, "send", Options(max_retries=1), error, policy=policy)
        return failed.verdict, failed.delay_ms

    assert after(ConnectionError()) == (RETRY, 50_000)
    assert after(ConnectionError(), attempts=1) == (DEAD, 0)
    assert after(ValueError()) == (DEAD, 0)
    assert after(KeyError())[0] == RETRY


def test_group_of_one_error_counts_as_that_error() -> None:
    policy = make_policy({ConnectionError: fixed(50, jitter=0), ExceptionGroup: never})

    def after(*errors: Exception) -> tuple[str, int]:
        group = ExceptionGroup("in a TaskGroup", [ExceptionGroup("", errors)])
        failed = failed_attempt(claimed(), 7, "send", Options(), group, policy=policy)
        assert failed.failure.error.startswith("ExceptionGroup: in a TaskGroup")
        return failed.verdict, failed.delay_ms

    assert after(ConnectionError()) == (RETRY, 50_000)
    assert after(Retry(after=3)) == (RETRY, 3_000)
    assert after(Discard()) == (DISCARD, 0)
    assert after(ConnectionError(), Retry(after=3)) == (DEAD, 0)


def test_rule_that_fails_is_told_in_the_history_and_loses_no_task() -> None:
    def when(attempt: int, error: BaseException) -> float:
        return 1 / 0

    failed = failed_attempt(claimed(), 7, "send", Options(), ValueError("x"), policy=make_policy(when))
    assert failed.verdict == RETRY
    assert 1_000 <= failed.delay_ms <= 1_100
    assert failed.facts["complaint"] == "the retry rule when raised ZeroDivisionError: the default delay holds"
    assert failed.failure.error == "ValueError: x"


def test_facts_say_who_ran_it_and_for_how_long() -> None:
    failed = failed_attempt(claimed(), 7, "send", Options(), ValueError("x"), worker="w1", seconds=0.12345)
    assert failed.facts.items() >= {"worker": "w1", "seconds": 0.123}.items()
    assert failed.failure.task_name == "send"


def test_task_that_can_never_run_is_dead_at_once_whatever_retries_it_has() -> None:
    failed = never_runs(claimed(), 7, "send", "PayloadMismatch", "missing a required argument: 'to'", "w1")
    assert (failed.verdict, failed.delay_ms, failed.facts) == (DEAD, 0, {"worker": "w1"})
    assert failed.failure.error == "PayloadMismatch: missing a required argument: 'to'"
    assert failed.failure.traceback == ""
