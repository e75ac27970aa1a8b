"""When a failed task runs again: tables of cases."""

from __future__ import annotations

import math
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from queue_core import InvalidArgument, Taskyard, exponential, fixed, never
from queue_core.retry import JITTER, Policy, RetryRules, make_policy


def seconds(given: RetryRules | None, attempt: int, error: BaseException | None = None, chance: float = 0.0) -> Any:
    following = make_policy(given).next(attempt, error or ValueError("x"), chance)
    assert following.complaint == ""
    return following.seconds


@pytest.mark.parametrize(
    ("attempt", "waits"), [(1, 1), (2, 4), (3, 9), (10, 100), (59, 3_481), (60, 3_600), (61, 3_600), (1_000, 3_600)]
)
def test_by_default_it_grows_with_the_square_of_the_attempt_up_to_an_hour(attempt: int, waits: float) -> None:
    assert seconds(None, attempt) == waits


@pytest.mark.parametrize(
    ("rule", "waits"),
    [
        (exponential(), [1, 2, 4, 8]),
        (exponential(2, 3, 40), [2, 6, 18, 40, 40]),
        (exponential(timedelta(minutes=1), most=timedelta(minutes=3)), [60, 120, 180, 180]),
        (exponential(0), [0, 0]),
        (exponential(5, 1), [5, 5, 5]),
        (exponential(10, most=3), [3, 3]),
        (fixed(5), [5, 5, 5]),
        (fixed(timedelta(minutes=2)), [120, 120]),
        ([1, 5.5, timedelta(minutes=1)], [1, 5.5, 60, 60, 60]),
        ((0,), [0, 0]),
        (never, [None, None]),
        (lambda attempt, error: 10 * attempt, [10, 20, 30]),
        (lambda attempt, error: None if attempt == 2 else timedelta(seconds=attempt), [1, None, 3]),
    ],
)
def test_rule_says_how_long_the_wait_is_after_each_attempt(rule: RetryRules, waits: list[float | None]) -> None:
    assert [seconds(rule, attempt) for attempt in range(1, len(waits) + 1)] == waits


def test_growth_ends_at_the_longest_wait_however_many_attempts() -> None:
    assert seconds(exponential(1, 1_000, 7_200), 1_000) == 7_200


@pytest.mark.parametrize("rule", [None, exponential(), fixed(4), [4], {ValueError: fixed(4)}])
@pytest.mark.parametrize("chance", [0.5, 1.0])
def test_chance_makes_the_wait_longer_by_a_tenth_at_most(rule: RetryRules | None, chance: float) -> None:
    assert seconds(rule, 3, chance=chance) == pytest.approx(seconds(rule, 3) * (1 + JITTER * chance))


def test_jitter_is_as_the_rule_says_and_none_is_added_to_what_a_function_says() -> None:
    assert seconds(fixed(10, jitter=0.5), 1, chance=1.0) == 15
    assert seconds(exponential(10, jitter=0), 1, chance=1.0) == 10
    assert seconds(lambda attempt, error: 10, 1, chance=1.0) == 10


@pytest.mark.parametrize(
    ("error", "waits"),
    [
        (ValueError(), 1),
        (FileNotFoundError(), None),
        (ConnectionResetError(), 5),
        (TimeoutError(), 20),
        (OSError(), 20),
        (KeyError(), 30),
        (IndexError(), 30),
        (SystemExit(), 1),
    ],
)
def test_of_the_classes_the_nearest_to_what_was_raised_decides(error: BaseException, waits: float | None) -> None:
    rules: RetryRules = {
        OSError: [20],
        FileNotFoundError: never,
        ConnectionError: fixed(5),
        (KeyError, IndexError): lambda attempt, error: 30,
    }
    assert seconds(rules, 1, error) == waits


def test_function_is_given_the_attempt_and_the_error() -> None:
    given: list[Any] = []

    def rule(attempt: int, error: ConnectionError) -> float:
        given.append((attempt, error))
        return 1

    error = ConnectionError()
    assert seconds(rule, 7, error) == 1
    assert given == [(7, error)]


class Untellable:
    def __repr__(self) -> str:
        raise SystemExit


def raise_(error: BaseException) -> Any:
    raise error


@pytest.mark.parametrize(
    ("returns", "complaint"),
    [
        (partial(raise_, ValueError("no")), "raised ValueError: the default delay holds"),
        (partial(raise_, SystemExit(3)), "raised SystemExit"),
        (lambda: "5", "returned '5': the default delay holds"),
        (lambda: True, "returned True"),
        (lambda: -1, "returned -1"),
        (lambda: math.nan, "returned nan"),
        (lambda: math.inf, "returned inf"),
        (lambda: 367 * 86_400, "returned 31708800"),
        (lambda: 10**400, "returned 1000"),
        (lambda: timedelta(seconds=-1), "returned datetime.timedelta"),
        (Untellable, "default delay holds"),
    ],
)
def test_function_that_fails_or_makes_no_sense_is_told_and_the_default_holds(returns: Any, complaint: str) -> None:
    def when(attempt: int, error: BaseException) -> Any:
        return returns()

    following = make_policy(when).next(3, ValueError(), 1.0)
    assert following.seconds == pytest.approx(9.9)
    assert following.complaint.startswith("the retry rule when r")
    assert complaint in following.complaint
    assert len(following.complaint) < 120


async def coroutine(attempt: int, error: BaseException) -> float:
    return 1


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (5, "retry 5 is not accepted: exponential"),
        ("5", "retry '5' is not accepted"),
        (ValueError, "retry <class 'ValueError'> is not accepted"),
        (coroutine, "is not accepted: exponential"),
        ([], "a list of 1 to 1,000 delays"),
        ([1] * 1_001, "a list of 1 to 1,000 delays"),
        ([1, -1], "retry -1 is not accepted: seconds, or a timedelta, from 0 to 366 days"),
        (["1"], "retry '1' is not accepted"),
        ({"ValueError": never}, "retry for 'ValueError' is not accepted: exception classes"),
        ({int: never}, "retry for <class 'int'> is not accepted"),
        ({ValueError: None}, "retry None is not accepted"),
        ({ValueError: never, (ValueError, KeyError): fixed(1)}, "two rules for ValueError"),
        ({ValueError: {KeyError: never}}, "is not accepted: exponential"),
    ],
)
def test_rules_that_make_no_sense_are_refused_where_they_are_declared(given: Any, complaint: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        Taskyard().task(retry=given)(print)
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: fixed(-1), "fixed -1 is not accepted"),
        (lambda: fixed(10**400), "fixed 1000"),
        (lambda: fixed(math.nan), "fixed nan"),
        (lambda: fixed(True), "fixed True"),
        (lambda: fixed(1, jitter=1.5), "jitter 1.5 is not accepted: a share of the delay, from 0 to 1"),
        (lambda: exponential(-1), "first -1"),
        (lambda: exponential(1, 0.5), "factor 0.5 is not accepted: a number from 1 to 1,000"),
        (lambda: exponential(1, math.nan), "factor nan"),
        (lambda: exponential(1, 2, timedelta(days=367)), "most datetime.timedelta(days=367)"),
    ],
)
def test_rule_that_makes_no_sense_is_refused_where_it_is_declared(make: Any, complaint: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        make()
    assert complaint in str(refused.value)


def test_rules_are_checked_once_and_do_not_change_with_the_list_they_came_from() -> None:
    given = [1.0]
    policy = make_policy(given)
    given[0] = 99
    assert isinstance(policy, Policy)
    assert policy.next(1, ValueError(), 0.0).seconds == 1
