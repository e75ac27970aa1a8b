"""Each action by its form, as a browser without JavaScript sends it: what changes, what is said, and only once."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from queue_core.snapshot import State
from tests.console import PARTIAL, Tasks, Visitor, field


def test_a_dead_letter_is_retried_and_the_page_comes_back(visitor: Visitor, tasks: Tasks) -> None:
    (task_id,) = tasks.die()
    died_at = tasks.died_at(task_id)
    page = f"/queues/billing/tasks/{task_id}"
    response = visitor.post(f"{page}/requeue", died_at=str(died_at), next=page)
    assert (response.status_code, response.location) == (303, page)
    assert tasks.state(task_id) is State.READY
    shown = visitor.text(page)
    assert "1 dead letter retried." in shown
    assert "retried by console" in shown


def test_a_form_sent_twice_acts_once_and_says_the_same(visitor: Visitor, tasks: Tasks) -> None:
    (task_id,) = tasks.die()
    form = {"died_at": str(tasks.died_at(task_id)), "action_id": "the-same-form"}
    said = []
    for _ in range(2):
        visitor.post(f"/queues/billing/tasks/{task_id}/requeue", form)
        said.append(visitor.said())
    assert said == ["1 dead letter retried."] * 2
    assert [entry.kind for entry in tasks.inspector.task("billing", task_id).history] == ["failed", "requeued"]


def test_another_button_of_the_same_page_is_another_action(visitor: Visitor, tasks: Tasks) -> None:
    ids = tasks.die(count=2)
    for task_id in ids:
        visitor.post(
            f"/queues/billing/tasks/{task_id}/requeue", died_at=str(tasks.died_at(task_id)), action_id="one-page"
        )
    assert [tasks.state(task_id) for task_id in ids] == [State.READY, State.READY]


def test_two_people_retry_one_letter_and_the_second_is_told(new_visitor: Callable[[], Visitor], tasks: Tasks) -> None:
    (task_id,) = tasks.die()
    died_at = str(tasks.died_at(task_id))
    first, second = new_visitor(), new_visitor()
    for person in (first, second):
        person.post(f"/queues/billing/tasks/{task_id}/requeue", died_at=died_at)
    assert first.said() == "1 dead letter retried."
    assert second.said() == f"Nothing retried. …{task_id[-8:]} was skipped: it was retried or purged already."


def test_a_letter_that_died_again_since_is_left_alone(visitor: Visitor, tasks: Tasks) -> None:
    (task_id,) = tasks.die()
    visitor.post(f"/queues/billing/tasks/{task_id}/requeue", died_at=str(tasks.died_at(task_id) - 1))
    assert "it died again since" in visitor.said()
    assert tasks.state(task_id) is State.DEAD


def test_ticked_letters_are_retried_through_a_preview(visitor: Visitor, tasks: Tasks) -> None:
    billing, email = tasks.die(count=3), tasks.die("email", count=1, name="send")
    ticked = [*tasks.letters(billing[:2]), *tasks.letters(email, "email")]
    preview = visitor.text("/dead/requeue?" + "&".join(f"letter={letter}" for letter in ticked))
    assert "Retry 3 dead letters" in preview
    assert all(tasks.state(task_id) is State.DEAD for task_id in billing)
    assert re.findall(r'name="letter" value="([^"]*)"', preview) == ticked
    visitor.post("/dead/requeue", {"letter": ticked}, reason="the partner is back")
    assert visitor.said() == "3 dead letters retried."
    assert [tasks.state(task_id) for task_id in billing] == [State.READY, State.READY, State.DEAD]
    assert tasks.inspector.task("email", email[0]).history[-1].facts["reason"] == "the partner is back"


def test_the_preview_leaves_out_what_changed_since_it_was_ticked(visitor: Visitor, tasks: Tasks) -> None:
    ids = tasks.die(count=2)
    ticked = tasks.letters(ids)
    visitor.post(f"/queues/billing/tasks/{ids[0]}/trash")
    preview = visitor.text("/dead/requeue?" + "&".join(f"letter={letter}" for letter in ticked))
    assert "Retry 1 dead letter" in preview
    assert "1 letter changed" in preview


def test_a_rows_own_button_ignores_the_ticked_boxes(visitor: Visitor, tasks: Tasks) -> None:
    """Without JavaScript the form of a row's button holds nothing of the rows."""
    tasks.die(count=2)
    page = visitor.text("/dead/letters")
    (act,) = re.findall(r'<form id="act".*?</form>', page, re.S)
    assert "letter" not in re.findall(r'name="([^"]*)"', act)
    boxes = re.findall(r'<input type="checkbox"[^>]*name="letter"[^>]*>', page)
    assert len(boxes) == 2
    assert all('form="bulk"' in box for box in boxes)
    buttons = re.findall(r"<button[^>]*data-retry[^>]*>", page)
    assert len(buttons) == 2
    assert all('form="act"' in button and "/requeue" in button for button in buttons)


