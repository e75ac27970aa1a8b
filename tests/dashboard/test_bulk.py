"""What is done to all that match: the preview, what its form is bound to, and how it begins."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from html import unescape
from typing import Any

import pytest
from flask import Flask, g
from redis import Redis

from dashboard.bulk import Pace
from dashboard.filters import iso
from dashboard.identity import Role, User
from dashboard.parts import Parts
from dashboard.selections import FRESH_MS, Selection
from queue_core.errors import InvalidArgument
from queue_core.snapshot import Bound, Operation, State
from tests.console import Tasks, Visitor, field, text_of

RETRY = "/queues/billing/bulk/requeue"
BOUND = Bound("billing", "requeue", State.DEAD, 1_000_000, 3, ("abc", "def"), since=5, until=900_000)


@pytest.fixture
def run(app: Flask, tasks: Tasks) -> Iterator[Callable[[], Operation]]:
    """Runs what was begun last to where it goes by itself."""
    found: Parts = app.extensions["taskyard"]

    def run() -> Operation:
        found.operations.tend()
        return tasks.inspector.operations()[0]

    yield run
    found.operations.close()


def press(visitor: Visitor, path: str, **given: str) -> str:
    """Open a preview and send its form. Returns where that leads."""
    page = visitor.text(path)
    form = {"selection": field(page, "selection"), "action_id": field(page, "action_id"), **given}
    response = visitor.post(path, form)
    assert response.status_code == 303, text_of(response.text)
    return response.location


# The preview.


def test_a_preview_says_that_letters_died_ahead_of_the_servers_clock(
    visitor: Visitor, tasks: Tasks, redis_client: Redis, namespace: str
) -> None:
    (task_id,) = tasks.die()
    places = f"{namespace}:{{billing}}:dead", f"{namespace}:{{billing}}:dead_by_fault"
    died = int(redis_client.zscore(places[0], task_id) or 0)
    redis_client.zadd(places[0], {task_id: died + 3_600_000})
    letter: Any = redis_client.zrange(places[1], 0, -1)[0]
    redis_client.zrem(places[1], letter)
    redis_client.zadd(places[1], {letter.replace(b"%d" % died, b"%d" % (died + 3_600_000)): 0})
    shown = text_of(visitor.text(RETRY))
    assert "No task of billing matches. Letters are dated up to" in shown
    assert "ahead of the server's clock" in shown


def test_a_preview_says_what_would_be_done_and_changes_nothing(visitor: Visitor, tasks: Tasks) -> None:
    dead = tasks.die(count=3) + tasks.die(count=2, name="refund", error=KeyError("total"))
    before = tasks.inspector.queue("billing")
    shown = text_of(visitor.text(f"{RETRY}?seen=5").partition("<main")[2])
    assert "Retry 5 dead letters" in shown
    assert "By task charge 3 refund 2" in shown
    assert "By error ConnectionError 3 KeyError 2" in shown
    assert "What comes later is not touched" in shown
    assert "left out" not in shown
    assert sum(f"…{task_id[-8:]}" in shown for task_id in dead) == 5
    assert tasks.inspector.queue("billing") == before
    assert tasks.inspector.operations() == ()


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("trash", "Purge 2 dead letters"),
        ("trash?state=ready", "Purge 3 ready tasks"),
        ("cancel?state=ready", "Cancel 3 ready tasks"),
        ("promote?state=scheduled", "Run now 1 scheduled task"),
        ("cancel?state=scheduled", "Cancel 1 scheduled task"),
        ("restore", "Restore 1 task in the trash"),
        ("delete", "Delete for good 1 task in the trash"),
    ],
)
def test_every_verb_has_its_preview(visitor: Visitor, tasks: Tasks, path: str, title: str) -> None:
    tasks.control.trash("billing", tasks.die(count=3)[:1], by="bo", action_id="t")
    tasks.enqueue(count=3)
    tasks.enqueue(delay=3_600)
    shown = visitor.text(f"/queues/billing/bulk/{path}")
    assert f"<h1>{title}</h1>" in shown
    section = "Queues" if "state=" in path else "Failures"
    assert text_of(shown.partition('aria-current="page">')[2].partition("</a>")[0]).startswith(section)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/queues/billing/bulk/destroy", 404),
        ("/queues/billing/bulk/move", 200),
        ("/queues/billing/bulk/move?to=billing", 200),
        ("/queues/billing/bulk/move?to=%7B", 200),
        ("/queues/nowhere/bulk/move", 404),
        ("/bulk/move", 404),
        ("/bulk/promote", 404),
        ("/bulk/destroy", 404),
        ("/bulk/requeue?state=ready", 400),
        ("/bulk/requeue?since=yesterday", 400),
        ("/bulk/trash?queue=nowhere&task=x", 404),
        ("/queues/nowhere/bulk/requeue", 404),
        ("/queues/billing/bulk/requeue?state=ready", 400),
        ("/queues/billing/bulk/trash?state=running", 400),
        ("/queues/billing/bulk/trash?state=nonsense", 400),
        ("/queues/billing/bulk/requeue?fault=../..", 400),
        ("/queues/billing/bulk/requeue?since=yesterday", 400),
        ("/queues/billing/bulk/trash?state=ready&since=2026-01-01T00:00", 400),
        ("/queues/billing/bulk/trash?state=ready&task=charge", 400),
        ("/bulk/restore?task=charge", 400),
        ("/queues/billing/bulk/requeue?seen=1&next=//evil.example", 200),
        ("/queues/billing/bulk/requeue?seen=-1%00", 400),
    ],
)
def test_addresses_that_cannot_be_are_refused(visitor: Visitor, tasks: Tasks, path: str, status: int) -> None:
    tasks.die()
    tasks.enqueue()
    response = visitor.get(path)
    assert response.status_code == status
    assert "evil.example" not in re.findall(r'<a class="button" href="([^"]*)"', response.text)


def test_faults_are_chosen_by_task_class_text_and_time(visitor: Visitor, tasks: Tasks) -> None:
    tasks.die(count=3)
    first = tasks.died_at(tasks.die(name="refund", error=KeyError("total"))[0])
    tasks.die(count=2, name="receipt", error=KeyError("total"))
    for query, count in {
        "task=refund": 1,
        "class=KeyError": 3,
        "q=REFUSED": 3,
        "class=KeyError&task=receipt": 2,
        f"fault={tasks.inspector.faults('billing')[0].fingerprint}": 2,
        f"until={iso(first)}&q=refund": 1,
        "since=2021-01-01T00:00Z&until=2100-01-01T00:00Z": 6,
    }.items():
        assert f"Retry {count} dead letter" in visitor.text(f"{RETRY}?{query}"), query
    for query in ("task=nobody", "until=2021-01-01T00:00Z", "since=2100-01-01T00:00Z", "q=%00"):
        assert "Nothing to retry" in visitor.text(f"{RETRY}?{query}"), query


def test_a_preview_says_who_was_quicker(visitor: Visitor, tasks: Tasks) -> None:
    letters = [(task_id, tasks.died_at(task_id)) for task_id in tasks.die(count=5)]
    tasks.control.requeue("billing", letters[:2], by="bo", action_id="quick")
    shown = text_of(visitor.text(f"{RETRY}?seen=5"))
    assert "2 of the 5 that you saw were retried by bo now and are left out." in shown
    assert "Retry 3 dead letters" in shown


def test_hostile_text_in_a_preview_is_text(visitor: Visitor, tasks: Tasks) -> None:
    tasks.die(error=ValueError("<script>alert(1)</script>\u202e\x00"), name="t")
    page = visitor.text(RETRY)
    assert "<script>alert" not in page
    assert "\u202e" not in page


def test_those_who_may_only_look_see_no_button(visitor: Visitor, tasks: Tasks, app: Flask) -> None:
    tasks.die()
    app.before_request(lambda: setattr(g, "user", User("bo", Role.VIEWER)))
    page = visitor.text(RETRY)
    assert "Retry 1 dead letter" in page
    assert 'name="selection"' not in page


# Beginning.


def test_what_was_previewed_is_done_and_what_died_later_is_not(
    visitor: Visitor, tasks: Tasks, run: Callable[[], Operation]
) -> None:
    first = tasks.die(count=3)
    page = visitor.text(RETRY)
    later = tasks.die(count=2)
    response = visitor.post(RETRY, selection=field(page, "selection"), reason="the gateway is back")
    operation = run()
    assert response.location == f"/activity/{operation.id}?queue=billing"
    assert (operation.done, operation.by, operation.reason) == (3, "console", "the gateway is back")
    assert {tasks.state(task_id) for task_id in first} == {State.READY}
    assert {tasks.state(task_id) for task_id in later} == {State.DEAD}
    (entry, *_) = tasks.inspector.audit().rows
    assert (entry.verb, entry.count, entry.by) == ("requeue", 3, "console")


def test_a_form_sent_twice_begins_one_operation_and_leads_to_it(visitor: Visitor, tasks: Tasks) -> None:
    tasks.die(count=3)
    page = visitor.text(RETRY)
    form = {"selection": field(page, "selection"), "action_id": field(page, "action_id")}
    first, second = (visitor.post(RETRY, form).location for _ in range(2))
    assert first == second
    assert len(tasks.inspector.operations()) == 1


def test_a_form_sent_again_after_its_preview_is_old_leads_to_what_it_began(
    visitor: Visitor, tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks.die()
    page = visitor.text(RETRY)
    form = {"selection": field(page, "selection"), "action_id": field(page, "action_id")}
    first = visitor.post(RETRY, form).location
    monkeypatch.setattr("dashboard.selections.FRESH_MS", -1)
    assert visitor.post(RETRY, form).location == first


def test_an_old_preview_is_shown_again_with_what_differs(visitor: Visitor, tasks: Tasks, app: Flask) -> None:
    letters = [(task_id, tasks.died_at(task_id)) for task_id in tasks.die(count=3)]
    page = visitor.text(RETRY)
    with app.app_context():
        selection = Selection.read(field(page, "selection"))
        assert selection
        old = replace(
            selection, bounds=(replace(selection.bound, taken_at=selection.bound.taken_at - FRESH_MS - 1_000),)
        )
        signed = old.sign()
    tasks.control.requeue("billing", letters[:1], by="bo", action_id="quick")
    response = visitor.post(RETRY, selection=signed, reason="typed before")
    assert response.status_code == 409
    shown = text_of(response.text)
    assert re.search(r"The preview was 15 min .* old, so nothing was done", shown)
    assert "It was 3 dead letters, now it is 2." in shown
    assert 'value="typed before"' in response.text
    assert tasks.inspector.operations() == ()
    again = visitor.post(RETRY, selection=field(response.text, "selection"))
    assert again.status_code == 303


def test_what_is_shown_again_is_still_of_what_was_chosen(visitor: Visitor, tasks: Tasks) -> None:
    tasks.die()
    (fault,) = (fault.fingerprint for fault in tasks.inspector.faults("billing"))
    tasks.die(error="another")
    chosen = f"{RETRY}?fault={fault}&next=/dead"
    page = visitor.text(chosen)
    assert "Retry 1 dead letter" in text_of(page)
    for _ in range(2):
        action = unescape(re.findall(r'class="sheet wide" method="post" action="([^"]*)"', page)[0])
        assert action == chosen
        response = visitor.post(action, selection="nonsense")
        assert response.status_code == 409
        page = response.text
        assert "Retry 1 dead letter" in text_of(page)


def test_somebody_elses_preview_is_shown_again(visitor: Visitor, tasks: Tasks, app: Flask) -> None:
    tasks.die()
    names = ["ada", "bo", "bo"]  # of the one who previews it; of the one who opens a page for its token, and sends it
    app.before_request(lambda: setattr(g, "user", User(names.pop(0), Role.OPERATOR)))
    signed = field(visitor.text(RETRY), "selection")
    response = visitor.post(RETRY, selection=signed)
    assert response.status_code == 409
    assert "The preview was made for ada, so nothing was done" in text_of(response.text)
    assert tasks.inspector.operations() == ()


@pytest.mark.parametrize("forged", ["", "nonsense", "WzEsMl0.abc", "of another queue"])
def test_what_this_console_did_not_sign_begins_nothing(visitor: Visitor, tasks: Tasks, forged: str) -> None:
    tasks.die()
    tasks.die("email", name="send")
    if forged == "of another queue":
        forged = field(visitor.text("/queues/email/bulk/requeue"), "selection")
    response = visitor.post(RETRY, selection=forged)
    assert response.status_code == 409
    assert "is not known any more" in response.text
    assert tasks.inspector.operations() == ()


def test_to_delete_for_good_the_number_is_typed(visitor: Visitor, tasks: Tasks, run: Callable[[], Operation]) -> None:
    ids = tasks.die(count=3)
    tasks.control.trash("billing", ids, by="bo", action_id="t")
    path = "/queues/billing/bulk/delete"
    page = visitor.text(path)
    for typed in ("", "2", "3x", "-3"):
        response = visitor.post(path, selection=field(page, "selection"), typed=typed)
        assert response.status_code == 422
        assert "Type the number of tasks, 3" in response.text
    assert tasks.inspector.operations() == ()
    press(visitor, path, typed=" 3 ")
    assert run().done == 3
    assert tasks.inspector.queue("billing").counts.total == 0


@pytest.mark.parametrize(
    ("form", "pace"),
    [
        ({}, Pace("all")),
        ({"pace": "all", "first": "x", "per_minute": "x"}, Pace("all")),
        ({"pace": "first", "first": "7"}, Pace("first", first=7)),
        ({"pace": "spread", "per_minute": "120"}, Pace("spread", per_minute=120)),
    ],
)
def test_how_fast_is_chosen(form: dict[str, str], pace: Pace) -> None:
    assert Pace.read(form) == pace


@pytest.mark.parametrize(
    "form",
    [
        {"pace": "fast"},
        {"pace": "first", "first": "-1"},
        {"pace": "first"},
        {"pace": "spread", "per_minute": "0"},
        {"pace": "spread", "per_minute": "1e9"},
        {"pace": "spread"},
    ],
)
def test_a_pace_that_cannot_be_is_refused(form: dict[str, str]) -> None:
    with pytest.raises(InvalidArgument):
        Pace.read(form)


def test_above_a_thousand_a_few_go_first_unless_chosen_otherwise() -> None:
    assert Pace.usual("requeue", 1_000).way == "all"
    assert Pace.usual("requeue", 1_001).way == "first"
    assert Pace.usual("trash", 1_001).way == "all"
    assert Pace.usual("requeue", 6, is_doubtful=True).way == "first"
    assert Pace.usual("requeue", 5, is_doubtful=True).way == "all"
    assert Pace.usual("trash", 6, is_doubtful=True).way == "all"


def test_a_few_go_first_and_are_waited_for(visitor: Visitor, tasks: Tasks, run: Callable[[], Operation]) -> None:
    tasks.die(count=4)
    press(visitor, RETRY, pace="first", first="2")
    operation = run()
    assert (operation.progress, operation.done, operation.canary) == ("waiting", 2, 2)


def test_a_wrong_number_is_said_and_what_was_typed_stays(visitor: Visitor, tasks: Tasks) -> None:
    tasks.die(count=4)
    page = visitor.text(RETRY)
    response = visitor.post(RETRY, selection=field(page, "selection"), pace="spread", per_minute="many", reason="why")
    assert response.status_code == 422
    assert "it must be a whole number" in unescape(response.text)
    assert 'value="many"' in response.text
    assert 'value="why"' in response.text
    assert re.search(r'value="spread" checked', response.text)


def test_purging_offers_no_pace(visitor: Visitor, tasks: Tasks) -> None:
    tasks.die()
    assert 'name="pace"' not in visitor.text("/queues/billing/bulk/trash")
    assert 'name="pace"' in visitor.text(RETRY)


# The selection.


def test_a_selection_comes_back_as_it_was_signed(app: Flask) -> None:
    with app.app_context():
        selection = Selection((BOUND,), "ada")
        signed = selection.sign()
        assert Selection.read(signed) == selection
        assert Selection.read(signed.replace(signed[20], "-" if signed[20] != "-" else "x", 1)) is None
        many = replace(BOUND, faults=tuple(f"{number:012x}" for number in range(1_200)))
        assert Selection.read(Selection((many, BOUND), "ada").sign()) == Selection((many, BOUND), "ada")


def test_a_selection_of_another_key_is_none_of_ours(app: Flask, settings: object) -> None:
    with app.app_context():
        signed = Selection((BOUND,), "ada").sign()
        app.secret_key = "another one"
        assert Selection.read(signed) is None


def test_a_selection_is_fresh_for_a_quarter_of_an_hour() -> None:
    selection = Selection((BOUND,), "ada")
    assert selection.is_fresh(BOUND.taken_at + FRESH_MS)
    assert not selection.is_fresh(BOUND.taken_at + FRESH_MS + 1)
    assert selection.is_fresh(BOUND.taken_at - 5)


# Where it begins.


@pytest.mark.parametrize(
    ("state", "labels"),
    [
        ("dead", ["Retry 2…", "Purge 2…", "Move 2…"]),
        ("ready", ["Purge 3…", "Cancel 3…", "Move 3…"]),
        ("scheduled", ["Run now 1…", "Purge 1…", "Cancel 1…", "Move 1…"]),
        ("trashed", ["Restore 1…", "Delete for good 1…"]),
        ("running", []),
    ],
)
def test_the_page_of_a_queue_leads_to_what_can_be_done_to_all_of_a_state(
    visitor: Visitor, tasks: Tasks, state: str, labels: list[str]
) -> None:
    tasks.control.trash("billing", tasks.die(count=3)[:1], by="bo", action_id="t")
    tasks.enqueue(count=3)
    tasks.enqueue(delay=3_600)
    path = f"/queues/billing?state={state}"
    found = re.search(r'<div id="whole".*?</div>', visitor.text(path), re.S)
    assert found
    links = re.findall(r'href="([^"]*)">([^<]*)</a>', found[0])
    assert [label for _, label in links] == labels
    for href, label in links:
        page = visitor.text(unescape(href))
        if label.startswith("Move"):
            assert "To which queue" in page
            page = visitor.text(f"{unescape(href)}&to=email")
        assert f"{label.removesuffix('…')}</button>" in page
        assert f'<a class="button" href="{path}">Back</a>' in page


def test_ticked_letters_are_purged_through_a_preview(visitor: Visitor, tasks: Tasks) -> None:
    ids = tasks.die(count=3)
    ticked = tasks.letters(ids[:2])
    preview = visitor.text("/dead/purge?" + "&".join(f"letter={letter}" for letter in ticked))
    assert "Purge 2 dead letters" in preview
    assert "can be restored until" in preview
    visitor.post("/dead/purge", {"letter": ticked}, reason="twice")
    assert "2 dead letters purged. They can be restored until" in visitor.said()
    assert [tasks.state(task_id) for task_id in ids] == [State.TRASHED, State.TRASHED, State.DEAD]


def test_a_ticked_letter_that_was_retried_meanwhile_is_not_purged(visitor: Visitor, tasks: Tasks) -> None:
    ids = tasks.die(count=2)
    ticked = tasks.letters(ids)
    tasks.control.requeue("billing", [(ids[0], tasks.died_at(ids[0]))], by="bo", action_id="r")
    visitor.post("/dead/purge", {"letter": ticked})
    assert "1 dead letter purged" in visitor.said()
    assert [tasks.state(task_id) for task_id in ids] == [State.READY, State.TRASHED]


def test_a_purge_of_ticked_letters_is_undone_from_its_toast(visitor: Visitor, tasks: Tasks) -> None:
    billing, email = tasks.die(count=3), tasks.die("email", count=1, name="send")
    tasks.control.trash("billing", billing[2:], by="bo", action_id="before")
    ticked = [*tasks.letters(billing[:2]), *tasks.letters(email, "email")]
    visitor.post("/dead/purge", {"letter": ticked})
    undo = re.search(r'formaction="([^"]*)"[^>]*>Undo', visitor.text("/workers"))
    assert undo
    for said in ("3 dead letters restored.", "3 dead letters restored."):  # pressed twice it says the same
        visitor.post(unescape(undo[1]))
        assert visitor.said() == said
    assert [tasks.state(task_id) for task_id in billing] == [State.DEAD, State.DEAD, State.TRASHED]
    assert tasks.state(email[0], "email") is State.DEAD


@pytest.mark.parametrize("purged", ["", "purged=x", "purged=billing/a/1/0", "purged=billing/a/1/201", "purged={/a/1/1"])
def test_an_undo_that_cannot_be_is_refused(visitor: Visitor, tasks: Tasks, purged: str) -> None:
    tasks.die()
    assert visitor.post(f"/dead/purge/undo?{purged}").status_code in (400, 422)


def test_no_more_are_ticked_than_are_done_at_once(visitor: Visitor, tasks: Tasks) -> None:
    tasks.die()
    ticked = [f"billing/task-{number}/5" for number in range(201)]
    for path in ("/dead/requeue", "/dead/purge"):
        response = visitor.post(path, {"letter": ticked})
        assert response.status_code == 400
        assert "200 are the most" in response.text
