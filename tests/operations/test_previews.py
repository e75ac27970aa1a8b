"""What an operation would act on; what cannot be asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from queue_core.errors import InvalidArgument, UnknownQueue
from queue_core.operations import Operations, suggest_canary
from queue_core.snapshot import Bound, State
from tests.engine import START_MS, Engine
from tests.operations.harness import fault_of, start

SAID: dict[str, str] = {"by": "ada", "action_id": "a1", "reason": "fixed"}


@pytest.mark.each_server
def test_preview_of_letters_counts_those_of_its_faults_in_its_time(engine: Engine, operations: Operations) -> None:
    first = engine.kill(3)
    engine.later(1_000)
    second = engine.kill(4)
    engine.kill(2, "wrong address")
    engine.later(1_000)
    engine.kill(5)
    fault, other = fault_of(engine, "no answer"), fault_of(engine, "wrong address")
    shown = operations.preview("email", "requeue", faults=[fault], since=START_MS, until=START_MS + 1_000)
    assert (shown.count, shown.oldest_at, shown.newest_at) == (7, START_MS, START_MS + 1_000)
    assert [(share.fingerprint, share.count, share.error_class, share.task_name) for share in shown.by_fault] == [
        (fault, 7, "ValueError", "send")
    ]
    assert [row.id for row in shown.samples] == [*first, *second][:5]
    everything = operations.preview("email", "trash")
    assert (everything.count, everything.newest_at) == (14, engine.now)
    assert [(share.fingerprint, share.count) for share in everything.by_fault] == [(fault, 12), (other, 2)]
    assert everything.bound.taken_at == engine.now
    assert operations.preview("email", "requeue", since=START_MS + 1, until=START_MS + 999).count == 0


@pytest.mark.parametrize(
    ("state", "verb", "times"),
    [
        (State.READY, "trash", (START_MS, START_MS)),
        (State.SCHEDULED, "promote", (START_MS + 60_000, START_MS + 60_000)),
        (State.RETRYING, "trash", (START_MS + 1_000, START_MS + 1_000)),
        (State.HELD, "trash", (None, None)),
        (State.TRASHED, "restore", (START_MS + 86_400_000, START_MS + 86_400_000)),
    ],
)
def test_preview_of_a_state_counts_it(
    engine: Engine, operations: Operations, state: State, verb: str, times: tuple[int | None, int | None]
) -> None:
    task_id = engine.seed(state.value)
    shown = operations.preview("email", verb, state=state)
    assert (shown.count, shown.oldest_at, shown.newest_at) == (1, *times)
    assert [row.id for row in shown.samples] == [task_id]


@pytest.mark.parametrize(
    "wrong",
    [
        {"verb": "explode"},
        {"verb": "restore"},
        {"verb": "trash", "state": State.RUNNING},
        {"verb": "trash", "state": State.READY, "faults": ["abc"]},
        {"verb": "promote", "state": State.SCHEDULED, "until": START_MS},
        {"verb": "requeue", "faults": ["a:b"]},
        {"verb": "requeue", "faults": ["a"] * 1_201},
        {"verb": "requeue", "since": -1},
        {"verb": "requeue", "until": 10**13},
    ],
)
def test_what_cannot_be_selected_is_refused(engine: Engine, operations: Operations, wrong: dict[str, Any]) -> None:
    engine.seed("dead")
    with pytest.raises(InvalidArgument):
        operations.preview("email", **wrong)
    wrong = {"state": State.DEAD, "taken_at": START_MS, "count": 1, **wrong}
    with pytest.raises(InvalidArgument):
        operations.start(Bound("email", **wrong), **SAID)  # type: ignore[arg-type]
    assert engine.redis.keys("*operation*") == []


def test_queue_that_is_not_there_is_told(engine: Engine, operations: Operations) -> None:
    with pytest.raises(UnknownQueue):
        operations.preview("none", "requeue")
    with pytest.raises(UnknownQueue):
        operations.start(Bound("none", "requeue", State.DEAD, START_MS, 1), by="ada", action_id="a1")
    assert engine.redis.keys("*") == []


@pytest.mark.parametrize(
    "pace",
    [
        {"drip": 0}, {"drip": -1}, {"drip": float("nan")}, {"drip": 1e9}, {"canary": -1}, {"canary": 1_001},
        {"canary": 1.5}, {"keep_seconds": 0}, {"by": "\ud800"}, {"reason": "x" * 501}, {"action_id": ""},
    ],
)  # fmt: skip
def test_paces_that_cannot_be_are_refused(engine: Engine, operations: Operations, pace: dict[str, Any]) -> None:
    engine.seed("dead")
    shown = operations.preview("email", "requeue")
    with pytest.raises(InvalidArgument):
        operations.start(shown.bound, **{**SAID, **pace})
    with pytest.raises(InvalidArgument):
        start(operations, operations.preview("email", "trash"), drip=5)
    with pytest.raises(InvalidArgument):
        start(operations, operations.preview("email", "trash"), canary=5)
    with pytest.raises(InvalidArgument):
        operations.start(replace(shown.bound, count=0), **SAID)  # type: ignore[arg-type]
    assert engine.redis.keys("*operation*") == []


@pytest.mark.parametrize(("count", "canary"), [(0, 0), (1_000, 0), (1_001, 10), (10**9, 10)])
def test_canary_is_suggested_above_a_thousand(count: int, canary: int) -> None:
    assert suggest_canary(count) == canary