def test_purge_can_be_undone_from_its_toast(visitor: Visitor, tasks: Tasks) -> None:
    (task_id,) = tasks.die()
    page = f"/queues/billing/tasks/{task_id}"
    visitor.post(f"{page}/trash", next=page)
    shown = visitor.text(page)
    assert tasks.state(task_id) is State.TRASHED
    assert "can be restored until" in shown
    undo = re.search(r'form="act" formaction="([^"]*)"[^>]*>Undo', shown)
    assert undo
    visitor.post(undo[1])
    assert tasks.state(task_id) is State.DEAD


def test_what_is_in_the_trash_is_listed_and_restored(visitor: Visitor, tasks: Tasks) -> None:
    (task_id,) = tasks.die()
    visitor.post(f"/queues/billing/tasks/{task_id}/trash")
    assert f"/queues/billing/tasks/{task_id}/restore" in visitor.text("/dead/trash")
    visitor.post(f"/queues/billing/tasks/{task_id}/restore")
    assert visitor.said() == "1 task restored."


def test_a_task_that_waits_is_run_now(visitor: Visitor, tasks: Tasks) -> None:
    (scheduled,), retrying = tasks.enqueue(delay=3_600), tasks.retry_later()
    for task_id in (scheduled, retrying):
        visitor.post(f"/queues/billing/tasks/{task_id}/promote")
        assert tasks.state(task_id) is State.READY


def test_a_queue_is_paused_with_a_reason_and_resumed(visitor: Visitor, tasks: Tasks) -> None:
    tasks.enqueue()
    refused = visitor.post("/queues/billing/pause", reason="  ")
    assert refused.status_code == 422
    assert "Say why" in refused.text
    assert tasks.inspector.queue("billing").pause is None
    visitor.post("/queues/billing/pause", reason="partner maintenance")
    pause = tasks.inspector.queue("billing").pause
    assert pause
    assert (pause.by, pause.reason) == ("console", "partner maintenance")
    assert "partner maintenance" in visitor.text("/queues/billing/pause")
    visitor.post("/queues/billing/resume")
    assert tasks.inspector.queue("billing").pause is None


def test_one_task_of_a_queue_is_paused_and_resumed(visitor: Visitor, tasks: Tasks) -> None:
    (task_id,) = tasks.enqueue()
    visitor.post("/queues/billing/pause", reason="bad release", task="charge")
    (lane,) = tasks.inspector.queue("billing").lanes
    assert (lane.lane, lane.reason, lane.is_open) == ("name:charge", "bad release", False)
    shown = visitor.text("/queues/billing")
    assert "Resume charge" in shown
    assert "No present worker knows a task of this name" in shown
    assert "Resume charge in billing" in visitor.text("/queues/billing/pause?task=charge")
    page = visitor.text(f"/queues/billing/tasks/{task_id}")  # not held yet: nobody has tried to claim it
    assert "charge was paused by console just now, “bad release”." in page
    assert 'name="lane" value="name:charge"' in page
    visitor.post("/queues/billing/resume", lane="name:charge")
    assert visitor.said() == "charge in billing is resumed."
    assert all(lane.is_open for lane in tasks.inspector.queue("billing").lanes)


