"""Destination before source: a script that fails before any of its writes may leave a task twice, never nowhere; and
the same call again, with or without a repair between, does what was left to do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from queue_core import fsck, keys, protocol, scripts
from queue_core.errors import OperationEnded, ServerRefused, UnknownQueue
from queue_core.protocol import Call, Chunk
from tests.engine import KEEP_MS, Engine
from tests.invariants import places_of, problems_of
from tests.proof.halves import stopping_after
from tests.scripts.scenarios import OPERATION, SCENARIOS, TO_REQUEUE, Scenario
from tests.scripts.test_headers import OF_NO_QUEUE

BESIDE = (
    "fault ",
    "faults and ",
    "tokens while paused",
    "nobody wakes",
    "can expire",
    "unique key",
    "its time is over",
    "operation ",
)
"""What says no more than how a task is to be treated: fsck leaves it alone."""
HALF_GONE = {"delete_queue"}
"""Was to leave nothing: what is left of it is no queue."""
TAKES_LESS = {"claim"}
"""The second time: what the first gave out has used its rate up."""


@pytest.fixture(autouse=True)
def looking_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else changes the queue while fsck looks."""
    monkeypatch.setattr(fsck, "LOOKS", 1)


def chunk(verb: str, of: str, send: Callable[[Engine, Chunk], Call[Any]]) -> Scenario:
    """A chunk of bulk work, on all tasks of a state."""

    def scenario(engine: Engine) -> Call[Any]:
        place = {"trashed": "dead"}.get(of, of)
        ids = [engine.seed(place, unique_key=f"key-{number}") for number in range(3)]
        if of == "trashed":
            engine.trash(*ids)
        facts = {**TO_REQUEUE, "verb": verb, "of": of, "place": of, "count": 3}
        if of != "dead":
            facts["top"] = engine.now + 10**9
        engine.run(protocol.start_operation(engine.queue, OPERATION, facts, counts_outcome=verb == "requeue"))
        return send(engine, Chunk(OPERATION, "w1"))

    return scenario


def cancel_next(engine: Engine, chunk: Chunk) -> Call[Any]:
    """It is told which are next, and ends those."""
    named = engine.run(protocol.cancel(engine.queue, (), {"by": "ada"}, chunk)).chunk
    assert named
    assert len(named.ids) == 3
    return protocol.cancel(engine.queue, named.ids, {"by": "ada"}, chunk)


def repair(engine: Engine) -> Call[Any]:
    task_id, _ = engine.seed("retrying"), engine.seed("dead")
    engine.redis.zadd(engine.queue.dead, {task_id: engine.now})
    engine.redis.zadd(engine.queue.scheduled, {task_id: engine.now})
    engine.redis.rpush(engine.queue.ready, task_id, task_id, "gone")
    return protocol.repair(engine.queue, {task_id: [("Q", 1), ("Q", 2)], "gone": [("Q", 0)]}, b"gone")


def reclaim(engine: Engine) -> Call[Any]:
    engine.enqueue(unique_key="until done")
    engine.redis.zadd(engine.queue.unique_expiring, {"until done": engine.now, "nobody's": engine.now})
    engine.redis.hset(engine.queue.unique, mapping={"gone": "gone 0", "over": f"gone {engine.now}"})
    return protocol.reclaim(engine.queue, [b"until done", b"nobody's", b"gone", b"over"])


def relist(engine: Engine) -> Call[Any]:
    engine.seed("dead")
    for name in ("0123456789ab", "1123456789ab"):
        engine.run(protocol.start_operation(engine.queue, name, TO_REQUEUE, counts_outcome=True))
    engine.redis.zrem(engine.queue.operations, "0123456789ab")
    engine.redis.delete(engine.queue.operation("1123456789ab"))
    return protocol.relist(engine.queue, ["0123456789ab", "1123456789ab"])


def recount(engine: Engine) -> Call[Any]:
    for message in ("one", "two"):
        engine.fail(engine.lease(), message=message)
    for fingerprint in engine.state()["faults_seen"]:
        engine.redis.hset(engine.queue.faults, f"{fingerprint}:retrying", 7)
    return protocol.recount(engine.queue)


def balance(engine: Engine) -> Call[Any]:
    engine.seed("ready")
    engine.redis.hincrby(engine.queue.stats, "completed", 3)
    return protocol.balance(engine.queue)


