"""All letters of a fault, in as many calls as it takes."""

from __future__ import annotations

from typing import Any

import pytest

from queue_core.client import Client
from queue_core.control import Control
from queue_core.errors import ActionUnderWay, CorruptQueue, InvalidArgument, UnknownFault
from queue_core.inspector import Inspector
from queue_core.snapshot import Outcome
from tests.control.harness import at_once
from tests.engine import START_MS, Engine


def fault_of(inspector: Inspector, message: str = "no answer") -> str:
    return next(fault.fingerprint for fault in inspector.faults("email") if fault.message == message)


def test_letters_of_a_fault_are_requeued_the_oldest_first(
    engine: Engine, control: Control, inspector: Inspector
) -> None:
    died = []
    for _ in range(5):
        died += engine.kill(2)
        engine.later(10)
    others = engine.kill(3, "wrong address")
    fault = fault_of(inspector)
    outcome = control.requeue_fault("email", fault, until=engine.now, by="ada", action_id="a1", reason="fixed", limit=7)
    assert (outcome.verb, outcome.done, outcome.remaining) == ("requeue", tuple(died[:7]), 3)
    assert [task.id for task in inspector.peek("email", 50)] == died[:7]
    assert {row.id for row in inspector.letters("email").rows} == {*died[7:], *others}
    entry = inspector.task("email", died[0]).history[-1]
    assert entry.facts == {"by": "ada", "operation": "a1", "reason": "fixed"}
    engine.check_books()
    again = control.requeue_fault("email", fault, until=engine.now, by="ada", action_id="a2")
    assert (again.done, again.remaining) == (tuple(died[7:]), 0)


def test_letters_that_died_after_the_page_was_read_are_left_alone(
    engine: Engine, control: Control, inspector: Inspector
) -> None:
    before = engine.kill(3)
    engine.later(1)
    engine.kill(3)
    outcome = control.requeue_fault("email", fault_of(inspector), until=START_MS, by="ada", action_id="a1")
    assert (outcome.done, outcome.remaining) == (tuple(before), 0)
    assert inspector.letters("email").total == 3


def test_hundreds_of_letters_take_several_batches(engine: Engine, control: Control, inspector: Inspector) -> None:
    died = engine.kill(700)
    outcome = control.requeue_fault("email", fault_of(inspector), until=START_MS, by="ada", action_id="a1", limit=600)
    assert (outcome.done, outcome.skipped, outcome.remaining) == (tuple(died[:600]), {}, 100)
    engine.check_books()


def test_fault_requeued_again_by_the_same_form_has_the_same_outcome_though_more_has_died(
    engine: Engine, control: Control, inspector: Inspector
) -> None:
    engine.kill(300)
    fault = fault_of(inspector)
    outcome = control.requeue_fault("email", fault, until=START_MS + 100, by="ada", action_id="a1")
    engine.claim(256)
    engine.later(10)
    engine.kill(1)
    after = engine.state()
    assert control.requeue_fault("email", fault, until=START_MS + 100, by="ada", action_id="a1") == outcome
    assert engine.state() == after
    assert 590 < engine.redis.ttl(engine.queue.action("a1")) <= 600


def test_two_operators_requeue_a_fault_at_once_and_each_letter_runs_once(engine: Engine, inspector: Inspector) -> None:
    died = engine.kill(700)
    fault = fault_of(inspector)
    outcomes = at_once(
        engine,
        lambda control: control.requeue_fault("email", fault, until=START_MS, by="ada", action_id="a1"),
        lambda control: control.requeue_fault("email", fault, until=START_MS, by="bob", action_id="a2"),
    )
    done: list[str] = []
    for outcome in outcomes:
        assert isinstance(outcome, Outcome)
        done += outcome.done
    assert sorted(done) == sorted(died)
    assert len(engine.check_books()["ready"]) == 700


