"""Some tasks, and one task in every state."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from queue_core import protocol
from queue_core.errors import InvalidArgument, UnknownTask
from queue_core.inspector import Inspector
from queue_core.protocol import Held, ReleasedTask
from queue_core.snapshot import State
from tests.engine import KEEP_MS, LEASE_MS, START_MS, Engine
from tests.inspector.harness import PLACES, in_short, seed_everywhere


def test_summaries_tell_what_became_of_exactly_these(engine: Engine, inspector: Inspector) -> None:
    tasks = seed_everywhere(engine)
    completed = engine.lease(priority=9)
    engine.run(protocol.complete(engine.queue, [completed]))
    discarded = engine.lease(priority=9)
    engine.fail(discarded, protocol.DISCARD)
    wanted = [discarded.id, *reversed(tasks.values()), completed.id, "unknown", "no id", "", tasks["dead"]]
    found = inspector.summaries("email", wanted)
    assert [row.id for row in found] == [discarded.id, *reversed(tasks.values())]
    states = {row.id: row.state for row in found}
    assert states[discarded.id] is State.DISCARDED
    assert {place: states[task_id] for place, task_id in tasks.items()} == {
        **PLACES,
        "running": State.RUNNING,
        "trashed": State.TRASHED,
    }
    assert found[0].error == "ValueError: no answer"
    assert found[0].at == START_MS


def test_tasks_of_several_queues_are_found_in_one_round_trip(engine: Engine, inspector: Inspector) -> None:
    ready = engine.seed("ready")
    wanted = [("email", ready), ("email", "gone"), ("nowhere", ready), ("a b", "x"), ("email", "?")]
    found = inspector.tasks_named(wanted)
    assert {pair: row.state for pair, row in found.items()} == {("email", ready): State.READY}
    assert inspector.tasks_named([]) == {}


def test_summaries_of_nothing_is_nothing_and_too_many_are_refused(engine: Engine, inspector: Inspector) -> None:
    engine.seed("ready")
    assert inspector.summaries("email", []) == ()
    assert inspector.summaries("email", [f"id-{n}" for n in range(200)]) == ()
    with pytest.raises(InvalidArgument, match="at most 200"):
        inspector.summaries("email", [f"id-{n}" for n in range(201)])


@pytest.mark.parametrize("place", PLACES)
def test_task_is_described_in_every_place(engine: Engine, inspector: Inspector, place: str) -> None:
    task_id = engine.seed(place, payload=b'{"to": 1}', max_retries=7, timeout=2.5)
    task = inspector.task("email", task_id)
    assert (task.id, task.queue, task.state) == (task_id, "email", PLACES[place])
    assert (task.payload_json, task.payload_bytes, task.unreadable) == ('{"to": 1}', 9, "")
    assert task.name == ("resize" if place == "held" else "send")
    assert task.enqueued_at == START_MS
    assert (task.max_retries, task.options["timeout"]) == (7, 2.5)
    assert task.priority == (5 if place == "prioritized" else 0)
    assert task.lane == ("unknown:resize" if place == "held" else "")
    assert task.at == {"held": None, "scheduled": START_MS + 60_000, "retrying": START_MS + 1_000}.get(place, START_MS)


def test_running_task_says_where_and_until_when(engine: Engine, inspector: Inspector) -> None:
    task_id = engine.lease().id
    task = inspector.task("email", task_id)
    assert (task.state, task.worker, task.at) == (State.RUNNING, "w1", START_MS)
    assert task.lease_expires_at == START_MS + LEASE_MS


def test_trashed_task_says_from_where_by_whom_and_why(engine: Engine, inspector: Inspector) -> None:
    task_id = engine.seed("prioritized")
    engine.trash(task_id)
    task = inspector.task("email", task_id)
    assert (task.state, task.at) == (State.TRASHED, START_MS + KEEP_MS)
    assert (task.trashed_from, task.trashed_by, task.trashed_reason) == ("ready", "ada", "test")


def test_history_of_a_task_is_told_in_order(engine: Engine, inspector: Inspector) -> None:
    held = engine.lease()
    engine.run(protocol.release(engine.queue, [ReleasedTask(held.id, held.fence, facts={"reason": "shutdown"})]))
    engine.later(10)
    claimed = engine.claim(1)
    engine.fail(Held(held.id, claimed.fence), protocol.DEAD)
    engine.later(10)
    engine.run(protocol.requeue(engine.queue, [(held.id, engine.now - 10)], {"by": "ada", "operation": "op-1"}))
    engine.later(10)
    claimed = engine.claim(1)
    engine.run(
        protocol.recover(engine.queue, LEASE_MS, held=[Held(held.id, claimed.fence)], evidence={"evidence": "SIGKILL"})
    )
    task = inspector.task("email", held.id)
    assert [(entry.at - START_MS, entry.kind) for entry in task.history] == [
        (0, "released"),
        (10, "failed"),
        (20, "requeued"),
        (30, "crashed"),
    ]
    assert task.history[1].facts["error"] == "ValueError: no answer"
    assert task.history[2].facts == {"by": "ada", "operation": "op-1"}
    assert task.history[3].facts["evidence"] == "SIGKILL"
    assert (task.attempts, task.attempts_before, task.crashes, task.releases) == (0, 1, 1, 1)
    assert inspector.summaries("email", [held.id])[0].error == "SIGKILL"


def test_requeued_task_is_ready_since_its_requeue(engine: Engine, inspector: Inspector) -> None:
    task_id = engine.seed("dead")
    engine.enqueue_many(600)
    engine.later(5_000)
    engine.run(protocol.requeue(engine.queue, [(task_id, START_MS)], {"by": "ada"}))
    requeued_at = engine.now
    assert inspector.task("email", task_id).at == requeued_at
    engine.later(5_000)
    engine.enqueue_many(600)
    assert inspector.task("email", task_id).at == requeued_at  # now it is in the middle of the list


def test_ready_time_in_the_middle_of_a_long_list_is_not_guessed(engine: Engine, inspector: Inspector) -> None:
    tasks = engine.enqueue_many(700)
    assert inspector.task("email", tasks[350]).at is None
    assert inspector.task("email", tasks[10]).at == inspector.task("email", tasks[690]).at == START_MS


def test_id_that_a_user_chose_tells_no_time_of_enqueueing(engine: Engine, inspector: Inspector) -> None:
    for task_id in ("order-17", "A" * 22, "z" * 22, "0" * 22):
        engine.enqueue(task_id)
        assert inspector.task("email", task_id).enqueued_at is None
        assert inspector.task("email", task_id).at == START_MS


def test_ended_task_is_described_as_long_as_its_record_is_kept(engine: Engine, inspector: Inspector) -> None:
    held = engine.lease(payload=b'{"n": 1}')
    engine.fail(held, trace="Traceback of the first attempt", digest="a")
    engine.later(1_000)
    claimed = engine.claim(1)
    engine.run(protocol.complete(engine.queue, [Held(held.id, claimed.fence, True)]))
    task = inspector.task("email", held.id)
    assert (task.state, task.at, task.worker) == (State.COMPLETED, engine.now, "w1")
    assert (task.payload_json, task.attempts, task.unreadable) == ('{"n": 1}', 1, "")
    assert [entry.kind for entry in task.history] == ["failed"]
    assert task.traceback == "Traceback of the first attempt"
    engine.redis.delete(engine.queue.record(held.id))
    with pytest.raises(UnknownTask):
        inspector.task("email", held.id)


def test_ended_task_with_a_large_payload_is_described_without_it(engine: Engine, inspector: Inspector) -> None:
    held = engine.lease(payload=b'"' + b"x" * 10_000 + b'"')
    engine.fail(held, protocol.DISCARD)
    task = inspector.task("email", held.id)
    assert (task.state, task.name, task.payload_json, task.payload_bytes) == (State.DISCARDED, "send", "", 10_002)
    assert task.unreadable == ""


def test_task_enqueued_again_is_the_one_that_is_shown(engine: Engine, inspector: Inspector) -> None:
    engine.fail(engine.lease("order-17"), protocol.DISCARD)
    assert inspector.task("email", "order-17").state is State.DISCARDED
    engine.enqueue("order-17")
    assert inspector.task("email", "order-17").state is State.READY


def test_traceback_is_the_tasks_own_where_its_frames_differ_and_else_its_faults(
    engine: Engine, inspector: Inspector
) -> None:
    tasks = []
    for digest, trace in (("a", "first"), ("b", "second"), ("a", "third")):
        held = engine.lease()
        engine.fail(held, protocol.DEAD, digest=digest, trace=trace)
        tasks.append(held.id)
    assert [inspector.task("email", task_id).traceback for task_id in tasks] == ["third", "second", "third"]
    (fault,) = inspector.faults("email")
    found, newest = inspector.fault("email", fault.fingerprint)
    assert (in_short(found), newest) == ((fault,), "third")


def test_find_names_the_queues_that_know_a_task(
    engine: Engine, inspector: Inspector, another: Callable[[str], Engine]
) -> None:
    engine.enqueue("order-17")
    alpha = another("alpha")
    alpha.fail(alpha.lease("order-17"), protocol.DISCARD)
    another("zoo").enqueue("order-18")
    assert inspector.find("order-17") == ("alpha", "email")
    assert inspector.find("order-19") == ()
    for task_id in ("", "a b", "../x", "x" * 129, "é"):
        with pytest.raises(InvalidArgument):
            inspector.find(task_id)
