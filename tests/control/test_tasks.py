"""What operators do to tasks that they name."""

from __future__ import annotations

from typing import Any

import pytest

from queue_core import protocol
from queue_core.client import Client
from queue_core.control import Control
from queue_core.errors import InvalidArgument, ServerUnavailable
from queue_core.inspector import Inspector
from queue_core.protocol import Held
from queue_core.snapshot import Outcome, State
from tests.control.harness import at_once
from tests.engine import KEEP_MS, START_MS, Engine


@pytest.mark.each_server
def test_requeued_letters_are_ready_and_their_histories_say_by_whom_and_why(
    engine: Engine, control: Control, inspector: Inspector
) -> None:
    first, second = engine.seed("dead"), engine.seed("dead")
    engine.later(1_000)
    outcome = control.requeue("email", [(first, START_MS)], by="ada", action_id="a1", reason="SMTP is back")
    assert outcome == Outcome("requeue", (first,), {}, engine.now)
    assert (engine.place_of(first), engine.place_of(second)) == ("ready", "dead")
    entry = inspector.task("email", first).history[-1]
    assert (entry.at, entry.kind) == (engine.now, "requeued")
    assert entry.facts == {"by": "ada", "operation": "a1", "reason": "SMTP is back"}


def test_letter_that_died_again_is_left_alone_and_told(engine: Engine, control: Control) -> None:
    task_id = engine.seed("dead")
    control.requeue("email", [(task_id, START_MS)], by="ada", action_id="a1")
    engine.later(10)
    claimed = engine.claim(1)
    engine.fail(Held(task_id, claimed.fence), protocol.DEAD)
    outcome = control.requeue("email", [(task_id, START_MS), ("gone", 5)], by="bob", action_id="a2")
    assert (outcome.done, outcome.skipped) == ((), {task_id: "changed", "gone": "not dead"})
    assert engine.place_of(task_id) == "dead"


def test_two_operators_requeue_one_letter_at_once_and_it_runs_once(engine: Engine) -> None:
    died = engine.kill(300)
    letters = [(task_id, START_MS) for task_id in died]
    outcomes = at_once(
        engine,
        lambda control: control.requeue("email", letters, by="ada", action_id="a1"),
        lambda control: control.requeue("email", letters, by="bob", action_id="a2"),
    )
    done: list[str] = []
    for outcome in outcomes:
        assert isinstance(outcome, Outcome)
        assert outcome.skipped.keys() == set(died) - set(outcome.done)
        assert set(outcome.skipped.values()) <= {"not dead"}
        done += outcome.done
    assert sorted(done) == sorted(died)
    state = engine.check_books()
    assert len(state["ready"]) == 300
    assert all(text.count(" requeued ") == 1 for text in state["history"].values())


def test_long_history_texts_leave_room_for_what_happened_before(
    engine: Engine, control: Control, inspector: Inspector
) -> None:
    task_id = engine.seed("dead")
    control.requeue("email", [(task_id, START_MS)], by="é" * 200, action_id="a1", reason="字" * 500)
    kinds = [entry.kind for entry in inspector.task("email", task_id).history]
    assert kinds == ["failed", "requeued"]


@pytest.mark.parametrize("died_at", [-1, 10**13, "1", 1.5, None])
def test_time_of_death_that_cannot_be_is_refused(engine: Engine, control: Control, died_at: Any) -> None:
    engine.seed("dead")
    with pytest.raises(InvalidArgument, match="time of death"):
        control.requeue("email", [("x", died_at)], by="ada", action_id="a1")


def test_many_ids_go_in_batches_each_of_which_is_replayed(engine: Engine, control: Control) -> None:
    ids = engine.enqueue_many(600)
    outcome = control.trash("email", ids, by="ada", action_id="a1")
    assert outcome.done == tuple(ids)
    assert len(engine.redis.keys(engine.queue.session("a1.*"))) == 3
    control.restore("email", ids, by="ada", action_id="a2")
    after = engine.check_books()
    assert control.trash("email", ids, by="ada", action_id="a1") == outcome
    assert engine.state() == after


