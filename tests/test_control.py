"""What operators do, on a real server: seeded state → one action → the whole resulting state; then the form sent twice,
and two operators at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from queue_core import keys, protocol
from queue_core.client import Client
from queue_core.control import Control
from queue_core.errors import (
    ActionUnderWay,
    CorruptQueue,
    FormatMismatch,
    InvalidArgument,
    InvalidName,
    ServerUnavailable,
    UnknownFault,
    UnknownQueue,
)
from queue_core.inspector import Inspector
from queue_core.protocol import Held
from queue_core.snapshot import Outcome, State
from tests.engine import KEEP_MS, START_MS, Engine, places_of

Act = Callable[[Control, Engine, str], Outcome]


def at_once(engine: Engine, *acts: Callable[[Control], Outcome]) -> list[Outcome | Exception]:
    """Each from a thread and a connection of its own, released together."""
    gate = threading.Barrier(len(acts))
    outcomes: list[Outcome | Exception] = [AssertionError("no outcome")] * len(acts)

    def run(index: int, act: Callable[[Control], Outcome]) -> None:
        client = Client(engine.url, engine.client.namespace, clock=lambda: engine.now)
        client.redis.ping()
        gate.wait(10)
        try:
            outcomes[index] = act(Control(client=client))
        except Exception as error:
            outcomes[index] = error
        client.close()

    threads = [threading.Thread(target=run, args=(i, act)) for i, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def place_of(engine: Engine, task_id: str) -> str:
    (place,) = (place for place, members in places_of(engine.state()).items() if task_id in members)
    return place


def pressed_before(engine: Engine) -> Engine:
    """The queue as a page showed it before anything was pressed."""
    seen, page = engine.state(), Engine.__new__(Engine)
    page.now = engine.now
    page.state = lambda: seen  # type: ignore[method-assign]
    return page


# Every action once, twice, and on what is not there.


def requeue(control: Control, engine: Engine, queue: str) -> Outcome:
    letters = [(row, START_MS) for row in engine.state().get("dead", {})] or [("gone", 1)]
    return control.requeue(queue, letters, by="ada", action_id="a1", reason="repaired")


def requeue_fault(control: Control, engine: Engine, queue: str) -> Outcome:
    faults = [name for name in engine.state().get("faults", {}) if ":" not in name] or ["abc"]
    return control.requeue_fault(queue, faults[0], until=engine.now, by="ada", action_id="a1")


def trash(control: Control, engine: Engine, queue: str) -> Outcome:
    return control.trash(queue, sorted(engine.state().get("tasks", {})) or ["gone"], by="ada", action_id="a1")


def restore(control: Control, engine: Engine, queue: str) -> Outcome:
    return control.restore(queue, sorted(engine.state().get("trash", {})) or ["gone"], by="ada", action_id="a1")


def promote(control: Control, engine: Engine, queue: str) -> Outcome:
    return control.promote(queue, sorted(engine.state().get("scheduled", {})) or ["gone"], by="ada", action_id="a1")


def delete(control: Control, engine: Engine, queue: str) -> Outcome:
    return control.delete(queue, sorted(engine.state().get("trash", {})) or ["gone"], by="ada", action_id="a1")


def pause(control: Control, engine: Engine, queue: str) -> Outcome:
    return control.pause(queue, by="ada", reason="maintenance", action_id="a1")


def resume(control: Control, engine: Engine, queue: str) -> Outcome:
    return control.resume(queue, by="ada", action_id="a1")


def close_lane(control: Control, engine: Engine, queue: str) -> Outcome:
    return control.close_lane(queue, "name:send", by="ada", reason="maintenance", action_id="a1")


def open_lane(control: Control, engine: Engine, queue: str) -> Outcome:
    return control.open_lane(queue, "unknown:resize", by="ada", action_id="a1")


def limit(control: Control, engine: Engine, queue: str) -> Outcome:
    return control.limit(queue, max_length=1_000, claim_rate=(100, 60), by="ada", action_id="a1")


ACTIONS: list[Act] = [
    requeue,
    requeue_fault,
    trash,
    restore,
    promote,
    delete,
    pause,
    resume,
    close_lane,
    open_lane,
    limit,
]
every_action = pytest.mark.parametrize("act", ACTIONS, ids=lambda act: act.__name__)


def seed(engine: Engine, act: Act) -> None:
    """Something of everything, so that each action has something to do."""
    for place in ("held", "trashed", "dead", "scheduled", "ready", "prioritized"):
        engine.seed(place)
    if act is resume:
        engine.run(protocol.pause(engine.queue, "bob", "test"))


@every_action
def test_action_does_something_and_the_books_balance(engine: Engine, control: Control, act: Act) -> None:
    seed(engine, act)
    before = engine.check_books()
    outcome = act(control, engine, "email")
    assert outcome.done
    assert outcome.verb == ("requeue" if act is requeue_fault else act.__name__)
    assert outcome.server_ms == engine.now
    assert engine.check_books() != before


@every_action
def test_form_sent_again_acts_once_and_has_the_same_outcome(engine: Engine, control: Control, act: Act) -> None:
    seed(engine, act)
    seen = pressed_before(engine)
    outcome = act(control, seen, "email")
    after = engine.check_books()
    engine.later(60_000)
    again = act(Control(client=engine.client), seen, "email")
    assert again == outcome
    assert engine.state() == after


@every_action
def test_form_sent_twice_at_once_acts_once(engine: Engine, act: Act) -> None:
    seed(engine, act)
    frozen = pressed_before(engine)
    outcomes = at_once(engine, *[lambda control: act(control, frozen, "email")] * 4)
    engine.check_books()
    ended = [outcome for outcome in outcomes if not isinstance(outcome, ActionUnderWay)]
    assert len(ended) == 4 or act is requeue_fault
    assert len(ended) >= 1
    assert all(outcome == ended[0] for outcome in ended), ended
    assert isinstance(ended[0], Outcome)


@every_action
def test_unknown_queue_is_told_and_not_made(engine: Engine, control: Control, act: Act) -> None:
    engine.redis.sadd(keys.queues("test"), "email")
    with pytest.raises(UnknownQueue, match="no queue email"):
        act(control, engine, "email")
    assert engine.redis.keys("*") == [b"test:queues"]


@every_action
def test_name_that_no_queue_can_have_is_refused(engine: Engine, control: Control, act: Act) -> None:
    for name in ("", "a b", "{x}", "a" * 129):
        with pytest.raises(InvalidName):
            act(control, engine, name)


@every_action
def test_queue_that_is_not_registered_is_acted_on(engine: Engine, control: Control, act: Act) -> None:
    seed(engine, act)
    engine.redis.delete(keys.queues("test"))
    assert act(control, engine, "email").done


@every_action
def test_full_server_refuses_no_action(engine: Engine, control: Control, act: Act) -> None:
    seed(engine, act)
    engine.redis.config_set("maxmemory", 1)
    assert act(control, engine, "email").done


@every_action
def test_queue_of_another_format_is_left_alone(engine: Engine, control: Control, act: Act) -> None:
    seed(engine, act)
    engine.redis.hset(engine.queue.control, "format", "2")
    before = engine.state()
    with pytest.raises(FormatMismatch):
        act(control, engine, "email")
    assert engine.state() == before


NEEDED = {
    "limit": "notify",
    "requeue": "dead",
    "requeue_fault": "dead_by_fault",
    "trash": "tasks",
    "restore": "trash",
    "promote": "scheduled",
    "delete": "trash",
    "pause": "notify",
    "resume": "ready",
    "close_lane": "closed",
    "open_lane": "held",
}


@every_action
@pytest.mark.parametrize("is_control", [True, False])
def test_damaged_queue_is_told_and_left_alone(engine: Engine, control: Control, act: Act, is_control: bool) -> None:
    seed(engine, act)
    seen = pressed_before(engine)
    key = engine.queue.control if is_control else getattr(engine.queue, NEEDED[act.__name__])
    engine.redis.delete(key)
    engine.redis.xadd(key, {"what": "a stream"})
    before = {name: engine.redis.dump(name) for name in engine.redis.keys(engine.prefix + "*")}
    with pytest.raises(CorruptQueue, match="damaged"):
        act(control, seen, "email")
    assert {name: engine.redis.dump(name) for name in engine.redis.keys(engine.prefix + "*")} == before


@every_action
def test_server_that_is_away_is_told(engine: Engine, act: Act) -> None:
    away = Control(client=Client("redis://127.0.0.1:1/0", "test", patience_seconds=0))
    with pytest.raises(ServerUnavailable):
        act(away, engine, "email")


@pytest.mark.parametrize(
    "wrong",
    [
        {"by": "x" * 201},
        {"reason": "x" * 501},
        {"action_id": ""},
        {"action_id": "x" * 201},
        {"action_id": "a\nb"},
        {"action_id": "a\x00"},
        {"action_id": "\ud800"},
        {"by": 7},
    ],
    ids=lambda wrong: str(wrong)[:30],
)
def test_texts_that_cannot_be_are_refused_before_anything_is_done(
    engine: Engine, control: Control, wrong: dict[str, Any]
) -> None:
    task_id = engine.seed("dead")
    fingerprint = engine.state()["dead_by_fault"].copy().popitem()[0].split(":")[0]
    before = engine.state()
    said = {"by": "ada", "action_id": "a1", "reason": "why"} | wrong
    acts: list[Callable[[], Outcome]] = [
        lambda: control.requeue("email", [(task_id, START_MS)], **said),
        lambda: control.requeue_fault("email", fingerprint, until=START_MS, **said),
        lambda: control.trash("email", [task_id], **said),
        lambda: control.pause("email", **said),
        lambda: control.close_lane("email", "name:send", **said),
    ]
    for act in acts:
        with pytest.raises(InvalidArgument):
            act()
    assert engine.state() == before


def test_controls_in_texts_are_taken_out(engine: Engine, control: Control, inspector: Inspector) -> None:
    engine.seed("ready")
    control.pause("email", by="a\x00da\n", reason="\x1b[31mred", action_id="a1")
    pause = inspector.queue("email").pause
    assert pause is not None
    assert (pause.by, pause.reason) == ("a da", "[31mred")


# Requeue.


@pytest.mark.each_server
def test_requeued_letters_are_ready_and_their_histories_say_by_whom_and_why(
    engine: Engine, control: Control, inspector: Inspector
) -> None:
    first, second = engine.seed("dead"), engine.seed("dead")
    engine.later(1_000)
    outcome = control.requeue("email", [(first, START_MS)], by="ada", action_id="a1", reason="SMTP is back")
    assert outcome == Outcome("requeue", (first,), {}, engine.now)
    assert (place_of(engine, first), place_of(engine, second)) == ("ready", "dead")
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
    assert place_of(engine, task_id) == "dead"


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


# Batches.


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


# Trash.


def test_trashed_task_can_be_restored_until_it_says(engine: Engine, control: Control, inspector: Inspector) -> None:
    task_id = engine.seed("dead")
    engine.later(5_000)
    outcome = control.trash("email", [task_id], by="ada", action_id="a1", reason="spam", keep_seconds=60)
    assert outcome.restorable_until == engine.now + 60_000
    task = inspector.task("email", task_id)
    assert (task.state, task.trashed_by, task.trashed_reason) == (State.TRASHED, "ada", "spam")
    assert control.restore("email", [task_id], by="ada", action_id="a2").done == (task_id,)
    assert (place_of(engine, task_id), inspector.task("email", task_id).at) == ("dead", START_MS)


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
    assert {place_of(engine, scheduled), place_of(engine, retrying)} == {"ready"}


# The queue.


def test_pausing_what_is_paused_changes_nothing(engine: Engine, control: Control, inspector: Inspector) -> None:
    engine.seed("ready")
    assert control.pause("email", by="ada", reason="first", action_id="a1").done == ("email",)
    outcome = control.pause("email", by="bob", reason="second", action_id="a2")
    assert (outcome.done, outcome.skipped) == ((), {"email": "paused already"})
    pause = inspector.queue("email").pause
    assert pause is not None
    assert pause.by == "ada"
    assert control.resume("email", by="bob", action_id="a3").done == ("email",)
    assert control.resume("email", by="bob", action_id="a4").skipped == {"email": "not paused"}
    assert inspector.queue("email").pause is None


def test_lane_is_closed_and_opened_once(engine: Engine, control: Control, inspector: Inspector) -> None:
    engine.seed("ready")
    said = {"by": "ada", "reason": "partner is down"}
    assert control.close_lane("email", "name:send", **said, action_id="a1").done == ("name:send",)
    assert control.close_lane("email", "name:send", **said, action_id="a2").skipped == {"name:send": "closed already"}
    assert engine.claim().tasks == ()
    assert inspector.queue("email").counts.held == 1
    assert control.open_lane("email", "name:send", by="ada", action_id="a3").done == ("name:send",)
    assert control.open_lane("email", "name:send", by="ada", action_id="a4").skipped == {"name:send": "not closed"}
    assert len(engine.claim().tasks) == 1


@pytest.mark.parametrize("lane", ["", "send", "key:x", "name:", "name:a b", "name:a/b", "unknown:" + "x" * 129])
def test_lanes_that_cannot_be_are_refused(engine: Engine, control: Control, lane: str) -> None:
    engine.seed("ready")
    with pytest.raises(InvalidArgument):
        control.close_lane("email", lane, by="ada", reason="", action_id="a1")
    with pytest.raises(InvalidArgument):
        control.open_lane("email", lane, by="ada", action_id="a1")


# A fault.


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
