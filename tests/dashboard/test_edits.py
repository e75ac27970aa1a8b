"""Edit and retry: hidden values stay hidden and stored, the difference is shown before, and what was shown is done."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from dashboard import ConsoleSettings, create_app
from dashboard.editing import check_hidden, difference, merge, read_json
from dashboard.identity import Role
from dashboard.letter_edit import MOST_EDITED
from dashboard.redaction import MASK, Redactor
from queue_core import Taskyard
from queue_core.errors import InvalidArgument
from queue_core.snapshot import State
from tests.console import Tasks, Visitor, field
from tests.people import Person, write_users

REDACTOR = Redactor()
STORED: dict[str, Any] = {
    "order": 1,
    "url": "redis://ada:pw@host/0",
    "card": {"number": "4111", "cvv": 1},
    "rows": [{"id": 1, "token": "t1"}, {"id": 2, "token": "t2"}],
    "big": 123456789012345678901234567890,
}
MASKED = REDACTOR.value(STORED)[0]


def edited(**changes: Any) -> dict[str, Any]:
    return {**json.loads(json.dumps(MASKED)), **changes}


@pytest.mark.parametrize(
    ("given", "want"),
    [
        (edited(), STORED),
        (edited(order=2), {**STORED, "order": 2}),
        (edited(card="5222"), {**STORED, "card": "5222"}),
        (edited(card={"number": "5222"}), {**STORED, "card": {"number": "5222"}}),
        (edited(rows=[]), {**STORED, "rows": []}),
        (edited(rows=[{"id": 1, "token": MASK}, {"id": 9, "token": MASK}]),
         {**STORED, "rows": [{"id": 1, "token": "t1"}, {"id": 9, "token": "t2"}]}),
        ({"order": 1}, {"order": 1}),
    ],
)  # fmt: skip
def test_untouched_mask_stores_the_old_value(given: Any, want: Any) -> None:
    assert merge(STORED, MASKED, given) == want


@pytest.mark.parametrize(
    "given",
    [
        edited(card2=MASK),
        edited(order=MASK),
        edited(card=f"{MASK}1"),
        edited(card={"number": MASK}),
        edited(url="redis://bob:•••@host/0"),
        edited(url="redis://ada:•••@evil/0"),
        edited(rows=MASKED["rows"][1:]),
        edited(rows=MASKED["rows"][::-1]),
        edited(rows=[*MASKED["rows"], {"id": 3, "token": MASK}]),
        edited(**{f"x{MASK}": 1}),
        [MASK],
        MASK,
    ],
)
def test_mask_that_was_moved_or_changed_in_part_is_refused(given: Any) -> None:
    with pytest.raises(InvalidArgument, match="hidden"):
        merge(STORED, MASKED, given)


PAIR = {"name": "DB_PASSWORD", "value": "s3cretvalue99"}


@pytest.mark.parametrize(
    ("stored", "given"),
    [
        ({"env": PAIR}, {"env": {"name": "COLOUR", "value": MASK}}),
        ({"env": PAIR}, {"env": {"value": MASK}}),
        ({"env": [{"n": 1, **PAIR}]}, {"env": [{"n": 1, "value": MASK, "name": "DB_PASSWORD"}]}),
        ({"env": PAIR}, {"env": {"name": "DB_PASSWORD", "long": "x" * 5_000, "value": MASK}}),
        (PAIR, {"name": ["DB_PASSWORD"], "value": MASK}),
        ({"Key": "token", "Val": "s3cretvalue99"}, {"Key": "tok", "Val": MASK}),
        ({"token": "it's3cretvalue99"}, {"a": "token='x", "token": MASK}),
        ({"argv": ["mysql", "--password", "s3cret"]}, {"argv": ["mysql", "--colour", MASK]}),
        ({"headers": [["X-Api-Key", "s3cret"]]}, {"headers": [["X-Colour", MASK]]}),
        ({"headers": [["X-Api-Key", "s3cret"], ["a", "b"]]}, {"headers": [["X-Api-Key", MASK], ["a"]]}),
    ],
)
def test_hidden_value_stays_stored_only_where_what_hides_it_stays(stored: Any, given: Any) -> None:
    masked = REDACTOR.value(stored)[0]
    check_hidden(stored, masked, masked, stored, REDACTOR)
    with pytest.raises(InvalidArgument, match="beside it, and hides it, was changed"):
        check_hidden(stored, masked, given, merge(stored, masked, given), REDACTOR)


def test_what_stands_behind_a_hidden_pair_may_be_edited() -> None:
    stored = {"order": 1, "env": [{**PAIR, "note": "old"}, {"name": "COLOUR", "value": "red"}]}
    masked = REDACTOR.value(stored)[0]
    given = json.loads(json.dumps(masked).replace("old", "new").replace("red", "blue").replace('"order": 1', '"x": 2'))
    merged = merge(stored, masked, given)
    check_hidden(stored, masked, given, merged, REDACTOR)
    assert merged == {"x": 2, "env": [{**PAIR, "note": "new"}, {"name": "COLOUR", "value": "blue"}]}


def test_difference_tells_what_changes_and_nothing_that_is_hidden() -> None:
    after = {**STORED, "order": True, "card": "5222333344445555", "new": "Bearer abcdefgh1"}
    told = {change.path: (change.before, change.after) for change in difference(STORED, after, REDACTOR)}
    assert told == {"order": ("1", "true"), "card": (f'"{MASK}"', f'"{MASK}"'), "new": ("", f'"Bearer {MASK}"')}


def test_a_change_of_kind_is_said_in_words() -> None:
    stored = {"order": 1, "rush": True, "old": 1, "rows": [1], "note": "a", "token": 5}
    after = {"order": "1", "rush": 1, "rows": {}, "note": "b", "new": 1, "token": "abc"}
    assert {change.path: change.note for change in difference(stored, after, REDACTOR)} == {
        "order": "number → text",
        "rush": "yes or no → number",
        "old": "field removed",
        "rows": "list → object",
        "note": "",
        "new": "new field",
        "token": "",
    }


@pytest.mark.parametrize("text", ["{", '{"a":1,"a":2}', '{"a":NaN}', "[" * 100_000, ""])
def test_what_is_no_json_is_refused_with_the_reason(text: str) -> None:
    with pytest.raises(InvalidArgument, match="not JSON"):
        read_json(text)


@pytest.fixture
def letter(redis_url: str, namespace: str) -> str:
    yard = Taskyard(redis_url, namespace=namespace)

    @yard.task(queue="billing")
    def pay(order: int, card: str, note: str) -> None: ...

    task_id = (
        pay.options(max_retries=0, unique_key="order-7").enqueue(7, card="4111222233334444", note="a\u200bb\n<i>").id
    )
    with yard.queue("billing").claim(limit=1) as leases:
        for lease in leases:
            lease.fail(ConnectionError("refused"))
    yard.close()
    return task_id


def form_of(page: str) -> dict[str, str]:
    """The last form's fields, as a browser sends them."""
    text = re.findall(r"<textarea[^>]*>(.*?)</textarea>", page, re.S)
    fields = {name: field(page, name) for name in ("died_at", "csrf_token")}
    fields |= {
        name: unescape(re.findall(rf'name="{name}"[^>]* value="([^"]*)"', page)[-1])
        for name in ("priority", "max_retries")
    }
    return {**fields, "payload": unescape(text[-1])}


