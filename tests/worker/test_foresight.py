"""What a hard timeout will come to: tables of cases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from queue_core import HardTimeout, Taskyard, exponential, fixed, never
from queue_core.errors import TaskyardError
from queue_core.retry import JITTER, make_policy
from queue_core.worker.foresight import MAX_DELAYS, Foresight, foresee
from queue_core.worker.orders import Introduction


def foresight(**options: Any) -> Foresight | None:
    yard = Taskyard()
    yard.task(**options)(work)
    return foresee(yard.tasks.values()).get("work")


def work() -> None: ...


def by_function(attempt: int, error: BaseException) -> float:
    raise AssertionError("it is not asked")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, None),
        ({"max_retries": 5}, Foresight(5)),
        ({"max_retries": 5, "timeout": None}, None),  # it has no hard timeout
        ({"retry": fixed(5)}, Foresight(delays=(5.0,))),
        ({"retry": fixed(5, jitter=0.5)}, Foresight(delays=(5.0,), jitter=0.5)),
        ({"retry": exponential(2, 3, 40)}, Foresight(delays=(2.0, 6.0, 18.0, 40.0))),
        ({"retry": [1, 10, timedelta(minutes=5)]}, Foresight(delays=(1.0, 10.0, 300.0))),
        ({"retry": never}, Foresight(delays=())),
        ({"retry": by_function}, Foresight(function="by_function")),
        ({"retry": {HardTimeout: fixed(7), Exception: never}}, Foresight(delays=(7.0,))),
        ({"retry": {(ValueError, TaskyardError): never, Exception: by_function}}, Foresight(delays=())),
        ({"retry": {ValueError: fixed(7)}}, None),
    ],
)
def test_rule_is_told_as_far_as_it_is_data(options: dict[str, Any], expected: Foresight | None) -> None:
    assert foresight(**options) == expected


@pytest.mark.parametrize("rule", [fixed(5), exponential(2, 3), exponential(1, 1.01), [1, 7, 7, 3, 3, 3], never, None])
def test_what_was_told_says_of_each_attempt_what_the_rule_says(rule: Any) -> None:
    told = foresight(retry=rule, max_retries=9)
    assert told is not None
    (told,) = Introduction.read(Introduction(foresights={"work": told}).written()).foresights.values()
    error = HardTimeout("over")
    for attempt in range(1, MAX_DELAYS + 1):
        assert told.policy.next(attempt, error, 0.5) == make_policy(rule).next(attempt, error, 0.5)
    assert told.max_retries == 9
    assert told.jitter == JITTER
