"""What a handler says and the rule of its task decide in `inline` and `drain` as with a worker."""

from __future__ import annotations

import re

import pytest

from queue_core import (
    DeadLetter,
    Discard,
    Retry,
    State,
    Task,
    Taskyard,
    never,
    testing,
)


def _declare_sayer(yard: Taskyard, errors: list[BaseException]) -> Task[[], int]:
    """It raises each of the errors once, then it completes."""

    @yard.task(retry={ConnectionError: [30, 90], ValueError: never}, max_retries=3)
    def say() -> int:
        if errors:
            raise errors.pop(0)
        return 1

    return say


@pytest.mark.parametrize(
    ("errors", "states"),
    [
        ([ConnectionError(), ConnectionResetError()], [State.RETRYING, State.RETRYING, State.COMPLETED]),
        ([Retry(after=60), ValueError()], [State.RETRYING, State.DEAD]),
        ([KeyError(), Discard("too late")], [State.RETRYING, State.DISCARDED]),
        ([Retry(after=1)] * 4, [State.RETRYING] * 3 + [State.DEAD]),
        ([DeadLetter("no")], [State.DEAD]),
    ],
    ids=str,
)
def test_both_decide_as_a_worker_does(
    yard: Taskyard, queued: Taskyard, errors: list[BaseException], states: list[State]
) -> None:
    with testing.inline(yard, raises=False, retries=True) as ran:
        _declare_sayer(yard, [*errors]).enqueue()
    assert [run.state for run in ran] == states
    _declare_sayer(queued, [*errors]).enqueue()
    assert [run.state for run in testing.drain(queued, advance=True)] == states


def test_next_attempt_is_when_the_rule_or_the_handler_says(queued: Taskyard, clock: testing.Clock) -> None:
    handle = _declare_sayer(queued, [ConnectionError(), Retry("closed", after=3_600)]).enqueue()
    testing.drain(queued)
    now = clock()
    due = queued.inspector.task("default", handle.id).at
    assert due is not None
    assert 30_000 <= due - now <= 33_000
    assert re.search(r"The next one is due in 3[0-3] s", queued.explain(handle.id).sentence)
    clock.advance(milliseconds=due - now)
    testing.drain(queued)
    assert queued.inspector.task("default", handle.id).at == clock() + 3_600_000
    clock.advance(hours=1)
    assert [run.state for run in testing.drain(queued)] == [State.COMPLETED]
