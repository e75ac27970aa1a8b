"""claim.lua, where something is wrong: damaged tasks, a server that was away."""

from __future__ import annotations

from typing import Any

import pytest

from queue_core import protocol
from queue_core.protocol import Claimed, ReleasedTask
from tests.engine import LEASE_MS, Engine

pytestmark = pytest.mark.each_server


def ids_of(claimed: Claimed) -> list[str]:
    return [task.id for task in claimed.tasks]


# Damaged tasks.

CORRUPT = [
    b"", b"\n", b"send", b"\xff\x00\xfe", b" \n{}", b"send {\n{}", b"send {\"priority\":\n{}", b"send []\n{}",
    b"send {\"priority\":1e400}\n{}", b"send {\"priority\":\"x\"}\n{}", b"send {\"priority\":null}\n{}",
    b"send {\"priority\":1.5}\n{}", b"send {\"priority\":99999}\n{}", b"send " + b"[" * 5_000 + b"\n{}",
    b"\x00send\n{}", "sénd\n{}".encode(), b"send\r\n{}",
]  # fmt: skip


@pytest.mark.parametrize("envelope", CORRUPT)
@pytest.mark.parametrize("is_lane_closed", [False, True])
@pytest.mark.parametrize("place", ["ready", "prioritized", "scheduled"])
def test_corrupt_envelope_is_handed_out_and_stops_nothing(
    engine: Engine, envelope: bytes, is_lane_closed: bool, place: str
) -> None:
    if is_lane_closed:
        engine.run(protocol.close_lane(engine.queue, "name:other", "ada", ""))
    engine.seed(place, "broken", **({"delay_ms": 1} if place == "scheduled" else {}))
    engine.redis.hset(engine.queue.tasks, "broken", envelope)
    engine.later(5)
    good = engine.enqueue()
    claimed = engine.claim(is_fair=True)
    assert sorted(ids_of(claimed)) == sorted(["broken", good])
    assert {task.id: task.envelope for task in claimed.tasks}["broken"] == envelope
    engine.check_books()


@pytest.mark.parametrize("place", ["ready", "prioritized", "scheduled", "retrying", "held"])
def test_id_without_an_envelope_is_dropped(engine: Engine, place: str) -> None:
    engine.seed(place, "lost")
    engine.redis.hdel(engine.queue.tasks, "lost")
    if place == "held":
        engine.run(protocol.open_lane(engine.queue, "unknown:resize", "ada"))
    good = engine.enqueue()
    engine.later(60_000)
    assert ids_of(engine.claim()) == [good]
    assert not engine.state().keys() & {"ready", "prioritized", "scheduled", "retrying", "held"}


def test_claim_survives_options_that_are_no_object(engine: Engine) -> None:
    engine.enqueue("a", priority=1)
    for options in ("7", "true", "null", '"x"', "[1]"):
        engine.redis.hset(engine.queue.tasks, "a", f"send {options}\n{{}}")
        claimed = engine.claim()
        assert ids_of(claimed) == ["a"]
        assert engine.run(protocol.release(engine.queue, [ReleasedTask("a", claimed.fence)])) == []


# The server was away.


def graces(engine: Engine) -> Any:
    return engine.state()["control"].get("grace")


@pytest.mark.parametrize(("silence", "is_given"), [(LEASE_MS // 3, False), (LEASE_MS // 3 + 1, True), (10**9, True)])
def test_long_silence_gives_everybody_one_lease_of_grace(engine: Engine, silence: int, is_given: bool) -> None:
    engine.claim()
    engine.later(silence)
    engine.claim()
    assert graces(engine) == (str(engine.now + LEASE_MS) if is_given else None)


def test_rare_claims_do_not_put_off_recovery_for_ever(engine: Engine) -> None:
    held, again = engine.lease(), list[str]()
    for _ in range(5):
        engine.later(LEASE_MS // 2)
        engine.claim()
        again = again or engine.run(protocol.recover(engine.queue, LEASE_MS)).again
    assert again == [held.id]