def test_after_an_action_no_older_snapshot_is_shown(visitor: Visitor, tasks: Tasks) -> None:
    (task_id,) = tasks.die()
    assert "1 dead letter" in visitor.text("/")  # all tabs now share this snapshot for a second
    died_at = str(tasks.died_at(task_id))
    visitor.post(f"/queues/billing/tasks/{task_id}/requeue", died_at=died_at)
    assert "last dead letter" in visitor.text("/")


def test_from_an_open_page_an_action_is_answered_by_a_toast(visitor: Visitor, tasks: Tasks) -> None:
    (task_id,) = tasks.die()
    page = f"/queues/billing/tasks/{task_id}"
    headers = {**PARTIAL, "HX-Current-URL": f"http://localhost{page}"}
    response = visitor.post(f"{page}/requeue", died_at=str(tasks.died_at(task_id)), next=page, headers=headers)
    assert response.status_code == 200
    assert 'hx-target="#toasts"' in response.text
    assert "1 dead letter retried." in response.text
    assert response.headers["Taskyard-Action-Id"]
    elsewhere = visitor.post("/queues/billing/pause", reason="x", headers=headers)
    assert elsewhere.headers["HX-Redirect"] == "/queues/billing"


def test_a_failed_action_is_never_silent(visitor: Visitor, tasks: Tasks) -> None:
    tasks.enqueue()
    response = visitor.post("/queues/nowhere/tasks/x/trash", headers=PARTIAL)
    assert response.status_code == 404
    assert "There is no queue nowhere" in response.text
    assert 'hx-target="#toasts"' in response.text


def test_the_way_back_leads_nowhere_else(visitor: Visitor, tasks: Tasks) -> None:
    tasks.enqueue()
    for target in (
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:x",
        "",
        "/\nx",
        "//[",
        "http://[",
    ):
        response = visitor.post("/preferences", theme="dark", next=target)
        assert (response.status_code, response.location) == (303, "/")


def test_an_address_that_is_none_is_no_current_page(visitor: Visitor, tasks: Tasks) -> None:
    (task_id,) = tasks.enqueue()
    headers = {**PARTIAL, "HX-Current-URL": "http://["}
    response = visitor.post(f"/queues/billing/tasks/{task_id}/trash", next="/", headers=headers)
    assert (response.status_code, response.headers["HX-Redirect"]) == (200, "/")


@pytest.mark.parametrize("answer", ["unmask", "edit/preview", "promote"])
def test_a_page_that_answers_a_form_leads_back_to_one_that_can_be_got(
    visitor: Visitor, tasks: Tasks, answer: str
) -> None:
    """Its header's menus send their `next` on, and its refreshes ask where something is."""
    (task_id,) = tasks.die()
    path = f"/queues/billing/tasks/{task_id}"
    form = {"payload": "{}", "priority": "0", "max_retries": "0", "died_at": "1"}
    page = visitor.post(f"{path}/{answer}", form if answer == "edit/preview" else None, action_id="").text
    assert "<h1" in page
    back = field(page, "next")
    assert back == (f"{path}/edit" if answer == "edit/preview" else path)
    assert set(re.findall(r'hx-get="([^"]*)"', page)) <= {back}
    chosen = visitor.post("/preferences", theme="dark", next=back)
    assert (chosen.status_code, chosen.location) == (303, back)
    visitor.text(back)


@pytest.mark.parametrize("verb", ["trash", "cancel", "move"])
def test_form_of_one_task_does_nothing_to_what_became_of_it_since(visitor: Visitor, tasks: Tasks, verb: str) -> None:
    (task_id,) = tasks.die() if verb == "trash" else tasks.enqueue(delay=600)
    page = f"/queues/billing/tasks/{task_id}"
    shown = visitor.text(page if verb == "trash" else f"{page}/{verb}")
    (seen,) = re.findall(r'name="seen" value="([^"]+)"', shown)
    tasks.enqueue("other")
    if verb == "trash":
        visitor.post(f"{page}/requeue", died_at=seen.partition("/")[2])
    else:
        visitor.post(f"{page}/promote")
    visitor.post(f"{page}/{verb}", seen=seen, to="other", next=page)
    assert "was skipped: it is ready now." in visitor.text(page)
    assert tasks.state(task_id) is State.READY
    answer = visitor.post(f"{page}/{verb}", seen="asleep", to="other")
    assert answer.status_code == 422
