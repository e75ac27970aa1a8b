"""complete: seeded state → one call → the whole resulting state."""

from __future__ import annotations

import pytest

from queue_core import protocol
from queue_core.protocol import Held
from tests.engine import LEASE_MS, Engine, changed, counted, lease_of, running_of
from tests.scripts.scenarios import with_history

pytestmark = pytest.mark.each_server

DAY_MS = 86_400_000


def test_task_without_a_history_leaves_nothing_but_its_count(engine: Engine) -> None:
    held = engine.lease()
    before = engine.state()
    assert engine.run(protocol.complete(engine.queue, [held])) == []
    assert engine.check_books() == changed(
        before,
        tasks=None,
        leases=lease_of(expires_at=0),
        running=running_of(fence=0, at=0),
        stats=counted(before, completed=1),
    )


def test_task_with_a_history_leaves_a_record_for_a_day(engine: Engine) -> None:
    held = with_history(engine)
    before = engine.state()
    assert engine.run(protocol.complete(engine.queue, [held])) == []
    record = {
        "state": "completed",
        "at": str(engine.now),
        "worker": "w1",
        "bytes": "7",
        "envelope": "send\n{}",
        "history": before["history"][held.id],
        "traceback": "",
    }
    assert engine.check_books() == changed(
        before,
        tasks=None,
        history=None,
        leases=lease_of(expires_at=0),
        running=running_of(fence=0, at=0),
        stats=counted(before, completed=1),
        **{f"record:{held.id}": record},
    )
    assert DAY_MS - 10_000 < engine.redis.pttl(engine.queue.record(held.id)) <= DAY_MS


@pytest.mark.parametrize(
    ("envelope", "kept"),
    [
        (b"send\n" + b"x" * 4_091, b"send\n" + b"x" * 4_091),
        (b"send\n" + b"x" * 4_092, b"send\n"),
        (b"x" * 5_000, b""),
        (b"\xff\x00", b"\xff\x00"),
    ],
)
def test_record_keeps_an_envelope_of_four_kilobytes(engine: Engine, envelope: bytes, kept: bytes) -> None:
    held = with_history(engine)
    engine.redis.hset(engine.queue.tasks, held.id, envelope)
    engine.run(protocol.complete(engine.queue, [held]))
    record = engine.redis.hgetall(engine.queue.record(held.id))
    assert (record[b"envelope"], record[b"bytes"]) == (kept, str(len(envelope)).encode())


def test_record_of_an_earlier_task_of_the_same_id_is_replaced(engine: Engine) -> None:
    for _ in range(2):
        engine.seed("retrying", "order-1")
        engine.later(1_000)
        claimed = engine.claim(1)
        engine.run(protocol.complete(engine.queue, [Held("order-1", claimed.fence, True)]))
    assert engine.check_books()["record:order-1"]["at"] == str(engine.now)


@pytest.mark.parametrize("wrong", [-1, 1])
def test_wrong_fence_changes_nothing(engine: Engine, wrong: int) -> None:
    held = with_history(engine)
    before = engine.state()
    assert engine.run(protocol.complete(engine.queue, [Held(held.id, held.fence + wrong, True)])) == [held.id]
    assert engine.state() == before


@pytest.mark.parametrize("task_id", ["gone", ":" * 65, ""])
def test_what_is_not_leased_is_lost(engine: Engine, task_id: str) -> None:
    engine.lease()
    before = engine.state()
    assert engine.run(protocol.complete(engine.queue, [Held(task_id, 1)])) == [task_id]
    assert engine.state() == before


def test_lease_that_ran_out_can_still_be_settled(engine: Engine) -> None:
    held = engine.lease()
    engine.later(LEASE_MS + 1)
    assert engine.run(protocol.complete(engine.queue, [held])) == []
    assert "tasks" not in engine.check_books()


def test_lease_that_was_recovered_is_lost(engine: Engine) -> None:
    held = engine.lease()
    engine.run(protocol.recover(engine.queue, LEASE_MS, held=[held]))
    before = engine.state()
    assert engine.run(protocol.complete(engine.queue, [held])) == [held.id]
    assert engine.check_books() == before


def test_each_task_of_a_batch_is_judged_by_itself(engine: Engine) -> None:
    recorded, plain = with_history(engine), engine.lease()
    other = with_history(engine)
    batch = [
        Held("gone", 1, True),
        recorded,
        Held(plain.id, plain.fence + 1),
        plain,
        Held(plain.id, plain.fence),  # a second time: its lease has ended with the first
        other,
    ]
    assert engine.run(protocol.complete(engine.queue, batch)) == ["gone", plain.id, plain.id]
    state = engine.check_books()
    assert {name for name in state if name.startswith("record")} == {f"record:{held.id}" for held in (recorded, other)}
    assert state["stats"] == {"enqueued": "3", "completed": "3", "failed": "2", "retried": "2"}


def test_largest_batch_ends_at_once(engine: Engine) -> None:
    engine.enqueue_many(256)
    claimed = engine.claim(256)
    held = [Held(task.id, claimed.fence) for task in claimed.tasks]
    assert engine.run(protocol.complete(engine.queue, held)) == []
    assert engine.check_books()["stats"] == {"enqueued": "256", "completed": "256"}


@pytest.mark.parametrize("has_history", [False, True])
def test_one_of_many_callers_at_once_ends_the_task(engine: Engine, has_history: bool) -> None:
    held = with_history(engine) if has_history else engine.lease()
    answers = engine.at_once([lambda: protocol.complete(engine.queue, [held])] * 8)
    assert sorted(answers) == [[]] + [[held.id]] * 7
    assert engine.check_books()["stats"]["completed"] == "1"
