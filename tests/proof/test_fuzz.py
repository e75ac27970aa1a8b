"""No bytes in any key make a script or a read raise anything but a documented error, and no healthy task is lost."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from queue_core import Taskyard, fsck, protocol
from queue_core.consumer import Lease
from queue_core.errors import ServerRefused, TaskyardError
from queue_core.histogram import Histogram
from queue_core.inspector import Inspector
from queue_core.protocol import Call, Held, ReleasedTask, Report, Session
from queue_core.snapshot import Figures, State
from tests.engine import IDLE_PLACES, KEEP_MS, LEASE_MS, Engine
from tests.proof.machine import TYPES
from tests.scripts.scenarios import OPERATION, TO_REQUEUE, put_aside

SEEDS = 60
GARBAGE: tuple[bytes, ...] = (
    b"", b"0", b"-1", b"1", b"nan", b"inf", b"-inf", b"1e400", b"99999999999999999999", b"\xff\xfe\x00", b"{",
    b'{"from":', b"[]", b"null", b'{"from":1,"score":{},"member":[]}', b"closed ", b"open {", b"1 2 3 4 f", b"x y z",
    b"\x93\x01", b"a" * 300, b"send {\n{}", b'send {"priority":"x"}\n{}', b'send {"priority":1e999}\n{}', b":" * 65,
    b"9" * 40 + b" 1  w", b"1 x \xc1", b"7 \xdc\xff\xff",
)  # fmt: skip
KINDS = {**TYPES, "telemetry": "hash", "names": "hash", "attempts": "hash"}
SCORES = (math.inf, -math.inf, 0.0, -1.0, 1e300, -1e300, 0.5, 2.0**63)


def damage(engine: Engine, chance: random.Random, ids: list[str]) -> str:
    """Something in one key is not what it was: garbage in a field, a member, a score, or as the whole value."""
    name, kind = chance.choice(sorted(KINDS.items()))
    key = getattr(engine.queue, name)
    bytes_ = chance.choice(GARBAGE)
    other = chance.choice([*GARBAGE, *(task_id.encode() for task_id in ids)])
    redis = engine.redis
    if chance.random() < 0.1 or redis.type(key) not in (b"none", kind.encode()):
        redis.delete(key)
        redis.set(key, bytes_)
        return f"{name} is the text {bytes_!r}"
    if kind == "hash":
        fields = redis.hkeys(key)
        field = chance.choice(fields) if fields and chance.random() < 0.7 else other
        redis.hset(key, field, bytes_)
        return f"{name} has {field!r}: {bytes_!r}"
    if kind == "zset":
        members = redis.zrange(key, 0, -1)
        member = chance.choice(members) if members and chance.random() < 0.5 else other
        score = chance.choice(SCORES)
        redis.zadd(key, {member: score})
        return f"{name} has {member!r} at {score}"
    if kind == "list":
        redis.lpush(key, bytes_)
    elif kind == "set":
        redis.sadd(key, bytes_)
    else:
        redis.set(key, bytes_)
    return f"{name} has {bytes_!r}"


def calls_of(
    engine: Engine, ids: list[str], held: list[Held], moved: protocol.Exported
) -> list[Callable[[], Call[Any]]]:
    queue = engine.queue
    strange = [*ids, "gone", "a" * 300]
    return [
        lambda: protocol.enqueue(queue, [engine.new_task(), engine.new_task(ids[0]), engine.new_task(priority=3)]),
        lambda: protocol.recover(queue, LEASE_MS, held=held[:1]),
        lambda: protocol.extend(queue, held, LEASE_MS),
        lambda: protocol.complete(queue, held[1:2]),
        lambda: protocol.fail(queue, [engine.failed(claim) for claim in held[2:4]]),
        lambda: protocol.release(queue, [ReleasedTask(claim.id, claim.fence, facts={"a": 1}) for claim in held[4:]]),
        lambda: protocol.recover(queue, LEASE_MS),
        lambda: protocol.requeue(queue, [(task_id, engine.now) for task_id in strange], {"by": "ada"}),
        lambda: protocol.edit(queue, strange[0], engine.now, b"send\n{}", {"by": "ada"}),
        lambda: protocol.promote(queue, strange[2:4]),
        lambda: protocol.trash(queue, strange, KEEP_MS, "ada", ""),
        lambda: protocol.restore(queue, strange),
        lambda: protocol.close_lane(queue, "name:send", "ada", ""),
        lambda: protocol.open_lane(queue, "unknown:resize", "ada"),
        lambda: protocol.open_lane(queue, "name:send", "ada"),
        lambda: protocol.pause(queue, "ada", ""),
        lambda: protocol.resume(queue),
        lambda: protocol.claim(queue, "w1", 20, LEASE_MS, is_fair=True, lanes=["unknown:resize"]),
        lambda: protocol.claim(queue, "w1", 20, LEASE_MS),
        lambda: protocol.cancel(queue, strange[:1], {"by": "ada"}),
        lambda: protocol.delete(queue, due_limit=10),
        lambda: protocol.delete(queue, strange[3:5]),
        lambda: protocol.expire(queue, strange[4:]),
        lambda: protocol.progress(queue, [Report(claim.id, claim.fence, b'{"done":1}') for claim in held]),
        lambda: protocol.limit(queue, {"claim_rate": [3, 60_000], "max_length": 100}, "ada"),
        lambda: protocol.limit(queue, {"claim_rate": None}, "ada"),
        lambda: protocol.measure(queue, {"send": Figures(completed=1, wait=Histogram((0, 1)), run=Histogram((1,)))}),
        lambda: protocol.export(queue, strange[:3], "images", "t1", "ada", ""),
        lambda: protocol.import_(queue, moved, {"by": "ada"}),
        lambda: protocol.forget(queue, [f"{task_id}:t1.{engine.now}" for task_id in strange[:2]]),
        lambda: protocol.confirm(queue, [task.ticket for task in moved.tasks]),
        lambda: protocol.start_operation(queue, OPERATION, TO_REQUEUE, counts_outcome=True),
        lambda: protocol.requeue(queue, [(ids[1], engine.now)], {"by": "ada"}, protocol.Chunk(OPERATION, "w1")),
        lambda: protocol.switch_operation(queue, OPERATION, "pause", "ada"),
        lambda: protocol.switch_operation(queue, OPERATION, "resume", "ada"),
        lambda: protocol.delete_queue(queue),
    ]


def reads_of(engine: Engine, ids: list[str]) -> list[Callable[[], Any]]:
    inspector = Inspector(client=engine.client)
    return [
        inspector.snapshot,
        lambda: inspector.queue("email"),
        lambda: inspector.faults("email"),
        lambda: inspector.letters("email"),
        lambda: inspector.trash("email"),
        *(lambda state=state: inspector.tasks("email", state) for state in State if state.value in PAGES),
        *(lambda task_id=task_id: inspector.task("email", task_id) for task_id in ids),
        lambda: list(fsck.check(engine.client, "email")),
        lambda: list(fsck.check(engine.client, "email", repair=True)),
    ]


PAGES = {"scheduled", "ready", "held", "running", "retrying", "dead", "trashed"}


def documented(run: Callable[[], Any], what: str) -> Any:
    """It answers, or raises an error that says what is wrong: not what a script stumbled over."""
    try:
        return run()
    except ServerRefused as error:
        raise AssertionError(f"{what}: {error}") from error
    except TaskyardError:
        return None


ENDING = ("complete", "cancel", "delete", "expire", "forget")
"""Calls that may end a task, and then do not name it among those that they skipped."""


def ended_by(call: Call[Any], answer: Any, ids: list[str]) -> set[str]:
    """Which of the ids a call says that it ended, or asked to stop."""
    if call.script.name not in ENDING or answer is None:
        return set()
    skipped = {ticket.partition(":")[0] for ticket in getattr(answer, "skipped", answer)}
    asked = {str(argument).partition(":")[0] for argument in call.arguments}
    return {task_id for task_id in ids if task_id in asked and task_id not in skipped}


def consume(engine: Engine, ended: set[str]) -> None:
    """What a consumer does: claim, and settle each in another way."""
    yard = Taskyard(engine.url, namespace=engine.client.namespace)
    yard._client = engine.client
    with yard.queue("email").claim(5, worker_id="w2") as leases:
        settlements = [
            Lease.complete,
            lambda lease: lease.fail("no answer"),
            Lease.release,
            lambda lease: lease.extend(9),
        ]
        for lease, settle in zip(leases, settlements, strict=False):
            if settle is Lease.complete:
                ended.add(lease.id)
            documented(partial(settle, lease), f"settling {lease.id}")


@pytest.mark.each_server
@pytest.mark.parametrize("seed", range(SEEDS))
def test_damaged_bytes_are_survived_or_said(engine: Engine, seed: int) -> None:
    chance = random.Random(seed)
    moved = put_aside(engine, "images", "dead", "ready")
    ids = [engine.seed(place) for place in IDLE_PLACES]
    engine.trash(ids[3])
    running = [engine.enqueue(priority=2_000) for _ in range(6)]
    claimed = engine.claim(6)
    held = [Held(task_id, claimed.fence) for task_id in running]
    everything = ids + running
    damages = [damage(engine, chance, everything) for _ in range(chance.randint(1, 4))]
    healthy = {task_id for task_id in everything if not any(task_id in text for text in damages)}
    if any(text.startswith("tasks is") for text in damages):
        healthy = set()
    ended: set[str] = set()
    engine.session = Session("damaged")
    calls = calls_of(engine, ids, held, moved)
    chance.shuffle(calls)
    for make in calls:
        call = make()
        if chance.random() < 0.1:
            engine.redis.set(engine.queue.session(f"damaged.{call.script.name}"), chance.choice(GARBAGE))
        answer = documented(partial(engine.run, call), f"{call.script.name} where {damages}")
        ended |= ended_by(call, answer, everything)
        assert lost_of(engine, healthy - ended) == [], f"{call.script.name} where {damages}"
    documented(partial(consume, engine, ended), f"a consumer where {damages}")
    for read in reads_of(engine, ids):
        documented(read, f"a read where {damages}")
    assert lost_of(engine, healthy - ended) == [], f"a consumer and fsck where {damages}"
    documented(partial(engine.run, protocol.delete_queue(engine.queue, is_forced=True)), f"delete where {damages}")


def lost_of(engine: Engine, ids: set[str]) -> list[str]:
    """Those whose envelope is gone."""
    chosen = sorted(ids)
    if not chosen:
        return []
    there = engine.redis.hmget(engine.queue.tasks, chosen)
    return [task_id for task_id, envelope in zip(chosen, there, strict=True) if envelope is None]