def preview(visitor: Visitor, path: str, **changes: str) -> TestResponse:
    return visitor.post(f"{path}/preview", {**form_of(visitor.text(path)), **changes})


def confirm_of(page: str) -> dict[str, str]:
    names = ("payload", "priority", "max_retries", "shown", "died_at", "action_id")
    return {name: field(page, name) for name in names}


def test_letter_is_edited_and_retried_after_its_difference_was_shown(
    visitor: Visitor, tasks: Tasks, letter: str
) -> None:
    path = f"/queues/billing/tasks/{letter}"
    assert "Edit and retry…" in visitor.text(path)
    form = form_of(visitor.text(f"{path}/edit"))
    assert "4111222233334444" not in form["payload"]
    assert "\\u200b" in form["payload"]
    shown = preview(visitor, f"{path}/edit", payload=form["payload"].replace("7", "8"), priority="5", max_retries="2")
    assert shown.status_code == 200, shown.text
    assert "3 changes" in shown.text
    assert 'href="#payload">Back to the form' in shown.text  # below the difference, with what was typed
    assert shown.text.partition('id="payload"')[2].partition("</textarea>")[0].count("8")
    assert f'data-instead="{path}/edit"' in shown.text
    assert "data-instead" not in visitor.text(f"{path}/edit")
    assert f'hx-get="{path}/edit"' in shown.text  # asks whether all is still there; what is typed stays
    assert tasks.state(letter) is State.DEAD
    assert visitor.post(f"{path}/edit", confirm_of(shown.text), reason="typo").location == path
    task = tasks.inspector.task("billing", letter)
    assert task.state is State.READY
    assert json.loads(task.payload_json) == {"order": 8, "card": "4111222233334444", "note": "a\u200bb\n<i>"}
    assert (task.priority, task.max_retries, task.options["unique_key"]) == (5, 2, "order-7")
    entry = tasks.inspector.audit().rows[0]
    assert (entry.verb, entry.reason) == ("edit", "typo")
    assert entry.target == f"task {letter}: order 7 → 8; priority 0 → 5; max retries 0 → 2"
    assert "edited and retried by console" in visitor.text(path)