def test_action_that_was_cut_off_goes_on_where_its_form_is_sent_again(
    engine: Engine, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = engine.enqueue_many(600)
    run, calls = Client.run, 0

    def cut_off(client: Client, *arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise ServerUnavailable
        return run(client, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(Client, "run", cut_off)
        with pytest.raises(ServerUnavailable):
            control.trash("email", ids, by="ada", action_id="a1")
    assert len(engine.state()["trash"]) == 256
    assert control.trash("email", ids, by="ada", action_id="a1").done == tuple(ids)
    engine.check_books()


def test_ids_that_stand_twice_count_once(engine: Engine, control: Control) -> None:
    letter, task_id = engine.seed("trashed"), engine.seed("ready")
    assert control.trash("email", [task_id, task_id], by="ada", action_id="a1").done == (task_id,)
    assert control.delete("email", [letter, letter], by="ada", action_id="a1").done == (letter,)
    assert control.restore("email", [task_id] * 300, by="ada", action_id="a1").skipped == {}
    control.trash("email", [task_id], by="ada", action_id="a2")
    engine.check_books()


def test_texts_that_are_no_id_are_skipped(engine: Engine, control: Control) -> None:
    task_id = engine.seed("ready")
    outcome = control.trash("email", [r"\xff", task_id, "a b", "x" * 500, ""], by="ada", action_id="a1")
    assert outcome.done == (task_id,)
    assert set(outcome.skipped.values()) == {"no task has such an id"}
    assert control.delete("email", ["\ud800"], by="ada", action_id="a1").done == ()


def test_no_ids_and_too_many_are_refused(engine: Engine, control: Control) -> None:
    engine.seed("ready")
    for ids in ([], [f"id-{n}" for n in range(10_001)]):
        with pytest.raises(InvalidArgument):
            control.restore("email", ids, by="ada", action_id="a1")


def test_trashed_task_can_be_restored_until_it_says(engine: Engine, control: Control, inspector: Inspector) -> None:
    task_id = engine.seed("dead")
    engine.later(5_000)
    outcome = control.trash("email", [task_id], by="ada", action_id="a1", reason="spam", keep_seconds=60)
    assert outcome.restorable_until == engine.now + 60_000
    task = inspector.task("email", task_id)
    assert (task.state, task.trashed_by, task.trashed_reason) == (State.TRASHED, "ada", "spam")
    assert control.restore("email", [task_id], by="ada", action_id="a2").done == (task_id,)
    assert (engine.place_of(task_id), inspector.task("email", task_id).at) == ("dead", START_MS)


def test_trash_is_kept_for_a_day_where_nothing_is_said(engine: Engine, control: Control) -> None:
    outcome = control.trash("email", [engine.seed("ready")], by="ada", action_id="a1")
    assert outcome.restorable_until == START_MS + KEEP_MS


def test_what_runs_or_is_gone_is_not_trashed_and_nothing_is_restorable(engine: Engine, control: Control) -> None:
    trashed, running = engine.seed("trashed"), engine.lease().id
    outcome = control.trash("email", [running, trashed, "gone"], by="ada", action_id="a1")
    assert (outcome.done, outcome.restorable_until) == ((), None)
    assert outcome.skipped == {running: "running", trashed: "in the trash", "gone": "gone"}


@pytest.mark.parametrize("keep_seconds", [0, -1, 10**9, float("nan"), float("inf")])
def test_times_that_trash_cannot_be_kept_are_refused(engine: Engine, control: Control, keep_seconds: float) -> None:
    task_id = engine.seed("ready")
    with pytest.raises(InvalidArgument, match="keep_seconds"):
        control.trash("email", [task_id], by="ada", action_id="a1", keep_seconds=keep_seconds)


def test_only_what_is_in_the_trash_is_deleted(engine: Engine, control: Control) -> None:
    trashed, ready = engine.seed("trashed"), engine.seed("ready")
    outcome = control.delete("email", [trashed, ready], by="ada", action_id="a1")
    assert (outcome.done, outcome.skipped) == ((trashed,), {ready: "not in the trash"})


def test_promoted_task_is_ready_now(engine: Engine, control: Control) -> None:
    scheduled, retrying, ready = engine.seed("scheduled"), engine.seed("retrying"), engine.seed("ready")
    outcome = control.promote("email", [scheduled, retrying, ready], by="ada", action_id="a1")
    assert (outcome.done, outcome.skipped) == ((scheduled, retrying), {ready: "not waiting for a time"})
    assert {engine.place_of(scheduled), engine.place_of(retrying)} == {"ready"}


@pytest.mark.parametrize("verb", ["trash", "cancel", "move"])
@pytest.mark.parametrize("place", ["ready", "prioritized", "scheduled", "retrying", "held", "running"])
def test_task_that_came_to_another_state_than_was_seen_is_left_alone(
    engine: Engine, control: Control, verb: str, place: str
) -> None:
    task_id = engine.seed(place)
    state = State.READY if place == "prioritized" else State(place)
    other = State.SCHEDULED if state is not State.SCHEDULED else State.READY
    to = ["other"] if verb == "move" else []
    act = getattr(control, verb)
    seen = act("email", [task_id], *to, by="ada", action_id="a1", state=other)
    why = state if verb != "cancel" and state is State.RUNNING else f"{state} now"
    assert (seen.done, seen.skipped, engine.place_of(task_id)) == ((), {task_id: why}, place)
    as_it_is = act("email", [task_id], *to, by="ada", action_id="a2", state=state)
    assert (as_it_is.done or as_it_is.asked) == (() if why == state else (task_id,))


@pytest.mark.parametrize("verb", ["trash", "move"])
def test_of_letters_that_were_seen_those_that_were_retried_or_died_again_are_left_alone(
    engine: Engine, control: Control, verb: str
) -> None:
    same, retried, again = engine.seed("dead"), engine.seed("dead"), engine.seed("dead")
    control.requeue("email", [(retried, START_MS)], by="bo", action_id="a1")
    died = {same: START_MS, retried: START_MS, again: START_MS - 1}
    to = ["other"] if verb == "move" else []
    act = getattr(control, verb)
    outcome = act("email", [same, retried, again], *to, by="ada", action_id="a2", died=died)
    assert (outcome.done, outcome.skipped) == ((same,), {retried: "ready now", again: "changed"})
    assert (engine.place_of(retried), engine.place_of(again)) == ("ready", "dead")
    with pytest.raises(InvalidArgument, match="time of death"):
        act("email", [again], *to, by="ada", action_id="a3", died={again: -1})
    with pytest.raises(InvalidArgument, match="not among the ids"):
        act("email", [again], *to, by="ada", action_id="a3", died={retried: 1})
    with pytest.raises(InvalidArgument, match="it is dead"):
        act("email", [again], *to, by="ada", action_id="a3", state=State.READY, died={again: 1})
