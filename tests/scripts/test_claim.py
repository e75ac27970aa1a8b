"""claim: seeded state → one call → the whole resulting state; order, fairness, pause, limits."""

from __future__ import annotations

import math

import pytest

from queue_core import protocol
from queue_core.errors import CorruptQueue, InvalidArgument
from queue_core.keys import SENTINEL
from queue_core.protocol import Claimed, ClaimedTask, Counters, ReleasedTask, Session
from tests.engine import LEASE_MS, START_MS, Engine, changed, element_of, lease_of, running_of, score_of

pytestmark = pytest.mark.each_server

FENCE = START_MS * 1000


def ids_of(claimed: Claimed) -> list[str]:
    return [task.id for task in claimed.tasks]


# One claim.


def test_empty_queue_gives_nothing(engine: Engine) -> None:
    assert engine.claim() == Claimed(FENCE, START_MS, None, False, False, False)
    assert engine.check_books() == {"control": {"format": "1", "seen": str(START_MS), "turn": "0"}}


def test_ready_task_is_leased(engine: Engine) -> None:
    task_id = engine.enqueue()
    before = engine.state()
    engine.later(100)
    task = ClaimedTask(task_id, b"send\n{}", Counters(), False, "")
    assert engine.claim() == Claimed(FENCE + 100_000, engine.now, None, False, False, False, (), (task,))
    assert engine.check_books() == changed(
        before,
        ready=None,
        leases=lease_of(task_id, expires_at=engine.now + LEASE_MS),
        running=running_of(task_id, fence=FENCE + 100_000, at=engine.now),
        control={"format": "1", "seen": str(engine.now), "turn": "1", "fence": str(FENCE + 100_000)},
    )


def test_claim_says_what_has_happened_to_a_task(engine: Engine) -> None:
    task_id = engine.seed("retrying")
    engine.later(1_000)
    (task,) = engine.claim().tasks
    assert (task.has_history, task.counters.attempts, task.counters.crashes) == (True, 1, 0)
    assert task.counters.fingerprint == next(iter(engine.state()["faults_seen"]))
    assert task.id == task_id


def test_second_claim_adds_to_the_first(engine: Engine) -> None:
    first, second = engine.enqueue_many(2)
    engine.claim(1)
    engine.later(7)
    engine.claim(1, "w2")
    state = engine.check_books()
    assert state["leases"] == {first: START_MS + LEASE_MS, second: engine.now + LEASE_MS, SENTINEL: math.inf}
    assert state["running"] == {
        first: f"{FENCE} {START_MS}  w1",
        second: f"{FENCE + 7_000} {engine.now}  w2",
        SENTINEL: SENTINEL,
    }


@pytest.mark.parametrize(
    "key", ["tasks", "ready", "removed", "prioritized", "closed", "scheduled", "leases", "running", "history", "notify"]
)
def test_key_of_a_wrong_type_is_met_before_anything_is_written(engine: Engine, key: str) -> None:
    """Also where nothing is due and nothing held back: no more is looked at than a claim needs."""
    engine.enqueue_many(2)
    engine.redis.delete(getattr(engine.queue, key))
    engine.redis.xadd(getattr(engine.queue, key), {"what": "a stream"})
    before = engine.redis.hgetall(engine.queue.control), sorted(engine.redis.keys())
    with pytest.raises(CorruptQueue, match=f"{key} is a stream and should be"):
        engine.claim(1)
    assert (engine.redis.hgetall(engine.queue.control), sorted(engine.redis.keys())) == before


def test_fence_grows_with_every_claim_whatever_the_clock_says(engine: Engine) -> None:
    fences = []
    for passed in (0, 0, -5_000, 0, 5_001):
        engine.later(passed)
        fences.append(engine.lease().fence)
    assert fences == sorted(set(fences))
    assert fences[1:4] == [FENCE + 1, FENCE + 2, FENCE + 3]
    assert fences[4] == engine.now * 1000


def test_fence_grows_after_the_last_one_was_lost(engine: Engine) -> None:
    before = engine.lease().fence
    engine.redis.hdel(engine.queue.control, "fence")
    engine.later(1)
    assert engine.lease().fence > before


def test_largest_fence_is_exact(engine: Engine) -> None:
    engine.lease()
    engine.redis.hset(engine.queue.control, "fence", str(2**53 - 3))
    held = engine.lease()
    assert held.fence == 2**53 - 2
    assert engine.run(protocol.complete(engine.queue, [held])) == []


