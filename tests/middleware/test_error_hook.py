"""What handlers raise is handed on, with where it was raised."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from queue_core import Cancelled, Context, DeadLetter, Discard, Retry, State, Taskyard, testing
from queue_core.chain import Outcome
from queue_core.middleware import ErrorHook

CONTEXT = Context("id", "name", "queue", 1, 7)


def told_of(error: BaseException | None, context: Context = CONTEXT, **options: Any) -> list[Any]:
    told: list[Any] = []
    ErrorHook(lambda *given: told.append(given), **options).after(context, Outcome(None, error, 0.1))
    return told


@pytest.mark.parametrize("error", [ValueError("x"), DeadLetter("no"), SystemExit(1), asyncio.CancelledError()], ids=str)
def test_failure_is_told_with_its_context(error: BaseException) -> None:
    assert told_of(error) == [(error, CONTEXT)]


@pytest.mark.parametrize("error", [None, Cancelled(), Discard("late"), Retry(after=1)], ids=str)
def test_what_a_handler_says_on_purpose_is_no_error(error: BaseException | None) -> None:
    assert told_of(error) == []


def test_classes_may_be_left_out() -> None:
    assert told_of(ConnectionResetError(), ignore=(ConnectionError,)) == []
    assert told_of(ValueError(), ignore=(ConnectionError,)) != []


def test_end_of_a_task_that_was_cancelled_is_no_error() -> None:
    context = Context("id", "name", "queue", 1, 7)
    context.signals.is_cancelled = True
    assert told_of(asyncio.CancelledError(), context) == []
    assert told_of(ValueError(), context) != []


def test_every_failed_attempt_is_told_once_and_a_hook_that_fails_changes_nothing() -> None:
    told: list[tuple[BaseException, int]] = []

    def hook(error: BaseException, context: Context) -> None:
        told.append((error, context.attempt))
        raise ArithmeticError

    yard = Taskyard(middleware=[ErrorHook(hook)])

    @yard.task(max_retries=1)
    def fail() -> None:
        raise ValueError("x")

    with testing.inline(yard, raises=False, retries=True) as ran:
        fail.enqueue()
    assert [run.state for run in ran] == [State.RETRYING, State.DEAD]
    assert [(type(error), attempt) for error, attempt in told] == [(ValueError, 1), (ValueError, 2)]
