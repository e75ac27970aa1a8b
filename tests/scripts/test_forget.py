"""forget: what another queue has taken leaves this one, counted as exported; nothing else does."""

from __future__ import annotations

import pytest

from queue_core import protocol
from queue_core.protocol import Acted
from tests.engine import IDLE_PLACES, Engine, changed, without

pytestmark = pytest.mark.each_server


def put_aside(engine: Engine, *task_ids: str) -> list[str]:
    exported = engine.run(protocol.export(engine.queue, task_ids, "images", "t1", "ada", ""))
    return [task.ticket for task in exported.tasks]


@pytest.mark.parametrize("place", IDLE_PLACES)
def test_task_is_gone_and_counted(engine: Engine, place: str) -> None:
    stays = engine.seed("trashed")
    task_id = engine.seed(place)
    tickets = put_aside(engine, task_id)
    before = engine.check_books()
    assert engine.run(protocol.forget(engine.queue, tickets)) == Acted(engine.now, {})
    faults = {**before["faults"]}
    if place in ("dead", "retrying"):
        (fault,) = before["faults_seen"]
        faults[f"{fault}:trashed"] = "1"
    assert engine.check_books() == changed(
        before,
        tasks={stays: before["tasks"][stays]},
        trash=without(before["trash"], task_id),
        trashed=without(before["trashed"], task_id),
        history=without(before["history"], task_id),
        faults=faults,
        stats={**before["stats"], "exported": "1"},
    )


def test_task_with_another_token_or_none_stays(engine: Engine) -> None:
    aside, trashed, ready = engine.enqueue_many(3)
    token = put_aside(engine, aside)[0].partition(":")[2]
    engine.trash(trashed)
    before = engine.check_books()
    tickets = [f"{aside}:t2", f"{aside}:t1", aside, f"{aside}:", trashed, f"{trashed}:", f"{trashed}:{token}"]
    tickets += [f"{ready}:{token}", f"gone:{token}"]
    answer = engine.run(protocol.forget(engine.queue, tickets))
    assert answer.skipped == dict.fromkeys(tickets, "not put aside")
    assert engine.state() == before


def test_task_that_was_restored_and_put_aside_again_stays(engine: Engine) -> None:
    task_id = engine.enqueue()
    (ticket,) = put_aside(engine, task_id)
    engine.run(protocol.restore(engine.queue, [ticket]))
    engine.run(protocol.export(engine.queue, [task_id], "images", "t2", "ada", ""))
    assert engine.run(protocol.forget(engine.queue, [ticket])).skipped == {ticket: "not put aside"}
    assert task_id in engine.check_books()["tasks"]


def test_same_ticket_twice_counts_once(engine: Engine) -> None:
    tickets = put_aside(engine, engine.enqueue())
    assert engine.run(protocol.forget(engine.queue, tickets * 2)).skipped == {tickets[0]: "not put aside"}
    assert engine.check_books()["stats"] == {"enqueued": "1", "exported": "1"}


def test_one_of_many_callers_at_once_forgets_it(engine: Engine) -> None:
    tickets = put_aside(engine, engine.seed("dead"))
    answers = engine.at_once([lambda: protocol.forget(engine.queue, tickets)] * 6)
    assert sorted(len(answer.skipped) for answer in answers) == [0] + [1] * 5
    assert engine.check_books()["stats"]["exported"] == "1"


def test_restoring_and_forgetting_at_once_leave_one_winner(engine: Engine) -> None:
    tickets = put_aside(engine, engine.seed("retrying"))
    calls = [lambda: protocol.restore(engine.queue, tickets), lambda: protocol.forget(engine.queue, tickets)]
    answers = engine.at_once(calls * 3)
    assert sorted(len(answer.skipped) for answer in answers) == [0] + [1] * 5
    engine.check_books()
