"""Limits of a queue: what an operator may set, what is told of them, and what a producer meets. On a real server."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from queue_core import InvalidArgument, QueueFull, RateLimited, Taskyard, limits
from queue_core.limits import KEEP
from queue_core.snapshot import DEAD_WARNING, Limits, Rate
from tests.engine import START_MS, Engine


@pytest.fixture
def engine(redis_url: str, namespace: str) -> Iterator[Engine]:
    engine = Engine(redis_url, namespace)
    yield engine
    engine.check_books()
    engine.close()


@pytest.fixture
def yard(engine: Engine) -> Iterator[Taskyard]:
    yard = Taskyard(engine.url, namespace=engine.client.namespace, clock=lambda: engine.now)
    yield yard
    yard.close()


def note(text: str = "") -> None: ...


# What may be set.


@pytest.mark.parametrize(
    ("given", "sent", "told"),
    [
        ({"max_length": 1}, {"max_length": 1}, "max_length=1"),
        ({"max_length": None}, {"max_length": False}, "max_length=none"),
        ({"enqueue_rate": (100, 60)}, {"enqueue_rate": [100, 60_000]}, "enqueue_rate=100/60s"),
        ({"claim_rate": [5, 0.001]}, {"claim_rate": [5, 1]}, "claim_rate=5/0.001s"),
        ({"claim_rate": (5, timedelta(hours=1))}, {"claim_rate": [5, 3_600_000]}, "claim_rate=5/3600s"),
        ({"dead_max_age": timedelta(days=30)}, {"dead_max_age": 2_592_000_000}, "dead_max_age=2592000s"),
        ({"wait_target": 60.5}, {"wait_target": 60_500}, "wait_target=60.5s"),
        ({"dead_max_count": 10**9, "dead_warning": 7}, {"dead_max_count": 10**9, "dead_warning": 7}, None),
        ({"claim_rate": None, "max_length": KEEP}, {"claim_rate": False}, "claim_rate=none"),
    ],
)
def test_limits_as_they_are_sent_and_told(given: dict[str, Any], sent: dict[str, object], told: str | None) -> None:
    changes = limits.changes(**given)
    assert changes == sent
    assert told is None or limits.told(changes) == told


NUMBERS: list[Any] = [0, -1, 10**9 + 1, 1.5, math.nan, math.inf, True, "5", (5, 60)]
TIMES: list[Any] = [0, -1, math.nan, math.inf, 10**9 + 1, True, "5", timedelta(0), timedelta.max]


@pytest.mark.parametrize(
    "wrong",
    [
        *({name: value} for name in ("max_length", "dead_max_count", "dead_warning") for value in NUMBERS),
        *({name: (value, 60)} for name in ("enqueue_rate", "claim_rate") for value in NUMBERS),
        *({name: (5, value)} for name in ("enqueue_rate", "claim_rate") for value in TIMES),
        *({name: value} for name in ("dead_max_age", "wait_target") for value in TIMES),
        *({"claim_rate": value} for value in [5, (5,), (5, 60, 1), "5/60"]),
        {},
    ],
    ids=str,
)
def test_absurd_limits_are_refused_and_change_nothing(engine: Engine, yard: Taskyard, wrong: dict[str, Any]) -> None:
    engine.enqueue()
    before = engine.state()
    with pytest.raises(InvalidArgument, match=next(iter(wrong), "no limit")):
        yard.control.limit("email", by="ada", action_id="a1", **wrong)
    assert engine.state() == before


# What is told.


def test_queue_tells_its_limits_and_who_set_them(engine: Engine, yard: Taskyard) -> None:
    engine.enqueue()
    assert yard.inspector.queue("email").limits == Limits()
    outcome = yard.control.limit(
        "email",
        max_length=10,
        enqueue_rate=(100, 60),
        claim_rate=(50, 1),
        dead_max_age=3_600,
        wait_target=timedelta(minutes=1),
        by="ada",
        action_id="a1",
    )
    assert (outcome.verb, outcome.done) == ("limit", ("email",))
    assert yard.inspector.queue("email").limits == Limits(
        max_length=10,
        enqueue_rate=Rate(100, 60.0),
        claim_rate=Rate(50, 1.0),
        dead_max_age=3_600.0,
        dead_warning=DEAD_WARNING,
        wait_target=60.0,
        by="ada",
        at=START_MS,
    )
    again = yard.control.limit("email", max_length=10, by="bo", action_id="a2")
    assert (again.done, again.skipped) == ((), {"email": "limited so already"})


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b"7",
        b'{"max_length":-1,"claim_rate":[0,5],"dead_max_age":"x","dead_warning":1e400,"wait_target":-3}',
    ],
)
def test_damaged_limits_are_none(engine: Engine, yard: Taskyard, damage: bytes) -> None:
    engine.enqueue()
    engine.redis.hset(engine.queue.control, "limits", damage)
    found = yard.inspector.queue("email").limits
    assert (found.max_length, found.claim_rate, found.dead_max_age) == (None, None, None)
    assert (found.dead_warning, found.wait_target) == (10_000, 300.0)
    engine.redis.hdel(engine.queue.control, "limits")


@pytest.mark.parametrize(("dead", "is_over"), [(2, False), (3, True)])
def test_queue_tells_when_it_has_more_dead_letters_than_somebody_wants(
    engine: Engine, yard: Taskyard, dead: int, is_over: bool
) -> None:
    times = []
    for _ in range(dead):
        engine.later(1_000)
        engine.kill(1)
        times.append(engine.now)
    assert yard.inspector.queue("email").too_many_dead_since is None
    yard.control.limit("email", dead_warning=2, by="ada", action_id="a1")
    found = yard.inspector.queue("email")
    assert found.is_over_dead_warning == is_over
    assert found.too_many_dead_since == (times[2] if is_over else None)


# What a producer meets.


def test_full_queue_is_told_and_batches_before_have_entered(engine: Engine, yard: Taskyard) -> None:
    task = yard.task(queue="email")(note)
    task.enqueue()
    yard.control.limit("email", max_length=300, by="ada", action_id="a1")
    with pytest.raises(QueueFull) as refused:
        yard.enqueue_many(task.message(str(number)) for number in range(300))
    assert (refused.value.queue, refused.value.limit, refused.value.length) == ("email", 300, 257)
    assert refused.value.enqueued == 256 == len(engine.state()["tasks"]) - 1
    with pytest.raises(QueueFull) as refused:
        asyncio.run(yard.aenqueue_many([task.message(str(number)) for number in range(44)]))
    assert refused.value.enqueued == 0


def test_rate_is_told_with_the_seconds_to_wait_also_to_async_callers(engine: Engine, yard: Taskyard) -> None:
    task = yard.task(queue="email")(note)
    task.enqueue()
    yard.control.limit("email", enqueue_rate=(2, 60), by="ada", action_id="a1")
    task.enqueue()
    task.enqueue()
    callers: list[Callable[[], object]] = [task.enqueue, lambda: asyncio.run(task.aenqueue())]
    for enqueue in callers:
        with pytest.raises(RateLimited) as refused:
            enqueue()
        assert (refused.value.queue, refused.value.retry_after, refused.value.enqueued) == ("email", 30.0, 0)
    with pytest.raises(InvalidArgument, match=r"3 tasks in one batch .* 2 in 60 s"):
        yard.enqueue_many(task.message(str(number)) for number in range(3))
    engine.later(30_000)
    task.enqueue()


# Unique keys and expiry, as one types them.


def test_second_handle_of_a_key_is_the_holder_s(yard: Taskyard) -> None:
    task = yard.task(queue="email")(note)
    welcome = task.options(unique_key="welcome:ada")
    first = welcome.enqueue("one")
    assert (first.is_new, first.is_duplicate, first.met) == (True, False, None)
    second = welcome.enqueue("two")
    assert (second.id, second.is_new, second.is_duplicate, second.met) == (first.id, False, True, "ready")
    third = asyncio.run(welcome.options(priority=3).aenqueue("three"))
    assert (third.id, third.is_duplicate) == (first.id, True)
    many = yard.enqueue_many([welcome.message("four"), task.message("five"), welcome.message("six")])
    assert [handle.id == first.id for handle in many] == [True, False, True]
    same = task.options(task_id=first.id).enqueue()
    assert (same.id, same.met, same.is_duplicate) == (first.id, "ready", False)
    with yard.queue("email").claim(limit=1) as leases:
        assert welcome.enqueue().met == "running"
        leases[0].complete()
    assert welcome.enqueue("seven").is_new


def test_key_for_a_time_outlives_its_task(engine: Engine, yard: Taskyard) -> None:
    task = yard.task(queue="email")(note)
    hourly = task.options(unique_key="report", unique_for=timedelta(hours=1))
    first = hourly.enqueue()
    with yard.queue("email").claim(limit=1) as leases:
        leases[0].complete()
    engine.later(3_599_999)
    assert (hourly.enqueue().id, hourly.enqueue().met) == (first.id, "ended")
    engine.later(1)
    assert hourly.enqueue().is_new


def test_task_that_has_not_begun_in_time_is_ended_by_whoever_claims(engine: Engine, yard: Taskyard) -> None:
    task = yard.task(queue="email", expires=timedelta(minutes=10))(note)
    late, soon = task.enqueue("late"), task.options(expires=5).enqueue("soon")
    engine.later(5_000)
    with yard.queue("email").claim(limit=5) as leases:
        assert [lease.id for lease in leases] == [late.id]
        leases[0].release()
    assert soon.status() == "expired"
    engine.later(595_000)
    with yard.queue("email").claim(limit=5) as leases:
        assert not leases
    assert late.status() == "expired"
    assert engine.check_books()["stats"].items() >= {"enqueued": "2", "expired": "2"}.items()


def test_claim_tells_when_the_rate_gives_more(engine: Engine, yard: Taskyard) -> None:
    task = yard.task(queue="email")(note)
    yard.enqueue_many(task.message(str(number)) for number in range(3))
    yard.control.limit("email", claim_rate=(2, 60), by="ada", action_id="a1")
    with yard.queue("email").claim(limit=5) as leases:
        assert len(leases) == 2
        assert leases.claimed
        assert leases.claimed.next_token_ms == START_MS + 30_000


@pytest.mark.parametrize(
    "wrong",
    [
        *({"unique_key": key} for key in ("", "x" * 201, "a\nb", "\x00", "\ud800", 7, b"x")),
        {"unique_for": 5},
        *({"unique_key": "k", "unique_for": value} for value in TIMES if value != 10**9 + 1),
        *({"expires": value} for value in TIMES if value != 10**9 + 1),
    ],
    ids=str,
)
def test_absurd_options_are_refused(yard: Taskyard, wrong: dict[str, Any]) -> None:
    task = yard.task(queue="email")(note)
    with pytest.raises(InvalidArgument, match=list(wrong)[-1]):
        task.options(**wrong)


def test_task_that_would_expire_before_it_is_due_is_refused(yard: Taskyard) -> None:
    task = yard.task(queue="email", expires=60)(note)
    with pytest.raises(InvalidArgument, match="expires after 60 s, and its delay is 60 s"):
        task.options(delay=60).enqueue()
    with pytest.raises(InvalidArgument, match="expires"):
        yard.task(queue="email", name="other", expires=0)(note)
