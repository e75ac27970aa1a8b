"""export: seeded state → one call → the whole resulting state, and all that the other queue needs to know."""

from __future__ import annotations

import json

import pytest

from queue_core import protocol
from queue_core.errors import InvalidArgument
from queue_core.protocol import Exported, ExportedTask, Session
from tests.engine import IDLE_PLACES, START_MS, Engine, changed, element_of, score_of

pytestmark = pytest.mark.each_server

ASIDE_MS = 100 * 365 * 86_400_000


def export(engine: Engine, *task_ids: str, to: str = "images", token: str = "t1", **how: int) -> Exported:
    return engine.run(protocol.export(engine.queue, task_ids, to, token, "ada", "moving to images", **how))


TOLD = {
    "ready": ("ready", START_MS),
    "held": ("ready", START_MS),
    "prioritized": ("ready", START_MS),
    "scheduled": ("scheduled", START_MS + 60_000),
    "retrying": ("retrying", START_MS + 1_000),
    "dead": ("dead", START_MS),
}
SCORES = {
    "ready": START_MS,
    "held": 0,
    "prioritized": score_of(5, START_MS),
    "scheduled": START_MS + 60_000,
    "retrying": START_MS + 1_000,
    "dead": START_MS,
}


@pytest.mark.parametrize("place", IDLE_PLACES)
def test_task_is_in_the_trash_under_its_token_and_all_of_it_is_told(engine: Engine, place: str) -> None:
    task_id = engine.seed(place)
    before = engine.check_books()
    engine.later(5)
    exported = export(engine, task_id)
    after = engine.check_books()

    as_trashed = engine.redis.hgetall(engine.queue.trashed)
    assert json.loads(as_trashed[task_id.encode()]) == {
        "from": place,
        "score": str(SCORES[place]),
        "member": f"unknown:resize/{task_id}" if place == "held" else task_id,
        "by": "ada",
        "reason": "moving to images",
        "at": engine.now,
        "to": "images",
        "token": f"t1.{engine.now}",
    }
    faults = before.get("faults")
    if place in ("dead", "retrying"):
        (fault,) = before["faults_seen"]
        faults = {**before["faults"], f"{fault}:retrying": "0", f"{fault}:trashed": "1"}
        info = before["faults"][fault].encode()
        assert exported.faults == (fault.encode(), info, b"", b"", b"", b"%d" % START_MS)
    else:
        assert exported.faults == ()
    left: dict[str, object] = {"removed": {task_id}} if place == "ready" else {place: None}
    assert after == changed(
        before,
        **left,
        dead_by_fault=None,
        faults=faults,
        trash={task_id: engine.now + ASIDE_MS},
        trashed=after["trashed"],
    )
    (told,) = exported.tasks
    state, at = TOLD[place]
    history = before.get("history", {}).get(task_id, "").encode()
    envelope = before["tasks"][task_id].encode()
    assert told == ExportedTask(f"{task_id}:t1.{engine.now}", envelope, state, b"%d" % at, history)
    assert (told.id, exported.now_ms, exported.skipped, exported.later) == (task_id, engine.now, {}, ())


def test_ready_time_is_that_of_the_element(engine: Engine) -> None:
    ids = engine.enqueue_many(3)
    engine.redis.lpush(engine.queue.ready, element_of(ids[2], START_MS + 7))
    engine.redis.rpop(engine.queue.ready)
    assert [task.at for task in export(engine, *ids).tasks] == [b"%d" % engine.now] * 2 + [b"%d" % (START_MS + 7)]


def test_traceback_of_its_own_goes_with_it(engine: Engine) -> None:
    engine.fail(engine.lease(), protocol.DEAD, trace="first", digest="a")
    held = engine.lease()
    engine.fail(held, protocol.DEAD, trace="second", digest="b")
    exported = export(engine, held.id)
    assert exported.tasks[0].traceback == b"second"
    assert exported.faults[4] == b"first"


@pytest.mark.parametrize(
    ("place", "why"), [("running", "running"), ("trashed", "in the trash"), ("gone", "gone"), ("ended", "gone")]
)
def test_task_that_cannot_go_is_left_alone(engine: Engine, place: str, why: str) -> None:
    if place == "ended":
        held = engine.lease("order-1")
        engine.run(protocol.complete(engine.queue, [held]))
    elif place != "gone":
        engine.seed(place, "order-1")
    before = engine.check_books()
    exported = export(engine, "order-1")
    assert (exported.tasks, exported.skipped) == ((), {"order-1": why})
    assert engine.state() == before


def test_task_that_is_put_aside_is_told_again_under_its_first_token(engine: Engine) -> None:
    task_id = engine.seed("dead")
    first = export(engine, task_id)
    before = engine.check_books()
    engine.later(60_000)
    again = export(engine, task_id, token="t2")
    assert again == Exported(engine.now, first.tasks, {}, (), first.faults)
    assert engine.state() == before


def test_same_call_long_after_makes_another_ticket(engine: Engine) -> None:
    """The other queue may have taken the first one since, and the task may have come back."""
    task_id = engine.enqueue()
    first = export(engine, task_id).tasks[0].ticket
    engine.run(protocol.restore(engine.queue, [first]))
    engine.later(600_000)
    assert export(engine, task_id).tasks[0].ticket != first
    assert engine.run(protocol.forget(engine.queue, [first])).skipped == {first: "not put aside"}


