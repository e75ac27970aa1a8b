"""enqueue: seeded state → one call → the whole resulting state."""

from __future__ import annotations

from typing import Any

import pytest

from queue_core import ids, protocol
from queue_core.errors import ServerRefused
from queue_core.protocol import NewTask
from tests.engine import PLACES, START_MS, Engine, changed, element_of, score_of

pytestmark = pytest.mark.each_server

FIRST_WRITE = {"control": {"format": "1"}, "stats": {"enqueued": "1"}, "notify": ["1"]}


def test_new_task_is_ready_and_wakes_a_worker(engine: Engine) -> None:
    task_id = engine.enqueue()
    assert engine.check_books() == {**FIRST_WRITE, "tasks": {task_id: "send\n{}"}, "ready": [task_id]}


@pytest.mark.parametrize(
    ("task_id", "carries_its_time"),
    [
        ("order-1", True),
        ("A" * 22, True),  # has the form of ours, and a time that is not now
        ("z" * 22, True),  # as above, with a number beyond any time
        ("b" * 29, True),  # as long as one of ours with its time behind it
        ("_" * 22, True),
        ("x" * 128, True),
        ("1", True),
        pytest.param(ids.new_id(START_MS), False, id="of now"),
        pytest.param(ids.new_id(START_MS - 999), False, id="a little early"),
        pytest.param(ids.new_id(START_MS + 999), False, id="a little late"),
        pytest.param(ids.new_id(START_MS - 1_002), True, id="too early"),
        pytest.param(ids.new_id(START_MS + 1_002), True, id="too late"),
    ],
)
def test_element_carries_the_ready_time_where_the_id_does_not_tell_it(
    engine: Engine, task_id: str, carries_its_time: bool
) -> None:
    engine.enqueue(task_id)
    state = engine.check_books()
    assert state["ready"] == [element_of(task_id, START_MS) if carries_its_time else task_id]
    found, ready_ms = ids.read_ready_element(state["ready"][0])
    assert found == task_id
    assert ready_ms is not None
    assert abs(ready_ms - START_MS) <= 1_000
    assert [task.id for task in engine.claim().tasks] == [task_id]
    engine.check_books()


@pytest.mark.parametrize("priority", [1, -1, 7, -7, 2_000, -2_000])
def test_task_with_a_priority_stands_in_the_sorted_set(engine: Engine, priority: int) -> None:
    engine.enqueue("order-1", priority=priority)
    assert engine.check_books() == {
        **FIRST_WRITE,
        "tasks": {"order-1": f'send {{"priority":{priority}}}\n{{}}'},
        "prioritized": {"order-1": score_of(priority, START_MS)},
    }


@pytest.mark.parametrize(
    ("when", "due_ms"),
    [
        ({"delay_ms": 1}, START_MS + 1),
        ({"delay_ms": 60_000}, START_MS + 60_000),
        ({"delay_ms": 60_000, "priority": 3}, START_MS + 60_000),
        ({"due_ms": START_MS + 5}, START_MS + 5),
        ({"delay_ms": 3_155_760_000_000}, START_MS + 3_155_760_000_000),  # 100 years
    ],
)
def test_delayed_task_is_scheduled_and_the_earliest_wakes_a_worker(
    engine: Engine, when: dict[str, Any], due_ms: int
) -> None:
    task = engine.new_task("order-1", **when)
    engine.run(protocol.enqueue(engine.queue, [task]))
    assert engine.check_books() == {
        **FIRST_WRITE,
        "tasks": {"order-1": task.envelope.decode()},
        "scheduled": {"order-1": due_ms},
    }


@pytest.mark.parametrize("due_ms", [0, 1, START_MS - 1, START_MS])
def test_task_that_is_due_already_is_ready(engine: Engine, due_ms: int) -> None:
    engine.enqueue("order-1", due_ms=due_ms)
    assert engine.check_books()["ready"] == [element_of("order-1", START_MS)]


@pytest.mark.parametrize(("delay_ms", "tokens"), [(60_001, 1), (60_000, 1), (59_999, 2)])
def test_only_a_new_earliest_time_wakes_a_worker(engine: Engine, delay_ms: int, tokens: int) -> None:
    engine.seed("scheduled", delay_ms=60_000)
    engine.enqueue(delay_ms=delay_ms)
    assert len(engine.check_books()["notify"]) == tokens


@pytest.mark.parametrize(("count", "tokens"), [(1, 1), (3, 3), (16, 16), (17, 16), (256, 16)])
def test_at_most_sixteen_tokens_stand_there(engine: Engine, count: int, tokens: int) -> None:
    engine.enqueue_many(count)
    assert len(engine.check_books()["notify"]) == tokens
    engine.enqueue_many(1)
    assert len(engine.check_books()["notify"]) == min(tokens + 1, 16)


