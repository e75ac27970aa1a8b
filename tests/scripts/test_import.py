"""import: tasks of another queue → one call → the whole resulting state. Each enters once, whatever is sent again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from queue_core import protocol
from queue_core.errors import InvalidArgument
from queue_core.protocol import Acted, Call, Exported, ExportedTask
from tests.engine import IDLE_PLACES, START_MS, Engine, element_of, score_of
from tests.invariants import State

pytestmark = pytest.mark.each_server

FACTS = {"from": "images", "by": "ada"}


@pytest.fixture
def other(engine: Engine) -> Iterator[Engine]:
    """The queue from which tasks come."""
    other = Engine(engine.url, engine.client.namespace, "images")
    yield other
    other.check_books()
    other.close()


def put_aside(other: Engine, *task_ids: str) -> Exported:
    return other.run(protocol.export(other.queue, task_ids, "email", "t1", "ada", ""))


def enter(engine: Engine, exported: Exported, **how: bool) -> Call[Acted]:
    return protocol.import_(engine.queue, exported, FACTS, **how)


def take(engine: Engine, exported: Exported, **how: bool) -> dict[str, str]:
    return engine.run(enter(engine, exported, **how)).skipped


def moved(text: str) -> str:
    """A history with the line that a move adds."""
    return text + f"{START_MS} moved " + json.dumps(FACTS, separators=(",", ":")) + "\n"


def expected(place: str, before: State) -> State:
    """A queue into which a task came from that place, as it was in the queue that it left."""
    tasks = before["tasks"]
    (task_id,) = tasks
    state: State = {
        "control": {"format": "1"},
        "tasks": tasks,
        "history": {task_id: moved(before.get("history", {}).get(task_id, "0 0 0 0 -\n"))},
        "stats": {"imported": "1"},
        "imported": {f"{task_id}:t1.{START_MS}": float("inf")},
        "notify": ["1"],
    }
    if place in ("ready", "held"):
        state["ready"] = [task_id]
    elif place == "dead":
        del state["notify"]
        state |= {name: before[name] for name in ("dead", "dead_by_fault")}
    else:
        state[place] = before[place]
    if place in ("dead", "retrying"):
        (fault,) = before["faults_seen"]
        state["faults_seen"] = before["faults_seen"]
        count = "1" if place == "retrying" else "0"
        state["faults"] = {fault: before["faults"][fault], f"{fault}:retrying": count}
    return state


@pytest.mark.parametrize("place", IDLE_PLACES)
def test_task_enters_as_it_was(engine: Engine, other: Engine, place: str) -> None:
    task_id = other.seed(place)
    before = other.check_books()
    assert take(engine, put_aside(other, task_id)) == {}
    assert engine.check_books() == expected(place, before)


def test_fault_brings_what_is_known_of_it(engine: Engine, other: Engine) -> None:
    other.run(
        protocol.fail(
            other.queue, [other.failed(other.lease("order-1"), protocol.DEAD, trace="Traceback", digest="f")], "1.2"
        )
    )
    (fault,) = other.state()["faults_seen"]
    assert take(engine, put_aside(other, "order-1")) == {}
    here, there = engine.check_books()["faults"], other.state()["faults"]
    for field in (fault, f"{fault}:versions", f"{fault}:frames", f"{fault}:traceback"):
        assert here[field] == there[field]
    assert f"{fault}:attempts" not in here


def test_letter_joins_its_fault_where_there_is_one(engine: Engine, other: Engine) -> None:
    engine.seed("dead")
    before = engine.check_books()
    other.later(-50)
    task_id = other.seed("dead")
    assert take(engine, put_aside(other, task_id)) == {}
    after = engine.check_books()
    assert (after["faults"], after["faults_seen"]) == (before["faults"], before["faults_seen"])
    assert after["dead"] == {**before["dead"], task_id: other.now}


def test_letter_without_room_for_its_fault_is_one_of_the_overflow(engine: Engine, other: Engine) -> None:
    engine.redis.zadd(engine.queue.faults_seen, {f"f{number}": engine.now for number in range(1_000)})
    engine.redis.hset(engine.queue.faults, mapping={f"f{number}": "{}" for number in range(1_000)})
    held = other.lease("order-1")
    other.fail(held, protocol.DEAD)
    failure = other.failed(held).failure
    take(engine, put_aside(other, "order-1"))
    state = engine.state()
    assert list(state["dead_by_fault"]) == [f"{failure.overflow_fingerprint}:{START_MS}:order-1"]
    assert json.loads(state["faults"][failure.overflow_fingerprint])["overflow"] is True
    assert state["history"]["order-1"].split("\n")[0] == f"1 0 0 0 {failure.overflow_fingerprint}"


@pytest.mark.parametrize("info", [b"", b"{", b"[]", b'{"task":1}'])
def test_fault_that_cannot_be_read_is_said_to_be_unknown(engine: Engine, other: Engine, info: bytes) -> None:
    task_id = other.seed("dead")
    exported = put_aside(other, task_id)
    faults = (exported.faults[0], info, *exported.faults[2:])
    assert take(engine, replace(exported, faults=faults)) == {}
    state = engine.check_books()
    assert json.loads(state["faults"][faults[0].decode()])["class"] == "Unknown"


def test_requeued_letter_keeps_what_happened(engine: Engine, other: Engine) -> None:
    task_id = other.seed("dead")
    take(engine, put_aside(other, task_id))
    engine.run(protocol.requeue(engine.queue, [(task_id, START_MS)], {"by": "ada"}))
    (task,) = engine.claim().tasks
    assert (task.counters.attempts, task.counters.attempts_before) == (0, 1)
    kinds = [line.split(" ")[1] for line in engine.check_books()["history"][task_id].splitlines()[1:]]
    assert kinds == ["failed", "moved", "requeued"]


def test_list_stays_in_the_order_of_waiting(engine: Engine, other: Engine) -> None:
    older = other.enqueue_many(3)
    exported = put_aside(other, *older)
    for clock in (engine, other):
        clock.later(5_000)
    waiting = engine.enqueue_many(2)
    other.later(1_000)
    younger = other.enqueue_many(2)
    later = other.run(protocol.export(other.queue, younger, "email", "t2", "ada", ""))
    take(engine, later)
    take(engine, exported)
    assert engine.check_books()["ready"] == [*older, *waiting, *younger]


def test_waiting_time_goes_with_a_task_whose_id_tells_none(engine: Engine, other: Engine) -> None:
    other.enqueue("order-1")
    other.enqueue("order-2", priority=-3)
    exported = put_aside(other, "order-1", "order-2")
    engine.later(60_000)
    take(engine, exported)
    state = engine.check_books()
    assert state["ready"] == [element_of("order-1", START_MS)]
    assert state["prioritized"] == {"order-2": score_of(-3, START_MS)}


def test_due_times_that_have_passed_make_the_task_due(engine: Engine, other: Engine) -> None:
    ids = [other.seed("retrying"), other.seed("scheduled")]
    exported = put_aside(other, *ids)
    engine.later(590_000)
    take(engine, exported)
    assert sorted(task.id for task in engine.claim().tasks) == sorted(ids)
    engine.check_books()


@pytest.mark.parametrize("became", ["waits", "runs", "ended", "deleted"])
def test_task_that_came_before_does_not_come_again(engine: Engine, other: Engine, became: str) -> None:
    exported = put_aside(other, other.enqueue("order-1"))
    take(engine, exported)
    if became in ("runs", "ended"):
        (task,) = (claimed := engine.claim()).tasks
        if became == "ended":
            engine.run(protocol.complete(engine.queue, [protocol.Held(task.id, claimed.fence, True)]))
    elif became == "deleted":
        engine.trash("order-1")
        engine.delete("order-1")
    before = engine.check_books()
    assert take(engine, exported) == {}
    assert engine.state() == before


@pytest.mark.parametrize("place", [*IDLE_PLACES, "running", "trashed"])
def test_another_task_of_that_id_is_met_and_its_twin_never_enters(engine: Engine, other: Engine, place: str) -> None:
    engine.seed(place, "order-1")
    exported = put_aside(other, other.enqueue("order-1", payload=b'{"other":1}'))
    ticket, before = exported.tasks[0].ticket, engine.check_books()
    state = "ready" if place == "prioritized" else place
    assert take(engine, exported) == {ticket: f"in that queue already, {state}"}
    after = engine.check_books()
    assert after.pop("imported") == {f"{ticket}:refused": float("inf")}
    assert after == before
    if place != "running":
        engine.trash("order-1")
        engine.delete("order-1")
        assert take(engine, exported) == {ticket: "called back"}


def test_task_that_is_called_back_never_enters(engine: Engine, other: Engine) -> None:
    exported = put_aside(other, other.enqueue("order-1"))
    ticket = exported.tasks[0].ticket
    assert take(engine, exported, refuses=True) == {ticket: "called back"}
    before = engine.check_books()
    assert before == {"control": {"format": "1"}, "imported": {f"{ticket}:refused": float("inf")}}
    assert take(engine, exported) == {ticket: "called back"}
    assert engine.state() == before


def test_task_that_has_come_cannot_be_called_back(engine: Engine, other: Engine) -> None:
    exported = put_aside(other, other.enqueue("order-1"))
    take(engine, exported)
    before = engine.check_books()
    assert take(engine, exported, refuses=True) == {}
    assert engine.state() == before


def test_mover_that_slept_comes_too_late_and_may_come_again(engine: Engine, other: Engine) -> None:
    task_id = other.enqueue()
    exported = put_aside(other, task_id)
    engine.later(600_001)
    assert take(engine, exported) == {exported.tasks[0].ticket: "too late"}
    assert engine.check_books() == {}
    assert take(engine, replace(exported, now_ms=engine.now)) == {}
    engine.check_books()


def test_same_ticket_twice_in_a_call_enters_once(engine: Engine, other: Engine) -> None:
    exported = put_aside(other, other.enqueue("order-1"))
    assert take(engine, replace(exported, tasks=exported.tasks * 2)) == {}
    assert engine.check_books()["stats"] == {"imported": "1"}


def test_struck_out_id_that_comes_back_stands_in_the_list_once(engine: Engine, other: Engine) -> None:
    engine.enqueue("order-1")
    engine.trash("order-1")
    engine.delete("order-1")
    assert take(engine, put_aside(other, other.enqueue("order-1"))) == {}
    assert engine.check_books()["ready"] == [element_of("order-1", START_MS)]


@pytest.mark.parametrize("damage", [{"history": b"\xff"}, {"at": b"x"}, {"place": "?"}, {"envelope": b"\xff"}])
def test_damaged_task_enters_all_the_same(engine: Engine, other: Engine, damage: dict[str, object]) -> None:
    exported = put_aside(other, other.enqueue("order-1"))
    assert take(engine, replace(exported, tasks=(replace(exported.tasks[0], **damage),))) == {}  # type: ignore[arg-type]
    engine.check_books()
    assert [task.id for task in engine.claim().tasks] == ["order-1"]


def test_paused_queue_takes_tasks_and_wakes_nobody(engine: Engine, other: Engine) -> None:
    engine.run(protocol.pause(engine.queue, "ada", ""))
    take(engine, put_aside(other, other.enqueue()))
    assert "notify" not in engine.check_books()


def test_largest_batch_enters_in_one_call(engine: Engine, other: Engine) -> None:
    ids = other.enqueue_many(256)
    exported = put_aside(other, *ids)
    assert take(engine, exported) == {}
    assert engine.check_books()["ready"] == ids
    with pytest.raises(InvalidArgument, match="at most 256"):
        enter(engine, replace(exported, tasks=(*exported.tasks, ExportedTask("a:t1"))))


def test_many_callers_at_once_let_it_in_once(engine: Engine, other: Engine) -> None:
    exported = put_aside(other, *(other.seed(place) for place in IDLE_PLACES))
    answers = engine.at_once([lambda: enter(engine, exported)] * 6)
    assert [answer.skipped for answer in answers] == [{}] * 6
    assert engine.check_books()["stats"] == {"imported": str(len(IDLE_PLACES))}


def test_entering_and_calling_back_at_once_leave_one_winner(engine: Engine, other: Engine) -> None:
    exported = put_aside(other, other.enqueue("order-1"))
    calls = [lambda: enter(engine, exported), lambda: enter(engine, exported, refuses=True)] * 3
    answers = [answer.skipped for answer in engine.at_once(calls)]
    assert answers[1:] == answers[:-1]
    assert ("order-1" in engine.check_books().get("tasks", {})) == (answers[0] == {})
