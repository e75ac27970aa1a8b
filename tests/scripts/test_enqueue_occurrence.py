"""enqueue_occurrence: seeded state → one call → the whole resulting state."""

from __future__ import annotations

from typing import Any

import pytest

from queue_core import protocol
from queue_core.client import Client
from queue_core.errors import QueueFull, RateLimited
from queue_core.protocol import EARLY, MADE, MET, NOTED, Occurred
from tests.engine import START_MS, Engine, changed

pytestmark = pytest.mark.each_server

HOUR = 3_600_000
NOTED_BEFORE = f"{START_MS - HOUR} earlier made"


def occur(engine: Engine, task_id: str = "one", ms: int = START_MS, **what: Any) -> Occurred:
    task = engine.new_task(task_id, **what)
    return engine.run(protocol.enqueue_occurrence(engine.queue, "nightly", ms, task))


def test_occurrence_makes_its_task_and_is_noted(engine: Engine) -> None:
    plain = engine.enqueue("one")
    expected = engine.check_books()
    engine.start_over()
    assert occur(engine, plain) == Occurred(START_MS, MADE, START_MS, "one")
    assert engine.check_books() == {**expected, "occurrences": {"nightly": f"{START_MS} one made"}}


def test_task_of_an_occurrence_is_as_its_options_say(engine: Engine) -> None:
    made: dict[str, Any] = {"priority": 3, "unique_key": "nightly", "unique_for": 60, "expires": 5}
    engine.enqueue("one", **made)
    expected = engine.check_books()
    engine.start_over()
    occur(engine, **made)
    assert engine.check_books() == {**expected, "occurrences": {"nightly": f"{START_MS} one made"}}


@pytest.mark.parametrize("ms", [START_MS, START_MS - 1, 1])
def test_occurrence_that_is_not_later_than_the_noted_one_makes_no_task(engine: Engine, ms: int) -> None:
    occur(engine)
    before = engine.check_books()
    engine.later(10)
    assert occur(engine, "two", ms) == Occurred(START_MS + 10, NOTED, START_MS, "one")
    assert engine.state() == before


def test_occurrence_stays_noted_when_its_task_has_ended(engine: Engine) -> None:
    occur(engine)
    claimed = engine.claim(1)
    engine.run(protocol.complete(engine.queue, [protocol.Held("one", claimed.fence)]))
    assert occur(engine).what == NOTED
    assert "tasks" not in engine.check_books()


def test_later_occurrence_makes_another_task(engine: Engine) -> None:
    occur(engine, ms=START_MS - 1)
    assert occur(engine, "two") == Occurred(START_MS, MADE, START_MS, "two")
    state = engine.check_books()
    assert state["occurrences"] == {"nightly": f"{START_MS} two made"}
    assert set(state["tasks"]) == {"one", "two"}


def test_schedules_do_not_know_each_other(engine: Engine) -> None:
    occur(engine)
    other = protocol.enqueue_occurrence(engine.queue, "hourly", START_MS, engine.new_task("two"))
    assert engine.run(other).what == MADE
    assert set(engine.check_books()["occurrences"]) == {"nightly", "hourly"}


@pytest.mark.parametrize("ms", [START_MS + 1, START_MS + 600_000])
def test_occurrence_before_its_time_makes_no_task(engine: Engine, ms: int) -> None:
    assert occur(engine, ms=ms) == Occurred(START_MS, EARLY)
    assert engine.state() == {}
    engine.redis.hset(engine.queue.occurrences, "nightly", NOTED_BEFORE)
    assert occur(engine, ms=ms) == Occurred(START_MS, EARLY, START_MS - HOUR, "earlier")
    assert engine.state() == {"occurrences": {"nightly": NOTED_BEFORE}}


@pytest.mark.parametrize(("ahead", "what"), [(HOUR, NOTED), (HOUR + 1, MADE)])
def test_server_whose_clock_has_gone_back_a_long_way_waits_for_no_noted_time(
    engine: Engine, ahead: int, what: str
) -> None:
    engine.redis.hset(engine.queue.occurrences, "nightly", f"{START_MS + ahead} earlier made")
    assert occur(engine).what == what


@pytest.mark.parametrize("stored", ["", "nonsense", "12", "x one made"])
def test_note_that_cannot_be_read_is_none(engine: Engine, stored: str) -> None:
    engine.redis.hset(engine.queue.occurrences, "nightly", stored)
    assert occur(engine).what == MADE


def test_occurrence_that_meets_its_unique_key_is_noted_with_the_holder(engine: Engine) -> None:
    engine.enqueue("holder", unique_key="nightly")
    before = engine.check_books()
    assert occur(engine, unique_key="nightly") == Occurred(START_MS, MET, START_MS, "holder")
    assert engine.check_books() == changed(before, occurrences={"nightly": f"{START_MS} holder met"})


def test_occurrence_that_meets_its_own_id_has_made_it(engine: Engine) -> None:
    """As after a failure between the task and its note."""
    engine.enqueue("one")
    before = engine.check_books()
    assert occur(engine) == Occurred(START_MS, MADE, START_MS, "one")
    assert engine.check_books() == changed(before, occurrences={"nightly": f"{START_MS} one made"})


def test_full_queue_takes_no_task_and_notes_nothing(engine: Engine) -> None:
    engine.enqueue()
    engine.limit(max_length=1)
    before = engine.check_books()
    with pytest.raises(QueueFull):
        occur(engine)
    engine.limit(max_length=None, enqueue_rate=(1, 60))
    engine.enqueue()
    with pytest.raises(RateLimited):
        occur(engine)
    assert "occurrences" not in engine.check_books()
    assert len(engine.state()["tasks"]) == len(before["tasks"]) + 1


def test_two_callers_at_once_make_one_task(engine: Engine) -> None:
    """Each with an id of its own: it is not the id that keeps the second one out."""

    def caller(number: int) -> Any:
        task = engine.new_task(f"task-{number}")
        return lambda client: client.run(protocol.enqueue_occurrence(engine.queue, "nightly", START_MS, task))

    for _ in range(20):
        engine.start_over()
        answers = engine.together([caller(number) for number in range(4)])
        assert sorted(answer.what for answer in answers) == [MADE, NOTED, NOTED, NOTED]
        assert len({answer.task_id for answer in answers}) == 1
        assert list(engine.check_books()["tasks"]) == [answers[0].task_id]


def test_wrong_clocks_of_callers_have_no_part_in_it(engine: Engine) -> None:
    """The server's clock decides: nobody's occurrence comes before its time, and a late one comes once."""
    now = int(engine.redis.time()[0]) * 1000
    client = Client(engine.url, engine.client.namespace)
    for ms, what in ((now + 600_000, EARLY), (now - 600_000, MADE), (now - 600_000, NOTED), (now - 900_000, NOTED)):
        call = protocol.enqueue_occurrence(engine.queue, "nightly", ms, engine.new_task())
        assert client.run(call).what == what
    client.close()
