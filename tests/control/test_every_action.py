"""Every action once, twice, by nobody, on a full server, and on what is not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from queue_core import keys, protocol
from queue_core.client import Client
from queue_core.control import Control
from queue_core.errors import (
    CorruptQueue,
    FormatMismatch,
    InvalidArgument,
    InvalidName,
    ServerUnavailable,
    UnknownQueue,
)
from queue_core.inspector import Inspector
from queue_core.snapshot import Outcome
from tests.control.harness import Act, at_once, pressed_before
from tests.engine import START_MS, Engine


def fault_of(engine: Engine) -> str:
    return next((name for name in engine.state().get("faults", {}) if ":" not in name), "abc")


def requeue(control: Control, engine: Engine, queue: str) -> Outcome:
    letters = [(row, START_MS) for row in engine.state().get("dead", {})] or [("gone", 1)]
    return control.requeue(queue, letters, by="ada", action_id="a1", reason="repaired")


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


def mute_fault(control: Control, engine: Engine, queue: str) -> Outcome:
    return control.mute_fault(queue, fault_of(engine), until=START_MS + 3_600_000, attempts=9, by="ada", action_id="a1")


def unmute_fault(control: Control, engine: Engine, queue: str) -> Outcome:
    return control.unmute_fault(queue, fault_of(engine), by="ada", action_id="a1")


def note_fault(control: Control, engine: Engine, queue: str) -> Outcome:
    return control.note_fault(queue, fault_of(engine), "see #4411", by="ada", action_id="a1")


ACTIONS: list[Act] = [
    requeue,
    trash,
    restore,
    promote,
    delete,
    pause,
    resume,
    close_lane,
    open_lane,
    limit,
    mute_fault,
    unmute_fault,
    note_fault,
]
every_action = pytest.mark.parametrize("act", ACTIONS, ids=lambda act: act.__name__)


def seed(engine: Engine, act: Act) -> None:
    """Something of everything, so that each action has something to do."""
    for place in ("held", "trashed", "dead", "scheduled", "ready", "prioritized"):
        engine.seed(place)
    if act is resume:
        engine.run(protocol.pause(engine.queue, "bob", "test"))
    if act is unmute_fault:
        engine.run(protocol.mute_fault(engine.queue, engine.fault(), None, 9, "bob", "test"))


@every_action
def test_action_does_something_and_the_books_balance(engine: Engine, control: Control, act: Act) -> None:
    seed(engine, act)
    before = engine.check_books()
    outcome = act(control, engine, "email")
    assert outcome.done
    assert outcome.verb == act.__name__
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
    assert all(outcome == outcomes[0] for outcome in outcomes), outcomes
    assert isinstance(outcomes[0], Outcome)


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
    "trash": "tasks",
    "restore": "trash",
    "promote": "scheduled",
    "delete": "trash",
    "pause": "notify",
    "resume": "ready",
    "close_lane": "closed",
    "open_lane": "held",
    "mute_fault": "faults",
    "unmute_fault": "faults",
    "note_fault": "faults",
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
    before = engine.state()
    said = {"by": "ada", "action_id": "a1", "reason": "why"} | wrong
    acts: list[Callable[[], Outcome]] = [
        lambda: control.requeue("email", [(task_id, START_MS)], **said),
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
