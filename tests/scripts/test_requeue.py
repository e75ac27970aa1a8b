"""requeue: seeded state → one call → the whole resulting state."""

from __future__ import annotations

from typing import Any

import pytest

from queue_core import protocol
from queue_core.protocol import Acted, Held
from tests.engine import START_MS, Engine, changed, counted, element_of, score_of

pytestmark = pytest.mark.each_server

FACTS = {"by": "ada", "operation": "op-1"}


def requeue(engine: Engine, *letters: tuple[str, int]) -> Acted:
    return engine.run(protocol.requeue(engine.queue, letters, FACTS))


@pytest.mark.parametrize(
    ("what", "back"),
    [
        ({}, lambda now: {"ready": [element_of("order-1", now)]}),
        ({"priority": 7}, lambda now: {"prioritized": {"order-1": score_of(7, now)}}),
        ({"priority": -2_000}, lambda now: {"prioritized": {"order-1": score_of(-2_000, now)}}),
    ],
)
def test_letter_is_ready_from_now_on_with_a_fresh_allowance(engine: Engine, what: dict[str, Any], back: Any) -> None:
    engine.seed("dead", "order-1", **what)
    before = engine.state()
    engine.later(5_000)
    assert requeue(engine, ("order-1", START_MS)) == Acted(engine.now, {})
    first_line, entries = before["history"]["order-1"].split("\n", 1)
    fault = first_line.split(" ")[4]
    line = f'{engine.now} requeued {{"by":"ada","operation":"op-1"}}\n'
    assert engine.check_books() == changed(
        before,
        **back(engine.now),
        dead=None,
        dead_by_fault=None,
        stats=counted(before, requeued=1),
        history={"order-1": f"0 0 0 1 {fault}\n{entries}{line}"},
        notify=[*before["notify"], "1"],
    )


def test_attempts_before_add_up(engine: Engine) -> None:
    engine.seed("dead", "order-1")
    for round_ in (1, 2, 3):
        requeue(engine, ("order-1", engine.now))
        assert engine.state()["history"]["order-1"].startswith(f"0 0 0 {round_} ")
        engine.fail(Held("order-1", engine.claim(1).fence), protocol.DEAD)
        engine.check_books()


def test_letters_stand_behind_what_waits_in_the_order_given(engine: Engine) -> None:
    letters = [engine.seed("dead") for _ in range(3)]
    waiting = engine.enqueue()
    requeue(engine, *((letter, START_MS) for letter in reversed(letters)))
    assert engine.check_books()["ready"] == [waiting, *reversed(letters)]


def test_letter_that_died_again_since_is_left_alone(engine: Engine) -> None:
    engine.seed("dead", "order-1")
    requeue(engine, ("order-1", START_MS))
    engine.later(1)
    engine.fail(Held("order-1", engine.claim(1).fence), protocol.DEAD)
    before = engine.state()
    assert requeue(engine, ("order-1", START_MS)).skipped == {"order-1": "changed"}
    assert engine.state() == before


@pytest.mark.parametrize("place", ["ready", "scheduled", "retrying", "trashed", "held"])
def test_task_that_is_not_dead_is_left_alone(engine: Engine, place: str) -> None:
    task_id = engine.seed(place)
    before = engine.state()
    assert requeue(engine, (task_id, START_MS), ("gone", 1)).skipped == {task_id: "not dead", "gone": "not dead"}
    assert engine.state() == before


def test_paused_queue_takes_letters_and_wakes_nobody(engine: Engine) -> None:
    letter = engine.seed("dead")
    engine.run(protocol.pause(engine.queue, "ada", ""))
    assert requeue(engine, (letter, START_MS)).skipped == {}
    assert "notify" not in engine.check_books()


def test_largest_batch_wakes_sixteen(engine: Engine) -> None:
    engine.enqueue_many(256)
    claimed = engine.claim(256)
    held = [Held(task.id, claimed.fence) for task in claimed.tasks]
    engine.run(protocol.fail(engine.queue, [engine.failed(one, protocol.DEAD) for one in held]))
    engine.redis.delete(engine.queue.notify)
    assert requeue(engine, *((one.id, START_MS) for one in held)).skipped == {}
    state = engine.check_books()
    assert (len(state["ready"]), len(state["notify"])) == (256, 16)


def test_two_operators_at_once_requeue_a_letter_once(engine: Engine) -> None:
    letter = engine.seed("dead")
    answers = engine.at_once([lambda: protocol.requeue(engine.queue, [(letter, START_MS)], FACTS)] * 8)
    assert sorted(len(answer.skipped) for answer in answers) == [0] + [1] * 7
    assert engine.check_books()["ready"] == [letter]


@pytest.mark.parametrize("reason", ['"quoted" \\ {}', "two\nlines", "\0", "ü€😀", "\ud800", "x" * 3_000])
def test_strange_reasons_do_not_break_the_history(engine: Engine, reason: str) -> None:
    letter = engine.seed("dead")
    engine.run(protocol.requeue(engine.queue, [(letter, START_MS)], {"by": "ada", "reason": reason}))
    state = engine.state()
    assert all(line.split(" ")[1] in ("failed", "requeued") for line in state["history"][letter].split("\n")[1:-1])
