"""Whatever is stored, what can be shown of it is shown."""

from __future__ import annotations

import pytest

from queue_core import decoding, protocol
from queue_core.errors import UnknownTask
from queue_core.inspector import Inspector
from queue_core.snapshot import State, TaskDetail, TaskSummary
from tests.engine import START_MS, Engine
from tests.inspector.harness import in_short

HOSTILE = [
    b"",
    b"\xff\xfe\x00\x01",
    b"send",
    b"\n",
    b" \n{}",
    b"<script>alert(1)</script>\n{}",
    b"send {not json}\n{}",
    b"send []\n{}",
    b'send {"priority": "high"}\n{}',
    b'send {"priority": 99999}\n{}',
    b'send {"max_retries": 1e400}\n{}',
    b'send {"max_retries": ' + b"9" * 5_000 + b"}\n{}",
    b"send\n",
    b"send\n{",
    b"send\n\xff\xff",
    b"send\n" + b"[" * 50_000,
    b'send\n"\\ud800"',
    b"send\n[1, 2, 3]",
    b"x" * 100_000,
    b"send " + b"x" * 100_000 + b"\n{}",
]


@pytest.mark.parametrize("envelope", HOSTILE, ids=lambda envelope: repr(envelope[:24]))
@pytest.mark.parametrize("place", ["ready", "dead", "scheduled", "held", "trashed"])
def test_envelope_that_cannot_be_read_is_shown_with_the_reason(
    engine: Engine, inspector: Inspector, envelope: bytes, place: str
) -> None:
    task_id = engine.seed(place)
    engine.redis.hset(engine.queue.tasks, task_id, envelope)
    state = State(place)
    (row,) = inspector.tasks("email", state).rows
    assert (row.id, row.state) == (task_id, state)
    assert len(row.payload) <= 120
    task = inspector.task("email", task_id)
    assert task.unreadable
    assert task.payload_json == ""
    check_is_shown(task)
    check_is_shown(row)


@pytest.mark.parametrize(
    "history",
    [
        b"",
        b"\xff",
        b"x y z",
        b"1 2 3 4 " + b"f" * 500 + b"\n",
        b"9999999999999999999999 0 0 0 -\n",
        b"1 0 0 0 abc\nno time failed {}\n",
        b"1 0 0 0 abc\n99999999999999999999 failed {}\n",
        b"1 0 0 0 abc\n1763770000000 failed \xff\xfe\n",
        b"1 0 0 0 abc\n1763770000000 failed [1]\n",
        b'1 0 0 0 abc\n1763770000000 failed {"error": {"a": [1, 2]}, "worker": null, "n": ' + b"9" * 4_400 + b"}\n",
        b'1 0 0 0 abc\n1763770000000 failed {"error": "\x1b[31m"}\n',
        b"1 0 0 0 abc\n1763770000000",
        b"1 0 0 0 abc\n" + b"1763770000000 failed {}\n" * 2_000,
    ],
    ids=lambda history: repr(history[:40]),
)
def test_history_may_hold_anything(engine: Engine, inspector: Inspector, history: bytes) -> None:
    task_id = engine.seed("dead")
    engine.redis.hset(engine.queue.history, task_id, history)
    engine.redis.hset(engine.queue.history, f":{task_id}", b"\xff\x00trace")
    (row,) = inspector.letters().rows
    task = inspector.task("email", task_id)
    assert (row.state, task.state, task.traceback) == (State.DEAD, State.DEAD, "\\xff\x00trace")
    check_is_shown(row)
    check_is_shown(task)


def test_places_may_hold_anything(engine: Engine, inspector: Inspector) -> None:
    odd = [b"", b"\xff\xfe", b"<script>", b"a/b", b"a:b", b"x" * 5_000, b"a b\n"]
    engine.seed("ready")
    for member in odd:
        for place in ("dead", "scheduled", "retrying", "held", "blocked", "trash", "prioritized", "leases"):
            engine.redis.zadd(getattr(engine.queue, place), {member: START_MS})
        engine.redis.hset(engine.queue.running, member, b"\xff")
        engine.redis.hset(engine.queue.trashed, member, b"\xff")
        engine.redis.hset(engine.queue.closed, member, b"\xff")
        engine.redis.rpush(engine.queue.ready, member)
        engine.redis.sadd(engine.queue.removed, member + b"!")
        engine.redis.zadd(engine.queue.dead_by_fault, {b"abc:" + member: 0})
        engine.redis.hset(engine.queue.faults, member, b"\xff")
        engine.redis.zadd(engine.queue.faults_seen, {member: START_MS})
        engine.redis.hset(engine.queue.stats, member, b"\xff")
    for infinite in ("inf", "-inf"):
        for place in ("dead", "scheduled", "leases", "prioritized", "trash"):
            engine.redis.zadd(getattr(engine.queue, place), {f"at{infinite}": infinite})
    engine.redis.hset(engine.queue.stats, "enqueued", b"many")
    snapshot = inspector.snapshot()
    assert not snapshot.queues[0].is_balanced
    assert inspector.letters().total == len(odd) + 2
    for state in list(State)[:8]:
        for row in inspector.tasks("email", state).rows:
            check_is_shown(row)
    inspector.letters("email", fingerprint="abc")
    inspector.trash()
    inspector.faults()
    inspector.peek("email")
    inspector.summaries("email", ["atinf", "at-inf", "a"])
    check_is_shown(inspector.task("email", "at-inf"))
    for read in (inspector.queue("email"), snapshot):
        check_is_shown(read)