def test_paused_queue_takes_tasks_and_wakes_nobody(engine: Engine) -> None:
    engine.run(protocol.pause(engine.queue, "ada", ""))
    engine.enqueue_many(2)
    engine.enqueue(delay_ms=5)
    assert "notify" not in engine.check_books()


MET = {place: "ready" if place == "prioritized" else place for place in PLACES}


@pytest.mark.parametrize("place", PLACES)
def test_id_that_is_still_in_the_queue_is_met_in_its_state_and_not_doubled(engine: Engine, place: str) -> None:
    if place == "running":
        engine.lease("order-1")
    else:
        engine.seed(place, "order-1")
    before = engine.check_books()
    met = engine.run(protocol.enqueue(engine.queue, [engine.new_task("order-1", payload=b'{"other":1}')]))
    assert met == {"order-1": MET[place]}
    assert engine.state() == before


@pytest.mark.parametrize(
    ("what", "state"),
    [({}, "ready"), ({"priority": 1}, "ready"), ({"delay_ms": 9}, "scheduled")],
)
@pytest.mark.parametrize("is_struck_out", [False, True])
def test_id_that_stands_twice_in_a_batch_makes_one_task(
    engine: Engine, what: dict[str, Any], state: str, is_struck_out: bool
) -> None:
    if is_struck_out:
        engine.enqueue("order-1")
        engine.trash("order-1")
        engine.delete("order-1")
    tasks = [engine.new_task("order-1", payload=payload, **what) for payload in (b"{}", b'{"second":1}')]
    assert engine.run(protocol.enqueue(engine.queue, tasks)) == {"order-1": state}
    assert engine.check_books()["tasks"] == {"order-1": tasks[0].envelope.decode()}


def test_ended_task_leaves_its_id_free(engine: Engine) -> None:
    held = engine.lease("order-1")
    engine.run(protocol.complete(engine.queue, [held]))
    engine.enqueue("order-1")
    assert engine.check_books()["stats"] == {"enqueued": "2", "completed": "1"}


def test_id_that_was_struck_out_takes_its_old_element_again(engine: Engine) -> None:
    for task_id in ("first", "second"):
        engine.enqueue(task_id)
    engine.trash("first")
    engine.delete("first")
    before = engine.check_books()
    engine.later(5_000)
    engine.enqueue("first")
    assert engine.check_books() == changed(
        before,
        removed=None,
        tasks={"first": "send\n{}", "second": "send\n{}"},
        stats={"enqueued": "3", "deleted": "1"},
        notify=["1"] * 3,
    )


@pytest.mark.parametrize("what", [{"priority": 2}, {"delay_ms": 500}])
def test_id_that_was_struck_out_can_go_elsewhere(engine: Engine, what: dict[str, Any]) -> None:
    engine.enqueue("order-1")
    engine.trash("order-1")
    engine.delete("order-1")
    engine.enqueue("order-1", **what)
    assert engine.check_books()["removed"] == {"order-1"}
    engine.later(1_000)
    claimed = engine.claim()
    assert [task.id for task in claimed.tasks] == ["order-1"]
    assert engine.claim().tasks == ()
    assert engine.check_books().keys() & {"ready", "removed", "prioritized", "scheduled"} == set()


def test_batch_enters_in_its_order(engine: Engine) -> None:
    task_ids = engine.enqueue_many(256)
    state = engine.check_books()
    assert state["ready"] == task_ids
    assert list(state["tasks"]) == task_ids or set(state["tasks"]) == set(task_ids)
    assert state["stats"] == {"enqueued": "256"}


@pytest.mark.parametrize("place", ["x", "0 -5 0", "1.5 0 0", "0 1e3 0", "0 0"])
def test_malformed_place_changes_nothing(engine: Engine, place: str) -> None:
    task = engine.new_task()
    call = protocol.enqueue(engine.queue, [task])
    arguments: Any = call.arguments
    arguments[2] = place
    with pytest.raises(ServerRefused):
        engine.run(call)
    assert engine.state() == {}


@pytest.mark.parametrize("payload", [b"", b"\x00\xff", b'{"a":"' + b"x" * 100_000 + b'"}', "{“ü”:\u2028}".encode()])
def test_payload_is_opaque(engine: Engine, payload: bytes) -> None:
    engine.run(protocol.enqueue(engine.queue, [NewTask("order-1", b"send\n" + payload)]))
    assert engine.redis.hget(engine.queue.tasks, "order-1") == b"send\n" + payload
    assert engine.claim().tasks[0].envelope == b"send\n" + payload


def test_one_of_many_callers_at_once_makes_the_task(engine: Engine) -> None:
    answers = engine.at_once([lambda: protocol.enqueue(engine.queue, [engine.new_task("order-1")])] * 8)
    assert sorted(map(len, answers)) == [0] + [1] * 7
    assert engine.check_books()["stats"] == {"enqueued": "1"}
