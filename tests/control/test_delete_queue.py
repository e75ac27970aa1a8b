"""Deleting a queue, as an operator does it."""

from __future__ import annotations

import json

import pytest

from queue_core import keys, protocol
from queue_core.control import Control
from queue_core.errors import CorruptQueue, InvalidArgument, QueueNotEmpty, UnknownQueue
from queue_core.inspector import Inspector
from queue_core.snapshot import Outcome
from tests.engine import START_MS, Engine


def listed(engine: Engine) -> set[str]:
    return {name.decode() for name in engine.redis.smembers(keys.queues("test"))}


def empty_queue(engine: Engine) -> None:
    engine.client.register("email")
    engine.run(protocol.complete(engine.queue, [engine.lease()]))


def test_empty_queue_is_gone_also_from_the_directory_and_the_audit_stream_tells(
    engine: Engine, control: Control
) -> None:
    empty_queue(engine)
    outcome = control.delete_queue("email", by="ada", action_id="a1", reason="nobody uses it")
    assert outcome == Outcome("delete_queue", ("email",), {}, START_MS)
    assert engine.state() == {}
    assert listed(engine) == set()
    (entry,) = Inspector(client=engine.client).audit().rows
    assert (entry.verb, entry.queue, entry.by, entry.reason) == ("delete_queue", "email", "ada", "nobody uses it")


def test_queue_with_tasks_says_which_and_stays(engine: Engine, control: Control) -> None:
    engine.client.register("email")
    engine.seed("dead")
    engine.enqueue_many(1_200)
    with pytest.raises(QueueNotEmpty, match="queue email is not empty: 1,200 ready, 1 dead") as refused:
        control.delete_queue("email", by="ada", action_id="a1")
    assert (refused.value.queue, refused.value.counts) == ("email", {"ready": 1_200, "dead": 1})  # type: ignore[attr-defined]
    with pytest.raises(QueueNotEmpty, match="more tasks in queue email than were to be deleted"):
        control.delete_queue("email", by="ada", action_id="a2", force=True, at_most=1_200)
    assert len(engine.check_books()["tasks"]) == 1_201
    assert listed(engine) == {"email"}
    assert control.delete_queue("email", by="ada", action_id="a3", force=True, at_most=1_201).done == ("email",)


def test_running_tasks_are_never_taken_away(engine: Engine, control: Control) -> None:
    engine.lease()
    with pytest.raises(QueueNotEmpty, match="tasks of queue email run now: 1 running"):
        control.delete_queue("email", by="ada", action_id="a1", force=True)
    engine.check_books()


def test_form_sent_again_has_the_same_outcome_and_spares_what_is_new(engine: Engine, control: Control) -> None:
    empty_queue(engine)
    outcome = control.delete_queue("email", by="ada", action_id="a1")
    assert control.delete_queue("email", by="ada", action_id="a1") == outcome
    task_id = engine.enqueue()
    assert control.delete_queue("email", by="ada", action_id="a1") == outcome
    assert list(engine.check_books()["tasks"]) == [task_id]
    assert listed(engine) == {"email"}


def test_unknown_queue_is_told_and_not_made(engine: Engine, control: Control) -> None:
    with pytest.raises(UnknownQueue, match="no queue email"):
        control.delete_queue("email", by="ada", action_id="a1")
    assert engine.redis.keys("*") == []


def test_workers_that_listen_are_named_and_their_next_claim_makes_it_again(engine: Engine, control: Control) -> None:
    empty_queue(engine)
    for worker_id, queues, age in (("w1", ["email"], 0), ("w2", ["images"], 0), ("w3", ["email"], 60_000)):
        engine.redis.zadd(keys.workers("test"), {worker_id: START_MS - age})
        record = {"host": "h", "queues": dict.fromkeys(queues, 1)}
        engine.redis.set(keys.worker("test", worker_id), json.dumps(record))
    assert control.delete_queue("email", by="ada", action_id="a1").served_by == ("w1",)
    engine.claim()
    assert Inspector(client=engine.client).queue("email").counts.total == 0


def test_damaged_queue_is_told_and_left_alone(engine: Engine, control: Control) -> None:
    empty_queue(engine)
    engine.redis.set(engine.queue.dead, "?")
    with pytest.raises(CorruptQueue):
        control.delete_queue("email", by="ada", action_id="a1", force=True)
    assert engine.redis.exists(engine.queue.control)


@pytest.mark.parametrize("at_most", [-1, "many", 1.5])
def test_bad_numbers_are_refused(control: Control, at_most: int) -> None:
    with pytest.raises(InvalidArgument, match="at_most"):
        control.delete_queue("email", by="ada", action_id="a1", at_most=at_most)
