"""Each task once, whoever runs an operation, and whenever that one dies or the form is sent again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from queue_core import protocol
from queue_core.client import Client
from queue_core.inspector import Inspector
from queue_core.operations import Operations, operation_id
from queue_core.protocol import Chunk, Held
from tests.engine import START_MS, Engine
from tests.invariants import places_of
from tests.operations.harness import SILENT_MS, another, run, run_at_once, start


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
    words = run_at_once(engine, operation, 4)
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
