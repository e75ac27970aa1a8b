"""Moving to another queue: nothing is lost and nothing is there twice, whatever dies between two round trips."""

from __future__ import annotations

import contextlib
import random
import threading
from dataclasses import replace
from typing import Any

import pytest

from queue_core import fsck, protocol
from queue_core.client import Client
from queue_core.control import Control
from queue_core.errors import InvalidArgument, InvalidName, ServerUnavailable, UnknownQueue
from queue_core.inspector import Inspector
from queue_core.moving import Move
from queue_core.protocol import Call, Held, Session
from queue_core.snapshot import Outcome, State
from tests.engine import IDLE_PLACES, START_MS, Engine
from tests.invariants import State as Whole
from tests.mortal import Died, Mortal


def move(control: Control, ids: list[str], action_id: str = "a1", to: str = "images") -> Outcome:
    return control.move("email", ids, to, by="ada", action_id=action_id, reason="too many")


def whole(engine: Engine) -> Whole:
    """The state without marks, whose tokens are made by chance; wake-ups are hints."""
    state = engine.check_books()
    for name in ("imported", "notify"):
        state.pop(name, None)
    return state


def seed_all(engine: Engine) -> list[str]:
    return [engine.seed(place, f"a-{place}") for place in IDLE_PLACES]


def test_tasks_of_every_state_arrive_and_are_gone_from_where_they_were(
    engine: Engine, images: Engine, control: Control
) -> None:
    ids = seed_all(engine)
    running = engine.enqueue("b-running", priority=9)
    assert [task.id for task in engine.claim(1).tasks] == [running]
    trashed = engine.enqueue()
    engine.trash(trashed)
    engine.later(5)
    outcome = move(control, [*ids, running, trashed, "gone", "no id!"])
    assert outcome == Outcome(
        "move",
        tuple(ids),
        {"no id!": "no task has such an id", running: "running", trashed: "in the trash", "gone": "gone"},
        engine.now,
    )
    left, arrived = engine.check_books(), images.check_books()
    assert sorted(left["tasks"]) == sorted([running, trashed])
    assert left["stats"]["exported"] == arrived["stats"]["imported"] == str(len(ids))
    assert sorted(arrived["tasks"]) == sorted(ids)
    assert set(arrived["imported"].values()) == {engine.now + 3_600_000}
    inspector = Inspector(client=engine.client)
    assert {queue.name for queue in inspector.snapshot().queues} == {"email", "images"} - {"email"}
    counts = inspector.queue("images").counts
    assert (counts.ready, counts.scheduled, counts.retrying, counts.dead) == (3, 1, 1, 1)
    entry = inspector.task("images", "a-dead").history[-1]
    assert (entry.kind, entry.facts["from"], entry.facts["by"], entry.facts["reason"]) == (
        "moved", "email", "ada", "too many",
    )  # fmt: skip
    for queue in ("email", "images"):
        assert list(fsck.check(engine.client, queue)) == []


def test_form_sent_twice_acts_once(engine: Engine, images: Engine, control: Control) -> None:
    ids = [*seed_all(engine), "gone"]
    outcome = move(control, ids)
    before = engine.state(), images.state()
    assert move(control, ids) == outcome
    assert (engine.state(), images.state()) == before


def test_form_sent_twice_at_once_acts_once(engine: Engine, images: Engine) -> None:
    ids = seed_all(engine)
    outcomes: list[Outcome] = []

    def press() -> None:
        client = Client(engine.url, engine.client.namespace, clock=lambda: engine.now)
        outcomes.append(move(Control(client=client), ids))
        client.close()

    threads = [threading.Thread(target=press) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcome.done for outcome in outcomes] == [tuple(ids)] * 4
    assert len(whole(images)["tasks"]) == len(ids)
    assert "tasks" not in whole(engine)


CALLS = 4  # of a batch that is taken whole


@pytest.mark.parametrize("is_sent", [False, True])
@pytest.mark.parametrize("calls", range(1, CALLS + 1))
@pytest.mark.parametrize("again", ["a1", "a2"])
def test_move_whose_mover_died_is_ended_by_the_same_move_again(
    engine: Engine, images: Engine, control: Control, calls: int, is_sent: bool, again: str
) -> None:
    """Also by another form, and where the tasks have run by then."""
    ids = seed_all(engine)
    with pytest.raises(Died):
        move(Control(client=Mortal(engine, calls, is_sent=is_sent)), ids)
    for queue in (engine, images):
        queue.check_books()
    if "ready" in images.state():
        (task,) = (claimed := images.claim(1)).tasks
        images.run(protocol.complete(images.queue, [Held(task.id, claimed.fence, True)]))
    assert move(control, ids, again).skipped.keys() <= set(ids)
    assert "tasks" not in whole(engine)
    arrived = whole(images)
    assert arrived["stats"]["imported"] == str(len(ids))
    assert len(arrived["tasks"]) + int(arrived["stats"].get("completed", 0)) == len(ids)