def test_what_was_pasted_unseen_is_shown_as_its_escape(visitor: Visitor, letter: str) -> None:
    path = f"/queues/billing/tasks/{letter}"
    form = form_of(visitor.text(f"{path}/edit"))
    shown = preview(visitor, f"{path}/edit", payload=form["payload"].replace("<i>", "\u202egnp.exe"))
    assert shown.status_code == 200
    assert "\u202e" not in shown.text
    assert "\\u202egnp.exe" in confirm_of(shown.text)["payload"]


def test_longest_payload_that_is_edited_can_be_sent_whatever_it_is_written_in(
    visitor: Visitor, tasks: Tasks, letter: str
) -> None:
    path = f"/queues/billing/tasks/{letter}"
    text = "\N{PARTY POPPER}" * (MOST_EDITED - 200)
    before = form_of(visitor.text(f"{path}/edit"))["payload"]
    assert before.count("\\u200b") == 1
    shown = preview(visitor, f"{path}/edit", payload=before.replace("\\u200b", text))
    assert shown.status_code == 200
    assert visitor.post(f"{path}/edit", confirm_of(shown.text)).location == path
    assert text in tasks.inspector.task("billing", letter).payload_json


def test_form_sent_twice_edits_once(visitor: Visitor, tasks: Tasks, letter: str) -> None:
    path = f"/queues/billing/tasks/{letter}"
    shown = preview(visitor, f"{path}/edit", priority="5")
    for _ in range(2):
        assert visitor.post(f"{path}/edit", confirm_of(shown.text)).location == path
        assert "1 dead letter edited and retried" in visitor.said()
    assert len([entry for entry in tasks.inspector.audit().rows if entry.verb == "edit"]) == 1
    assert tasks.inspector.queue("billing").counts.total == 1


@pytest.mark.parametrize("changed", [{"payload": "{}"}, {"priority": "6"}, {"shown": ""}, {"died_at": "1"}])
def test_what_was_not_shown_is_not_done(visitor: Visitor, tasks: Tasks, letter: str, changed: dict[str, str]) -> None:
    path = f"/queues/billing/tasks/{letter}"
    shown = preview(visitor, f"{path}/edit", priority="5")
    answer = visitor.post(f"{path}/edit", {**confirm_of(shown.text), **changed})
    assert answer.status_code == 409
    assert "not what was shown" in answer.text
    assert tasks.state(letter) is State.DEAD


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"payload": '{"order": 7, "other": "•••"}'}, "moved"),
        ({"payload": "{"}, "not JSON"),
        ({"payload": "[1]"}, "must be an object"),
        ({"payload": '{"a": "' + "x" * 100_000 + '"}'}, "are the most"),
        ({"priority": "2001"}, "Priority must be"),
        ({"max_retries": "-1"}, "Max. retries must be"),
        ({"payload": '{"a": "\\ud800"}'}, "cannot be stored"),
    ],
)
def test_what_cannot_be_stored_is_said_in_the_form_which_keeps_what_was_typed(
    visitor: Visitor, letter: str, changed: dict[str, str], why: str
) -> None:
    answer = preview(visitor, f"/queues/billing/tasks/{letter}/edit", **changed)
    assert answer.status_code == 422
    assert why in answer.text
    assert form_of(answer.text)[next(iter(changed))].strip()[:8] == next(iter(changed.values()))[:8]


def test_letter_that_was_retried_meanwhile_is_not_edited(visitor: Visitor, tasks: Tasks, letter: str) -> None:
    path = f"/queues/billing/tasks/{letter}"
    shown = preview(visitor, f"{path}/edit", priority="5")
    tasks.control.requeue("billing", [(letter, tasks.died_at(letter))], by="bo", action_id="b1")
    assert visitor.post(f"{path}/edit", confirm_of(shown.text)).location == path
    assert "Nothing edited and retried" in visitor.said()
    assert tasks.inspector.task("billing", letter).priority == 0
    assert "cannot be edited" in visitor.text(f"{path}/edit")


def test_editing_can_be_left_to_admins(settings: ConsoleSettings, tmp_path: Path, letter: str) -> None:
    file = write_users(tmp_path / "users.json")
    strict = ConsoleSettings.from_env({"TASKYARD_EDIT_ROLE": "admin"}).edit_role
    for role, may in ((Role.OPERATOR, {"otto", "ada"}), (strict, {"ada"})):
        app: Flask = create_app(replace(settings, users_file=str(file.path), secret_key="k" * 32, edit_role=role))
        app.testing = True
        path = f"/queues/billing/tasks/{letter}"
        for name in ("vi", "otto", "ada"):
            person = Person(app, name)
            assert (person.get(f"{path}/edit").status_code == 200) == (name in may)
            assert (person.post(f"{path}/edit/preview").status_code != 403) == (name in may)
            assert (person.post(f"{path}/edit").status_code != 403) == (name in may)
            assert ("Edit and retry…" in person.text(path)) == (name in may)
