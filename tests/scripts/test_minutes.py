"""What was counted in which minute and hour: differences of the books' states (lib/count.lua)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from queue_core import protocol
from queue_core.errors import CorruptQueue
from queue_core.protocol import Call
from queue_core.settings import MAX_BATCH
from queue_core.snapshot import Figures
from tests.engine import KEEP_MS, START_MS, Engine

pytestmark = pytest.mark.each_server

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
MINUTE = START_MS // MINUTE_MS


def test_first_count_begins_the_first_minute(engine: Engine) -> None:
    engine.enqueue()
    telemetry = engine.telemetry()
    assert (telemetry.since, telemetry.noted, telemetry.last) == (START_MS, MINUTE, Figures())
    assert (telemetry.minutes, telemetry.hours) == ({}, {})


def test_what_was_counted_in_a_minute_is_kept_when_the_next_one_counts(engine: Engine) -> None:
    engine.now = (MINUTE + 1) * MINUTE_MS - 1
    held = engine.lease()
    engine.later(1)
    engine.run(protocol.complete(engine.queue, [held]))
    engine.enqueue_many(3)
    engine.later(MINUTE_MS)
    engine.enqueue()
    telemetry = engine.telemetry()
    assert telemetry.minutes == {MINUTE: Figures(enqueued=1), MINUTE + 1: Figures(enqueued=3, completed=1)}
    assert telemetry.last == Figures(enqueued=4, completed=1)
    assert telemetry.noted == MINUTE + 2


def test_minutes_without_a_change_leave_nothing(engine: Engine) -> None:
    engine.enqueue()
    engine.later(7 * HOUR_MS)
    engine.claim()
    engine.run(protocol.pause(engine.queue, "ada", ""))
    assert engine.telemetry().minutes == {}
    engine.enqueue()
    telemetry = engine.telemetry()
    assert telemetry.minutes == {MINUTE: Figures(enqueued=1)}
    assert telemetry.hours == {MINUTE // 60: Figures(enqueued=1)}


def test_hour_is_the_sum_of_its_minutes(engine: Engine) -> None:
    engine.now = HOUR_MS * (START_MS // HOUR_MS)
    hour = engine.now // HOUR_MS
    for _ in range(61):
        engine.enqueue()
        engine.later(MINUTE_MS)
    engine.enqueue()
    assert engine.telemetry().hours == {hour: Figures(enqueued=60), hour + 1: Figures(enqueued=1)}


TRANSITIONS: dict[str, tuple[Callable[[Engine], Call[Any]], Figures]] = {
    "fail": (
        lambda engine: protocol.fail(
            engine.queue,
            [engine.failed(engine.lease(), verdict) for verdict in (protocol.RETRY, protocol.DEAD, protocol.DISCARD)],
        ),
        Figures(failed=3, retried=1, died=1, discarded=1),
    ),
    "recover": (
        lambda engine: protocol.recover(engine.queue, 1, held=[engine.lease(), engine.lease(max_crashes=0)], seed=1),
        Figures(crashed=2, retried=1, died=1),
    ),
    "requeue": (
        lambda engine: protocol.requeue(engine.queue, [(engine.seed("dead"), engine.now)], {}),
        Figures(requeued=1),
    ),
    "delete": (lambda engine: protocol.delete(engine.queue, [engine.seed("trashed")]), Figures(deleted=1)),
    "enqueue": (lambda engine: protocol.enqueue(engine.queue, [engine.new_task()]), Figures(enqueued=1)),
    "complete": (lambda engine: protocol.complete(engine.queue, [engine.lease()]), Figures(completed=1)),
}


@pytest.mark.parametrize("verb", TRANSITIONS)
def test_transition_counts_in_its_minute_once_also_when_it_is_sent_again(engine: Engine, verb: str) -> None:
    make, expected = TRANSITIONS[verb]
    call = make(engine)
    engine.later(MINUTE_MS)
    command = engine.command(call)
    engine.send(command)
    engine.later(MINUTE_MS)
    engine.send(command)  # its answer was lost at the end of the minute
    engine.later(MINUTE_MS)
    engine.enqueue("next")
    assert engine.telemetry().minutes[MINUTE + 1] == expected
    engine.check_books()


def test_callers_at_once_over_the_boundary_count_each_once(engine: Engine) -> None:
    engine.enqueue()
    engine.later(MINUTE_MS)

    def one_more(number: int) -> Call[Any]:
        return protocol.enqueue(engine.queue, [engine.new_task(f"id-{number}")])

    engine.at_once([partial(one_more, n) for n in range(8)])
    engine.later(MINUTE_MS)
    engine.enqueue()
    assert engine.telemetry().minutes == {MINUTE: Figures(enqueued=1), MINUTE + 1: Figures(enqueued=8)}


@pytest.mark.parametrize("back_ms", [1, MINUTE_MS, 59 * MINUTE_MS])
def test_clock_that_goes_back_a_little_stays_in_its_minute(engine: Engine, back_ms: int) -> None:
    engine.enqueue()
    engine.later(-back_ms)
    engine.enqueue()
    engine.later(back_ms + MINUTE_MS)
    engine.enqueue()
    assert engine.telemetry().minutes == {MINUTE: Figures(enqueued=2)}


def test_clock_that_goes_back_far_goes_on_from_there(engine: Engine) -> None:
    engine.later(365 * 24 * HOUR_MS)
    engine.enqueue()
    engine.later(-365 * 24 * HOUR_MS)
    engine.enqueue()
    engine.later(MINUTE_MS)
    engine.enqueue()
    assert engine.telemetry().minutes == {MINUTE: Figures(enqueued=2)}
    engine.later(-2 * HOUR_MS)
    engine.enqueue()
    engine.later(2 * HOUR_MS)
    engine.enqueue()
    assert sum((f for f in engine.telemetry().minutes.values()), Figures()) == Figures(enqueued=4)


def test_minutes_are_kept_for_25_hours_and_hours_for_35_days(engine: Engine) -> None:
    engine.now = HOUR_MS * (START_MS // HOUR_MS)
    first = engine.now // MINUTE_MS
    for step in (0, 1, 1_498, 1, 1, 60, 40_000, 8_839, 1_500, 60, 60):
        engine.later(step * MINUTE_MS)
        engine.enqueue()
        telemetry = engine.telemetry()
        assert all(minute > telemetry.noted - 1_500 for minute in telemetry.minutes), step
        assert all(hour > telemetry.noted // 60 - 840 for hour in telemetry.hours), step
        if step == 1_498:
            assert first in telemetry.minutes
    assert engine.redis.hget(engine.queue.telemetry, f"m{first}") is None


@pytest.mark.parametrize("junk", [b"", b"\xc1", b"many", b"\x93\x01\x02\x03", b"\x91\x91\xcb\x7f\xf8" + bytes(6)])
def test_absurd_figures_cost_no_more_than_themselves(engine: Engine, junk: bytes) -> None:
    engine.enqueue()
    hour = MINUTE // 60
    for field in ("last", f"m{MINUTE}", f"h{hour}", "since"):
        engine.redis.hset(engine.queue.telemetry, field, junk)
    engine.later(MINUTE_MS)
    engine.enqueue()
    engine.later(MINUTE_MS)
    engine.enqueue()
    assert engine.telemetry().minutes[MINUTE + 1] == Figures(enqueued=1)
    engine.check_books()


@pytest.mark.parametrize("junk", [b"", b"soon", b"-1", b"1e300", b"inf", b"nan", b"29396166.5", b"9" * 30])
def test_absurd_minute_begins_again(engine: Engine, junk: bytes) -> None:
    engine.enqueue()
    engine.redis.hset(engine.queue.control, "minute", junk)
    engine.enqueue()
    engine.later(MINUTE_MS)
    engine.enqueue()
    assert engine.telemetry().minutes[MINUTE] == Figures(enqueued=1)


@pytest.mark.parametrize("junk", [b"many", b"", b"9223372036854775807", b"1e3", b"\xff"])
def test_counter_that_is_no_number_begins_again(engine: Engine, junk: bytes) -> None:
    held = engine.lease()
    engine.redis.hset(engine.queue.stats, "completed", junk)
    engine.redis.hset(engine.queue.stats, "wait", junk)
    engine.later(MINUTE_MS)
    assert engine.run(protocol.complete(engine.queue, [held])) == []
    assert engine.check_books()["stats"]["completed"] == "1"


def test_telemetry_of_a_wrong_type_stops_the_call_that_would_change_it(engine: Engine) -> None:
    held = engine.lease()
    engine.redis.delete(engine.queue.telemetry)
    engine.redis.set(engine.queue.telemetry, "not a hash")
    engine.later(MINUTE_MS)
    before = engine.state()
    with pytest.raises(CorruptQueue, match="telemetry is a string and should be a hash"):
        engine.run(protocol.complete(engine.queue, [held]))
    assert engine.state() == before


def test_lost_telemetry_begins_again_without_what_was_before(engine: Engine) -> None:
    engine.enqueue_many(5)
    engine.redis.delete(engine.queue.telemetry)
    engine.later(MINUTE_MS)
    engine.enqueue()
    engine.later(MINUTE_MS)
    engine.enqueue()
    assert engine.telemetry().minutes == {MINUTE + 1: Figures(enqueued=1)}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["enqueue", "claim", "complete", "retry", "dead", "discard", "recover", "requeue", "delete"]),
        st.sampled_from([0, 0, 1, 900, 20_000, MINUTE_MS, 7 * MINUTE_MS, HOUR_MS, -3_000]),
        st.booleans(),
    ),
    max_size=40,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_sums_of_minutes_and_of_hours_are_the_books(engine: Engine, steps: list[tuple[str, int, bool]]) -> None:
    """After any run over time, with any answer lost."""
    engine.redis.flushall()
    engine.now = START_MS
    verdicts = {"retry": protocol.RETRY, "dead": protocol.DEAD, "discard": protocol.DISCARD}
    leases: list[protocol.Held] = []
    for verb, ms, is_lost in steps:
        engine.later(ms)
        call: Call[Any]
        if verb == "claim":
            claimed = engine.claim(3)
            leases += [protocol.Held(task.id, claimed.fence, task.has_history) for task in claimed.tasks]
            continue
        if verb == "enqueue":
            call = protocol.enqueue(engine.queue, [engine.new_task(), engine.new_task()])
        elif verb == "complete":
            call = protocol.complete(engine.queue, leases[:2])
        elif verb == "recover":
            call = protocol.recover(engine.queue, 1, held=leases[:2], seed=1)
        elif verb in verdicts:
            call = protocol.fail(engine.queue, [engine.failed(held, verdicts[verb]) for held in leases[:2]])
        else:
            letters = [(name, int(at)) for name, at in engine.state().get("dead", {}).items()][:2]
            if verb == "requeue":
                call = protocol.requeue(engine.queue, letters, {})
            else:
                engine.run(protocol.trash(engine.queue, [name for name, _ in letters], KEEP_MS, "ada", ""))
                call = protocol.delete(engine.queue, due_limit=MAX_BATCH)
                engine.later(KEEP_MS if is_lost else 0)
        command = engine.command(call)
        engine.send(command)
        if is_lost:
            engine.send(command)
    engine.check_books()
    telemetry = engine.telemetry()
    since_then = telemetry.books - telemetry.last
    assert sum(telemetry.hours.values(), Figures()) + since_then == telemetry.books
    if telemetry.noted - telemetry.since // MINUTE_MS < 1_500:
        assert sum(telemetry.minutes.values(), Figures()) + since_then == telemetry.books
