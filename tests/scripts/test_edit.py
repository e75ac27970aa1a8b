"""edit: seeded state → one call → the whole resulting state."""

from __future__ import annotations

import pytest

from queue_core import protocol
from queue_core.codec import edited
from queue_core.protocol import Acted, Held
from tests.engine import START_MS, Engine, changed, counted, score_of

pytestmark = pytest.mark.each_server


def envelope_of(engine: Engine, task_id: str) -> bytes:
    found = engine.redis.hget(engine.queue.tasks, task_id)
    assert isinstance(found, bytes)
    return found


def edit(engine: Engine, task_id: str, died_at: int, envelope: bytes) -> Acted:
    return engine.run(protocol.edit(engine.queue, task_id, died_at, envelope, {"by": "ada", "changes": "order 1 → 2"}))


def meet_edit(engine: Engine) -> None:
    engine.seed("dead", "order-1", unique_key="welcome:ada")
    before = engine.state()
    envelope = edited(envelope_of(engine, "order-1"), b'{"order":2}', 7, 9)
    engine.later(5_000)
    assert edit(engine, "order-1", START_MS + 1, envelope) == Acted(engine.now, {"order-1": "changed"})
    assert engine.state() == before
    assert edit(engine, "order-1", START_MS, envelope) == Acted(engine.now, {})
    first_line, entries = before["history"]["order-1"].split("\n", 1)
    line = f'{engine.now} edited {{"by":"ada","changes":"order 1 → 2"}}\n'
    after = engine.check_books()
    assert envelope_of(engine, "order-1") == envelope
    assert after == changed(
        before,
        tasks=after["tasks"],
        prioritized={"order-1": score_of(7, engine.now)},
        dead=None,
        dead_by_fault=None,
        unique=after["unique"],
        stats=counted(before, requeued=1),
        history={"order-1": f"0 0 0 1 {first_line.split(' ')[4]}\n{entries}{line}"},
        notify=[*before["notify"], "1"],
    )
    assert after["unique"] == {"welcome:ada": "order-1 0"}


def test_letter_is_ready_with_its_new_envelope_and_a_fresh_allowance(engine: Engine) -> None:
    meet_edit(engine)


def test_letter_that_is_another_or_none_is_left_alone(engine: Engine) -> None:
    engine.seed("dead", "order-1")
    engine.seed("ready", "order-2")
    before = engine.state()
    for task_id, envelope, why in (
        ("order-1", b"other_name\n{}", "changed"),
        ("order-1", b'send {"unique_key":"x"}\n{}', "changed"),
        ("order-2", envelope_of(engine, "order-2"), "not dead"),
        ("gone", b"", "not dead"),
    ):
        assert edit(engine, task_id, START_MS, envelope).skipped == {task_id: why}
    assert engine.state() == before


def test_letter_whose_key_another_holds_is_left_alone(engine: Engine) -> None:
    engine.seed("dead", "order-1", unique_key="welcome:ada")
    engine.enqueue("order-2", unique_key="welcome:ada")
    skipped = edit(engine, "order-1", START_MS, envelope_of(engine, "order-1")).skipped
    assert skipped == {"order-1": "its unique key is held by order-2"}


def test_edited_letter_runs_with_what_it_was_given_and_may_die_again(engine: Engine) -> None:
    engine.seed("dead", "order-1")
    edit(engine, "order-1", START_MS, edited(envelope_of(engine, "order-1"), b'{"order":2}', 0, 0))
    engine.fail(Held("order-1", engine.claim(1).fence), protocol.DEAD)
    assert engine.check_books()["history"]["order-1"].startswith("1 0 0 1 ")
