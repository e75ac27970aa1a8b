"""confirm: marks of tasks that came from another queue go, an hour after that queue has forgotten the tasks."""

from __future__ import annotations

import pytest

from queue_core import protocol
from queue_core.protocol import Exported, ExportedTask
from tests.engine import Engine, changed

pytestmark = pytest.mark.each_server

HOUR_MS = 3_600_000


def take(engine: Engine, *task_ids: str, refuses: bool = False) -> list[str]:
    tasks = tuple(ExportedTask(f"{task_id}:t1", b"send\n{}", "ready", b"%d" % engine.now) for task_id in task_ids)
    engine.run(protocol.import_(engine.queue, Exported(engine.now, tasks, {}), {"by": "ada"}, refuses=refuses))
    return [task.ticket for task in tasks]


def confirm(engine: Engine, *tickets: str) -> int:
    return engine.run(protocol.confirm(engine.queue, tickets))


def test_mark_stays_an_hour_and_goes_with_the_next(engine: Engine) -> None:
    first = take(engine, "order-1", "order-2")
    other = take(engine, "order-3")
    take(engine, "order-4", refuses=True)
    before = engine.check_books()
    assert confirm(engine, *first, "order-4:t1", "gone:t1") == engine.now
    gone_at = engine.now + HOUR_MS
    marks = dict.fromkeys([*first, "order-4:t1:refused"], gone_at)
    assert engine.check_books() == changed(before, imported={**marks, "order-3:t1": float("inf")})
    engine.later(HOUR_MS - 1)
    confirm(engine)
    assert len(engine.check_books()["imported"]) == 4
    engine.later(1)
    confirm(engine, *other)
    assert engine.check_books() == changed(before, imported={"order-3:t1": engine.now + HOUR_MS})


def test_queue_that_is_not_there_is_not_made(engine: Engine) -> None:
    confirm(engine, "order-1:t1")
    assert engine.state() == {}


def test_many_callers_at_once_agree(engine: Engine) -> None:
    tickets = take(engine, "order-1")
    engine.at_once([lambda: protocol.confirm(engine.queue, tickets)] * 6)
    assert engine.check_books()["imported"] == {"order-1:t1": engine.now + HOUR_MS}