@pytest.mark.parametrize("is_sent", [False, True])
@pytest.mark.parametrize("calls", range(1, CALLS + 1))
def test_tasks_that_a_dead_mover_left_in_the_trash_can_be_restored(
    engine: Engine, images: Engine, control: Control, calls: int, is_sent: bool
) -> None:
    ids = seed_all(engine)
    before = whole(engine)
    with pytest.raises(Died):
        move(Control(client=Mortal(engine, calls, is_sent=is_sent)), ids)
    trashed = Inspector(client=engine.client).tasks("email", State.TRASHED).rows
    assert len(trashed) == len(engine.state().get("trash", {}))
    outcome = control.restore("email", ids, by="ada", action_id="a2")
    arrived, left = images.check_books().get("tasks", {}), whole(engine)
    assert not arrived.keys() & left.get("tasks", {}).keys()
    assert arrived.keys() | left.get("tasks", {}).keys() == set(ids)
    assert "trash" not in left
    assert control.restore("email", ids, by="ada", action_id="a2") == outcome
    if outcome.done:
        assert set(outcome.done) == set(ids)
        for counter in ("faults", "stats"):
            before.pop(counter)
            left.pop(counter)
        assert left == before
    else:
        assert set(outcome.skipped.values()) <= {"moved to images", "not in the trash"}


def test_restored_task_is_not_taken_by_a_mover_that_slept(engine: Engine, images: Engine, control: Control) -> None:
    ids = seed_all(engine)
    slept = engine.run(protocol.export(engine.queue, ids, "images", "t1", "ada", ""))
    task = Inspector(client=engine.client).task("email", ids[0])
    assert (task.state, task.trashed_by) == (State.TRASHED, "ada")
    assert set(control.restore("email", ids, by="bob", action_id="a2").done) == set(ids)
    taken = engine.client.run(protocol.import_(images.queue, slept, {}))
    assert set(taken.skipped.values()) == {"called back"}
    tickets = [task.ticket for task in slept.tasks]
    assert engine.run(protocol.forget(engine.queue, tickets)).skipped.keys() == set(tickets)
    assert "tasks" not in images.check_books()
    assert move(control, ids, "a3").done == tuple(ids)
    assert len(whole(images)["tasks"]) == len(ids)


def test_twin_of_that_id_in_the_target_stays_and_so_does_the_task(
    engine: Engine, images: Engine, control: Control
) -> None:
    engine.enqueue("order-1", payload=b'{"mine":1}')
    other = engine.enqueue()
    images.enqueue("order-1", payload=b'{"other":1}')
    before = whole(engine)
    outcome = move(control, ["order-1", other])
    assert (outcome.done, outcome.skipped) == ((other,), {"order-1": "in that queue already, ready"})
    left = whole(engine)
    assert left["tasks"] == {"order-1": before["tasks"]["order-1"]}
    assert engine.claim().tasks[0].id == "order-1"
    assert whole(images)["tasks"]["order-1"].endswith('{"other":1}')
    assert move(control, ["order-1", other]) == outcome


def test_same_form_whose_first_session_alone_is_over_loses_nothing(
    engine: Engine, images: Engine, control: Control
) -> None:
    """Its runner slept between two calls, so the sessions do not end together."""
    images.enqueue("order-1")
    engine.enqueue("order-1")
    outcome = move(control, ["order-1"])
    assert outcome.skipped == {"order-1": "in that queue already, ready"}
    engine.redis.delete(engine.queue.session("a1.0.export"))
    engine.later(5)
    assert move(control, ["order-1"]) == replace(outcome, server_ms=engine.now)
    assert list(whole(engine)["tasks"]) == ["order-1"]


