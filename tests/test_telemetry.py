"""Statistics as a reader gets them: what was counted in minutes and hours, rates, percentiles, the oldest wait."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import msgspec
import pytest

from queue_core import ids, protocol
from queue_core.embedded import EmbeddedServer
from queue_core.errors import InvalidArgument, UnknownQueue
from queue_core.histogram import BUCKETS, Histogram
from queue_core.inspector import Inspector
from queue_core.keys import MAX_PRIORITY
from queue_core.snapshot import COUNTERS, AttemptsMinute, Figures, Minutes, NameAttempts, Period
from queue_core.telemetry import seconds_to_drain
from tests.engine import LEASE_MS, START_MS, Engine
from tests.inspector.harness import round_trips_of

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
HOUR = START_MS // HOUR_MS
SENT = Figures(completed=3, failed=1, retried=1, wait=Histogram((0, 0, 3)), run=Histogram((0, 0, 0, 0, 0, 0, 0, 3)))


@pytest.fixture
def engine(redis_url: str, namespace: str) -> Iterator[Engine]:
    engine = Engine(redis_url, namespace)
    engine.now = HOUR * HOUR_MS
    yield engine
    engine.close()


# Minutes and hours.


def test_minutes_without_a_count_are_zeros_and_the_running_one_is_told(engine: Engine, inspector: Inspector) -> None:
    engine.enqueue_many(2)
    engine.later(2 * MINUTE_MS)
    engine.claim(1)
    engine.enqueue()
    found = inspector.statistics("email", minutes=4)
    begin = engine.now - 3 * MINUTE_MS
    assert found.periods == (
        Period(begin, Figures()),
        Period(begin + MINUTE_MS, Figures(enqueued=2)),
        Period(begin + 2 * MINUTE_MS, Figures()),
        Period(begin + 3 * MINUTE_MS, Figures(enqueued=1)),
    )
    assert (found.total, found.step_ms, found.taken_at) == (Figures(enqueued=3), MINUTE_MS, engine.now)
    assert found.since == HOUR * HOUR_MS


def test_what_was_counted_last_belongs_to_its_own_minute_and_hour(engine: Engine, inspector: Inspector) -> None:
    engine.enqueue()
    engine.later(3 * HOUR_MS)
    assert [p.figures.enqueued for p in inspector.statistics("email", hours=4).periods] == [1, 0, 0, 0]
    assert [p.figures.enqueued for p in inspector.statistics("email", hours=3).periods] == [0, 0, 0]
    assert [p.figures.enqueued for p in inspector.statistics("email", minutes=181).periods] == [1] + 180 * [0]


def test_hours_hold_their_minutes_and_24_are_told_where_nothing_is_asked_for(
    engine: Engine, inspector: Inspector
) -> None:
    for _ in range(90):
        engine.enqueue()
        engine.later(MINUTE_MS)
    found = inspector.statistics("email")
    assert (len(found.periods), found.step_ms) == (24, HOUR_MS)
    assert [period.figures.enqueued for period in found.periods[-2:]] == [60, 30]
    assert inspector.statistics("email", minutes=120).total == found.total == Figures(enqueued=90)


def test_clock_that_went_back_hides_nothing(engine: Engine, inspector: Inspector) -> None:
    engine.enqueue()
    engine.later(-20 * MINUTE_MS)
    assert inspector.statistics("email", minutes=1).total == Figures(enqueued=1)


def test_percentiles_come_from_what_workers_measured(engine: Engine, inspector: Inspector) -> None:
    engine.run(protocol.measure(engine.queue, {"send": SENT}))
    total = inspector.statistics("email", hours=1).total
    assert (total.wait.p50_ms, total.run.p50_ms) == (3.5, 150.0)
    assert total.wait.p99_ms == pytest.approx(4.97)
    assert total.run.count == 3
    assert inspector.statistics("email", hours=1).total.completed == 0  # that is for the books to say


# Names.


def test_names_of_ended_hours_and_of_the_running_one_are_told_together(engine: Engine, inspector: Inspector) -> None:
    for hour in range(3):
        engine.enqueue_many(hour + 1)
        engine.run(protocol.measure(engine.queue, {"send": SENT, "resize": Figures(completed=1)}))
        engine.later(HOUR_MS)
    engine.enqueue(name="resize")
    found = inspector.statistics("email", hours=3, by_name=True)
    assert [(name.name, name.total) for name in found.names] == [
        ("send", Figures(enqueued=5) + SENT + SENT),
        ("resize", Figures(enqueued=1, completed=2)),
    ]
    assert [period.at // HOUR_MS - HOUR for period in found.names[0].hours] == [1, 2]
    assert [period.at // HOUR_MS - HOUR for period in found.names[1].hours] == [1, 2, 3]
    assert inspector.statistics("email", hours=3).names == ()


def test_names_beyond_the_busiest_are_others(engine: Engine, inspector: Inspector) -> None:
    for number in range(25):
        engine.enqueue_many(1 + (number < 20), name=f"task-{number:02}")
    assert len(inspector.statistics("email", hours=1, by_name=True).names) == 25
    engine.later(HOUR_MS)
    engine.enqueue(name="task-24")
    found = inspector.statistics("email", hours=2, by_name=True)
    assert [name.name for name in found.names] == [f"task-{number:02}" for number in (*range(20), 24)]
    assert found.others == Figures(enqueued=5)


# Attempts of names.


def test_newest_attempts_of_a_name_are_told_however_long_ago_they_were(engine: Engine, inspector: Inspector) -> None:
    engine.run(protocol.measure(engine.queue, {"send": SENT}, {"send": 2_000}))
    engine.later(9 * HOUR_MS)
    engine.run(protocol.measure(engine.queue, {"send": Figures(failed=7), "resize": SENT}))
    found = inspector.statistics("email", hours=1, by_name=True).attempts["send"]
    now, then = engine.now, engine.now - 9 * HOUR_MS
    assert found == NameAttempts((AttemptsMinute(now, 0, 7), AttemptsMinute(then, 3, 1)), then - 2_000)
    assert (found.newest(7), found.newest(8)) == (found.minutes[:1], found.minutes)
    assert (found.since, found.failed_since_last_completed()) == (then, 8)
    asked = {"email": ["send", "unknown"], "nowhere": ["send"], "images": []}
    assert inspector.attempts(asked) == {("email", "send"): found}
    assert inspector.statistics("email", hours=1).attempts == {}


def test_of_what_was_not_told_by_the_minute_nothing_is_said(engine: Engine, inspector: Inspector) -> None:
    """A worker of before there were minutes tells of hours alone; and a name may have lost its room for a while."""
    engine.run(protocol.measure(engine.queue, {"send": SENT}))
    engine.redis.delete(engine.queue.attempts)
    engine.run(protocol.measure(engine.queue, {"send": SENT}))
    asked = {"email": ["send"]}
    assert inspector.statistics("email", hours=1, by_name=True).attempts == {}
    assert inspector.attempts(asked) == {}
    engine.later(HOUR_MS)
    engine.run(protocol.measure(engine.queue, {"send": SENT}))
    told = inspector.statistics("email", hours=1, by_name=True).attempts
    assert [minute.completed for minute in told["send"].minutes] == [3, 3]
    assert inspector.attempts(asked) == {("email", "send"): told["send"]}


def test_attempts_that_cannot_be_read_are_those_of_nobody(engine: Engine, inspector: Inspector) -> None:
    engine.run(protocol.measure(engine.queue, {"send": SENT}))
    for junk in (b"", b"x", b"1 2", b"1 2 3 -4", b"1 999999999999999 3 4"):
        engine.redis.hset(engine.queue.attempts, "send", junk)
        assert inspector.attempts({"email": ["send"]}) == {}
        assert inspector.statistics("email", hours=1, by_name=True).attempts == {}
    engine.redis.delete(engine.queue.attempts)
    engine.redis.set(engine.queue.attempts, "not a hash")
    assert inspector.attempts({"email": ["send"]}) == {}


# Rates.


def test_rates_are_those_of_the_last_minutes(engine: Engine, inspector: Inspector) -> None:
    engine.enqueue_many(1)
    engine.later(HOUR_MS)
    for _ in range(6):
        engine.enqueue_many(60)
        claimed = engine.claim(90)
        engine.run(protocol.complete(engine.queue, [protocol.Held(task.id, claimed.fence) for task in claimed.tasks]))
        engine.later(MINUTE_MS)
    found = inspector.statistics("email", hours=1)
    assert found.rate_seconds == 300
    assert found.arrival_rate == pytest.approx(1.0)
    assert found.service_rate == pytest.approx(1.0)
    assert (found.ready, found.time_to_drain_seconds) == (0, 0.0)


def test_young_queue_tells_its_rates_of_the_time_that_it_has_seen(engine: Engine, inspector: Inspector) -> None:
    engine.later(50_000)
    engine.enqueue_many(100)
    engine.later(9_999)
    found = inspector.statistics("email", hours=1)
    assert (found.arrival_rate, found.service_rate, found.time_to_drain_seconds) == (None, None, None)
    engine.later(10_001)
    found = inspector.statistics("email", hours=1)
    assert (found.rate_seconds, found.arrival_rate, found.service_rate) == (20, 5.0, 0.0)
    assert found.time_to_drain_seconds == math.inf


def test_moved_and_requeued_tasks_arrive_and_dead_ones_are_served(engine: Engine, inspector: Inspector) -> None:
    letter = engine.seed("dead")
    engine.run(protocol.requeue(engine.queue, [(letter, engine.now)], {}))
    engine.later(20_000)
    found = inspector.statistics("email", hours=1)
    assert (found.arrival_rate, found.service_rate) == (0.1, 0.05)


@pytest.mark.parametrize(
    ("ready", "arrival", "service", "seconds"),
    [
        (0, None, None, 0.0),
        (0, 5.0, 1.0, 0.0),
        (100, 1.0, 3.0, 50.0),
        (100, 0.0, 0.5, 200.0),
        (100, 2.0, 2.0, math.inf),
        (100, 3.0, 2.0, math.inf),
        (100, None, None, None),
    ],
)
def test_time_to_drain(ready: int, arrival: float | None, service: float | None, seconds: float | None) -> None:
    assert seconds_to_drain(ready, arrival, service) == seconds


# The oldest wait.


def oldest_wait(inspector: Inspector) -> int | None:
    return inspector.statistics("email", hours=1).oldest_wait_ms


@pytest.mark.parametrize("wrong_ms", [-600_000, 0, 600_000])
@pytest.mark.parametrize("priority", [0, 3, -MAX_PRIORITY])
def test_oldest_wait_is_exact_whatever_the_client_s_clock_says(
    engine: Engine, inspector: Inspector, wrong_ms: int, priority: int
) -> None:
    engine.enqueue(ids.new_id(engine.now + wrong_ms), priority=priority)
    engine.later(7_000)
    engine.enqueue(priority=priority)
    assert oldest_wait(inspector) == 7_000


@pytest.mark.parametrize("task_id", ["order-1", None])
def test_oldest_wait_begins_when_a_delay_ends(engine: Engine, inspector: Inspector, task_id: str | None) -> None:
    engine.enqueue(task_id, delay_ms=60_000)
    engine.later(60_000)
    assert oldest_wait(inspector) == 0
    engine.later(4_000)
    assert oldest_wait(inspector) == 4_000  # no claim has met it yet
    engine.run(
        protocol.release(
            engine.queue, [protocol.ReleasedTask(t.id, c.fence) for c in [engine.claim(1)] for t in c.tasks]
        )
    )
    assert oldest_wait(inspector) == 4_000


def test_oldest_wait_begins_anew_with_a_retry_a_requeue_and_run_now(engine: Engine, inspector: Inspector) -> None:
    engine.fail(engine.lease(), delay_ms=30_000)
    engine.later(29_000)
    assert oldest_wait(inspector) is None
    engine.later(3_000)
    assert oldest_wait(inspector) == 2_000
    claimed = engine.claim(1)
    assert oldest_wait(inspector) is None
    engine.fail(protocol.Held(claimed.tasks[0].id, claimed.fence), protocol.DEAD)
    engine.run(protocol.requeue(engine.queue, [(claimed.tasks[0].id, engine.now)], {}))
    engine.later(5_000)
    assert oldest_wait(inspector) == 5_000
    engine.claim(1)
    later = engine.enqueue(delay_ms=HOUR_MS)
    engine.run(protocol.promote(engine.queue, [later]))
    engine.later(6_000)
    assert oldest_wait(inspector) == 6_000


def test_oldest_wait_goes_on_after_a_release_and_a_restore(engine: Engine, inspector: Inspector) -> None:
    held = engine.lease()
    engine.later(8_000)
    engine.run(protocol.release(engine.queue, [protocol.ReleasedTask(held.id, held.fence)]))
    engine.enqueue()
    assert oldest_wait(inspector) == 8_000
    engine.trash(held.id)
    assert oldest_wait(inspector) == 0
    engine.later(1_000)
    engine.run(protocol.restore(engine.queue, [held.id]))
    assert oldest_wait(inspector) == 9_000


def test_crashed_task_waits_from_its_next_run_on(engine: Engine, inspector: Inspector) -> None:
    held = engine.lease()
    engine.later(LEASE_MS)
    engine.run(protocol.recover(engine.queue, LEASE_MS, held=[held], jitter=0.0, seed=1))
    engine.later(1_500)
    assert oldest_wait(inspector) == 500


# Bad input, bad bytes, cost, size.


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"minutes": 1_501}, "1501 minutes are not accepted: 1 to 1,500"),
        ({"minutes": -1}, "-1 minutes"),
        ({"hours": 841}, "841 hours are not accepted: 1 to 840"),
        ({"hours": 1.5}, "1.5 hours"),
        ({"hours": True}, "True hours"),
        ({"minutes": 1, "hours": 1}, "either minutes or hours"),
    ],
)
def test_more_than_is_kept_is_refused(inspector: Inspector, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        inspector.statistics("email", **asked)


def test_unknown_queue_is_told(inspector: Inspector) -> None:
    with pytest.raises(UnknownQueue, match="there is no queue email"):
        inspector.statistics("email")


@pytest.mark.parametrize("junk", [b"", b"\xff", b"-5", b"1e400", b"\x93\x01\x02\x03", b"\x91\x91\xa3abc", b"\xdd" * 9])
def test_any_bytes_are_read(engine: Engine, inspector: Inspector, junk: bytes) -> None:
    engine.enqueue()
    minute = engine.now // MINUTE_MS
    for name in ("last", "since", f"m{minute}", f"h{minute // 60}", f"n{minute // 60}"):
        engine.redis.hset(engine.queue.telemetry, name, junk)
    for name in (*COUNTERS, "wait", "run"):
        engine.redis.hset(engine.queue.stats, name, junk)
    for field in (b":send", b"enqueued:send", b"x", b"\xff:\xff"):
        engine.redis.hset(engine.queue.names, field, junk)
    engine.redis.hset(engine.queue.control, "minute", minute)
    found = inspector.statistics("email", minutes=3, by_name=True)
    assert len(found.periods) == 3
    for noted in ("minute", "hour"):
        engine.redis.hset(engine.queue.control, noted, junk)
    inspector.statistics("email", hours=3, by_name=True)


@pytest.mark.each_server
def test_telemetry_of_a_queue_that_is_always_busy_stays_below_2_mb(engine: Engine, inspector: Inspector) -> None:
    """25 hours of minutes, 35 days of hours, 7 days of 21 names; 100 tasks a second wait and run 1 ms to 3 hours."""
    spread = Histogram(tuple(min(6_000, 3 ** min(n, 21 - n)) if n < 22 else 0 for n in range(BUCKETS)))
    minute = Figures.of([6_000, 5_900, 300, 250, 50, 3, 20, 10, 2, 40, 30, 5, 5], spread, spread)
    packed = msgspec.msgpack.encode((minute.counters, minute.wait.counts, minute.run.counts))
    hourly = msgspec.msgpack.encode(
        ([60 * n for n in minute.counters], [60 * n for n in spread.counts], [60 * n for n in spread.counts])
    )
    by_name: list[object] = []
    for number in range(21):
        by_name += (f"warehouse.shipping.task_{number:02}", msgspec.msgpack.decode(hourly))
    now = engine.now // MINUTE_MS
    fields = {f"m{now - back}": packed for back in range(1_500)}
    fields |= {f"h{now // 60 - back}": hourly for back in range(840)}
    fields |= {f"n{now // 60 - back}": msgspec.msgpack.encode(by_name) for back in range(168)}
    engine.enqueue()
    engine.redis.hset(engine.queue.telemetry, mapping=fields)
    names = {f":warehouse.shipping.task_{number:03}": hourly for number in range(200)}
    engine.redis.hset(engine.queue.names, mapping=names)
    attempts = f"{engine.now} {now} 99 1" + 100 * " 1 98 22"
    engine.redis.hset(engine.queue.attempts, mapping={name[1:]: attempts for name in names})
    engine.run(protocol.measure(engine.queue, {"send": SENT}))
    keys = (engine.queue.telemetry, engine.queue.names, engine.queue.stats, engine.queue.attempts)
    size = sum(engine.redis.memory_usage(key, samples=0) for key in keys)
    print("SIZE", size)
    assert 500_000 < size < 2_000_000
    found = inspector.statistics("email", hours=840, by_name=True)
    assert found.total.enqueued == 840 * 360_000 + 1
    assert found.names[0].total.completed > 0
    assert inspector.statistics("email", minutes=1_500).total.wait.p50_ms is not None


def test_statistics_are_one_round_trip_whose_cost_knows_no_length(
    engine: Engine, inspector: Inspector, server: EmbeddedServer
) -> None:
    engine.enqueue_many(3)
    inspector.statistics("email", hours=24, by_name=True)

    def commands() -> dict[str, int]:
        stats = engine.redis.info("commandstats")
        return {name.removeprefix("cmdstat_"): stat["calls"] for name, stat in stats.items()}

    spent = []
    for count in (3, 2_000):
        engine.enqueue_many(count)
        engine.redis.config_resetstat()
        inspector.statistics("email", hours=24, by_name=True)
        spent.append({name: calls for name, calls in commands().items() if name not in ("info", "config|resetstat")})
    assert spent[0] == spent[1]
    assert spent[0]["evalsha_ro"] == 2


def test_counting_costs_a_call_no_command_more(engine: Engine) -> None:
    """Within a minute `complete` sends what the books need, and nothing for the statistics."""
    held = [engine.lease() for _ in range(2)]
    engine.run(protocol.complete(engine.queue, held[:1]))
    engine.redis.config_resetstat()
    engine.run(protocol.complete(engine.queue, held[1:]))
    stats = engine.redis.info("commandstats")
    assert stats["cmdstat_hincrby"]["calls"] == 2  # that of the books; that the queue has changed
    assert {"cmdstat_time", "cmdstat_hgetall"}.isdisjoint(stats)
    assert stats["cmdstat_hlen"]["calls"] == 1  # whether any task was asked to stop
    assert stats["cmdstat_hmget"]["calls"] == 2  # control, running


# Many queues.


def test_minutes_of_many_queues_are_one_round_trip(
    engine: Engine, inspector: Inspector, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Engine(engine.url, namespace, "images")) as other:
        other.now = engine.now
        other.enqueue_many(2)
    engine.enqueue_many(3)
    engine.later(2 * MINUTE_MS)
    engine.enqueue_many(4)
    first = engine.now // MINUTE_MS - 2
    found: dict[str, Minutes] = {}
    asked = {"email": 3, "images": 2, "gone": 60}
    assert round_trips_of(engine, monkeypatch, lambda: found.update(inspector.minutes(asked))) == 1
    assert set(found) == {"email", "images"}  # there is no queue `gone`
    assert found["email"].counted == {first: Figures(enqueued=3), first + 2: Figures(enqueued=4)}
    assert (found["email"].taken_at, found["email"].since) == (engine.now, HOUR * HOUR_MS)
    assert found["images"].counted == {first: Figures(enqueued=2)}  # what was counted last is told whenever that was


def test_a_queue_that_cannot_be_read_hides_no_other(engine: Engine, inspector: Inspector, namespace: str) -> None:
    engine.enqueue()
    engine.redis.set(engine.client.queue("broken").control, "no hash")
    assert set(inspector.minutes({"email": 5, "broken": 5})) == {"email"}


@pytest.mark.parametrize("minutes", [0, -1, 1_501, True, 2.5])
def test_minutes_that_are_not_kept_are_refused(inspector: Inspector, minutes: Any) -> None:
    with pytest.raises(InvalidArgument):
        inspector.minutes({"email": minutes})