ALL: dict[str, Scenario] = {
    **SCENARIOS,
    "chunk of requeue": chunk("requeue", "dead", lambda engine, chunk: protocol.requeue(engine.queue, [], {}, chunk)),
    "chunk of trash": chunk(
        "trash", "retrying", lambda engine, chunk: protocol.trash(engine.queue, [], KEEP_MS, "ada", "", chunk)
    ),
    "chunk of restore": chunk("restore", "trashed", lambda engine, chunk: protocol.restore(engine.queue, [], chunk)),
    "chunk of delete": chunk("delete", "trashed", lambda engine, chunk: protocol.delete(engine.queue, [], chunk=chunk)),
    "chunk of promote": chunk("promote", "scheduled", lambda engine, chunk: protocol.promote(engine.queue, [], chunk)),
    "chunk of cancel": chunk("cancel", "scheduled", cancel_next),
    "repair": repair,
    "reclaim": reclaim,
    "relist": relist,
    "recount": recount,
    "balance": balance,
}


def test_every_script_that_writes_is_among_them() -> None:
    writing = {name for name in scripts.names() if "no-writes" not in scripts.load(name).text.partition("\n")[0]}
    assert writing - ALL.keys() == OF_NO_QUEUE, "audit has a test of its own, the others say the same again"


@pytest.mark.each_server
@pytest.mark.parametrize("verb", ALL)
def test_script_that_fails_before_any_of_its_writes_loses_no_task(
    request: pytest.FixtureRequest, engine: Engine, verb: str
) -> None:
    """On the other server only the scripts' part: each half, and the call upon it."""
    stops = stops_of(engine, verb, mends_first=request.node.callspec.params["server"] == "valkey")
    assert stops > 1


def stops_of(engine: Engine, verb: str, *, mends_first: bool = True) -> int:
    """Let the scenario fail before its first write, its second, and so on; the same call follows, behind a repair or
    before it. Returns at how many it could fail."""
    engine.start_over()
    call = ALL[verb](engine)
    put_back = engine.keep()
    there = engine.state().get("tasks", {}).keys()
    engine.run(call)
    whole = engine.state()
    stays = there & whole.get("tasks", {}).keys()

    def check(when: str, *, is_mended: bool = True) -> list[str]:
        """Nothing is lost. Returns what is damaged, of which nothing may be left where it was mended."""
        state = engine.state()
        problems = problems_of(state)
        gone = [f"{task_id} is gone" for task_id in stays - state.get("tasks", {}).keys()]
        nowhere = [problem for problem in problems if "no place" in problem]
        assert gone + [line for line in nowhere if line.partition(" ")[0] not in there - stays] == [], when
        damage = [line for line in problems if not any(hint in line for hint in BESIDE)]
        assert not (is_mended and damage) or verb in HALF_GONE, when
        return damage

    writes = 0
    while True:
        put_back()
        if not fails(engine, call, writes):
            return writes
        at = f"{verb} failed before its write {writes + 1}"
        if check(at, is_mended=False) and mends_first:
            half = engine.keep()
            mend(engine)
            check(f"{at}; and after fsck")
            again(engine, call)
            check(f"{at}; and after fsck and the call itself")
            half()
        again(engine, call)
        if check(f"{at}; and after the call itself", is_mended=False):
            mend(engine)
            check(f"{at}; and after the call itself and fsck")
        if verb not in TAKES_LESS:
            assert places_of(engine.state()) == places_of(whole), f"{at}; and after the call itself and fsck"
        writes += 1


def fails(engine: Engine, call: Call[Any], writes: int) -> bool:
    try:
        engine.run(call._replace(script=stopping_after(call.script, writes)))
    except ServerRefused as error:
        if "HALFWAY" in str(error):
            return True
        raise
    return False


def again(engine: Engine, call: Call[Any]) -> None:
    with suppress(OperationEnded, UnknownQueue):  # it was done already, but for what did not matter
        engine.run(call)


def mend(engine: Engine) -> None:
    if engine.redis.exists(engine.queue.control):
        list(fsck.check(engine.client, "email", repair=True))


@pytest.mark.each_server
def test_audit_that_fails_half_way_has_told_of_the_act_or_is_sent_again(engine: Engine) -> None:
    call = protocol.audit(engine.queue, "form", {"by": "ada"})
    for writes in range(2):
        engine.start_over()
        assert fails(engine, call, writes)
        engine.run(call)
        told = engine.redis.xrange(keys.audit(engine.client.namespace))
        assert [facts[b"by"] for _, facts in told] == [b"ada"] * (writes + 1), "rather twice than never"
    assert not fails(engine, call, 2)
