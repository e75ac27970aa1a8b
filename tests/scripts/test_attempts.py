"""The newest attempts of each task name, by the minute, and when the last one completed: as workers tell of them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from queue_core import decoding, protocol
from queue_core.snapshot import AttemptsMinute, Figures, NameAttempts
from tests.engine import START_MS, Engine

pytestmark = pytest.mark.each_server

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
MINUTE = START_MS // MINUTE_MS
NO_AGES: Mapping[str, int] = {}
GOOD, BAD = Figures(completed=1), Figures(failed=1, died=1)


def tell(engine: Engine, ages_ms: Mapping[str, int] = NO_AGES, /, **measured: Figures) -> None:
    engine.run(protocol.measure(engine.queue, measured, ages_ms))


def told(engine: Engine, name: str = "send") -> NameAttempts | None:
    return decoding.attempts(engine.redis.hget(engine.queue.attempts, name))


def last_completed(engine: Engine) -> int | None:
    found = told(engine)
    assert found
    return found.last_completed_at


def minutes(attempts: NameAttempts | None) -> list[tuple[int, int, int]]:
    """How many minutes ago by the test's first clock, completed, failed."""
    found = attempts.minutes if attempts else ()
    return [(minute.at // MINUTE_MS - MINUTE, minute.completed, minute.failed) for minute in found]


def test_attempts_are_counted_in_the_minute_in_which_they_are_told_newest_first(engine: Engine) -> None:
    tell(engine, send=Figures(completed=97))
    tell(engine, send=Figures(completed=3, failed=2, crashed=1))
    engine.later(MINUTE_MS)
    tell(engine, send=Figures(failed=60, retried=40, died=20))
    engine.later(7 * MINUTE_MS)
    tell(engine, send=GOOD, resize=BAD)
    assert minutes(told(engine)) == [(8, 1, 0), (1, 0, 60), (0, 100, 3)]
    assert minutes(told(engine, "resize")) == [(8, 0, 1)]


def test_when_the_last_one_completed_is_told_by_the_servers_clock(engine: Engine) -> None:
    tell(engine, send=BAD)
    assert told(engine) == NameAttempts((AttemptsMinute(MINUTE * MINUTE_MS, 0, 1),), None)
    tell(engine, {"send": 1_700}, send=GOOD)
    completed_at = engine.now - 1_700
    assert last_completed(engine) == completed_at
    engine.later(500)
    tell(engine, {"send": 30_000}, send=GOOD)  # of another worker, which was kept from telling it
    tell(engine, {"send": 0}, send=BAD)  # its last one was not among these
    engine.later(90_000)
    tell(engine, send=BAD)
    assert last_completed(engine) == completed_at
    tell(engine, send=GOOD)
    assert last_completed(engine) == engine.now


def test_tasks_without_attempts_take_no_room(engine: Engine) -> None:
    engine.enqueue()
    tell(engine, send=Figures(cancelled=1))
    assert not engine.redis.exists(engine.queue.attempts)


def test_what_is_sent_again_counts_once(engine: Engine) -> None:
    command = engine.command(protocol.measure(engine.queue, {"send": GOOD}))
    engine.send(command)
    engine.later(MINUTE_MS)
    engine.send(command)
    assert minutes(told(engine)) == [(0, 1, 0)]


@pytest.mark.parametrize("gap", [1, 1_440])
def test_the_newest_sixty_minutes_with_any_are_kept_and_the_text_is_bounded(engine: Engine, gap: int) -> None:
    tell(engine, send=GOOD)
    for _ in range(200):
        engine.later(gap * MINUTE_MS)
        tell(engine, send=Figures(completed=0, failed=123_456))
    found = told(engine)
    assert found
    assert len(found.minutes) >= 60
    assert minutes(found)[:60] == [(minute * gap, 0, 123_456) for minute in range(200, 140, -1)]
    assert found.last_completed_at == START_MS  # long before them
    assert engine.redis.hstrlen(engine.queue.attempts, "send") < 1_100


def test_clock_that_goes_back_a_little_stays_in_its_minute_and_far_back_begins_anew(engine: Engine) -> None:
    tell(engine, send=GOOD)
    engine.later(-59 * MINUTE_MS)
    tell(engine, send=BAD)
    assert minutes(told(engine)) == [(0, 1, 1)]
    engine.later(-MINUTE_MS)
    tell(engine, send=BAD)
    assert minutes(told(engine)) == [(-60, 0, 1)]


def test_of_too_many_names_the_stalest_of_some_gives_way_and_who_is_busy_stays(engine: Engine) -> None:
    for start in (0, 200):
        tell(engine, NO_AGES, **{f"old-{number}": GOOD for number in range(start, start + 200)})
    tell(engine, new=GOOD)
    assert told(engine, "new") is None  # all of them were there in this minute
    engine.later(2 * MINUTE_MS)
    tell(engine, new=GOOD)
    assert minutes(told(engine, "new")) == [(2, 1, 0)]
    tell(engine, NO_AGES, **{f"new-{number}": GOOD for number in range(256)})
    assert engine.redis.hlen(engine.queue.attempts) == 400
    assert told(engine, "new")


@pytest.mark.parametrize("junk", [b"", b"\xff", b"1 2 3", b"-1 2 3 4", b"nan 1 1 1", b"1e9 5 5 5", b"9" * 400])
def test_what_cannot_be_read_begins_anew(engine: Engine, junk: bytes) -> None:
    engine.redis.hset(engine.queue.attempts, "send", junk)
    tell(engine, {"send": -5}, send=GOOD)
    assert told(engine) == NameAttempts((AttemptsMinute(MINUTE * MINUTE_MS, 1, 0),), START_MS)


def test_absurd_numbers_are_survived(engine: Engine) -> None:
    tell(engine, {"send": 1 << 52}, send=Figures(completed=1 << 52, failed=-7))
    tell(engine, send=Figures(completed=-1))
    assert minutes(told(engine)) == [(0, 1 << 52, 0)]
    assert last_completed(engine) is None
