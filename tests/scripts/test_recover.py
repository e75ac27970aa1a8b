"""recover: seeded state → one call → the whole resulting state."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from queue_core import protocol
from queue_core.protocol import Held, Recovered
from tests.engine import LEASE_MS, START_MS, Engine, changed, counted, lease_of, running_of
from tests.invariants import State

pytestmark = pytest.mark.each_server

FAULT = hashlib.sha1(b"send\nWorkerCrashed").hexdigest()[:12]
SETTLED: State = {"leases": lease_of(expires_at=0), "running": running_of(fence=0, at=0)}


def recover(engine: Engine, *held: Held, **how: Any) -> Recovered:
    return engine.run(protocol.recover(engine.queue, LEASE_MS, held=held, jitter=0.0, seed=1, **how))


def entry(crash: int, evidence: str = '"evidence":"its lease ran out"') -> str:
    return f'crashed {{{evidence},"crash":{crash},"fault":"{FAULT}","worker":"w1"}}\n'


def faults_of(state: State, attempts: int, retrying: int) -> dict[str, str]:
    minute = int(state["faults_seen"][FAULT]) // 60_000
    return {
        FAULT: state["faults"][FAULT],
        f"{FAULT}:attempts": str(attempts),
        f"{FAULT}:retrying": str(retrying),
        f"{FAULT}:recent": f"{minute} {attempts}",
    }


@pytest.mark.parametrize("is_named", [True, False])
def test_crashed_task_waits_and_is_counted(engine: Engine, is_named: bool) -> None:
    held = engine.lease()
    engine.later(LEASE_MS)
    engine.redis.hset(engine.queue.control, "seen", engine.now)
    before = engine.state()
    assert recover(engine, *([held] if is_named else [])) == Recovered([held.id], [], [])
    after = engine.check_books()
    assert after == changed(
        before,
        **SETTLED,
        retrying={held.id: engine.now + 1_000},
        stats=counted(before, crashed=1, retried=1),
        faults=faults_of(after, attempts=1, retrying=1),
        faults_seen={FAULT: engine.now},
        history={held.id: f"0 1 0 0 {FAULT}\n{engine.now} {entry(1)}"},
        notify=["1", "1"],
    )
    summary = json.loads(after["faults"][FAULT])
    assert (summary["task"], summary["class"], summary["first"]) == ("send", "WorkerCrashed", engine.now)


def test_every_crash_waits_longer_and_the_last_one_quarantines(engine: Engine) -> None:
    engine.enqueue("order-1")
    for crash, wait in ((1, 1_000), (2, 4_000), (3, 9_000)):
        held = Held("order-1", engine.claim(1).fence)
        assert recover(engine, held) == Recovered(["order-1"], [], [])
        assert engine.check_books()["retrying"] == {"order-1": engine.now + wait}
        assert engine.state()["history"]["order-1"].startswith(f"0 {crash} 0 0 {FAULT}\n")
        engine.later(wait)
    held = Held("order-1", engine.claim(1).fence)
    assert recover(engine, held) == Recovered([], ["order-1"], [])
    state = engine.check_books()
    assert state["dead"] == {"order-1": engine.now}
    assert state["dead_by_fault"] == {f"{FAULT}:{engine.now}:order-1": 0}
    assert state["stats"] == {"enqueued": "1", "crashed": "4", "retried": "3", "died": "1"}
    assert state["control"]["died_at"] == str(engine.now)


@pytest.mark.parametrize(("max_crashes", "is_buried"), [(0, True), (1, False), (None, False)])
def test_task_says_itself_how_many_crashes_it_may_have(
    engine: Engine, max_crashes: int | None, is_buried: bool
) -> None:
    held = engine.lease(max_crashes=max_crashes)
    assert recover(engine, held) == (Recovered([], [held.id], []) if is_buried else Recovered([held.id], [], []))
    engine.check_books()


def test_evidence_is_kept(engine: Engine) -> None:
    held = engine.lease()
    recover(engine, held, evidence={"signal": "SIGKILL", "memory": 12})
    assert engine.check_books()["history"][held.id].endswith(entry(1, '"signal":"SIGKILL","memory":12'))


@pytest.mark.parametrize("jitter", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1])
def test_jitter_makes_the_wait_longer_by_its_share_at_most(engine: Engine, jitter: float, seed: int) -> None:
    held = engine.lease()
    engine.run(protocol.recover(engine.queue, LEASE_MS, held=[held], jitter=jitter, seed=seed))
    assert 1_000 <= engine.check_books()["retrying"][held.id] - START_MS <= 1_000 * (1 + jitter)


@pytest.mark.parametrize("wrong", [-1, 1])
def test_wrong_fence_changes_nothing(engine: Engine, wrong: int) -> None:
    held = engine.lease()
    before = engine.state()
    assert recover(engine, Held(held.id, held.fence + wrong)) == Recovered([], [], [held.id])
    assert engine.state() == before


def test_each_task_of_a_batch_is_judged_by_itself(engine: Engine) -> None:
    first, second, third = engine.lease(), engine.lease(max_crashes=0), engine.lease(name="resize")
    recovered = recover(engine, Held("gone", 1), first, second, first, third)
    assert recovered == Recovered([first.id, third.id], [second.id], ["gone", first.id])
    assert len(engine.check_books()["faults_seen"]) == 2


@pytest.mark.parametrize(("passed", "count"), [(LEASE_MS - 1, 0), (LEASE_MS, 3), (LEASE_MS + 1, 3)])
def test_only_leases_that_have_run_out_are_taken(engine: Engine, passed: int, count: int) -> None:
    engine.enqueue_many(3)
    engine.claim()
    engine.later(passed)
    engine.redis.hset(engine.queue.control, "seen", engine.now)
    assert len(recover(engine).again) == count
    engine.check_books()


def test_no_more_than_the_limit_are_taken_the_longest_expired_first(engine: Engine) -> None:
    helds = [(engine.lease(), engine.later(1))[0] for _ in range(5)]
    engine.later(LEASE_MS)
    engine.redis.hset(engine.queue.control, "seen", engine.now)
    assert recover(engine, limit=2).again == [helds[0].id, helds[1].id]
    assert recover(engine, limit=256).again == [held.id for held in helds[2:]]
    engine.check_books()


def test_nothing_is_taken_for_one_lease_after_the_server_was_away(engine: Engine) -> None:
    held = engine.lease()
    before = engine.state()
    engine.later(3_600_000)
    assert recover(engine) == Recovered([], [], [])
    grace = {**before["control"], "seen": str(engine.now), "grace": str(engine.now + LEASE_MS)}
    assert engine.check_books() == changed(before, control=grace)
    engine.later(LEASE_MS - 1)
    assert recover(engine) == Recovered([], [], [])
    engine.later(1)
    assert recover(engine) == Recovered([held.id], [], [])


def test_worker_that_lived_through_the_outage_keeps_its_task(engine: Engine) -> None:
    held = engine.lease()
    engine.later(3_600_000)
    engine.run(protocol.extend(engine.queue, [held], LEASE_MS))
    for _ in range(20):
        assert recover(engine) == Recovered([], [], [])
        engine.later(5_000)
        engine.run(protocol.extend(engine.queue, [held], LEASE_MS))
    assert engine.run(protocol.complete(engine.queue, [held])) == []


def test_supervisor_that_knows_better_is_believed_during_the_grace(engine: Engine) -> None:
    held = engine.lease()
    engine.later(3_600_000)
    recover(engine)
    assert recover(engine, held).again == [held.id]


def test_paused_queue_recovers_and_wakes_nobody(engine: Engine) -> None:
    held = engine.lease()
    engine.run(protocol.pause(engine.queue, "ada", ""))
    assert recover(engine, held).again == [held.id]
    assert "notify" not in engine.check_books()


@pytest.mark.parametrize("envelope", [b"", b"no line end", b"\xff\x00", b'send {"max_crashes":"many"}\n{}'])
def test_corrupt_envelope_crashes_as_any_other(engine: Engine, envelope: bytes) -> None:
    held = engine.lease()
    engine.redis.hset(engine.queue.tasks, held.id, envelope)
    assert recover(engine, held) == Recovered([held.id], [], [])
    engine.check_books()


def test_lease_without_an_envelope_is_dropped(engine: Engine) -> None:
    held = engine.lease()
    engine.redis.hdel(engine.queue.tasks, held.id)
    assert recover(engine, held) == Recovered([], [], [])
    assert engine.state()["leases"] == lease_of(expires_at=0)


@pytest.mark.parametrize("is_named", [True, False])
def test_one_of_many_callers_at_once_counts_the_crash(engine: Engine, is_named: bool) -> None:
    held = engine.lease()
    engine.later(LEASE_MS)
    engine.redis.hset(engine.queue.control, "seen", engine.now)
    named = [held] if is_named else []
    answers = engine.at_once([lambda: protocol.recover(engine.queue, LEASE_MS, held=named)] * 8)
    assert sorted(len(answer.again) for answer in answers) == [0] * 7 + [1]
    assert engine.check_books()["history"][held.id].startswith("0 1 0 0 ")
