"""extend: seeded state → one call → the whole resulting state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from queue_core import protocol
from queue_core.protocol import Call, Held
from tests.engine import LEASE_MS, START_MS, Engine, changed, lease_of

pytestmark = pytest.mark.each_server


@pytest.mark.parametrize("passed", [0, 5_000, LEASE_MS // 3])
@pytest.mark.parametrize("lease_ms", [1, 5_000, 86_400_000])
def test_lease_lasts_from_now(engine: Engine, passed: int, lease_ms: int) -> None:
    held = engine.lease()
    before = engine.state()
    engine.later(passed)
    assert engine.run(protocol.extend(engine.queue, [held], lease_ms)).lost == []
    control = {**before["control"], "seen": str(engine.now)}
    if passed > lease_ms / 3:  # so long a silence, by this lease, that the server may have been away
        control["grace"] = str(engine.now + lease_ms)
    leases = lease_of(held.id, expires_at=engine.now + lease_ms)
    assert engine.check_books() == changed(before, leases=leases, control=control)


@pytest.mark.parametrize("wrong", [-1, 1])
def test_wrong_fence_is_told_and_keeps_its_time(engine: Engine, wrong: int) -> None:
    held = engine.lease()
    before = engine.state()
    assert engine.run(protocol.extend(engine.queue, [Held(held.id, held.fence + wrong)], 99_000)).lost == [held.id]
    assert engine.state() == before


def test_each_task_of_a_batch_is_judged_by_itself(engine: Engine) -> None:
    first, second, ended = engine.lease(), engine.lease(), engine.lease()
    engine.run(protocol.complete(engine.queue, [ended]))
    batch = [ended, first, Held("gone", 1), second, first]
    assert engine.run(protocol.extend(engine.queue, batch, 60_000)).lost == [ended.id, "gone"]
    assert engine.check_books()["leases"] == lease_of(first.id, second.id, expires_at=START_MS + 60_000)


def test_lease_that_ran_out_can_be_extended_until_it_is_recovered(engine: Engine) -> None:
    held = engine.lease()
    engine.later(LEASE_MS + 1)
    assert engine.run(protocol.extend(engine.queue, [held], LEASE_MS)).lost == []
    engine.run(protocol.recover(engine.queue, LEASE_MS, held=[held]))
    assert engine.run(protocol.extend(engine.queue, [held], LEASE_MS)).lost == [held.id]
    engine.check_books()


def test_queue_that_does_not_exist_loses_all(engine: Engine) -> None:
    assert engine.run(protocol.extend(engine.queue, [Held("gone", 1)], LEASE_MS)).lost == ["gone"]
    assert engine.check_books() == {"control": {"format": "1", "seen": str(START_MS)}}


def test_recovering_and_extending_at_once_agree(engine: Engine) -> None:
    held = engine.lease()
    engine.later(LEASE_MS)
    engine.redis.hset(engine.queue.control, "seen", engine.now)
    calls: list[Callable[[], Call[Any]]] = [
        lambda: protocol.extend(engine.queue, [held], LEASE_MS),
        lambda: protocol.recover(engine.queue, LEASE_MS),
    ]
    extended, recovered = engine.at_once(calls)
    assert (extended.lost, recovered.again) in [([], []), ([held.id], [held.id])]
    engine.check_books()