def test_whoever_calls_back_and_slept_through_the_move_does_not_say_that_it_is_back(
    engine: Engine, images: Engine, control: Control
) -> None:
    task_id = engine.enqueue()
    engine.run(protocol.export(engine.queue, [task_id], "images", "t1", "ada", ""))

    class Slow(Client):
        def run(self, call: Call[Any], session: Session | None = None) -> Any:
            if call.script.name == "import":
                assert move(control, [task_id]).done == (task_id,)
                engine.later(3_700_000)  # the mark goes with the next move
                images.now = engine.now
                images.run(protocol.confirm(images.queue, []))
            return super().run(call, session)

    slow = Slow(engine.url, engine.client.namespace, clock=lambda: engine.now)
    moved = Move(slow, "email", "images").call_back([task_id], "a2")
    assert (moved.done, moved.skipped) == ((), {task_id: "not in the trash"})
    assert list(whole(images)["tasks"]) == [task_id]


def test_there_and_back_again(engine: Engine, images: Engine, control: Control) -> None:
    ids = seed_all(engine)
    before = whole(engine)
    for number in range(3):
        move(control, ids, f"there{number}")
        back = control.move("images", ids, "email", by="ada", action_id=f"back{number}")
        assert back.done == tuple(ids)
    after = whole(engine)
    assert "tasks" not in whole(images)
    for place in ("tasks", "scheduled", "retrying", "dead", "dead_by_fault"):
        assert after[place] == before[place]


