"""What all scripts have in common: sent again they answer the same and change nothing; a stale number, a damaged key or
a foreign format changes nothing; and a full server refuses nothing but new tasks."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from queue_core import protocol
from queue_core.errors import CorruptQueue, FormatMismatch, InvalidArgument, ServerFull, Stale
from queue_core.protocol import Call, Held, ReleasedTask, Report, Session
from queue_core.settings import MAX_BATCH
from tests.engine import KEEP_MS, LEASE_MS, READS, Engine
from tests.scripts.scenarios import SCENARIOS, with_history
from tests.scripts.test_headers import MAKING_TASKS, key_words_of, keys_of

pytestmark = pytest.mark.each_server

VERBS = sorted(SCENARIOS)
WITH_SESSION = [verb for verb in VERBS if verb != "extend"]
OWN = ("control", "session")
UNCHECKED = ("at the change of a minute", "for the statistics", "where an id is met, or there are limits")
"""Words of headers before keys at which no script looks unless it has need of them."""
EMPTY_ARRAY = b"\x90"  # msgpack


@pytest.mark.parametrize("verb", VERBS)
def test_scenario_changes_the_queue_and_its_books_balance(engine: Engine, verb: str) -> None:
    call = SCENARIOS[verb](engine)
    before = engine.check_books()
    engine.run(call)
    assert engine.check_books() != before


@pytest.mark.parametrize("verb", VERBS)
def test_resent_command_answers_the_same_and_changes_nothing(engine: Engine, verb: str) -> None:
    command = engine.command(SCENARIOS[verb](engine))
    answer = engine.send(command)
    after = engine.state()
    assert engine.send(command) == answer
    assert engine.state() == after


@pytest.mark.parametrize("verb", WITH_SESSION)
def test_answer_is_kept_for_ten_minutes(engine: Engine, verb: str) -> None:
    engine.send(engine.command(SCENARIOS[verb](engine), Session("ours")))
    assert 590 < engine.redis.ttl(engine.queue.session(f"ours.{verb}")) <= 600


@pytest.mark.parametrize("verb", WITH_SESSION)
def test_stale_number_changes_nothing(engine: Engine, verb: str) -> None:
    call = SCENARIOS[verb](engine)
    engine.redis.set(engine.queue.session(f"ours.{verb}"), b"7 " + EMPTY_ARRAY)
    before = engine.state()
    with pytest.raises(Stale):
        engine.client.run(call, Session("ours"))
    assert engine.state() == before


@pytest.mark.parametrize("verb", VERBS)
def test_queue_of_another_format_is_left_alone(engine: Engine, verb: str) -> None:
    call = SCENARIOS[verb](engine)
    engine.redis.hset(engine.queue.control, "format", "2")
    before = engine.state()
    with pytest.raises(FormatMismatch, match="format 2"):
        engine.run(call)
    assert engine.state() == before


@pytest.mark.parametrize("verb", VERBS)
def test_key_of_a_wrong_type_is_reported_and_nothing_changes(engine: Engine, verb: str) -> None:
    call = SCENARIOS[verb](engine)
    session = Session("ours")
    others = () if verb == "delete_queue" else call.keys  # which that takes away, whatever they are
    own = [engine.queue.control, *([engine.queue.session(f"ours.{verb}")] if call.has_session else [])]
    for key in (*own, *call.queue.named(checked_keys(verb)), *others):
        kept = engine.redis.dump(key)
        engine.redis.delete(key)
        engine.redis.xadd(key, {"what": "a stream"})
        before = _raw(engine)
        with pytest.raises(CorruptQueue):
            engine.client.run(call, session)
        assert _raw(engine) == before, key
        engine.redis.delete(key)
        if kept is not None:
            engine.redis.restore(key, 0, kept)
    engine.client.run(call, session)
    engine.check_books()


@pytest.mark.parametrize("verb", VERBS)
def test_full_server_refuses_nothing_but_new_tasks(engine: Engine, verb: str) -> None:
    call = SCENARIOS[verb](engine)
    before = engine.state()
    engine.redis.config_set("maxmemory", 1)
    if verb in MAKING_TASKS:
        with pytest.raises(ServerFull):
            engine.run(call)
        assert engine.state() == before
    else:
        engine.run(call)
        assert engine.check_books() != before


def checked_keys(verb: str) -> tuple[str, ...]:
    """Names of the keys at which the script looks before it writes, or to which it writes first."""
    sections = key_words_of(verb).partition(", then ")[0].split("; ")
    checked = " ".join(section for section in sections if section.partition(":")[0] not in UNCHECKED)
    return tuple(name for name in keys_of(verb) if name not in OWN and re.search(rf"\b{name} [A-Z]", checked))


BATCHES: dict[str, Callable[[Engine, list[Any]], Call[Any]]] = {
    "enqueue": lambda engine, ids: protocol.enqueue(engine.queue, [engine.new_task(task_id) for task_id in ids]),
    "complete": lambda engine, ids: protocol.complete(engine.queue, [Held(task_id, 1, True) for task_id in ids]),
    "fail": lambda engine, ids: protocol.fail(
        engine.queue, [engine.failed(Held(task_id, 1), protocol.DISCARD) for task_id in ids]
    ),
    "extend": lambda engine, ids: protocol.extend(engine.queue, [Held(task_id, 1) for task_id in ids], LEASE_MS),
    "release": lambda engine, ids: protocol.release(engine.queue, [ReleasedTask(task_id, 1) for task_id in ids]),
    "recover": lambda engine, ids: protocol.recover(engine.queue, LEASE_MS, held=[Held(task_id, 1) for task_id in ids]),
    "requeue": lambda engine, ids: protocol.requeue(engine.queue, [(task_id, 1) for task_id in ids], {}),
    "progress": lambda engine, ids: protocol.progress(
        engine.queue, [Report(task_id, 1, b'{"done":1}') for task_id in ids]
    ),
    "cancel": lambda engine, ids: protocol.cancel(engine.queue, ids, {}),
    "trash": lambda engine, ids: protocol.trash(engine.queue, ids, KEEP_MS, "ada", ""),
    "restore": lambda engine, ids: protocol.restore(engine.queue, ids),
    "delete": lambda engine, ids: protocol.delete(engine.queue, ids),
    "promote": lambda engine, ids: protocol.promote(engine.queue, ids),
    "export": lambda engine, ids: protocol.export(engine.queue, ids, "images", "t1", "ada", ""),
    "forget": lambda engine, ids: protocol.forget(engine.queue, ids),
    "expire": lambda engine, ids: protocol.expire(engine.queue, ids),
}


@pytest.mark.parametrize("verb", BATCHES)
def test_empty_batch_changes_nothing(engine: Engine, verb: str) -> None:
    engine.seed("ready")
    before = engine.state()
    engine.run(BATCHES[verb](engine, []))
    after = engine.state()
    after["control"].pop("seen", None)
    assert after == before


@pytest.mark.parametrize("verb", BATCHES)
def test_largest_batch_of_unknown_ids_is_answered_one_by_one(engine: Engine, verb: str) -> None:
    ids = [f"id-{number}" for number in range(MAX_BATCH)]
    answer = engine.run(BATCHES[verb](engine, ids))
    if verb == "enqueue":
        assert (answer, len(engine.check_books()["tasks"])) == ({}, MAX_BATCH)
    else:
        assert list(getattr(answer, "skipped", getattr(answer, "lost", answer))) == ids
        assert set(engine.state()) <= {"control"}


@pytest.mark.parametrize("verb", BATCHES)
def test_larger_batch_is_refused_before_it_is_sent(engine: Engine, verb: str) -> None:
    with pytest.raises(InvalidArgument, match="at most 256"):
        BATCHES[verb](engine, [f"id-{number}" for number in range(MAX_BATCH + 1)])


@pytest.mark.parametrize("verb", ["complete", "fail"])
def test_record_of_a_wrong_type_stops_the_whole_batch(engine: Engine, verb: str) -> None:
    first, second = with_history(engine), with_history(engine)
    engine.redis.set(engine.queue.record(second.id), "not a hash")
    before = engine.state()
    calls: dict[str, Call[list[str]]] = {
        "complete": protocol.complete(engine.queue, [first, second]),
        "fail": protocol.fail(engine.queue, [engine.failed(held, protocol.DISCARD) for held in (first, second)]),
    }
    with pytest.raises(CorruptQueue, match="should be a hash"):
        engine.run(calls[verb])
    assert engine.state() == before


def _raw(engine: Engine) -> dict[bytes, Any]:
    """Every key's value as it stands, whatever it is; sessions excluded."""
    session = engine.queue.session("").encode()
    names = [name for name in engine.redis.keys("*") if not name.startswith(session)]
    reads = {**READS, "stream": ("XRANGE", "-", "+")}
    values = {}
    for name in names:
        read, *arguments = reads[engine.redis.type(name).decode()]
        values[name] = engine.redis.execute_command(read, name, *arguments)
    return values
