"""What has not changed is not read again, and what is told is true all the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from queue_core import keys, protocol
from queue_core.inspector import Inspector
from queue_core.inspector.faults import Faults
from queue_core.inspector.kept import LOOK_AGAIN_SECONDS, Kept
from queue_core.inspector.overview import Overview
from queue_core.inspector.reader import Reader
from queue_core.inspector.workers import Workers
from queue_core.snapshot import Fault, Figures, ServerSnapshot, Snapshot
from tests.engine import Engine
from tests.inspector.harness import commands_of, seed_everywhere
from tests.scripts.scenarios import SCENARIOS
from tests.workers import put_worker

NO_SERVER = ServerSnapshot("", "", None, None, None, None, None)


def told(inspector: Inspector) -> tuple[Snapshot, tuple[Fault, ...], dict[str, Figures]]:
    """But for the server, whose memory grows by being asked."""
    found = inspector.snapshot()
    return replace(found, server=NO_SERVER), inspector.faults(), books(inspector, found)


def books(inspector: Inspector, snapshot: Snapshot) -> dict[str, Figures]:
    changes = {queue.name: queue.changes for queue in snapshot.queues}
    return inspector.books(changes, changes=changes)


@pytest.mark.parametrize("verb", sorted(SCENARIOS))
def test_whoever_has_looked_before_sees_what_every_call_has_changed(
    engine: Engine, inspector: Inspector, verb: str
) -> None:
    call = SCENARIOS[verb](engine)
    told(inspector)
    engine.run(call)
    assert told(inspector) == told(Inspector(client=engine.client))


def test_worker_that_finds_nothing_has_nobody_read_the_queue_again(engine: Engine, inspector: Inspector) -> None:
    held = engine.lease()
    inspector.snapshot()
    engine.claim()
    engine.run(protocol.extend(engine.queue, [held], 60_000))
    assert "evalsha_ro" not in commands_of(engine, inspector.snapshot)


def test_task_that_becomes_due_is_ready_without_any_change(engine: Engine, inspector: Inspector) -> None:
    engine.seed("scheduled")
    assert inspector.snapshot().queues[0].oldest_ready_at is None
    due_at = engine.later(60_000)
    assert inspector.snapshot().queues[0].oldest_ready_at == due_at


def test_queue_that_was_made_anew_is_not_taken_for_the_one_before(engine: Engine, inspector: Inspector) -> None:
    engine.enqueue("one", name="before")
    told(inspector)
    engine.run(protocol.delete_queue(engine.queue, is_forced=True))
    engine.later(1)
    engine.enqueue("one", name="after", priority=5)
    assert told(inspector) == told(Inspector(client=engine.client))


def test_queue_that_is_gone_is_told_no_more(engine: Engine, inspector: Inspector) -> None:
    engine.seed("ready")
    assert inspector.snapshot().queues
    engine.run(protocol.delete_queue(engine.queue, is_forced=True))
    assert inspector.snapshot().queues == ()


def test_number_of_changes_may_hold_anything(engine: Engine, inspector: Inspector) -> None:
    engine.seed("dead")
    inspector.snapshot()
    for junk in (b"", b"many", b"9" * 40):
        engine.redis.hset(engine.queue.control, "changes", junk)
        engine.later(1)
        engine.enqueue()
        assert told(inspector) == told(Inspector(client=engine.client))
    engine.check_books()


def test_queue_of_which_nobody_knows_whether_it_has_changed_is_read(engine: Engine, inspector: Inspector) -> None:
    engine.seed("dead")
    engine.redis.hdel(engine.queue.control, "changes")
    for _ in range(2):
        commands = commands_of(engine, lambda: (inspector.snapshot(), inspector.faults()))
        assert commands["evalsha_ro"] == 3


def test_what_was_damaged_by_hand_is_told_after_a_while(engine: Engine) -> None:
    seconds = 0.0
    reader = Reader(engine.client)
    overview = Overview(reader, Workers(reader), clock=lambda: seconds)
    engine.seed("dead")
    overview.take()
    engine.redis.delete(engine.queue.trash)
    engine.redis.set(engine.queue.trash, "no trash")
    assert overview.take().unreadable == {}
    seconds = LOOK_AGAIN_SECONDS
    assert list(overview.take().unreadable) == ["email"]


def test_faults_are_read_again_only_where_a_queue_has_changed(
    engine: Engine, inspector: Inspector, another: Callable[[str], Engine]
) -> None:
    alpha = another("alpha")
    engine.kill(2), alpha.kill(1)
    before = inspector.faults()
    assert "evalsha_ro" not in commands_of(engine, inspector.faults)
    alpha.kill(1)
    assert commands_of(engine, inspector.faults)["evalsha_ro"] == 1
    assert {fault.queue: fault.dead for fault in inspector.faults()} == {"email": 2, "alpha": 2}
    assert inspector.faults("email") == tuple(fault for fault in before if fault.queue == "email")


def test_books_are_read_again_only_where_a_queue_has_changed(
    engine: Engine, inspector: Inspector, another: Callable[[str], Engine]
) -> None:
    alpha = another("alpha")
    engine.kill(2), alpha.kill(1)
    books(inspector, inspector.snapshot())
    snapshot = inspector.snapshot()
    assert "hmget" not in commands_of(engine, lambda: books(inspector, snapshot))
    alpha.kill(1)
    snapshot = inspector.snapshot()
    assert commands_of(engine, lambda: books(inspector, snapshot))["hmget"] == 1
    assert {name: figures.died for name, figures in books(inspector, snapshot).items()} == {"email": 2, "alpha": 2}
    engine.redis.delete(alpha.queue.stats)
    engine.redis.set(alpha.queue.stats, "no books")
    assert list(inspector.books(["email", "alpha"])) == ["email"]


def test_another_server_makes_everything_be_read_again(engine: Engine) -> None:
    """Where a replica took over that lacks the last changes, it counts them anew."""
    reader = Reader(engine.client)
    faults: Faults = Faults(reader)
    overview = Overview(reader, Workers(reader), faults.kept)
    engine.seed("dead")
    overview.take(), faults.of("email")
    overview._meet({"run_id": "another"})
    assert "email" not in faults.kept
    assert commands_of(engine, overview.take)["evalsha_ro"] == 2


def test_record_of_a_worker_is_read_again_when_it_was_heard_again(engine: Engine, inspector: Inspector) -> None:
    put_worker(engine, "w1:7", engine.now, busy=1)
    put_worker(engine, "w2:8", engine.now, busy=2)
    assert [worker.busy for worker in inspector.snapshot().workers] == [2, 1]
    put_worker(engine, "w1:7", engine.later(5), busy=3)
    asked: list[str] = []
    with engine.redis.monitor() as monitor:
        found = inspector.snapshot().workers
        while not any(line.startswith("MGET") for line in asked):
            asked.append(str(monitor.next_command()["command"]))
    assert [(worker.id, worker.busy) for worker in found] == [("w1:7", 3), ("w2:8", 2)]
    (mget,) = (line for line in asked if line.startswith("MGET"))
    assert (keys.worker("test", "w1:7") in mget, keys.worker("test", "w2:8") in mget) == (True, False)
    assert told(inspector) == told(Inspector(client=engine.client))


def test_places_of_a_queue_in_which_everything_is_are_the_same_for_both(engine: Engine, inspector: Inspector) -> None:
    seed_everywhere(engine)
    inspector.snapshot()
    assert told(inspector) == told(Inspector(client=engine.client))


def test_what_was_kept_without_a_mark_is_not_found() -> None:
    kept: Kept[int] = Kept(lambda: 0.0)
    assert kept.put("one", 1, 10) == 10
    assert (kept.get("one", 1), kept.get("one", 2), kept.get("one", None), kept.get("two", 1)) == (10, None, None, None)
    kept.put("one", None, 11)
    assert "one" not in kept
    kept.put("one", 1, 10), kept.put("two", 1, 10)
    kept.keep_only({"two"})
    assert kept.names() == ("two",)