def test_two_movers_to_different_queues_share_the_tasks(engine: Engine, control: Control) -> None:
    ids = engine.enqueue_many(600)
    outcomes: list[Outcome] = []

    def press(to: str) -> None:
        client = Client(engine.url, engine.client.namespace, clock=lambda: engine.now)
        outcomes.append(move(Control(client=client), ids, to, to))
        client.close()

    threads = [threading.Thread(target=press, args=(to,)) for to in ("images", "sounds")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = [task_id for outcome in outcomes for task_id in outcome.done]
    assert sorted(done) == sorted(ids)
    assert "tasks" not in whole(engine)


def test_large_tasks_go_in_as_many_calls_as_they_need(engine: Engine, images: Engine, control: Control) -> None:
    ids = [engine.enqueue(payload=b'{"x":"%b"}' % (b"x" * 400_000)) for _ in range(5)]
    assert move(control, ids).done == tuple(ids)
    assert whole(images)["ready"] == ids
    assert move(control, ids).done == tuple(ids)


def test_full_server_lets_them_move(engine: Engine, images: Engine, control: Control) -> None:
    ids = seed_all(engine)
    engine.redis.config_set("maxmemory", 1)
    assert move(control, ids).done == tuple(ids)


def test_server_that_goes_away_leaves_them_to_the_next_try(engine: Engine, images: Engine, control: Control) -> None:
    ids = seed_all(engine)

    class Cut(Client):
        def run(self, call: Call[Any], session: Session | None = None) -> Any:
            if call.script.name == "import":
                raise ServerUnavailable
            return super().run(call, session)

    cut = Control(client=Cut(engine.url, engine.client.namespace, clock=lambda: engine.now))
    with pytest.raises(ServerUnavailable):
        move(cut, ids)
    engine.later(3_600_000)
    assert move(control, ids, "a2").done == tuple(ids)


def test_task_whose_mover_was_stopped_for_long_stays_put_aside(engine: Engine, images: Engine) -> None:
    task_id = engine.enqueue()

    class Slow(Client):
        def run(self, call: Call[Any], session: Session | None = None) -> Any:
            if call.script.name == "import":
                engine.later(700_000)
            return super().run(call, session)

    slow = Slow(engine.url, engine.client.namespace, clock=lambda: engine.now)
    moved = Move(slow, "email", "images").move([task_id], "a1")
    assert (moved.done, moved.skipped) == ((), {task_id: "too late"})
    assert list(engine.check_books()["trash"]) == [task_id]


@pytest.mark.parametrize("to", ["", "a b", "{x}", "a" * 129])
def test_target_has_a_name(engine: Engine, control: Control, to: str) -> None:
    task_id = engine.enqueue()
    with pytest.raises(InvalidName):
        move(control, [task_id], to=to)
    assert "trash" not in engine.check_books()


def test_bad_input_changes_nothing(engine: Engine, control: Control) -> None:
    task_id = engine.enqueue()
    before = engine.state()
    with pytest.raises(InvalidArgument, match="same queue"):
        move(control, [task_id], to="email")
    with pytest.raises(InvalidArgument, match="no id was given to move"):
        move(control, [])
    with pytest.raises(InvalidArgument, match="at most 10,000"):
        move(control, ["a"] * 10_001)
    with pytest.raises(UnknownQueue, match="no queue sounds"):
        control.move("sounds", [task_id], "images", by="ada", action_id="a1")
    assert engine.state() == before


def test_times_of_the_story_stay(engine: Engine, images: Engine, control: Control) -> None:
    engine.seed("dead", "order-1")
    engine.later(60_000)
    move(control, ["order-1"])
    (letter,) = Inspector(client=engine.client).letters("images").rows
    assert (letter.at, letter.error) == (START_MS, "ValueError: no answer")


def test_unique_key_that_the_target_has_leaves_the_task_where_it_was(
    engine: Engine, images: Engine, control: Control
) -> None:
    task_id = engine.enqueue(unique_key="ada", expires=3_600)
    holder = images.enqueue("holder", unique_key="ada")
    before = whole(engine)
    assert move(control, [task_id]).skipped == {task_id: f"its unique key is held by {holder}"}
    assert whole(engine) == before
    whole(images)


def test_task_whose_key_is_held_on_both_sides_stays_in_the_trash_for_somebody_to_decide(
    engine: Engine, images: Engine, control: Control
) -> None:
    task_id = engine.enqueue(unique_key="ada")
    holder = images.enqueue("holder", unique_key="ada")
    with pytest.raises(Died):
        move(Control(client=Mortal(engine, 2, is_sent=True)), [task_id])
    other = engine.enqueue(unique_key="ada")
    why = f"its unique key is held by {other}; it is in the trash"
    assert move(control, [task_id], "a2").skipped == {task_id: why}
    assert images.state()["unique"] == {"ada": f"{holder} 0"}
    assert control.restore("email", [task_id], by="ada", action_id="a3").skipped == {
        task_id: f"its unique key is held by {other}"
    }
    assert control.delete("email", [task_id], by="ada", action_id="a4").done == (task_id,)
    assert list(whole(engine)["tasks"]) == [other]


def test_key_and_time_to_expire_go_with_the_task(engine: Engine, images: Engine, control: Control) -> None:
    task_id = engine.enqueue(unique_key="ada", expires=60)
    assert move(control, [task_id]).done == (task_id,)
    assert "unique" not in whole(engine)
    state = whole(images)
    assert (state["unique"], state["expiring"]) == ({"ada": f"{task_id} 0"}, {task_id: START_MS + 60_000})


@pytest.mark.parametrize("seed", range(12))
def test_whatever_dies_and_whoever_meddles_each_task_is_somewhere_once(
    engine: Engine, images: Engine, control: Control, seed: int
) -> None:
    """Movers in both directions that die at any call, operators that restore, workers that complete."""
    chance = random.Random(seed)
    ids = [engine.enqueue(f"order-{number}", priority=chance.choice((0, 0, 3))) for number in range(6)]
    ids += [engine.seed("scheduled", "order-6"), engine.seed("scheduled", "order-7")]
    completed: list[str] = []
    for step in range(60):
        engine.later(chance.choice((1, 1_000, 400_000)))
        images.now = engine.now
        here, there = chance.choice((("email", "images"), ("images", "email")))
        some = chance.sample(ids, 3)
        with contextlib.suppress(Died, UnknownQueue):
            act = chance.randrange(8)
            if act < 4:
                client = Mortal(engine, chance.randrange(1, 8), is_sent=chance.random() < 0.5)
                Control(client=client).move(here, some, there, by="ada", action_id=f"m{step}")
                client.close()
            elif act < 6:
                control.restore(here, some, by="ada", action_id=f"r{step}")
            elif act == 6 and not chance.randrange(4):
                queue = engine if here == "email" else images
                claimed = queue.claim(1)
                held = [Held(task.id, claimed.fence, task.has_history) for task in claimed.tasks]
                assert queue.run(protocol.complete(queue.queue, held)) == []
                completed += [task.id for task in held]
    for number, (here, there) in enumerate([("email", "images"), ("images", "email")] * 2):
        with contextlib.suppress(UnknownQueue):
            control.restore(here, ids, by="ada", action_id=f"end{number}")
            control.move(here, ids, there, by="ada", action_id=f"end{number}")
    left = [*whole(engine).get("tasks", {}), *whole(images).get("tasks", {})]
    assert sorted(left + completed) == sorted(ids)
    assert "trash" not in whole(engine)
    assert "trash" not in whole(images)