@pytest.mark.parametrize(("limit", "lease_ms"), [(0, 1), (-1, 1), (257, 1), (1, 0), (1, 86_400_001)])
def test_limit_and_lease_are_checked_before_anything_is_sent(engine: Engine, limit: int, lease_ms: int) -> None:
    with pytest.raises(InvalidArgument):
        engine.claim(limit, lease_ms=lease_ms)


@pytest.mark.parametrize("limit", [1, 7, 8, 9, 127, 256])
def test_claim_takes_as_many_as_it_may(engine: Engine, limit: int) -> None:
    task_ids = engine.enqueue_many(300)
    assert ids_of(engine.claim(limit)) == task_ids[:limit]
    assert engine.check_books()["ready"] == task_ids[limit:]


def test_three_hundred_running_tasks_stay_in_the_fast_encodings(engine: Engine) -> None:
    task_ids = engine.enqueue_many(300)
    engine.claim(256)
    assert ids_of(engine.claim(256)) == task_ids[256:]
    engine.check_books()
    assert engine.redis.object("encoding", engine.queue.leases) == b"skiplist"
    assert engine.redis.object("encoding", engine.queue.running) == b"hashtable"


@pytest.mark.parametrize("key", ["leases", "running"])
def test_sentinel_keeps_even_an_empty_place_out_of_the_small_encoding(engine: Engine, key: str) -> None:
    engine.run(protocol.complete(engine.queue, [engine.lease()]))
    assert engine.redis.object("encoding", getattr(engine.queue, key)) in (b"skiplist", b"hashtable")


def test_many_callers_at_once_get_each_task_once(engine: Engine) -> None:
    task_ids = engine.enqueue_many(20)
    answers = engine.at_once([lambda: protocol.claim(engine.queue, "w1", 4, LEASE_MS)] * 8)
    assert sorted(task_id for answer in answers for task_id in ids_of(answer)) == sorted(task_ids)
    assert len({answer.fence for answer in answers if answer.tasks}) == 5
    engine.check_books()


# Resent.


def test_resent_claim_gives_what_it_still_holds(engine: Engine) -> None:
    first, second, third = engine.enqueue_many(3)
    call = protocol.claim(engine.queue, "w1", 3, LEASE_MS)
    command = engine.command(call, Session("ours"))
    claimed = call.read(engine.send(command))
    held = [protocol.Held(task_id, claimed.fence) for task_id in (first, second)]
    engine.run(protocol.complete(engine.queue, held[:1]))
    engine.run(protocol.release(engine.queue, [ReleasedTask(second, claimed.fence)]))
    engine.claim(1, "w2")
    before = engine.state()
    assert call.read(engine.send(command)).tasks == claimed.tasks[2:]
    assert ids_of(claimed)[2:] == [third]
    assert engine.state() == before


def test_resent_claim_that_got_nothing_gets_nothing(engine: Engine) -> None:
    call = protocol.claim(engine.queue, "w1", 3, LEASE_MS)
    command = engine.command(call, Session("ours"))
    engine.send(command)
    engine.enqueue()
    answer = call.read(engine.send(command))
    assert (answer.tasks, answer.has_more) == ((), True)


# Order.


def test_higher_priorities_come_first_then_older_ones(engine: Engine) -> None:
    priorities = (0, -2_000, 5, -1, 2_000, 5, 0, -1)
    made = [(-priority, engine.later(1), engine.enqueue(priority=priority)) for priority in priorities]
    expected = [task_id for _, _, task_id in sorted(made)]
    assert [ids_of(engine.claim(3)) for _ in range(3)] == [expected[:3], expected[3:6], expected[6:]]
    engine.check_books()


@pytest.mark.parametrize("is_fair", [True, False])
def test_all_priorities_are_given_out_by_one_claim(engine: Engine, is_fair: bool) -> None:
    for _ in range(30):
        for priority in (-3, 0, 3):
            engine.enqueue(priority=priority)
    assert len(engine.claim(256, is_fair=is_fair).tasks) == 90
    state = engine.check_books()
    assert not state.keys() & {"ready", "prioritized"}


def test_score_of_a_priority_leads_back_to_its_ready_time(engine: Engine) -> None:
    for priority in (2_000, -2_000):
        engine.enqueue(f"p{priority}", priority=priority)
        assert engine.state()["prioritized"][f"p{priority}"] == score_of(priority, START_MS)
        claimed = engine.claim()
        assert claimed.tasks[0].ready_digits == element_of("x", START_MS)[-7:]
        engine.run(protocol.release(engine.queue, [ReleasedTask(f"p{priority}", claimed.fence)]))
        assert engine.check_books()["prioritized"][f"p{priority}"] == score_of(priority, START_MS)


# Fairness.


