"""What becomes of a failed attempt."""

from __future__ import annotations

import pytest

from queue_core import DeadLetter
from queue_core.codec import Options
from queue_core.protocol import DEAD, RETRY, ClaimedTask, Counters
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


def test_facts_say_who_ran_it_and_for_how_long() -> None:
    failed = failed_attempt(claimed(), 7, "send", Options(), ValueError("x"), worker="w1", seconds=0.12345)
    assert failed.facts.items() >= {"worker": "w1", "seconds": 0.123}.items()
    assert failed.failure.task_name == "send"


def test_task_that_can_never_run_is_dead_at_once_whatever_retries_it_has() -> None:
    failed = never_runs(claimed(), 7, "send", "PayloadMismatch", "missing a required argument: 'to'", "w1")
    assert (failed.verdict, failed.delay_ms, failed.facts) == (DEAD, 0, {"worker": "w1"})
    assert failed.failure.error == "PayloadMismatch: missing a required argument: 'to'"
    assert failed.failure.traceback == ""
