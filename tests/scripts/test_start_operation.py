"""start_operation: seeded state → one call → the whole resulting state; and every chunk of one, sent twice and on what
is damaged or full."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from queue_core import protocol
from queue_core.errors import CorruptQueue, FormatMismatch, TooManyOperations, UnknownQueue
from queue_core.protocol import Call, Chunk
from tests.engine import KEEP_MS, Engine, changed
from tests.scripts.scenarios import OPERATION, TO_REQUEUE

pytestmark = pytest.mark.each_server

CHUNK = Chunk(OPERATION, "runner-1")
CHUNKS: dict[str, tuple[str, str, Callable[[Engine], Call[Any]]]] = {
    "requeue": ("dead", "dead", lambda engine: protocol.requeue(engine.queue, (), {"by": "ada"}, CHUNK)),
    "trash": ("dead", "dead", lambda engine: protocol.trash(engine.queue, (), KEEP_MS, "ada", "", CHUNK)),
    "restore": ("trashed", "trashed", lambda engine: protocol.restore(engine.queue, (), CHUNK)),
    "delete": ("trashed", "trashed", lambda engine: protocol.delete(engine.queue, chunk=CHUNK)),
    "promote": ("scheduled", "scheduled", lambda engine: protocol.promote(engine.queue, (), CHUNK)),
}


def start(engine: Engine, name: str = OPERATION, **facts: Any) -> bool:
    call = protocol.start_operation(engine.queue, name, {**TO_REQUEUE, **facts}, counts_outcome=True)
    return engine.run(call).has_changed


def test_operation_stands_there_with_its_facts_and_among_those_under_way(engine: Engine) -> None:
    engine.seed("dead")
    before = engine.state()
    engine.later(5)
    assert start(engine)
    facts = {name: str(fact) for name, fact in TO_REQUEUE.items()}
    assert engine.check_books() == changed(
        before,
        operations={OPERATION: -engine.now},
        outcomes={f"{OPERATION}:{what}": "0" for what in ("completed", "failed", "ended", "recalled")},
        **{
            f"operation:{OPERATION}": {
                **facts, "id": OPERATION, "state": "running", "began": str(engine.now), "next": str(engine.now),
            }
        },
    )  # fmt: skip


def test_operation_begins_once_whoever_asks(engine: Engine) -> None:
    engine.seed("dead")
    call = protocol.start_operation(engine.queue, OPERATION, TO_REQUEUE, counts_outcome=False)
    assert sorted(found.has_changed for found in engine.at_once([lambda: call] * 6)) == [False] * 5 + [True]
    assert "outcomes" not in engine.check_books()


def test_queue_that_is_not_there_gets_none(engine: Engine) -> None:
    with pytest.raises(UnknownQueue):
        start(engine)
    assert engine.state() == {}


def test_too_many_at_once_are_refused(engine: Engine) -> None:
    engine.seed("dead")
    engine.redis.zadd(engine.queue.operations, {f"{number:012}": -1 - number for number in range(100)})
    before = engine.state()
    with pytest.raises(TooManyOperations):
        start(engine)
    assert engine.state() == before


def test_at_most_a_thousand_are_kept(engine: Engine) -> None:
    engine.seed("dead")
    ended = {f"{number:012}": engine.now - 2_000 + number for number in range(1_005)}
    engine.redis.zadd(engine.queue.operations, ended)
    engine.redis.hset(
        engine.queue.outcomes, mapping={f"{name}:{what}": 1 for name in ended for what in ("failed", "x")}
    )
    start(engine)
    state = engine.state()
    assert len(state["operations"]) == 1_000
    assert min(name for name in state["operations"] if name != OPERATION) == f"{6:012}"
    assert sum(name.endswith(":failed") for name in state["outcomes"]) == 1_000


@pytest.mark.parametrize("verb", CHUNKS)
def test_chunk_sent_again_answers_the_same_and_changes_nothing(engine: Engine, verb: str) -> None:
    seeded, place, make = CHUNKS[verb]
    engine.seed(seeded)
    start(engine, verb=verb, place=place, count=1, top="", until=engine.now)
    command = engine.command(make(engine))
    answer = engine.send(command)
    after = engine.check_books()
    assert (answer[1], answer[3]) == (b"ended", 1)
    assert after[f"operation:{OPERATION}"]["done"] == "1"
    assert engine.send(command) == answer
    assert engine.state() == after


@pytest.mark.parametrize("verb", CHUNKS)
def test_chunk_on_what_is_damaged_or_foreign_changes_nothing(engine: Engine, verb: str) -> None:
    seeded, place, make = CHUNKS[verb]
    engine.seed(seeded)
    start(engine, verb=verb, place=place, count=1, top="", until=engine.now)
    for key in (engine.queue.operation(OPERATION), engine.queue.operations, engine.queue.outcomes):
        kept = engine.redis.dump(key)
        engine.redis.delete(key)
        engine.redis.set(key, "x")
        before = engine.state()
        with pytest.raises(CorruptQueue):
            engine.run(make(engine))
        assert engine.state() == before
        engine.redis.restore(key, 0, kept, replace=True)
    engine.redis.hset(engine.queue.control, "format", "2")
    before = engine.state()
    with pytest.raises(FormatMismatch):
        engine.run(make(engine))
    assert engine.state() == before


@pytest.mark.parametrize("verb", CHUNKS)
def test_full_server_takes_chunks(engine: Engine, verb: str) -> None:
    seeded, place, make = CHUNKS[verb]
    engine.seed(seeded)
    engine.redis.config_set("maxmemory", 1)
    start(engine, verb=verb, place=place, count=1, top="", until=engine.now)
    assert engine.run(make(engine)).chunk.done == 1
    engine.check_books()