@pytest.mark.parametrize("limit", [1, 4, 20, 100])
def test_one_task_in_twenty_is_the_one_that_has_waited_longest(engine: Engine, limit: int) -> None:
    old = engine.enqueue_many(30)
    engine.later(1)
    engine.enqueue_many(500, priority=1)
    taken = [task_id for _ in range(200 // limit) for task_id in ids_of(engine.claim(limit, is_fair=True))]
    assert [task_id for task_id in taken if task_id in old] == old[:10]
    assert len(taken) == 200
    engine.check_books()


def test_strict_claim_knows_priorities_only(engine: Engine) -> None:
    old = engine.enqueue_many(3)
    engine.later(1)
    engine.enqueue_many(60, priority=1)
    assert not set(ids_of(engine.claim(60))) & set(old)


def test_fair_turn_merges_all_priorities_by_age(engine: Engine) -> None:
    made = [engine.later(1) and engine.enqueue(priority=priority) for priority in (-2_000, 0, -1, 2, 0, 1)]
    engine.enqueue_many(400, priority=2_000)
    taken = [task_id for _ in range(6) for task_id in ids_of(engine.claim(20, is_fair=True))]
    assert [task_id for task_id in taken if task_id in made] == made


def test_elements_that_were_struck_out_do_not_hide_the_list_from_the_fair_turn(engine: Engine) -> None:
    struck = engine.enqueue_many(5)
    waiting = engine.enqueue()
    engine.trash(*struck)
    engine.later(1)
    engine.enqueue_many(100, priority=1)
    assert waiting in ids_of(engine.claim(20, is_fair=True))
    assert not engine.check_books().keys() & {"ready", "removed"}


@pytest.mark.parametrize("task_id", ["list", "length", "n", "1", "__index"])
def test_chosen_ids_do_not_disturb_the_fair_turn(engine: Engine, task_id: str) -> None:
    engine.enqueue(task_id, priority=-1)
    others = engine.enqueue_many(19)
    assert sorted(ids_of(engine.claim(20, is_fair=True))) == sorted([task_id, *others])
    engine.check_books()


def test_fair_turns_respect_the_byte_limit(engine: Engine) -> None:
    for priority in range(-6, 7):
        engine.enqueue(priority=priority, payload=b"x" * 1_000)
    assert len(engine.claim(256, is_fair=True, max_bytes=1_500).tasks) == 2
    engine.check_books()


# Due tasks.


def test_due_tasks_become_ready_in_order_of_their_time(engine: Engine) -> None:
    retried = engine.seed("retrying")  # due at + 1,000
    second, first, later = (engine.enqueue(delay_ms=delay) for delay in (600, 300, 5_000))
    high = engine.enqueue("high", delay_ms=900, priority=1)
    before = engine.state()
    engine.later(1_000)
    claimed = engine.claim(1)
    assert ids_of(claimed) == [high]
    assert (claimed.next_due_ms, claimed.has_more) == (START_MS + 5_000, True)
    fault = next(iter(before["faults_seen"]))
    assert engine.check_books() == changed(
        before,
        ready=[first, second, retried],
        scheduled={later: START_MS + 5_000},
        retrying=None,
        faults={**before["faults"], f"{fault}:retrying": "0"},
        leases=lease_of(high, expires_at=engine.now + LEASE_MS),
        running={high: _claim(engine, claimed, "high"), SENTINEL: SENTINEL},
        control={"format": "1", "seen": str(engine.now), "turn": "2", "fence": str(claimed.fence)},
        notify=[*before["notify"], "1"],
    )


def _claim(engine: Engine, claimed: Claimed, task_id: str) -> str:
    digits = next(task.ready_digits for task in claimed.tasks if task.id == task_id)
    return f"{claimed.fence} {engine.now} {digits} w1"


def test_due_task_carries_the_time_at_which_it_was_due(engine: Engine) -> None:
    task_id = engine.enqueue(delay_ms=4_000)
    engine.later(9_000)
    engine.run(protocol.close_lane(engine.queue, "name:other", "ada", ""))
    engine.enqueue("high", priority=1)
    engine.claim(1)
    assert engine.check_books()["ready"] == [element_of(task_id, START_MS + 4_000)]


def test_claim_promotes_at_most_a_batch_of_each_kind(engine: Engine) -> None:
    for _ in range(2):
        engine.run(protocol.enqueue(engine.queue, [engine.new_task(delay_ms=5) for _ in range(200)]))
    engine.later(10)
    claimed = engine.claim(1)
    state = engine.check_books()
    assert (len(state["ready"]), len(state["scheduled"])) == (255, 144)
    assert claimed.next_due_ms == START_MS + 5


@pytest.mark.parametrize(("passed", "has_expired"), [(LEASE_MS - 1, False), (LEASE_MS, True), (LEASE_MS + 1, True)])
def test_claim_says_whether_leases_have_run_out(engine: Engine, passed: int, has_expired: bool) -> None:
    engine.lease()
    engine.later(passed)
    assert engine.claim().has_expired is has_expired


# Pause.


def test_paused_queue_gives_nothing_and_still_promotes(engine: Engine) -> None:
    task_id = engine.enqueue(delay_ms=5)
    engine.seed("prioritized")
    engine.run(protocol.pause(engine.queue, "ada", "test"))
    before = engine.state()
    engine.later(10)
    claimed = engine.claim()
    assert (claimed.tasks, claimed.is_paused, claimed.has_more) == ((), True, True)
    assert engine.check_books() == changed(
        before, ready=[task_id], scheduled=None, control={**before["control"], "seen": str(engine.now)}
    )


# Wake-up tokens.


def test_claim_that_leaves_tasks_behind_pushes_a_token(engine: Engine) -> None:
    engine.enqueue_many(3)
    engine.redis.delete(engine.queue.notify)
    for tokens in (1, 2, 2):
        engine.claim(1)
        assert len(engine.check_books()["notify"]) == tokens


def test_claim_that_finds_nothing_deletes_the_tokens(engine: Engine) -> None:
    engine.enqueue_many(3)
    engine.claim(3)
    assert len(engine.state()["notify"]) == 3
    engine.claim()
    assert "notify" not in engine.check_books()


# Struck out.


def test_elements_that_were_struck_out_are_dropped(engine: Engine) -> None:
    task_ids = engine.enqueue_many(6)
    engine.trash(*task_ids[:2], task_ids[3])
    before = engine.check_books()
    claimed = engine.claim(2)
    assert ids_of(claimed) == [task_ids[2], task_ids[4]]
    assert engine.check_books() == changed(
        before,
        ready=[task_ids[5]],
        removed=None,
        leases=lease_of(task_ids[2], task_ids[4], expires_at=START_MS + LEASE_MS),
        running=running_of(task_ids[2], task_ids[4], fence=FENCE, at=START_MS),
        control={"format": "1", "seen": str(START_MS), "turn": "2", "fence": str(FENCE)},
        notify=["1"] * 7,
    )


def test_long_run_of_struck_out_elements_is_passed_in_steps(engine: Engine) -> None:
    struck = engine.enqueue_many(1_100)
    last = engine.enqueue()
    for start in range(0, len(struck), 256):
        engine.trash(*struck[start : start + 256])
    first = engine.claim(1)
    assert (ids_of(first), first.has_more) == ([], True)
    assert len(engine.check_books()["ready"]) == 77
    assert ids_of(engine.claim(1)) == [last]


def test_removed_ids_elsewhere_do_not_disturb(engine: Engine) -> None:
    engine.enqueue("a")
    engine.enqueue("b")
    engine.trash("a")
    engine.delete("a")
    engine.enqueue("a", priority=1)
    before = engine.check_books()
    claimed = engine.claim()
    assert ids_of(claimed) == ["a", "b"]
    assert engine.check_books().keys() == before.keys() - {"ready", "removed", "prioritized"} | {"leases", "running"}


# Bytes.


@pytest.mark.parametrize(("max_bytes", "count"), [(1, 1), (2_000, 2), (2_014, 2), (2_015, 3), (1 << 20, 10)])
@pytest.mark.parametrize("place", ["ready", "prioritized", "held"])
def test_claim_stops_once_it_has_as_many_bytes(engine: Engine, place: str, max_bytes: int, count: int) -> None:
    if place == "held":
        engine.run(protocol.close_lane(engine.queue, "name:send", "ada", ""))
    padding = 1_007 - len(b'send {"priority":1}\n' if place == "prioritized" else b"send\n")
    made = [engine.enqueue(payload=b"x" * padding, priority=int(place == "prioritized")) for _ in range(10)]
    if place == "held":
        engine.claim()
        engine.run(protocol.open_lane(engine.queue, "name:send", "ada"))
    claimed = engine.claim(10, max_bytes=max_bytes)
    assert len(claimed.tasks) == count
    assert claimed.has_more is (count < 10)
    taken = ids_of(claimed)
    while claimed.has_more:
        claimed = engine.claim(10)
        taken += ids_of(claimed)
    assert sorted(taken) == sorted(made)
    engine.check_books()


def test_task_of_a_mebibyte_goes_alone(engine: Engine) -> None:
    for _ in range(3):
        engine.enqueue(payload=b"x" * (1 << 20))
    assert [len(engine.claim(256).tasks) for _ in range(4)] == [1, 1, 1, 0]