def test_task_on_its_way_to_one_queue_does_not_go_to_another(engine: Engine) -> None:
    task_id = engine.seed("ready")
    export(engine, task_id)
    assert export(engine, task_id, to="sounds", token="t2").skipped == {task_id: "being moved to images"}


@pytest.mark.parametrize("verb", ["restore", "delete", "trash"])
def test_only_its_ticket_takes_it_out_of_the_trash(engine: Engine, verb: str) -> None:
    task_id = engine.seed("ready")
    export(engine, task_id)
    before = engine.check_books()
    calls = {
        "restore": protocol.restore(engine.queue, [task_id]),
        "delete": protocol.delete(engine.queue, [task_id]),
        "trash": protocol.trash(engine.queue, [task_id], 1, "bob", ""),
    }
    why = "in the trash" if verb == "trash" else "being moved to images"
    assert engine.run(calls[verb]).skipped == {task_id: why}
    assert engine.run(protocol.restore(engine.queue, [f"{task_id}:t2"])).skipped == {
        f"{task_id}:t2": "not in the trash"
    }
    assert engine.state() == before


def test_years_in_the_trash_do_not_delete_it(engine: Engine) -> None:
    export(engine, engine.seed("ready"))
    engine.later(50 * 365 * 86_400_000)
    assert engine.run(protocol.delete(engine.queue, due_limit=10)).count == 0


@pytest.mark.parametrize("place", IDLE_PLACES)
def test_its_ticket_restores_it(engine: Engine, place: str) -> None:
    task_id = engine.seed(place)
    before = engine.check_books()
    ticket = export(engine, task_id).tasks[0].ticket
    assert engine.run(protocol.restore(engine.queue, [ticket])).skipped == {}
    after = engine.check_books()
    for state in (before, after):
        state.pop("notify")
        for name in [name for name in state.get("faults", {}) if name.endswith(":trashed")]:
            del state["faults"][name]
    assert after == before


def test_one_mebibyte_fills_a_call_and_the_rest_is_for_another(engine: Engine) -> None:
    ids = [engine.enqueue(payload=b'"%b"' % (b"x" * 1_000)) for _ in range(5)]
    exported = export(engine, *ids, max_bytes=3_500)
    assert [task.id for task in exported.tasks] == ids[:3]
    assert exported.later == tuple(ids[3:])
    assert set(engine.check_books()["trash"]) == set(ids[:3])
    assert len(export(engine, ids[4], max_bytes=1).tasks) == 1


def test_answer_that_was_lost_is_read_again_as_it_is_by_then(engine: Engine) -> None:
    kept, left = engine.enqueue_many(2)
    call = protocol.export(engine.queue, [kept, left, "gone"], "images", "t1", "ada", "")
    first = engine.client.run(call, Session("ours"))
    ticket = first.tasks[1].ticket
    engine.run(protocol.forget(engine.queue, [ticket]))
    again = engine.client.run(call, Session("ours"))
    assert again.tasks == (first.tasks[0], ExportedTask(ticket))
    assert again.skipped == first.skipped == {"gone": "gone"}


def test_one_of_many_callers_at_once_puts_it_aside_and_all_hear_of_one_token(engine: Engine) -> None:
    task_id = engine.enqueue()
    calls = [
        lambda token=token: protocol.export(engine.queue, [task_id], "images", token, "ada", "") for token in "abcdef"
    ]
    answers = engine.at_once(calls)
    assert len({answer.tasks[0].ticket for answer in answers}) == 1
    engine.check_books()


def test_claim_and_export_at_once_leave_one_winner(engine: Engine) -> None:
    ids = engine.enqueue_many(8)
    put = [
        lambda task_id=task_id: protocol.export(engine.queue, [task_id], "images", "t1", "ada", "") for task_id in ids
    ]
    answers = engine.at_once([*put, *[lambda: protocol.claim(engine.queue, "w1", 2, 30_000)] * 4])
    claimed = sum(len(answer.tasks) for answer in answers[8:])
    state = engine.check_books()
    assert sum(len(answer.tasks) for answer in answers[:8]) == len(state.get("trash", {})) >= 8 - claimed - 8
    assert len(state.get("trash", {})) + claimed + len(state.get("ready", [])) - len(state.get("removed", ())) == 8


def test_queue_has_a_name(engine: Engine) -> None:
    with pytest.raises(InvalidArgument):
        export(engine, "a", to="{images}")


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"{",
        b"[]",
        b'{"token":1,"to":"images","score":"1","member":"a"}',
        b'{"token":"t1","to":"{images}","score":"1","member":"a"}',
    ],
)
def test_damaged_note_is_no_token(engine: Engine, note: bytes) -> None:
    engine.enqueue("order-1")
    engine.trash("order-1")
    engine.redis.hset(engine.queue.trashed, "order-1", note)
    assert export(engine, "order-1").skipped == {"order-1": "in the trash"}
    assert engine.run(protocol.restore(engine.queue, ["order-1"])).skipped == {}
    engine.check_books()
