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


@pytest.mark.each_server
def test_several_queues_are_previewed_at_once_each_as_one_alone(engine: Engine, operations: Operations) -> None:
    engine.kill(3)
    engine.kill(2, "wrong address")
    engine.later(1_000)
    for queue, count in {"sms": 4, "push": 0}.items():
        other = Engine(engine.url, engine.client.namespace, queue)
        other.now = engine.now
        other.kill(count)
        other.close()
    for queue in ("email", "sms"):
        engine.client.register(queue)
    fault = fault_of(engine, "no answer")
    asked: dict[str, list[str]] = {"email": [fault], "sms": [], "push": [], "nowhere": []}
    email, sms = operations.preview_several("requeue", asked)
    assert email == operations.preview("email", "requeue", faults=[fault])
    assert sms == replace(operations.preview("sms", "requeue"), samples=sms.samples)
    assert [task.at for task in (*email.samples, *sms.samples)] == [START_MS] * 3 + [engine.now] * 2
    (early,) = operations.preview_several("requeue", asked, until=START_MS)
    assert (early.bound.queue, early.count) == ("email", 3)
    engine.trash(engine.enqueue("away"))
    (trashed,) = operations.preview_several("delete", {"email": [], "sms": []}, state=State.TRASHED)
    assert trashed == operations.preview("email", "delete", state=State.TRASHED)
    with pytest.raises(InvalidArgument):
        operations.preview_several("trash", asked, state=State.READY)
    with pytest.raises(InvalidArgument):
        operations.preview_several("requeue", {"email": ["a:b"]})


@pytest.mark.each_server
@pytest.mark.parametrize("state", [State.READY, State.SCHEDULED, State.DEAD, State.TRASHED])
def test_preview_tells_about_how_much_memory_they_take(engine: Engine, operations: Operations, state: State) -> None:
    """Two faults, whose letters are not of the same size."""
    what: dict[str, Any] = {"payload": b'"%b"' % (b"x" * 200)}
    if state in (State.DEAD, State.TRASHED):
        letters = [*engine.kill(300, **what), *engine.kill(300, "of another size", payload=b'"%b"' % (b"x" * 2_000))]
        if state is State.TRASHED:
            for start_at in range(0, 600, 200):
                engine.trash(*letters[start_at : start_at + 200])
    else:
        engine.enqueue_many(600, delay_ms=9_000 if state is State.SCHEDULED else 0, **what)
    told = operations.preview("email", "delete" if state is State.TRASHED else "trash", state=state).size
    real = sum(engine.redis.memory_usage(key, samples=0) for key in engine.redis.keys(f"{engine.prefix}*"))
    assert told is not None
    assert 0.7 * real < told < 1.3 * real, (told, real)


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
