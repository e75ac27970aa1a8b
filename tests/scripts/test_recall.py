"""recall: seeded state → one call → the whole resulting state."""

from __future__ import annotations

from typing import Any

import pytest

from queue_core import protocol
from queue_core.protocol import Acted, Chunk, ChunkDone
from tests.engine import START_MS, Engine, changed, counted
from tests.scripts.scenarios import OPERATION, TO_REQUEUE

pytestmark = pytest.mark.each_server

RECALL = "2123456789ab"


def requeue(engine: Engine) -> None:
    facts = {**TO_REQUEUE, "until": engine.now, "top": engine.now, "count": 300}
    engine.run(protocol.start_operation(engine.queue, OPERATION, facts, counts_outcome=True))
    engine.run(protocol.requeue(engine.queue, [], {"by": "ada"}, Chunk(OPERATION, "w1")))


def begin(engine: Engine, count: int) -> None:
    facts: dict[str, Any] = {"verb": "recall", "of": "ready", "place": "waiting", "until": engine.now, "count": count}
    call = protocol.start_operation(engine.queue, RECALL, {**facts, "undoes": OPERATION}, counts_outcome=False)
    engine.run(call)


def recall(engine: Engine, runner: str = "w1") -> ChunkDone:
    done = engine.run(protocol.recall(engine.queue, {"by": "bo"}, Chunk(RECALL, runner))).chunk
    assert done
    return done


@pytest.mark.parametrize(
    ("what", "waits"),
    [
        ({}, lambda after: {"ready": after["ready"], "removed": {"order-1"}}),
        ({"priority": 7}, lambda after: {"prioritized": None}),
    ],
)
def test_letter_is_where_it_was_and_keeps_what_happened(engine: Engine, what: dict[str, Any], waits: Any) -> None:
    engine.seed("dead", "order-1", **what)
    before = engine.state()
    engine.later(5_000)
    requeue(engine)
    requeued = engine.state()
    engine.later(5_000)
    begin(engine, 1)
    begun = engine.state()
    assert recall(engine) == ChunkDone("ended", None, 1)
    first_line, entries = before["history"]["order-1"].split("\n", 1)
    was = requeued["history"]["order-1"].split("\n")[-2]
    after = engine.check_books()
    assert was.endswith(f'"died":{START_MS},"attempts":1,"crashes":0}}')
    assert after == changed(
        begun,
        **waits(requeued),
        dead=before["dead"],
        dead_by_fault=before["dead_by_fault"],
        stats=counted(begun, recalled=1),
        history={"order-1": f'{first_line}\n{entries}{was}\n{engine.now} recalled {{"by":"bo"}}\n'},
        outcomes={**begun["outcomes"], f"{OPERATION}:recalled": "1"},
        operations={**begun["operations"], RECALL: engine.now},
        **{f"operation:{RECALL}": after[f"operation:{RECALL}"]},
    )


def test_call_passes_over_a_thousand_others_at_most_and_the_next_goes_on(engine: Engine) -> None:
    engine.kill(2)
    requeue(engine)
    for _ in range(5):
        engine.enqueue_many(250)
    begin(engine, 2)
    assert [recall(engine) for _ in range(2)] == [ChunkDone("more", None, 0), ChunkDone("ended", None, 2)]
    engine.check_books()


def test_of_two_at_once_one_does_it(engine: Engine) -> None:
    engine.kill(128)
    requeue(engine)
    begin(engine, 128)
    calls = [
        (lambda runner=runner: protocol.recall(engine.queue, {"by": "bo"}, Chunk(RECALL, runner))) for runner in "abc"
    ]
    answers: list[Acted] = engine.at_once(calls)
    assert sorted(answer.chunk.done for answer in answers if answer.chunk) == [0, 0, 128]
    assert len(engine.check_books()["dead"]) == 128
