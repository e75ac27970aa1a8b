"""Tasks are moved to another queue: all of a state after a preview, or one."""

from __future__ import annotations

import pytest
from flask import Flask

from dashboard.parts import Parts
from queue_core.snapshot import State
from tests.console import Tasks, Visitor, field, text_of

MOVE = "/queues/billing/bulk/move"


def test_a_move_asks_for_its_target_before_it_is_previewed(visitor: Visitor, tasks: Tasks) -> None:
    tasks.enqueue("email", name="send")
    tasks.die(count=3)
    page = visitor.text(f"{MOVE}?seen=3&next=/dead")
    assert "Move dead letters of billing" in page
    assert '<option value="email">' in page
    assert '<option value="billing">' not in page
    assert 'name="next" value="/dead"' in page
    assert "it is the same queue" in visitor.text(f"{MOVE}?to=billing")
    assert "is not allowed" in text_of(visitor.text(f"{MOVE}?to=%7Bq%7D"))


@pytest.mark.parametrize(
    ("to", "notice"),
    [
        ("emial", "There is no queue emial yet: it would be made. Is it spelled right?"),
        ("email", "No present worker takes email : they would wait there."),
    ],
)
def test_a_preview_says_what_the_target_is(visitor: Visitor, tasks: Tasks, to: str, notice: str) -> None:
    tasks.enqueue("email", name="send")
    tasks.enqueue(count=2)
    shown = text_of(visitor.text(f"{MOVE}?state=ready&to={to}"))
    assert f"Move 2 ready tasks to {to}" in shown
    assert notice in shown
    assert "It would be made" not in shown


def test_what_was_previewed_is_moved_as_it_is(visitor: Visitor, tasks: Tasks, app: Flask) -> None:
    found: Parts = app.extensions["taskyard"]
    tasks.enqueue("email", name="send")
    ids = tasks.die(count=3)
    path = f"{MOVE}?to=email"
    page = visitor.text(path)
    later = tasks.die()
    address = visitor.post(path, selection=field(page, "selection"), reason="the old one is given up").location
    found.operations.tend()
    assert {tasks.state(task_id, "email") for task_id in ids} == {State.DEAD}
    assert tasks.state(later[0]) is State.DEAD
    shown = text_of(visitor.text(address))
    assert "Move 3 dead letters to email" in shown
    assert "3 moved." in shown
    (entry, *_) = tasks.inspector.audit().rows
    assert (entry.verb, entry.count, entry.reason) == ("move", 3, "the old one is given up")


def test_one_task_is_moved_from_its_page(visitor: Visitor, tasks: Tasks) -> None:
    tasks.enqueue("email", name="send")
    (task_id,) = tasks.enqueue(delay=3_600)
    page = f"/queues/billing/tasks/{task_id}"
    assert f'href="{page}/move">Move…' in visitor.text(page)
    assert "It goes to another queue as it is, scheduled" in visitor.text(f"{page}/move")
    for wrong, said in (("", "Name a queue."), ("billing", "the same queue"), ("{", "is not allowed")):
        response = visitor.post(f"{page}/move", to=wrong)
        assert (response.status_code, said in text_of(response.text)) == (422, True)
    assert visitor.post(f"{page}/move", to="email").location == f"/queues/email/tasks/{task_id}"
    assert tasks.state(task_id, "email") is State.SCHEDULED
    assert "1 task moved to email." in visitor.said()


def test_a_queue_that_is_not_there_is_asked_about_before_it_is_made(visitor: Visitor, tasks: Tasks) -> None:
    (task_id,) = tasks.enqueue()
    path = f"/queues/billing/tasks/{task_id}/move"
    asked = visitor.post(path, to="emial")
    assert asked.status_code == 422
    assert "There is no queue emial yet" in text_of(asked.text)
    assert tasks.inspector.queue_names() == ("billing",)
    again = visitor.post(path, to="email", new="emial")  # another one was typed
    assert again.status_code == 422
    assert visitor.post(path, to="email", new=field(again.text, "new")).status_code == 303
    assert tasks.state(task_id, "email") is State.READY


def test_what_runs_or_lies_in_the_trash_is_not_moved(visitor: Visitor, tasks: Tasks) -> None:
    (task_id,) = tasks.die()
    tasks.control.trash("billing", [task_id], by="bo", action_id="t")
    page = f"/queues/billing/tasks/{task_id}"
    assert "Move…" not in visitor.text(page)
    assert "It cannot be moved" in visitor.text(f"{page}/move")
    tasks.enqueue("email", name="send")
    visitor.post(f"{page}/move", to="email", new="email")
    assert "in the trash already" in visitor.said()
    assert tasks.state(task_id) is State.TRASHED


def test_a_mute_that_stays_behind_is_told_before(visitor: Visitor, tasks: Tasks) -> None:
    tasks.die(count=2)
    fault = tasks.fingerprint()
    preview = f"{MOVE}?to=email&fault={fault}"
    assert "does not come along" not in visitor.text(preview)
    tasks.control.mute_fault("billing", fault, until=None, attempts=9, by="bo", reason="known", action_id="mute")
    assert "The mute of ConnectionError: payments.internal refused the connection does not come along: in email" in (
        text_of(visitor.text(preview))
    )