def test_letter_without_a_task_is_shown_and_says_so(engine: Engine, inspector: Inspector) -> None:
    task_id = engine.seed("dead")
    engine.redis.hdel(engine.queue.tasks, task_id)
    (row,) = inspector.letters().rows
    assert (row.id, row.name, row.error) == (task_id, "", "ValueError: no answer")
    assert inspector.task("email", task_id).unreadable == "it stands in dead, and nothing is stored for it"


@pytest.mark.parametrize("said", [b"\xff\n{", b'{"until": "x", "attempts": -1, "text": 7}', b'{"until": 1}'])
@pytest.mark.parametrize("info", [b"", b"\xff", b"[]", b'{"first": "long ago", "class": ["x"], "task": 7}'])
def test_fault_may_hold_anything(engine: Engine, inspector: Inspector, info: bytes, said: bytes) -> None:
    engine.seed("dead")
    (fault,) = Inspector(client=engine.client).faults("email")
    engine.redis.hset(engine.queue.faults, fault.fingerprint, info)
    engine.redis.hset(engine.queue.faults, f"{fault.fingerprint}:attempts", b"\xff")
    engine.redis.hset(engine.queue.faults, f"{fault.fingerprint}:versions", b"\xff\n\n" + b"9" * 900)
    engine.redis.hset(engine.queue.faults, f"{fault.fingerprint}:traceback", b"\xfftrace")
    for name in ("recent", "mute", "notes"):
        engine.redis.hset(engine.queue.faults, f"{fault.fingerprint}:{name}", said)
    found = inspector.faults("email")
    if not info:
        assert found == ()
        return
    assert (found[0].dead, found[0].first_seen_at, found[0].last_seen_at) == (1, START_MS, START_MS)
    whole, traceback = inspector.fault("email", fault.fingerprint)
    assert (in_short(whole), traceback) == (found, r"\xfftrace")
    for value in (*found, whole, *inspector.snapshot().faults):
        check_is_shown(value)
        assert not value.is_muted(START_MS)


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        (b"", ()),
        (b"29396166 3", ((1_763_769_960_000, 3),)),
        (b"29396166 3 1 2 60 7", ((1_763_769_960_000, 3), (1_763_769_900_000, 2), (1_763_766_300_000, 7))),
        (b"29396166 3 1", ((1_763_769_960_000, 3),)),
        (b"29396166 3 -1 2", ()),
        (b"29396166 3 99999999 2", ((1_763_769_960_000, 3),)),
        (b"9" * 18 + b" 1", ()),
        (b"\xff", ()),
    ],
)
def test_attempts_by_time_are_read_as_far_as_they_can_be(stored: bytes, read: object) -> None:
    parts = [b"abc", b"1", 0, b"{}", b"", b"", b"", b"", stored, b"", b""]
    found = decoding.fault("email", parts)
    assert found is not None
    assert found.recent == read


@pytest.mark.parametrize("state", [b"", b"dead", b"\xff", b"flying"])
def test_record_may_hold_anything(engine: Engine, inspector: Inspector, state: bytes) -> None:
    held = engine.lease()
    engine.fail(held, protocol.DISCARD)
    record = engine.queue.record(held.id)
    for name in (b"at", b"worker", b"bytes", b"envelope", b"history", b"traceback"):
        engine.redis.hset(record, name, b"\xff\n\x00")
    engine.redis.hset(record, "state", state)
    check_is_shown(inspector.task("email", held.id))
    engine.redis.delete(record)
    engine.redis.set(record, "no hash")
    with pytest.raises(UnknownTask):
        inspector.task("email", held.id)
    assert inspector.summaries("email", [held.id]) == ()


def check_is_shown(value: object) -> None:
    """Every text in it can be sent as UTF-8 and every number be written as JSON."""
    text = repr(value).encode()
    assert len(text) < 200_000
    if isinstance(value, TaskDetail | TaskSummary):
        assert value.at is None or 0 < value.at < 253_402_300_800_000
