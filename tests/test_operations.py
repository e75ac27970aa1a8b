"""Operators' bulk work on a real server: what was previewed is done, each task once, whoever runs it and whenever that
one dies; nothing that came later is touched."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from queue_core import keys, protocol
from queue_core.client import Client
from queue_core.control import Control
from queue_core.errors import (
    CorruptQueue,
    InvalidArgument,
    OperationEnded,
    TooManyOperations,
    UnknownOperation,
    UnknownQueue,
)
from queue_core.inspector import Inspector
from queue_core.operations import VERBS, Operations, operation_id, suggest_canary
from queue_core.protocol import Chunk, Held
from queue_core.snapshot import Bound, Operation, Preview, State
from tests.engine import START_MS, Engine, places_of
from tests.mortal import Died, Mortal

SILENT_MS = 15_000
SAID: dict[str, str] = {"by": "ada", "action_id": "a1", "reason": "fixed"}


def another(engine: Engine) -> Operations:
    """Another runner."""
    return Operations(client=engine.client)


def start(operations: Operations, preview: Preview, action_id: str = "a1", **how: Any) -> Operation:
    return operations.start(preview.bound, by="ada", action_id=action_id, reason="fixed", **how)


def run(operations: Operations, operation: Operation) -> Operation:
    return operations.wait(operation.id, operation.bound.queue)


def fault_of(engine: Engine, message: str) -> str:
    faults = Inspector(client=engine.client).faults("email")
    return next(fault.fingerprint for fault in faults if fault.message == message)


def place_of(engine: Engine, task_id: str) -> str:
    (place,) = (place for place, members in places_of(engine.state()).items() if task_id in members)
    return place


# Before.


@pytest.mark.each_server
def test_preview_of_letters_counts_those_of_its_faults_in_its_time(engine: Engine, operations: Operations) -> None:
    first = engine.kill(3)
    engine.later(1_000)
    second = engine.kill(4)
    engine.kill(2, "wrong address")
    engine.later(1_000)
    engine.kill(5)
    fault, other = fault_of(engine, "no answer"), fault_of(engine, "wrong address")
    shown = operations.preview("email", "requeue", faults=[fault], since=START_MS, until=START_MS + 1_000)
    assert (shown.count, shown.oldest_at, shown.newest_at) == (7, START_MS, START_MS + 1_000)
    assert [(share.fingerprint, share.count, share.error_class) for share in shown.by_fault] == [
        (fault, 7, "ValueError")
    ]
    assert [row.id for row in shown.samples] == [*first, *second][:5]
    everything = operations.preview("email", "trash")
    assert (everything.count, everything.newest_at) == (14, engine.now)
    assert [(share.fingerprint, share.count) for share in everything.by_fault] == [(fault, 12), (other, 2)]
    assert everything.bound.taken_at == engine.now
    assert operations.preview("email", "requeue", since=START_MS + 1, until=START_MS + 999).count == 0


@pytest.mark.parametrize(
    ("state", "verb", "times"),
    [
        (State.READY, "trash", (START_MS, START_MS)),
        (State.SCHEDULED, "promote", (START_MS + 60_000, START_MS + 60_000)),
        (State.RETRYING, "trash", (START_MS + 1_000, START_MS + 1_000)),
        (State.HELD, "trash", (None, None)),
        (State.TRASHED, "restore", (START_MS + 86_400_000, START_MS + 86_400_000)),
    ],
)
def test_preview_of_a_state_counts_it(
    engine: Engine, operations: Operations, state: State, verb: str, times: tuple[int | None, int | None]
) -> None:
    task_id = engine.seed(state.value)
    shown = operations.preview("email", verb, state=state)
    assert (shown.count, shown.oldest_at, shown.newest_at) == (1, *times)
    assert [row.id for row in shown.samples] == [task_id]


@pytest.mark.parametrize(
    "wrong",
    [
        {"verb": "explode"},
        {"verb": "restore"},
        {"verb": "trash", "state": State.RUNNING},
        {"verb": "trash", "state": State.READY, "faults": ["abc"]},
        {"verb": "promote", "state": State.SCHEDULED, "until": START_MS},
        {"verb": "requeue", "faults": ["a:b"]},
        {"verb": "requeue", "faults": ["a"] * 1_201},
        {"verb": "requeue", "since": -1},
        {"verb": "requeue", "until": 10**13},
    ],
)
def test_what_cannot_be_selected_is_refused(engine: Engine, operations: Operations, wrong: dict[str, Any]) -> None:
    engine.seed("dead")
    with pytest.raises(InvalidArgument):
        operations.preview("email", **wrong)
    wrong = {"state": State.DEAD, "taken_at": START_MS, "count": 1, **wrong}
    with pytest.raises(InvalidArgument):
        operations.start(Bound("email", **wrong), **SAID)  # type: ignore[arg-type]
    assert engine.redis.keys("*operation*") == []


def test_queue_that_is_not_there_is_told(engine: Engine, operations: Operations) -> None:
    with pytest.raises(UnknownQueue):
        operations.preview("none", "requeue")
    with pytest.raises(UnknownQueue):
        operations.start(Bound("none", "requeue", State.DEAD, START_MS, 1), by="ada", action_id="a1")
    assert engine.redis.keys("*") == []


@pytest.mark.parametrize(
    "pace",
    [
        {"drip": 0}, {"drip": -1}, {"drip": float("nan")}, {"drip": 1e9}, {"canary": -1}, {"canary": 1_001},
        {"canary": 1.5}, {"keep_seconds": 0}, {"by": "\ud800"}, {"reason": "x" * 501}, {"action_id": ""},
    ],
)  # fmt: skip
def test_paces_that_cannot_be_are_refused(engine: Engine, operations: Operations, pace: dict[str, Any]) -> None:
    engine.seed("dead")
    shown = operations.preview("email", "requeue")
    with pytest.raises(InvalidArgument):
        operations.start(shown.bound, **{**SAID, **pace})
    with pytest.raises(InvalidArgument):
        start(operations, operations.preview("email", "trash"), drip=5)
    with pytest.raises(InvalidArgument):
        start(operations, operations.preview("email", "trash"), canary=5)
    with pytest.raises(InvalidArgument):
        operations.start(replace(shown.bound, count=0), **SAID)  # type: ignore[arg-type]
    assert engine.redis.keys("*operation*") == []


@pytest.mark.parametrize(("count", "canary"), [(0, 0), (1_000, 0), (1_001, 10), (10**9, 10)])
def test_canary_is_suggested_above_a_thousand(count: int, canary: int) -> None:
    assert suggest_canary(count) == canary


# Every verb on every state that it is for.


def seed(engine: Engine, state: State, count: int) -> list[str]:
    if state is State.READY:
        return [*engine.enqueue_many(count - 2), *(engine.enqueue(priority=priority) for priority in (5, -5))]
    # A lane that is shut takes its tasks at the claim: each has its own.
    of_held: list[dict[str, Any]] = [{"name": f"resize{engine.now}.{number}"} for number in range(count)]
    return [engine.seed(state.value, **(of_held[i] if state is State.HELD else {})) for i in range(count)]


@pytest.mark.each_server
@pytest.mark.parametrize(("verb", "state"), [(verb, state) for verb in VERBS for state in sorted(VERBS[verb])])
def test_what_was_shown_is_done_and_what_came_later_is_left_alone(
    engine: Engine, operations: Operations, verb: str, state: State
) -> None:
    before = seed(engine, state, 7)
    if state is State.READY:
        engine.trash(before.pop(0))
    shown = operations.preview("email", verb, state=state, to_queue="images" if verb == "move" else "")
    assert shown.count == len(before)
    operation = start(operations, shown)
    engine.later(2_000 if state is State.READY else 500)
    later = [engine.enqueue()] if state is State.READY else []
    if state is not State.READY and not engine.state().get("ready"):
        later = seed(engine, state, 1)
    ended = run(operations, operation)
    assert (ended.progress, ended.done, ended.skipped, ended.looked_at) == ("ended", len(before), {}, len(before))
    after = engine.check_books()
    places = places_of(after)
    assert all(task_id in places[state.value] for task_id in later)
    goes_to = {"requeue": "ready", "trash": "trashed", "restore": "dead", "promote": "ready"}
    if verb == "move":
        arrived = Engine(engine.url, engine.client.namespace, "images")
        assert set(before) == arrived.check_books()["tasks"].keys()
        arrived.close()
    if verb in ("delete", "cancel", "move"):
        assert not set(before) & after.get("tasks", {}).keys()
    else:
        assert set(before) <= set(places[goes_to[verb]])


@pytest.mark.parametrize(
    ("state", "verb", "before", "later"),
    [
        (State.SCHEDULED, "promote", {"delay_ms": 60_000}, {"delay_ms": 10_000}),
        (State.RETRYING, "trash", {}, {}),
        (State.RETRYING, "cancel", {}, {}),
        (State.HELD, "trash", {"name": "resize"}, {"name": "a_resize"}),
        (State.HELD, "cancel", {"name": "resize"}, {"name": "a_resize"}),
        (State.READY, "trash", {"priority": 5}, {"priority": 9}),
        (State.TRASHED, "delete", {}, {}),
    ],
)
def test_what_came_later_is_left_alone_also_where_it_stands_before_the_others(
    engine: Engine,
    operations: Operations,
    state: State,
    verb: str,
    before: dict[str, Any],
    later: dict[str, Any],
) -> None:
    def one(**what: Any) -> str:
        if state is State.RETRYING:
            held = engine.lease()
            engine.fail(held, delay_ms=60_000 - 10 * (engine.now - START_MS))
            return held.id
        if state is State.TRASHED:
            task_id = engine.seed("dead")
            keep_ms = 60_000 - 10 * (engine.now - START_MS)
            engine.run(protocol.trash(engine.queue, [task_id], keep_ms, "ada", ""))
            return task_id
        return engine.seed(state.value, **what)

    place = place_of(engine, one(**before))
    operation = start(operations, operations.preview("email", verb, state=state))
    engine.later(2_000)
    left = engine.enqueue(**later) if state is State.READY else one(**later)
    ended = run(operations, operation)
    assert (ended.done, ended.skipped) == (1, {})
    assert places_of(engine.check_books())[place] == [left]


@pytest.mark.parametrize("chooses_fault", [True, False])
def test_letters_that_cannot_be_touched_are_looked_at_once(
    engine: Engine, operations: Operations, chooses_fault: bool
) -> None:
    died = engine.kill(500)
    faults = [fault_of(engine, "no answer")] if chooses_fault else []
    operation = start(operations, operations.preview("email", "requeue", faults=faults))
    engine.redis.hdel(engine.queue.tasks, *died[:400])  # damage
    ended = run(operations, operation)
    assert (ended.done, ended.looked_at, ended.skipped) == (100, 500, {"not dead": 400})
    assert [task_id for task_id, _ in ended.skipped_ids] == died[:100]
    assert places_of(engine.state())["ready"] == died[400:]


def test_ready_tasks_that_are_claimed_and_arrive_meanwhile_do_not_hide_any(
    engine: Engine, operations: Operations
) -> None:
    before = engine.enqueue_many(1_000)
    operation = start(operations, operations.preview("email", "trash", state=State.READY))
    runs: list[str] = []
    later: list[str] = []
    while True:
        engine.later(1_000)
        later += engine.enqueue_many(40)
        runs += [task.id for task in engine.claim(60).tasks]
        if operations.run_chunk(operation.id, "email").word == "ended":
            break
    ended = Inspector(client=engine.client).operation(operation.id, "email")
    state = engine.check_books()
    assert set(state["trash"]) == set(before) - set(runs)
    assert ended.done == len(state["trash"])
    assert ended.skipped == {"gone": 1_000 - ended.done}
    assert set(places_of(state)["ready"]) == set(later) - set(runs)


def test_purged_ready_tasks_are_restored_in_their_order(engine: Engine, operations: Operations) -> None:
    engine.enqueue_many(600)
    before = engine.check_books()
    run(operations, start(operations, operations.preview("email", "trash", state=State.READY)))
    assert len(engine.check_books()["trash"]) == 600
    run(operations, start(operations, operations.preview("email", "restore", state=State.TRASHED), "a2"))
    assert engine.check_books()["ready"] == before["ready"]


def test_letters_of_several_faults_that_died_in_a_range_of_time(engine: Engine, operations: Operations) -> None:
    engine.kill(2)
    engine.later(10)
    wanted = [*engine.kill(300), *engine.kill(5, "wrong address")]
    engine.kill(3, "third")
    engine.later(10)
    engine.kill(2)
    faults = [fault_of(engine, "no answer"), fault_of(engine, "wrong address")]
    shown = operations.preview("email", "requeue", faults=faults, since=START_MS + 10, until=START_MS + 10)
    ended = run(operations, start(operations, shown))
    assert (ended.done, ended.bound.faults) == (305, tuple(sorted(faults)))
    state = engine.check_books()
    assert set(places_of(state)["ready"]) == set(wanted)
    assert len(state["dead"]) == 7


@pytest.mark.each_server
def test_five_thousand_letters_take_forty_chunks_and_histories_say_by_whom(
    engine: Engine, operations: Operations, inspector: Inspector
) -> None:
    died = engine.kill(5_000)
    operation = start(operations, operations.preview("email", "requeue"))
    words: list[str] = []
    while not words or words[-1] == "more":
        words.append(operations.run_chunk(operation.id, "email").word)
    assert words == ["more"] * 39 + ["ended"]
    state = engine.check_books()
    assert places_of(state)["ready"] == died
    entry = inspector.task("email", died[0]).history[-1]
    assert entry.facts == {"by": "ada", "operation": operation.id, "reason": "fixed"}
    ended = inspector.operation(operation.id, "email")
    assert (ended.done, ended.under_way, ended.skipped, ended.ended_at) == (5_000, 5_000, {}, engine.now)
    assert 600_000 < engine.redis.ttl(engine.queue.operation(operation.id)) <= 7 * 86_400


def test_letters_that_others_took_before_their_turn_are_counted_and_never_more_than_was_shown(
    engine: Engine, operations: Operations
) -> None:
    died = engine.kill(10)
    operation = start(operations, operations.preview("email", "requeue"))
    Control(client=engine.client).trash("email", died[:3], by="bob", action_id="b1")
    engine.redis.hdel(engine.queue.tasks, died[3])  # damage
    ended = run(operations, operation)
    assert (ended.done, ended.skipped) == (6, {"gone": 3, "not dead": 1})
    assert ended.skipped_ids == ((died[3], "not dead"),)
    again = start(operations, operations.preview("email", "trash"), "a2")
    assert again.bound.count == 1
    engine.redis.hset(engine.queue.tasks, died[3], "send\n{}")
    engine.kill(5)  # in the same millisecond as the preview
    ended = run(operations, again)
    assert (ended.looked_at, ended.done) == (1, 1)


def test_form_sent_again_begins_nothing_more(engine: Engine, operations: Operations, inspector: Inspector) -> None:
    engine.kill(5)
    shown = operations.preview("email", "requeue")
    operation = start(operations, shown)
    assert operation.id == operation_id("email", "a1")
    assert start(operations, shown) == operation
    ended = run(operations, operation)
    after = engine.state()
    assert start(another(engine), shown) == ended
    assert engine.state() == after
    (entry,) = inspector.audit().rows
    assert (entry.verb, entry.count, entry.target) == ("requeue", 5, f"dead letters of all faults until {START_MS}")


@pytest.mark.parametrize("cut", range(1, 7))
def test_form_whose_sender_died_between_two_round_trips_begins_one_operation(
    engine: Engine, operations: Operations, inspector: Inspector, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    """The round trip after so many is made, and its answer never read."""
    engine.kill(3)
    shown = operations.preview("email", "requeue")
    calls = 0

    def dying(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            nonlocal calls
            answer = method(*arguments)
            calls += 1
            if calls == cut:
                raise KeyboardInterrupt
            return answer

        return call

    with monkeypatch.context() as patched:
        patched.setattr(Client, "run", dying(Client.run))
        patched.setattr(Client, "read", dying(Client.read))
        if cut < 6:
            with pytest.raises(KeyboardInterrupt):
                start(operations, shown)
        else:
            start(operations, shown)
    assert run(another(engine), start(another(engine), shown)).done == 3
    assert len(inspector.audit().rows) == 1
    assert len(engine.check_books()["operations"]) == 1


# Whoever runs it, and whenever that one dies.


def kill_another(engine: Engine) -> None:
    """One that is claimed before all others."""
    engine.enqueue(priority=9)
    claimed = engine.claim(1)
    engine.fail(Held(claimed.tasks[0].id, claimed.fence), protocol.DEAD)


@pytest.mark.parametrize("chunks", range(5))
@pytest.mark.parametrize("verb", ["requeue", "trash"])
def test_runner_that_dies_between_any_two_round_trips_loses_and_doubles_nothing(
    engine: Engine, operations: Operations, chunks: int, verb: str
) -> None:
    """It dies after so many chunks, having sent one more whose answer it never reads. That one comes in twice."""
    died = engine.kill(1_000)
    operation = start(operations, operations.preview("email", verb))
    for _ in range(min(chunks, 3)):
        assert operations.run_chunk(operation.id, "email").word == "more"
    chunk = Chunk(operation.id, operations._runner)
    call = (
        protocol.requeue(engine.queue, (), {"by": "ada"}, chunk)
        if verb == "requeue"
        else protocol.trash(engine.queue, (), 60_000, "ada", "", chunk)
    )
    lost = engine.command(call)
    if chunks < 4:
        answer = engine.send(lost)
        after = engine.state()
        assert engine.send(lost) == answer
        assert engine.state() == after
    kill_another(engine)
    successor = another(engine)
    if chunks in (1, 2):
        assert successor.run_chunk(operation.id, "email").word == "busy"
        engine.later(SILENT_MS - 1)
        assert successor.run_chunk(operation.id, "email").word == "busy"
        engine.later(1)
    else:
        engine.later(SILENT_MS)
    kill_another(engine)
    while successor.run_chunk(operation.id, "email").word == "more":
        before = engine.state()
        assert operations.run_chunk(operation.id, "email").word == "busy"
        assert engine.state() == before
    ended = Inspector(client=engine.client).operation(operation.id, "email")
    assert (ended.progress, ended.done, ended.looked_at, ended.skipped) == ("ended", 1_000, 1_000, {})
    state = engine.check_books()
    assert set(places_of(state)["ready" if verb == "requeue" else "trashed"]) == set(died)
    assert len(state["dead"]) == 2


def test_runners_at_once_share_an_operation_without_doing_anything_twice(
    engine: Engine, operations: Operations
) -> None:
    died = engine.kill(2_000)
    operation = start(operations, operations.preview("email", "requeue"))
    words: list[str] = []

    def race() -> None:
        client = Client(engine.url, "test", clock=lambda: engine.now)
        runner = Operations(client=client)
        while (word := runner.run_chunk(operation.id, "email").word) in ("more", "busy"):
            words.append(word)
        words.append(word)
        client.close()

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert words.count("ended") == 4
    state = engine.check_books()
    assert places_of(state)["ready"] == died
    assert Inspector(client=engine.client).operation(operation.id, "email").done == 2_000


def test_anybody_who_tends_finishes_what_was_begun_anywhere(engine: Engine, operations: Operations) -> None:
    engine.kill(300)
    start(operations, operations.preview("email", "requeue"))
    other = Engine(engine.url, "test", "other")
    other.kill(300)
    start(operations, operations.preview("other", "trash"), "a2")
    stranger = another(engine)
    assert stranger.tend() is None
    assert [operation.progress for operation in Inspector(client=engine.client).operations()] == []
    engine.client.register("email")
    engine.client.register("other")
    assert [operation.progress for operation in Inspector(client=engine.client).operations()] == ["ended", "ended"]
    assert "dead" not in engine.check_books()
    other.check_books()
    other.close()


def test_what_tends_ends_before_the_next_chunk_when_it_is_closed(engine: Engine, operations: Operations) -> None:
    engine.kill(3)
    operation = start(operations, operations.preview("email", "requeue"))
    stranger = another(engine)
    stranger._is_closing.set()
    assert stranger.tend(["email"]) is None
    assert Inspector(client=engine.client).operation(operation.id, "email").looked_at == 0


# Cancelling: a chunk is told its records, so it takes two calls.

CANCELLABLE = sorted(VERBS["cancel"])
ABOUT = {"by": "ada"}


def cancelled_in(engine: Engine, ids: list[str]) -> list[str]:
    """Those that have left a record that says so."""
    records = ((task_id, engine.redis.hget(engine.queue.record(task_id), "state")) for task_id in ids)
    return [task_id for task_id, state in records if state == b"cancelled"]


@pytest.mark.each_server
@pytest.mark.parametrize("is_sent", [False, True])
@pytest.mark.parametrize("calls", range(1, 11))
def test_cancelling_whose_runner_dies_at_any_call_ends_each_task_once(
    engine: Engine, operations: Operations, calls: int, is_sent: bool
) -> None:
    ids = engine.enqueue_many(300)
    operation = start(operations, operations.preview("email", "cancel", state=State.READY))
    with pytest.raises(Died):
        run(Operations(client=Mortal(engine, calls, is_sent=is_sent)), operation)
    engine.check_books()
    engine.later(SILENT_MS)
    later = engine.enqueue()
    ended = run(another(engine), operation)
    assert (ended.done, ended.looked_at, ended.skipped) == (300, 300, {})
    state = engine.check_books()
    assert (list(state["tasks"]), state["stats"]["cancelled"]) == ([later], "300")
    assert cancelled_in(engine, ids) == ids


@pytest.mark.parametrize("state", CANCELLABLE)
def test_record_of_a_task_that_an_operation_cancelled_says_by_which(
    engine: Engine, operations: Operations, inspector: Inspector, state: State
) -> None:
    task_id = engine.seed(state.value)
    operation = start(operations, operations.preview("email", "cancel", state=state))
    run(operations, operation)
    task = inspector.task("email", task_id)
    assert (task.state, task.history[-1].kind) == (State.CANCELLED, "cancelled")
    assert task.history[-1].facts == {"by": "ada", "operation": operation.id, "reason": "fixed"}


def test_chunk_sent_twice_cancels_once(engine: Engine, operations: Operations) -> None:
    engine.enqueue_many(300)
    operation = start(operations, operations.preview("email", "cancel", state=State.READY))
    chunk = Chunk(operation.id, "me")
    named = engine.run(protocol.cancel(engine.queue, (), ABOUT, chunk)).chunk
    assert named
    assert (named.word, named.done, len(named.ids)) == ("more", 0, 64)
    lost = engine.command(protocol.cancel(engine.queue, named.ids, ABOUT, chunk))
    answer = engine.send(lost)
    after = engine.state()
    assert engine.send(lost) == answer
    assert engine.state() == after
    assert len(cancelled_in(engine, list(named.ids))) == 64
    engine.run(protocol.cancel(engine.queue, named.ids, ABOUT, chunk))
    assert engine.state()["tasks"] == after["tasks"]


def test_chunk_ends_those_that_it_was_told_of_and_are_next_still(engine: Engine, operations: Operations) -> None:
    """What leaves its place between the two calls has left; before what came it stops, to be told of it."""
    ids = [engine.enqueue(delay_ms=1_000 + 1_000 * number) for number in range(6)]
    operation = start(operations, operations.preview("email", "cancel", state=State.SCHEDULED))
    chunk = Chunk(operation.id, "me")
    named = engine.run(protocol.cancel(engine.queue, (), ABOUT, chunk)).chunk
    assert named
    assert list(named.ids) == ids
    engine.run(protocol.promote(engine.queue, [ids[1]]))
    engine.enqueue("order-1", delay_ms=4_500)  # an id without a time, in the midst
    done = engine.run(protocol.cancel(engine.queue, named.ids, ABOUT, chunk)).chunk
    assert done
    assert (done.word, done.done) == ("more", 3)
    assert set(engine.check_books()["tasks"]) == {ids[1], "order-1", *ids[4:]}
    again = engine.run(protocol.cancel(engine.queue, (), ABOUT, chunk)).chunk
    assert again
    assert list(again.ids) == ["order-1", *ids[4:]]
    done = engine.run(protocol.cancel(engine.queue, ids[5:], ABOUT, chunk)).chunk
    assert done
    assert (done.word, done.done) == ("more", 0)
    assert engine.run(protocol.cancel(engine.queue, again.ids, ABOUT, chunk)).chunk == replace(
        done, word="ended", done=3
    )
    assert list(engine.check_books()["tasks"]) == [ids[1]]


def test_runners_at_once_cancel_each_task_once(engine: Engine, operations: Operations) -> None:
    ids = engine.enqueue_many(1_000)
    operation = start(operations, operations.preview("email", "cancel", state=State.READY))

    def race() -> None:
        client = Client(engine.url, "test", clock=lambda: engine.now)
        runner = Operations(client=client)
        while runner.run_chunk(operation.id, "email").word in ("more", "busy"):
            pass
        client.close()

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended = Inspector(client=engine.client).operation(operation.id, "email")
    assert (ended.done, ended.looked_at, ended.skipped) == (1_000, 1_000, {})
    assert engine.check_books()["stats"]["cancelled"] == "1000"
    assert cancelled_in(engine, ids) == ids


# Pause, resume, cancel, drip, canary.


def test_paused_operation_does_nothing_until_it_is_resumed(engine: Engine, operations: Operations) -> None:
    engine.kill(600)
    operation = start(operations, operations.preview("email", "requeue"))
    operations.run_chunk(operation.id, "email")
    paused = operations.pause(operation.id, "email", by="bob", action_id="b1", reason="too fast")
    assert (paused.progress, paused.why, paused.done) == ("paused", "bob: too fast", 128)
    assert operations.run_chunk(operation.id, "email").word == "paused"
    assert operations.tend(["email"]) is None
    assert run(operations, operation) == paused
    again = operations.pause(operation.id, "email", by="eve", action_id="e1")
    assert again == paused
    resumed = operations.resume(operation.id, "email", by="bob", action_id="b2")
    assert (resumed.progress, resumed.why) == ("running", "")
    assert run(operations, operation).done == 600
    verbs = [entry.verb for entry in Inspector(client=engine.client).audit().rows]
    assert verbs == ["resume_operation", "pause_operation", "pause_operation", "requeue"]


def test_cancelled_operation_has_ended_and_refuses_everything(engine: Engine, operations: Operations) -> None:
    engine.kill(600)
    operation = start(operations, operations.preview("email", "requeue"))
    operations.run_chunk(operation.id, "email")
    cancelled = operations.cancel(operation.id, "email", by="bob", action_id="b1")
    assert (cancelled.progress, cancelled.done, cancelled.has_ended, cancelled.ended_at) == (
        "cancelled", 128, True, engine.now,
    )  # fmt: skip
    assert operations.cancel(operation.id, "email", by="bob", action_id="b1") == cancelled
    assert operations.run_chunk(operation.id, "email").word == "cancelled"
    for act in (operations.pause, operations.resume, operations.cancel):
        with pytest.raises(OperationEnded, match=operation.id):
            act(operation.id, "email", by="bob", action_id="b2")
    assert len(engine.check_books()["dead"]) == 472
    assert 0 < engine.redis.ttl(engine.queue.operation(operation.id)) <= 7 * 86_400


@pytest.mark.parametrize("name", ["0" * 12, "", "x" * 12, "A" * 12, "a:b", "*"])
def test_operation_that_is_not_there_is_told(
    engine: Engine, operations: Operations, inspector: Inspector, name: str
) -> None:
    engine.seed("dead")
    acts: list[Callable[[], object]] = [
        lambda: operations.pause(name, "email", by="ada", action_id="a1"),
        lambda: operations.run_chunk(name, "email"),
        lambda: inspector.operation(name),
        lambda: inspector.operation(name, "email"),
    ]
    for act in acts:
        with pytest.raises(UnknownOperation):
            act()
    assert inspector.audit().rows == ()


@pytest.mark.each_server
@pytest.mark.parametrize(("drip", "seconds"), [(100, 6), (0.5, 1_200), (2_000, 0.3)])
def test_drip_is_never_faster_and_keeps_its_pace(
    engine: Engine, operations: Operations, drip: float, seconds: float
) -> None:
    engine.kill(600)
    operation = start(operations, operations.preview("email", "requeue"), drip=drip)
    first = engine.now
    while True:
        done = operations.run_chunk(operation.id, "email")
        now_done = Inspector(client=engine.client).operation(operation.id, "email").done
        assert now_done <= max(1, drip) + drip * (engine.now - first) / 1000 + (128 if drip > 128 else 0)
        if done.word == "ended":
            break
        assert done.word == "due"
        assert done.next_ms is not None
        if done.next_ms > engine.now:
            assert operations.run_chunk(operation.id, "email").word == "due"
            engine.later(done.next_ms - engine.now)
    assert (engine.now - first) / 1000 == pytest.approx(seconds, rel=0.35)
    engine.check_books()


def test_drip_that_was_looked_at_late_makes_up_for_a_second_at_most(engine: Engine, operations: Operations) -> None:
    engine.kill(600)
    operation = start(operations, operations.preview("email", "requeue"), drip=100)
    assert operations.run_chunk(operation.id, "email").next_ms == START_MS + 1_000
    engine.later(1_400)
    assert operations.run_chunk(operation.id, "email").next_ms == START_MS + 2_000
    engine.later(60_000)
    assert operations.run_chunk(operation.id, "email").next_ms == engine.now
    assert operations.run_chunk(operation.id, "email").next_ms == engine.now + 1_000


def settle(engine: Engine, count: int, fails: int = 0) -> list[str]:
    """So many of the ready tasks are run; of those the first fail."""
    claimed = engine.claim(count)
    held = [Held(task.id, claimed.fence, task.has_history) for task in claimed.tasks]
    for one in held[:fails]:
        engine.fail(one, protocol.DEAD)
    engine.run(protocol.complete(engine.queue, held[fails:]))
    return [one.id for one in held]


def test_canary_goes_first_and_the_others_when_all_of_it_has_completed(engine: Engine, operations: Operations) -> None:
    died = engine.kill(600)
    operation = start(operations, operations.preview("email", "requeue"), canary=10)
    done = operations.run_chunk(operation.id, "email")
    assert (done.word, done.done, done.next_ms) == ("waiting", 10, engine.now + 1_000)
    assert settle(engine, 9) == died[:9]
    engine.later(1_000)
    assert operations.run_chunk(operation.id, "email").word == "waiting"
    waiting = Inspector(client=engine.client).operation(operation.id, "email")
    assert (waiting.progress, waiting.completed, waiting.under_way, waiting.canary) == ("waiting", 9, 1, 10)
    settle(engine, 1)
    assert operations.run_chunk(operation.id, "email").word == "more"
    ended = run(operations, operation)
    assert (ended.progress, ended.done, ended.completed) == ("ended", 600, 10)
    engine.check_books()


def test_canary_of_which_one_failed_again_pauses_the_others(engine: Engine, operations: Operations) -> None:
    engine.kill(600)
    operation = start(operations, operations.preview("email", "requeue"), canary=10)
    operations.run_chunk(operation.id, "email")
    settle(engine, 10, fails=1)
    assert operations.run_chunk(operation.id, "email").word == "paused"
    paused = Inspector(client=engine.client).operation(operation.id, "email")
    assert (paused.progress, paused.why) == ("paused", "one of the first failed again")
    assert (paused.completed, paused.failed, paused.under_way) == (9, 1, 0)
    operations.resume(operation.id, "email", by="ada", action_id="r1")
    assert run(operations, operation).done == 600


def test_operation_that_waits_for_its_canary_can_be_told_to_go_on(engine: Engine, operations: Operations) -> None:
    engine.kill(20)
    operation = start(operations, operations.preview("email", "requeue"), canary=5)
    operations.run_chunk(operation.id, "email")
    assert operations.resume(operation.id, "email", by="ada", action_id="r1").progress == "running"
    assert run(operations, operation).done == 20


# Outcome.


@pytest.mark.each_server
def test_what_became_of_requeued_letters_is_counted(
    engine: Engine, operations: Operations, inspector: Inspector
) -> None:
    engine.kill(8)
    operation = start(operations, operations.preview("email", "requeue"))
    run(operations, operation)

    def outcome() -> tuple[int, int, int, int]:
        found = inspector.operation(operation.id, "email")
        return found.completed, found.failed, found.left, found.under_way

    assert outcome() == (0, 0, 0, 8)
    claimed = engine.claim(7)
    done, retried, dead, crashed, discarded, trashed, released = (
        Held(task.id, claimed.fence, task.has_history) for task in claimed.tasks
    )
    engine.run(protocol.complete(engine.queue, [done]))
    engine.fail(retried)
    engine.fail(dead, protocol.DEAD)
    engine.run(protocol.recover(engine.queue, 1, held=[crashed]))
    engine.fail(discarded, protocol.DISCARD)
    engine.run(protocol.release(engine.queue, [protocol.ReleasedTask(released.id, released.fence, facts={"why": "x"})]))
    assert outcome() == (1, 3, 1, 3)
    # What failed again and completed at last has completed; what failed twice counts once.
    engine.fail(trashed)
    engine.later(5_000)
    again = {task.id: task for task in engine.claim(9).tasks}
    fence = engine.state()["control"]["fence"]
    engine.run(protocol.complete(engine.queue, [Held(retried.id, int(fence), again[retried.id].has_history)]))
    engine.fail(Held(crashed.id, int(fence), True))
    assert outcome() == (2, 3, 1, 2)
    engine.trash(dead.id)
    engine.delete(dead.id)
    assert outcome() == (2, 2, 2, 2)
    engine.check_books()


def test_letter_that_is_requeued_again_counts_in_the_newer_operation(
    engine: Engine, operations: Operations, inspector: Inspector
) -> None:
    engine.kill(2)
    first = run(operations, start(operations, operations.preview("email", "requeue")))
    settle(engine, 2, fails=2)
    second = run(operations, start(operations, operations.preview("email", "requeue"), "a2"))
    settle(engine, 2, fails=1)
    counts = [inspector.operation(operation.id, "email") for operation in (first, second)]
    assert [(found.completed, found.failed) for found in counts] == [(0, 2), (1, 1)]
    (letter,) = engine.state()["dead"]
    died_at = engine.state()["dead"][letter]
    Control(client=engine.client).requeue("email", [(letter, died_at)], by="ada", action_id="by hand")
    settle(engine, 1)
    assert [inspector.operation(one.id, "email").completed for one in (first, second)] == [0, 1]


def test_operation_that_nobody_remembers_is_not_counted(engine: Engine, operations: Operations) -> None:
    engine.kill(2)
    run(operations, start(operations, operations.preview("email", "requeue")))
    engine.redis.delete(engine.queue.outcomes)
    settle(engine, 2, fails=1)
    assert not engine.redis.exists(engine.queue.outcomes)
    engine.check_books()


# Audit, trouble, damage.


def test_what_cannot_be_audited_is_not_begun(engine: Engine, operations: Operations) -> None:
    engine.kill(3)
    shown = operations.preview("email", "requeue")
    engine.redis.set(keys.audit("test"), "no stream")
    before = engine.state()
    with pytest.raises(CorruptQueue):
        start(operations, shown)
    assert engine.state() == before
    assert engine.redis.keys("*operation*") == []
    engine.redis.delete(keys.audit("test"))
    operation = start(operations, shown)
    engine.redis.delete(keys.audit("test"))
    engine.redis.set(keys.audit("test"), "no stream")
    with pytest.raises(CorruptQueue):
        operations.cancel(operation.id, "email", by="ada", action_id="c1")
    assert Inspector(client=engine.client).operation(operation.id, "email").progress == "running"


@pytest.mark.each_server
def test_full_server_can_be_emptied(engine: Engine, operations: Operations) -> None:
    engine.kill(300)
    engine.redis.config_set("maxmemory", 1)
    assert run(operations, start(operations, operations.preview("email", "trash"))).done == 300
    trashed = operations.preview("email", "delete", state=State.TRASHED)
    assert run(operations, start(operations, trashed, "a2")).done == 300
    assert "tasks" not in engine.check_books()


def test_operation_that_cannot_go_on_pauses_and_says_why(engine: Engine, operations: Operations) -> None:
    engine.kill(3)
    operation = start(operations, operations.preview("email", "requeue"))
    engine.redis.delete(engine.queue.prioritized)
    engine.redis.set(engine.queue.prioritized, "x")
    assert operations.tend(["email"]) is None
    paused = Inspector(client=engine.client).operation(operation.id, "email")
    assert paused.progress == "paused"
    assert "prioritized" in paused.why
    engine.redis.delete(engine.queue.prioritized)
    operations.resume(operation.id, "email", by="ada", action_id="r1")
    assert run(operations, operation).done == 3


FIELDS = (
    "verb", "place", "cursor", "count", "until", "since", "top", "looked", "done", "drip", "canary", "next", "faults",
    "runner", "heard", "listed", "left", "of", "keep",
)  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", [b"", b"\xff\0", b"-1", b"1e400", b"nan", b"x y z"])
def test_damaged_operation_loses_no_task(engine: Engine, operations: Operations, field: str, value: bytes) -> None:
    engine.kill(3)
    operation = start(operations, operations.preview("email", "requeue"))
    engine.redis.hset(engine.queue.operation(operation.id), field, value)
    for _ in range(3):
        operations.tend(["email"])
        engine.later(SILENT_MS)
    assert Inspector(client=engine.client).operation(operation.id, "email").id == operation.id
    engine.redis.delete(engine.queue.operation(operation.id), engine.queue.outcomes)
    engine.check_books()


def test_keys_that_are_not_ours_do_not_break_reading(
    engine: Engine, operations: Operations, inspector: Inspector
) -> None:
    engine.kill(3)
    engine.client.register("email")
    operation = start(operations, operations.preview("email", "requeue"))
    engine.redis.zadd(engine.queue.operations, {b"\xff": -1, "x": 1, "0" * 12: -2})
    engine.redis.zadd(keys.operations("test"), {b"\xff": 1, "no such": 2, "none": 3})
    engine.redis.set(engine.queue.operation("0" * 12), "x")
    assert [found.id for found in inspector.operations()] == [operation.id]
    operations.tend()
    assert inspector.operation(operation.id, "email").progress == "ended"
    engine.redis.hset(engine.queue.operation("1" * 12), "state", b"\xff")
    assert inspector.operation("1" * 12).bound.count == 0
    engine.redis.delete(engine.queue.operations)
    engine.redis.set(engine.queue.operations, "x")
    assert inspector.operations() == ()


def test_operations_are_listed_the_newest_first_and_the_oldest_are_forgotten(
    engine: Engine, operations: Operations, inspector: Inspector
) -> None:
    engine.client.register("email")
    engine.kill(1)
    shown = operations.preview("email", "requeue")
    begun = []
    for number in range(100):
        engine.later(1)
        begun.append(start(operations, shown, f"a{number}").id)
    assert [found.id for found in inspector.operations(200)] == begun[::-1]
    with pytest.raises(TooManyOperations, match="100 operations"):
        start(operations, shown, "one more")
    for name in begun[:99]:
        operations.cancel(name, "email", by="ada", action_id="c1")
    assert [found.progress for found in inspector.operations(2)] == ["running", "cancelled"]
    engine.later(8 * 86_400_000)
    latest = start(operations, shown, "latest")
    assert set(engine.state()["operations"]) == {begun[99], latest.id}
    assert {name.partition(":")[0] for name in engine.state()["outcomes"]} == {begun[99], latest.id}
