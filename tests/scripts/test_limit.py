"""limit, and what it makes of enqueue and claim: seeded state → one call → the whole resulting state."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from queue_core import protocol, reading
from queue_core.errors import InvalidArgument, QueueFull, RateLimited
from queue_core.protocol import Call, Claimed
from tests.engine import START_MS, Engine, changed

pytestmark = pytest.mark.each_server


def enqueue(engine: Engine, count: int, **what: Any) -> Call[dict[str, str]]:
    return protocol.enqueue(engine.queue, [engine.new_task(**what) for _ in range(count)])


# Setting.


def test_limits_stand_in_control_with_who_set_them(engine: Engine) -> None:
    before = engine.check_books()
    assert engine.limit(max_length=10, claim_rate=(50, 1), dead_max_age=86_400.0)
    assert engine.check_books() == changed(
        before,
        control={
            "format": "1",
            "limits": {
                "max_length": 10, "claim_rate": [50, 1_000], "dead_max_age": 86_400_000, "by": "ada", "at": START_MS,
            },
        },
        notify=["1"] * 16,
    )  # fmt: skip


def test_limits_that_are_not_named_stay(engine: Engine) -> None:
    engine.limit(max_length=10, dead_max_count=5)
    assert engine.limit(max_length=20)
    assert engine.limit(dead_max_count=None)
    assert engine.state()["control"]["limits"] == {"max_length": 20, "by": "ada", "at": START_MS}
    assert engine.limit(max_length=None)
    assert engine.check_books() == {"control": {"format": "1"}}


def test_same_limit_again_changes_nothing(engine: Engine) -> None:
    engine.limit(max_length=10, enqueue_rate=(5, 60))
    before = engine.state()
    engine.later(5)
    assert not engine.limit(max_length=10, enqueue_rate=(5, 60.0), claim_rate=None)
    assert engine.state() == before


def test_rate_that_ends_forgets_its_bucket(engine: Engine) -> None:
    engine.limit(enqueue_rate=(5, 60), claim_rate=(5, 60))
    engine.run(enqueue(engine, 5))
    engine.claim(5)
    assert {"enqueue_rate_full", "claim_rate_full"} < engine.state()["control"].keys()
    engine.limit(enqueue_rate=None, claim_rate=None)
    assert engine.state()["control"].keys() == {"format", "fence", "turn", "seen"}


def test_only_a_claim_rate_wakes_and_never_while_paused(engine: Engine) -> None:
    engine.limit(max_length=3)
    assert "notify" not in engine.state()
    engine.run(protocol.pause(engine.queue, "ada", ""))
    engine.limit(claim_rate=(3, 1))
    assert "notify" not in engine.check_books()


def test_callers_at_once_each_set_their_limit(engine: Engine) -> None:
    changes = [{"max_length": 7}, {"dead_warning": 8}, {"dead_max_count": 9}]
    engine.at_once([partial(protocol.limit, engine.queue, change, "ada") for change in changes])
    found = engine.check_books()["control"]["limits"]
    assert {name: found[name] for change in changes for name in change} == {
        "max_length": 7, "dead_warning": 8, "dead_max_count": 9,
    }  # fmt: skip


@pytest.mark.parametrize("damage", ["", "[]", "{", "null", '{"max_length":"x","claim_rate":[0,0]}', "\x00\xff", "7"])
@pytest.mark.parametrize("bucket", ["", "nan", "inf", "-inf", "9e99", "x"])
def test_limits_that_cannot_be_read_limit_nothing(engine: Engine, damage: str, bucket: str) -> None:
    engine.enqueue()
    engine.redis.hset(engine.queue.control, "limits", damage)
    engine.run(enqueue(engine, 3))
    assert len(engine.claim().tasks) == 4
    engine.redis.hset(engine.queue.control, "limits", '{"claim_rate":[2,1000]}')
    engine.redis.hset(engine.queue.control, "claim_rate_full", bucket)
    engine.run(enqueue(engine, 3))
    assert len(engine.claim().tasks) == 2
    assert engine.limit(max_length=5)


# The length.


@pytest.mark.parametrize("count", [1, 3, 256])
def test_batch_that_makes_a_queue_too_long_is_refused_whole(engine: Engine, count: int) -> None:
    engine.limit(max_length=count + 1)
    engine.enqueue_many(2)
    before = engine.check_books()
    with pytest.raises(QueueFull, match=f"holds 2 tasks, its limit is {count + 1}, {count} more") as refused:
        engine.run(enqueue(engine, count))
    assert (refused.value.queue, refused.value.limit, refused.value.length) == ("email", count + 1, 2)
    assert engine.state() == before


def test_batch_that_fills_a_queue_enters(engine: Engine) -> None:
    engine.limit(max_length=5)
    engine.enqueue_many(2)
    engine.run(enqueue(engine, 3))
    assert len(engine.check_books()["tasks"]) == 5


def test_what_is_met_takes_no_room(engine: Engine) -> None:
    engine.limit(max_length=1)
    engine.enqueue("first", unique_key="k")
    met = [engine.new_task("first"), engine.new_task("second", unique_key="k")]
    assert engine.run(protocol.enqueue(engine.queue, met)) == {"first": "ready", "second": "ready first"}


@pytest.mark.parametrize("place", ["dead", "trashed"])
def test_dead_letters_and_trash_take_no_room(engine: Engine, place: str) -> None:
    engine.limit(max_length=1)
    engine.seed(place)
    engine.enqueue()
    with pytest.raises(QueueFull):
        engine.run(enqueue(engine, 1))


def test_what_comes_back_is_never_refused(engine: Engine) -> None:
    engine.seed("dead", "first")
    engine.enqueue("second")
    engine.trash("second")
    engine.limit(max_length=1)
    engine.enqueue()
    assert engine.run(protocol.requeue(engine.queue, [("first", START_MS)], {})).skipped == {}
    assert engine.run(protocol.restore(engine.queue, ["second"])).skipped == {}
    assert len(engine.check_books()["tasks"]) == 3


def test_callers_at_once_do_not_pass_the_length(engine: Engine) -> None:
    engine.limit(max_length=20)
    calls = [enqueue(engine, 3) for _ in range(8)]
    with pytest.raises(QueueFull):
        engine.at_once([partial(_same, call) for call in calls])
    assert len(engine.check_books()["tasks"]) == 18


# The enqueue rate.


def test_enqueue_rate_says_when_to_come_again(engine: Engine) -> None:
    engine.limit(enqueue_rate=(6, 60))
    engine.run(enqueue(engine, 4))
    before = engine.check_books()
    with pytest.raises(RateLimited, match=r"queue email takes no more than 6 in 60 s: .* in 10 s") as refused:
        engine.run(enqueue(engine, 3))
    assert (refused.value.queue, refused.value.retry_after) == ("email", 10.0)
    assert engine.state() == before
    engine.later(9_999)
    with pytest.raises(RateLimited):
        engine.run(enqueue(engine, 3))
    engine.later(1)
    engine.run(enqueue(engine, 3))
    with pytest.raises(RateLimited) as refused:
        engine.run(enqueue(engine, 1))
    assert refused.value.retry_after == 10.0


def test_bucket_holds_no_more_than_the_rate_however_long_nothing_came(engine: Engine) -> None:
    engine.limit(enqueue_rate=(6, 60))
    engine.run(enqueue(engine, 6))
    engine.later(3_600_000)
    engine.run(enqueue(engine, 6))
    with pytest.raises(RateLimited):
        engine.run(enqueue(engine, 1))


def test_batch_that_no_bucket_can_hold_is_a_wrong_argument(engine: Engine) -> None:
    engine.limit(enqueue_rate=(6, 60))
    before = engine.state()
    with pytest.raises(InvalidArgument, match=r"7 tasks in one batch .* queue email, .* 6 in 60 s: .* at most 6"):
        engine.run(enqueue(engine, 7))
    assert engine.state() == before


def test_what_is_met_costs_no_token(engine: Engine) -> None:
    engine.limit(enqueue_rate=(1, 60))
    engine.enqueue("first", unique_key="k")
    met = [engine.new_task("first"), engine.new_task("second", unique_key="k")]
    assert engine.run(protocol.enqueue(engine.queue, met)) == {"first": "ready", "second": "ready first"}


@pytest.mark.parametrize(("number", "period_ms"), [(1, 1), (3, 1_000), (7, 1_000), (1_000, 7), (100, 3_600_000)])
def test_rate_is_kept_over_any_length_of_time(engine: Engine, number: int, period_ms: int) -> None:
    engine.limit(enqueue_rate=(number, period_ms / 1000))
    begun, entered = engine.now, 0
    for step in range(150):
        wanted = min(1 + step % 5, number)
        try:
            engine.run(enqueue(engine, wanted))
            entered += wanted
        except RateLimited as refused:
            engine.later(round(refused.retry_after * 1000))
            engine.run(enqueue(engine, wanted))
            entered += wanted
        assert entered <= number + number * (engine.now - begun) / period_ms + 0.01


def test_clock_that_went_back_does_not_close_the_queue(engine: Engine) -> None:
    engine.limit(enqueue_rate=(6, 60))
    engine.run(enqueue(engine, 6))
    engine.now -= 600_000
    engine.run(enqueue(engine, 6))
    with pytest.raises(RateLimited):
        engine.run(enqueue(engine, 1))


# The claim rate.


def test_claim_gives_out_what_the_rate_allows_and_says_when_there_is_more(engine: Engine) -> None:
    ids = engine.enqueue_many(10)
    engine.limit(claim_rate=(4, 60))
    claimed = engine.claim(3)
    assert (len(claimed.tasks), claimed.has_more, claimed.next_token_ms) == (3, True, None)
    claimed = engine.claim(3)
    assert [task.id for task in claimed.tasks] == ids[3:4]
    assert (claimed.has_more, claimed.next_token_ms) == (True, START_MS + 15_000)
    engine.check_books()
    engine.later(14_999)
    assert engine.claim(3).tasks == ()
    engine.later(1)
    assert len(engine.claim(3).tasks) == 1
    engine.now = START_MS + 30_000
    assert len(engine.claim(3).tasks) == 1
    engine.check_books()


def test_claim_that_finds_no_token_changes_nothing_and_wakes_nobody(engine: Engine) -> None:
    engine.enqueue_many(10)
    engine.limit(claim_rate=(4, 60))
    engine.claim(4)
    engine.redis.delete(engine.queue.notify)
    before = engine.state()
    claimed = engine.claim(3)
    assert (claimed.tasks, claimed.next_token_ms) == ((), START_MS + 15_000)
    assert engine.state() == before


def test_queue_without_more_tasks_has_nothing_to_wait_for(engine: Engine) -> None:
    engine.enqueue_many(4)
    engine.limit(claim_rate=(4, 60))
    claimed = engine.claim(10)
    assert (len(claimed.tasks), claimed.has_more, claimed.next_token_ms) == (4, False, None)


def test_tokens_of_a_fast_rate_are_gathered_a_little(engine: Engine) -> None:
    engine.enqueue_many(100)
    engine.limit(claim_rate=(50, 1))
    assert engine.claim(50).next_token_ms == START_MS + 100
    engine.later(100)
    assert len(engine.claim(50).tasks) == 5


def test_resent_claim_answers_what_it_gave_and_takes_no_token_again(engine: Engine) -> None:
    engine.enqueue_many(3)
    engine.limit(claim_rate=(2, 60))
    command = engine.command(protocol.claim(engine.queue, "w1", 5, 30_000))
    assert engine.send(command) == engine.send(command)
    claimed = engine.claim(5)
    assert (claimed.tasks, claimed.next_token_ms) == ((), START_MS + 30_000)


def test_released_task_has_used_its_token(engine: Engine) -> None:
    held = engine.lease()
    engine.limit(claim_rate=(1, 60))
    engine.run(protocol.release(engine.queue, [protocol.ReleasedTask(held.id, held.fence)]))
    assert len(engine.claim(1).tasks) == 1
    engine.enqueue()
    assert engine.claim(1).tasks == ()


def test_paused_queue_tells_no_token(engine: Engine) -> None:
    engine.enqueue_many(3)
    engine.limit(claim_rate=(1, 60))
    engine.claim(1)
    engine.run(protocol.pause(engine.queue, "ada", ""))
    assert engine.claim(1).next_token_ms is None


@pytest.mark.parametrize("what", [{"priority": 5}, {"priority": -5}, {"name": "resize"}, {"delay_ms": 1}])
def test_rate_holds_wherever_tasks_come_from(engine: Engine, what: dict[str, Any]) -> None:
    if "name" in what:
        ids = engine.enqueue_many(5, **what)
        fence = engine.claim(5).fence
        released = [protocol.ReleasedTask(task_id, fence, "unknown:resize") for task_id in ids]
        engine.run(protocol.release(engine.queue, released))
    else:
        engine.enqueue_many(5, **what)
    engine.limit(claim_rate=(2, 60))
    engine.later(1)
    lanes = ["unknown:resize"]
    assert len(engine.claim(5, lanes=lanes, is_fair=True).tasks) == 2
    assert engine.claim(5, lanes=lanes, is_fair=True).tasks == ()
    engine.check_books()


def test_rate_changed_under_load_holds_from_then_on(engine: Engine) -> None:
    engine.enqueue_many(200)
    engine.limit(claim_rate=(50, 1))
    assert len(engine.claim(100).tasks) == 50
    engine.limit(claim_rate=(10, 100))
    assert len(engine.claim(100).tasks) <= 10
    assert engine.claim(100).tasks == ()
    engine.later(100_000)
    assert len(engine.claim(100).tasks) == 10
    engine.limit(claim_rate=None)
    assert len(engine.claim(100).tasks) == 100


def test_fifty_claimers_at_once_keep_the_rate_together(engine: Engine) -> None:
    engine.enqueue_many(200)
    engine.limit(claim_rate=(20, 1))
    total = 0
    for allowed in (20, 25, 30, 50):
        call = partial(protocol.claim, engine.queue, "w1", 3, 30_000)
        answers: list[Claimed] = engine.at_once([call] * 50)
        total += sum(len(claimed.tasks) for claimed in answers)
        assert total == allowed
        assert any(claimed.next_token_ms is not None for claimed in answers)
        engine.check_books()
        engine.later(250 if allowed < 30 else 5_000)


# What is kept of dead letters.


def bury(engine: Engine, count: int) -> list[str]:
    ids = engine.enqueue_many(count)
    fence = engine.claim(count).fence
    failed = [engine.failed(protocol.Held(task_id, fence), protocol.DEAD) for task_id in ids]
    engine.run(protocol.fail(engine.queue, failed))
    return ids


def outstayed(engine: Engine) -> reading.Outstayed:
    return engine.run(reading.list_outstayed(engine.queue))


def test_letters_stay_until_somebody_acts(engine: Engine) -> None:
    bury(engine, 5)
    engine.later(366 * 86_400_000)
    assert outstayed(engine) == reading.Outstayed([], [], "", 0)


def test_letters_that_are_too_old_are_listed_oldest_first(engine: Engine) -> None:
    first, second = bury(engine, 2), bury(engine, 1)
    died = engine.now
    engine.later(1)
    bury(engine, 1)
    engine.limit(dead_max_age=60)
    engine.now = died + 59_999
    assert outstayed(engine).letters == []
    engine.later(1)
    assert outstayed(engine) == reading.Outstayed([], sorted(first + second), "age", died)


def test_oldest_letters_beyond_the_number_are_listed(engine: Engine) -> None:
    first = bury(engine, 3)
    died = engine.now
    engine.later(1)
    bury(engine, 4)
    engine.limit(dead_max_count=4)
    assert outstayed(engine) == reading.Outstayed([], first, "count", died)


def test_what_has_died_again_or_is_no_letter_any_more_is_not_trashed(engine: Engine) -> None:
    back, again, old, gone = bury(engine, 4)
    died = engine.now
    letters = [(back, died), (again, died)]
    engine.run(protocol.requeue(engine.queue, letters, {}))
    fence = engine.claim(2).fence
    engine.later(5)
    engine.fail(protocol.Held(again, fence), protocol.DEAD)
    engine.run(protocol.release(engine.queue, [protocol.ReleasedTask(back, fence)]))
    engine.trash(gone)
    engine.delete(gone)
    call = protocol.trash(engine.queue, [back, again, old, gone], 1_000, "retention", "age", died_by_ms=died)
    assert engine.run(call).skipped == {back: "changed", again: "changed", gone: "gone"}
    state = engine.check_books()
    assert (list(state["trash"]), list(state["dead"]), len(state["ready"])) == ([old], [again], 1)


def _same(call: Call[Any]) -> Call[Any]:
    return call
