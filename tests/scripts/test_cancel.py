"""cancel: seeded state → one call → the whole resulting state; and how what runs ends that was asked to stop."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from queue_core import protocol
from queue_core.protocol import Acted, Call, Extended, Held, Recovered, ReleasedTask, Result
from tests.engine import LEASE_MS, START_MS, Engine, changed, element_of, lease_of, running_of, without
from tests.invariants import State
from tests.scripts.scenarios import with_history

pytestmark = pytest.mark.each_server

WAITING = ("held", "retrying", "scheduled", "prioritized", "ready")
DAY_MS = 86_400_000
FACTS = {"by": "ada", "reason": "not needed"}
SETTLED: State = {"leases": lease_of(expires_at=0), "running": running_of(fence=0, at=0), "cancelling": None}


def cancel(engine: Engine, *task_ids: str) -> Acted:
    return engine.run(protocol.cancel(engine.queue, task_ids, FACTS))


def flagged(engine: Engine, **what: Any) -> Held:
    held = engine.lease(**what)
    assert cancel(engine, held.id).asked == (held.id,)
    return held


def cancelled_entry(engine: Engine, **facts: object) -> str:
    return f"{engine.now} cancelled {json.dumps({**FACTS, **facts}, separators=(',', ':'))}\n"


def record_of(engine: Engine, before: State, task_id: str, *, worker: str = "", **facts: object) -> dict[str, str]:
    kept = before.get("history", {}).get(task_id, "0 0 0 0 -\n")
    envelope = before["tasks"][task_id]
    return {
        "state": "cancelled",
        "at": str(engine.now),
        "worker": worker,
        "bytes": str(len(envelope)),
        "envelope": envelope,
        "history": kept + cancelled_entry(engine, **facts),
        "traceback": "",
    }


def place_after(place: str, before: State) -> State:
    """What becomes of a place when its one task has left it for good."""
    if place == "ready":
        return {"removed": {"order-1"}}
    if place == "retrying":
        (fault,) = before["faults_seen"]
        return {place: None, "faults": {**before["faults"], f"{fault}:retrying": "0"}}
    return {place: None}


@pytest.mark.parametrize("place", WAITING)
def test_task_that_waits_ends_at_once_and_its_record_says_by_whom(engine: Engine, place: str) -> None:
    engine.seed(place, "order-1")
    before = engine.check_books()
    engine.later(5)
    assert cancel(engine, "order-1") == Acted(engine.now, {})
    assert engine.check_books() == changed(
        before,
        **place_after(place, before),
        tasks=None,
        history=None,
        stats={**before["stats"], "cancelled": "1"},
        **{"record:order-1": record_of(engine, before, "order-1")},
    )
    assert DAY_MS - 10_000 < engine.redis.pttl(engine.queue.record("order-1")) <= DAY_MS


@pytest.mark.parametrize(("place", "why"), [("dead", "dead"), ("trashed", "in the trash"), ("gone", "gone")])
def test_what_cannot_be_cancelled_is_told_and_left_alone(engine: Engine, place: str, why: str) -> None:
    engine.seed("dead" if place == "gone" else place, "order-1" if place != "gone" else "other")
    before = engine.state()
    assert cancel(engine, "order-1") == Acted(engine.now, {"order-1": why})
    assert engine.state() == before


def test_running_task_is_asked_to_stop_once_and_goes_on(engine: Engine) -> None:
    held = engine.lease()
    before = engine.state()
    assert cancel(engine, held.id, held.id) == Acted(engine.now, {}, asked=(held.id, held.id))
    after = engine.check_books()
    assert after == changed(before, cancelling={held.id: json.dumps(FACTS, separators=(",", ":"))})
    engine.run(protocol.cancel(engine.queue, [held.id], {"by": "ben"}))
    assert engine.state() == after


def test_each_task_of_a_batch_is_judged_by_itself(engine: Engine) -> None:
    running, dead = engine.lease().id, engine.seed("dead")
    first, second = engine.enqueue_many(2)
    acted = cancel(engine, "gone", first, running, second, first, dead)
    assert acted.skipped == {"gone": "gone", first: "gone", dead: "dead"}
    assert acted.asked == (running,)
    assert engine.check_books()["removed"] == {first, second}


def test_cancelled_id_can_be_enqueued_again_and_stands_in_the_list_once(engine: Engine) -> None:
    engine.enqueue("order-1")
    cancel(engine, "order-1")
    engine.enqueue("order-1")
    state = engine.check_books()
    assert (state["ready"], "removed" in state) == ([element_of("order-1", START_MS)], False)
    assert [task.id for task in engine.claim().tasks] == ["order-1"]


def test_corrupt_task_can_be_cancelled(engine: Engine) -> None:
    ids = [engine.seed(place, f"broken-{place}") for place in WAITING if place != "held"]
    for task_id in ids:
        engine.redis.hset(engine.queue.tasks, task_id, b"\xff\x00")
    cancel(engine, *ids)
    assert "tasks" not in engine.check_books()


# How what runs ends.


def test_heartbeat_tells_which_are_to_stop(engine: Engine) -> None:
    held, other = flagged(engine), engine.lease()
    batch = [held, other, Held(held.id, held.fence - 1), Held("gone", 1)]
    assert engine.run(protocol.extend(engine.queue, batch, LEASE_MS)) == Extended([held.id, "gone"], [held.id])


def test_task_that_completes_all_the_same_has_been_faster(engine: Engine) -> None:
    held = flagged(engine)
    before = engine.state()
    assert engine.run(protocol.complete(engine.queue, [held])) == []
    assert engine.check_books() == changed(before, **SETTLED, tasks=None, stats={**before["stats"], "completed": "1"})


def test_handler_that_stopped_has_not_failed(engine: Engine) -> None:
    held = flagged(engine)
    before = engine.state()
    assert engine.run(protocol.fail(engine.queue, [engine.failed(held, protocol.CANCEL)])) == []
    assert engine.check_books() == changed(
        before,
        **SETTLED,
        tasks=None,
        stats={**before["stats"], "cancelled": "1"},
        **{f"record:{held.id}": record_of(engine, before, held.id, worker="w1") | {
            "history": f"0 0 0 0 -\n{cancelled_entry(engine, worker='w1')}"
        }},
    )  # fmt: skip


@pytest.mark.parametrize("verdict", [protocol.RETRY, protocol.DEAD, protocol.DISCARD])
def test_attempt_that_fails_counts_and_is_the_last(engine: Engine, verdict: str) -> None:
    held = flagged(engine)
    engine.fail(held, verdict)
    state = engine.check_books()
    assert "tasks" not in state
    assert state["stats"] == {"enqueued": "1", "failed": "1", "cancelled": "1"}
    (fault,) = state["faults_seen"]
    assert (state["faults"][f"{fault}:attempts"], state["faults"][f"{fault}:retrying"]) == ("1", "0")
    head, failed, cancelled = state[f"record:{held.id}"]["history"].splitlines()
    assert head.startswith("1 0 0 0 ")
    assert '"error":"ValueError: no answer"' in failed
    assert cancelled.partition(" ")[2].startswith('cancelled {"by":"ada"')


@pytest.mark.parametrize("lane", ["", "unknown:send"])
def test_task_that_is_given_back_is_cancelled(engine: Engine, lane: str) -> None:
    held, other = flagged(engine), engine.lease()
    released = [ReleasedTask(held.id, held.fence, lane), ReleasedTask(other.id, other.fence, lane)]
    assert engine.run(protocol.release(engine.queue, released)) == []
    state = engine.check_books()
    assert set(state["tasks"]) == {other.id}
    assert state[f"record:{held.id}"]["history"] == f"0 0 0 0 -\n{cancelled_entry(engine)}"


def test_task_whose_worker_died_is_cancelled_with_the_evidence(engine: Engine) -> None:
    held, other = flagged(engine), engine.lease()
    call = protocol.recover(
        engine.queue, LEASE_MS, held=[held, other], evidence={"evidence": "killed by SIGKILL"}, seed=1
    )
    assert engine.run(call) == Recovered([other.id], [], [], [held.id])
    state = engine.check_books()
    assert state[f"record:{held.id}"]["history"] == "0 0 0 0 -\n" + cancelled_entry(
        engine, evidence="killed by SIGKILL", worker="w1"
    )
    assert state["stats"] == {"enqueued": "2", "crashed": "1", "retried": "1", "cancelled": "1"}


def test_lease_that_ran_out_is_named_and_then_cancelled(engine: Engine) -> None:
    held, other = flagged(engine), engine.lease()
    engine.later(LEASE_MS)
    engine.redis.hset(engine.queue.control, "seen", engine.now)
    recovered = engine.run(protocol.recover(engine.queue, LEASE_MS))
    assert recovered == Recovered([other.id], [], [], [], [held])
    assert engine.check_books()["cancelling"].keys() == {held.id}
    assert engine.run(protocol.recover(engine.queue, LEASE_MS, held=recovered.flagged)).cancelled == [held.id]
    assert engine.check_books()["stats"]["cancelled"] == "1"


@pytest.mark.parametrize("wrong", [-1, 1])
def test_wrong_fence_ends_nothing(engine: Engine, wrong: int) -> None:
    held = flagged(engine)
    before = engine.state()
    other = Held(held.id, held.fence + wrong)
    calls: list[Call[Any]] = [
        protocol.fail(engine.queue, [engine.failed(other, protocol.CANCEL)]),
        protocol.release(engine.queue, [ReleasedTask(other.id, other.fence)]),
        protocol.recover(engine.queue, LEASE_MS, held=[other]),
    ]
    for call in calls:
        engine.run(call)
        assert engine.state() == before


@pytest.mark.parametrize("request_text", [b"", b"\xff\x00", b"two\nlines", b"{}", b"[1]"])
def test_damaged_request_cancels_all_the_same(engine: Engine, request_text: bytes) -> None:
    helds = [engine.lease() for _ in range(3)]
    for held in helds:
        engine.redis.hset(engine.queue.cancelling, held.id, request_text)
    engine.fail(helds[0])
    engine.run(protocol.release(engine.queue, [ReleasedTask(helds[1].id, helds[1].fence)]))
    engine.run(protocol.recover(engine.queue, LEASE_MS, held=[helds[2]]))
    assert engine.check_books()["stats"]["cancelled"] == "3"


def test_cancelling_and_settling_at_once_have_one_winner(engine: Engine) -> None:
    for _ in range(8):
        held = engine.lease()
        calls: list[Callable[[], Call[Any]]] = [
            lambda held=held: protocol.cancel(engine.queue, [held.id], FACTS),  # type: ignore[misc]
            lambda held=held: protocol.complete(engine.queue, [held]),  # type: ignore[misc]
        ]
        acted, lost = engine.at_once(calls)
        assert lost == []
        assert (acted.asked, acted.skipped) in [((held.id,), {}), ((), {held.id: "gone"})]
        assert "cancelling" not in engine.check_books()


@pytest.mark.parametrize("place", WAITING)
def test_one_of_many_callers_at_once_cancels(engine: Engine, place: str) -> None:
    engine.seed(place, "order-1")
    answers = engine.at_once([lambda: protocol.cancel(engine.queue, ["order-1"], FACTS)] * 6)
    assert sorted(len(answer.skipped) for answer in answers) == [0] + [1] * 5
    assert engine.check_books()["stats"]["cancelled"] == "1"


# Records of results, which the end itself writes.


def test_result_is_kept_for_its_own_time(engine: Engine) -> None:
    held = engine.lease()
    before = engine.state()
    kept = Held(held.id, held.fence, result=Result('{"a":"ü"}'.encode(), 60_000))
    assert engine.run(protocol.complete(engine.queue, [kept])) == []
    record = {
        "state": "completed", "at": str(engine.now), "worker": "w1", "bytes": "7", "envelope": "send\n{}",
        "history": "", "traceback": "", "result": '{"a":"ü"}', "result_until": str(engine.now + 60_000),
    }  # fmt: skip
    assert engine.check_books() == changed(
        before,
        tasks=None,
        leases=SETTLED["leases"],
        running=SETTLED["running"],
        stats={**before["stats"], "completed": "1"},
        **{f"record:{held.id}": record},
    )
    assert 50_000 < engine.redis.pttl(engine.queue.record(held.id)) <= 60_000


def test_history_keeps_the_record_for_longer_than_the_result(engine: Engine) -> None:
    held = with_history(engine)
    kept = Held(held.id, held.fence, True, Result(b"1", 60_000))
    engine.run(protocol.complete(engine.queue, [kept]))
    record = engine.check_books()[f"record:{held.id}"]
    assert record["result_until"] == str(engine.now + 60_000)
    assert record["history"]
    assert DAY_MS - 10_000 < engine.redis.pttl(engine.queue.record(held.id)) <= DAY_MS


def test_result_that_could_not_be_stored_says_why(engine: Engine) -> None:
    held = engine.lease()
    kept = Held(held.id, held.fence, result=Result(b"", 60_000, "it is a set"))
    engine.run(protocol.complete(engine.queue, [kept]))
    record = engine.check_books()[f"record:{held.id}"]
    assert (record["no_result"], "result" in record) == ("it is a set", False)


def test_result_of_an_earlier_task_of_the_same_id_is_replaced(engine: Engine) -> None:
    for result in (Result(b'"old"', 60_000), Result(b"", 60_000, "none")):
        held = engine.lease("order-1")
        engine.run(protocol.complete(engine.queue, [Held(held.id, held.fence, result=result)]))
    assert without(engine.check_books()["record:order-1"], "result") == engine.state()["record:order-1"]


def test_lost_lease_leaves_no_result(engine: Engine) -> None:
    held = engine.lease()
    before = engine.state()
    late = Held(held.id, held.fence - 1, result=Result(b"1", 60_000))
    assert engine.run(protocol.complete(engine.queue, [late])) == [held.id]
    assert engine.state() == before


def test_whoever_listens_is_told_of_each_end(engine: Engine) -> None:
    ids = [f"t{number}" for number in range(7)]
    heard = engine.redis.pubsub()
    heard.subscribe(*(engine.queue.end(task_id) for task_id in ids))
    assert all(heard.get_message(timeout=5) for _ in ids)
    engine.enqueue(ids[0])
    cancel(engine, ids[0])
    completed = engine.lease(ids[1])
    engine.run(protocol.complete(engine.queue, [Held(ids[1], completed.fence, result=Result(b"1", 1_000))]))
    engine.seed("dead", ids[2])
    engine.fail(engine.lease(ids[3]), protocol.DISCARD)
    engine.run(protocol.recover(engine.queue, LEASE_MS, held=[engine.lease(ids[4], max_crashes=0)]))
    engine.run(protocol.release(engine.queue, [ReleasedTask(ids[5], flagged(engine, task_id=ids[5]).fence)]))
    engine.seed("trashed", ids[6])
    engine.delete(ids[6])
    told = []
    while message := heard.get_message(timeout=0.2):
        told.append(message["channel"].decode().rpartition(":")[2])
    heard.close()
    assert told == [*ids, ids[6]]  # the last one died, and then it was deleted