def test_form_sent_again_while_it_is_under_way_is_told(
    engine: Engine, control: Control, inspector: Inspector, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.kill(600)
    fault = fault_of(inspector)

    def press(action_id: str = "a1") -> Outcome:
        return control.requeue_fault("email", fault, until=START_MS, by="ada", action_id=action_id)

    run = Client.run
    told: list[bool] = []

    def press_again(client: Client, call: Any, *session: Any) -> Any:
        answer = run(client, call, *session)
        if call.script.name == "requeue" and not told:
            told.append(True)
            with pytest.raises(ActionUnderWay, match="under way"):
                press()
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(Client, "run", press_again)
        outcome = press()
    assert told
    assert len(outcome.done) == 600
    assert press() == outcome


def test_action_whose_runner_died_goes_on_when_its_form_is_sent_later(
    engine: Engine, control: Control, inspector: Inspector, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = engine.kill(600)
    fault = fault_of(inspector)

    def press() -> Outcome:
        return control.requeue_fault("email", fault, until=START_MS, by="ada", action_id="a1")

    run = Client.run

    def die(client: Client, call: Any, *session: Any) -> Any:
        answer = run(client, call, *session)
        if call.script.name == "requeue":
            raise KeyboardInterrupt
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(Client, "run", die)
        with pytest.raises(KeyboardInterrupt):
            press()
    with pytest.raises(ActionUnderWay):
        press()
    assert 29_000 < engine.redis.pttl(engine.queue.action("a1")) <= 30_000
    engine.redis.delete(engine.queue.action("a1"))  # as its expiry does
    outcome = press()
    assert (outcome.done, outcome.remaining) == (tuple(died[256:]), 0)
    assert len(engine.check_books()["ready"]) == 600


def test_letters_that_somebody_else_took_meanwhile_are_skipped_once(
    engine: Engine, control: Control, inspector: Inspector
) -> None:
    died = engine.kill(5)
    fault = fault_of(inspector)
    # Damage: they stand in the fault's list and are dead no more.
    engine.redis.zrem(engine.queue.dead, died[1], died[2])
    engine.redis.zadd(engine.queue.dead_by_fault, {f"{fault}:odd": 0, f"{fault}:{START_MS:013}:a b": 0})
    outcome = control.requeue_fault("email", fault, until=START_MS, by="ada", action_id="a1")
    assert outcome.done == (died[0], *died[3:])
    assert outcome.skipped == {died[1]: "not dead", died[2]: "not dead"}


def test_fault_that_is_not_there_is_told_and_nothing_is_marked(engine: Engine, control: Control) -> None:
    engine.seed("dead")
    for fingerprint in ("0123456789ab", "", "a:b", "x" * 500):
        with pytest.raises(UnknownFault):
            control.requeue_fault("email", fingerprint, until=START_MS, by="ada", action_id="a1")
    assert engine.redis.keys("*action*") == []


def test_fault_without_letters_is_requeued_without_effect(
    engine: Engine, control: Control, inspector: Inspector
) -> None:
    engine.seed("retrying")
    outcome = control.requeue_fault("email", fault_of(inspector), until=START_MS, by="ada", action_id="a1")
    assert outcome == Outcome("requeue", (), {}, engine.now)


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": 10_001}, {"until": -1}, {"until": 10**13}, {"until": "x"}])
def test_limits_and_times_that_cannot_be_are_refused(
    engine: Engine, control: Control, inspector: Inspector, wrong: dict[str, Any]
) -> None:
    engine.seed("dead")
    arguments: dict[str, Any] = {"until": START_MS, "by": "ada", "action_id": "a1"} | wrong
    with pytest.raises(InvalidArgument):
        control.requeue_fault("email", fault_of(inspector), **arguments)
    assert engine.redis.keys("*action*") == []


def test_form_of_an_action_that_failed_may_be_sent_again_at_once(
    engine: Engine, control: Control, inspector: Inspector
) -> None:
    task_id = engine.seed("dead")
    fault = fault_of(inspector)
    engine.redis.rename(engine.queue.dead, "aside")
    engine.redis.set(engine.queue.dead, "x")
    with pytest.raises(CorruptQueue):
        control.requeue_fault("email", fault, until=START_MS, by="ada", action_id="a1")
    engine.redis.rename("aside", engine.queue.dead)
    while engine.redis.exists(engine.queue.action("a1")):
        pass  # for the millisecond that it still stands
    assert control.requeue_fault("email", fault, until=START_MS, by="ada", action_id="a1").done == (task_id,)


def test_outcome_of_somebody_elses_making_does_not_break_the_form(
    engine: Engine, control: Control, inspector: Inspector
) -> None:
    engine.seed("dead")
    fault = fault_of(inspector)
    for mark in (b"\xff", b"x", b"x {}", b"x [1]"):
        engine.redis.set(engine.queue.action("a1"), mark)
        with pytest.raises(ActionUnderWay):
            control.requeue_fault("email", fault, until=START_MS, by="ada", action_id="a1")
    engine.redis.delete(engine.queue.action("a1"))
    engine.redis.hset(engine.queue.action("a1"), "x", "y")
    with pytest.raises(CorruptQueue):
        control.requeue_fault("email", fault, until=START_MS, by="ada", action_id="a1")
