"""progress: seeded state → one call → the whole resulting state."""

from __future__ import annotations

import pytest

from queue_core import protocol
from queue_core.codec import encode_progress
from queue_core.inspector import Inspector
from queue_core.protocol import Held, Recovered, ReleasedTask, Report
from queue_core.snapshot import Progress, State
from tests.engine import LEASE_MS, Engine, changed, running_of

pytestmark = pytest.mark.each_server

SAID = encode_progress(420, 1_000, "rows of\nusers")


def progress(engine: Engine, held: Held, said: bytes = SAID) -> list[str]:
    return engine.run(protocol.progress(engine.queue, [Report(held.id, held.fence, said)]))


@pytest.mark.parametrize("before", [(), (encode_progress(1, None, ""), encode_progress(0.5, 1, "x" * 300))])
def test_newest_progress_stands_behind_the_claim(engine: Engine, before: tuple[bytes, ...]) -> None:
    held = engine.lease()
    state = engine.state()
    for said in before:
        progress(engine, held, said)
    engine.later(5)
    assert progress(engine, held) == []
    claim = state["running"][held.id] + f' {SAID[:-1].decode()},"at":{engine.now}}}'
    assert engine.check_books() == changed(state, running={**state["running"], held.id: claim})


@pytest.mark.parametrize("wrong", [-1, 1])
def test_only_the_fences_holder_can_say_so(engine: Engine, wrong: int) -> None:
    held = engine.lease()
    before = engine.state()
    assert progress(engine, Held(held.id, held.fence + wrong)) == [held.id]
    assert engine.state() == before


def test_it_goes_away_with_the_attempt_however_that_ends(engine: Engine) -> None:
    for number in range(5):
        held = engine.lease(f"t{number}")
        assert progress(engine, held) == []
        if number == 0:
            assert engine.run(protocol.complete(engine.queue, [Held(held.id, held.fence, True)])) == []
            assert engine.state()["record:t0"]["worker"] == "w1"
        elif number == 1:
            engine.fail(held, protocol.DEAD)
        elif number == 2:
            recovered = engine.run(protocol.recover(engine.queue, LEASE_MS, held=[held]))
            assert recovered == Recovered([held.id], [], [])
            assert '"worker":"w1"' in engine.state()["history"][held.id]
        elif number == 3:
            engine.cancel(held.id)
            assert engine.run(protocol.release(engine.queue, [ReleasedTask(held.id, held.fence)])) == []
            assert engine.state()["record:t3"]["worker"] == "w1"
        else:
            assert engine.run(protocol.release(engine.queue, [ReleasedTask(held.id, held.fence)])) == []
        assert engine.check_books()["running"] == running_of(fence=0, at=0)
    (again,) = engine.claim().tasks  # it is ready since it was before
    assert again.id == "t4"


def test_readers_see_it_where_the_task_runs(engine: Engine) -> None:
    held = engine.lease()
    progress(engine, held)
    inspector = Inspector(client=engine.client)
    seen = Progress(420, 1_000, "rows of users", engine.now)
    assert inspector.task("email", held.id).progress == seen
    (row,) = inspector.tasks("email", State.RUNNING).rows
    assert (row.progress, row.worker) == (seen, "w1")


@pytest.mark.parametrize(
    "said", [b"{}", b"{broken", b"\xff", b'{"done":"x"}', b'{"done":1e400}', b"[1]", b"{ } {", b"  "]
)
def test_damaged_progress_is_none(engine: Engine, said: bytes) -> None:
    held = engine.lease()
    claim = engine.redis.hget(engine.queue.running, held.id)
    engine.redis.hset(engine.queue.running, held.id, claim + b" " + said)
    detail = Inspector(client=engine.client).task("email", held.id)
    assert (detail.progress, detail.worker) == (None, "w1")
    assert engine.run(protocol.extend(engine.queue, [held], LEASE_MS)).lost == []
    assert engine.run(protocol.complete(engine.queue, [held])) == []
    engine.check_books()


def test_one_of_many_callers_at_once_is_the_last(engine: Engine) -> None:
    held = engine.lease()
    reports = [Report(held.id, held.fence, encode_progress(number, 8, "")) for number in range(8)]
    answers = engine.at_once([lambda one=one: protocol.progress(engine.queue, [one]) for one in reports])  # type: ignore[misc]
    assert answers == [[]] * 8
    assert engine.check_books()["running"][held.id].count('"done"') == 1
