"""Tracebacks, payloads and copies: work on text that came from somewhere else."""

from __future__ import annotations

import ast
import json
import shlex
from dataclasses import replace
from typing import Any

import pytest

from dashboard.payload import copies, pretty
from dashboard.tracebacks import parse_traceback
from queue_core.snapshot import State, TaskDetail

TRACEBACK = """Traceback (most recent call last):
  File "/srv/venv/lib/python3.12/site-packages/queue_core/worker/executor.py", line 212, in run_one
    result = await handler(**arguments)
  File "billing/gateway.py", line 88, in charge
    response = http.post(url, json=order)
               ^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/venv/lib/python3.12/site-packages/httpx/_api.py", line 319, in post
    return request(
  File "/usr/lib/python3.12/socket.py", line 852, in create_connection
    raise exceptions[0]
ConnectionRefusedError: [Errno 111] Connection refused
"""


def task(payload: str, *, name: str = "charge", unreadable: str = "") -> TaskDetail:
    return TaskDetail(
        queue="billing",
        id="0kV3mQrvgYBGjfebBMu30d",
        name=name,
        state=State.DEAD,
        options={},
        payload_json=payload,
        payload_bytes=len(payload),
        unreadable=unreadable,
        enqueued_at=None,
        at=None,
        priority=0,
        attempts=0,
        attempts_before=0,
        crashes=0,
        releases=0,
        max_retries=3,
    )


def test_frames_of_the_application_are_open_and_those_of_libraries_folded() -> None:
    found = parse_traceback(TRACEBACK)
    assert [(section.is_folded, len(section.frames), section.text) for section in found.sections] == [
        (True, 1, ""),
        (False, 1, ""),
        (True, 2, ""),
        (False, 0, "ConnectionRefusedError: [Errno 111] Connection refused"),
    ]
    frame = found.sections[1].frames[0]
    assert (frame.place, frame.function, frame.code) == (
        "billing/gateway.py:88",
        "charge",
        "response = http.post(url, json=order)",
    )
    assert found.sections[0].packages == "queue_core"
    assert found.sections[2].packages == "httpx, socket"


def test_where_all_frames_are_of_libraries_none_is_folded() -> None:
    found = parse_traceback(
        'Traceback (most recent call last):\n  File "/x/site-packages/a.py", line 1, in f\n    f()\nE'
    )
    assert [section.is_folded for section in found.sections] == [False, False]


@pytest.mark.parametrize("text", ["", "no traceback at all", "<script>alert(1)</script>", '  File "', "\x00" * 50])
def test_what_is_no_traceback_stays_text(text: str) -> None:
    found = parse_traceback(text)
    assert found.text == text
    assert not found.is_parsed


def test_a_payload_is_laid_out_with_its_keys_in_their_order() -> None:
    assert pretty('{"b":1,"a":"é"}') == '{\n  "b": 1,\n  "a": "é"\n}'


@pytest.mark.parametrize("text", ["{not json", "", "[" * 100_000, "NaN,"])
def test_a_payload_that_is_not_json_stays_as_it_is(text: str) -> None:
    shown = pretty(text)
    assert shown.rstrip("…") == text[: len(shown.rstrip("…"))]


@pytest.mark.parametrize(
    ("payload", "call"),
    [
        ({"order": 1, "note": 'a"b'}, "charge.enqueue(order=1, note='a\"b')"),
        ([[1, "x"], {"to": None}], "charge.enqueue(1, 'x', to=None)"),
        ({"not a name": 1}, "charge.enqueue(**{'not a name': 1})"),
        ({"class": 1}, "charge.enqueue(**{'class': 1})"),
        ({"to": "\u202e"}, "charge.enqueue(to='\\u202e')"),
    ],
)
def test_a_copy_as_python_is_a_call_with_literals(payload: Any, call: str) -> None:
    copied = copies(task(json.dumps(payload))).python
    assert copied == call
    ast.parse(copied)


@pytest.mark.parametrize("value", ["'; rm -rf / #", "$(id)", "`id`", "a\nb", '"""', "\\", "\u2028"])
def test_hostile_values_stay_values_in_every_copy(value: str) -> None:
    copied = copies(task(json.dumps({"to": value})))
    call = ast.parse(copied.python).body[0]
    assert isinstance(call, ast.Expr)
    assert isinstance(call.value, ast.Call)
    assert ast.literal_eval(call.value.keywords[0].value) == value
    assert shlex.split(copied.shell) == [
        "taskyard", "enqueue", "charge", "--queue", "billing", "--json-args", json.dumps({"to": value})
    ]  # fmt: skip
    assert json.loads(copied.json)["payload"] == {"to": value}


def test_a_copy_for_a_shell_enqueues_by_name_where_that_makes_the_same_task() -> None:
    plain = task('{"order": 1}')
    start = "taskyard enqueue charge --queue billing"
    assert copies(plain).shell == f"""{start} --json-args '{{"order": 1}}'"""
    assert copies(replace(plain, priority=-5)).shell == f"""{start} --priority=-5 --json-args '{{"order": 1}}'"""
    declared = replace(plain, options={"max_retries": 0, "timeout": 900})
    assert copies(declared).shell.startswith("taskyard enqueue app:yard charge --queue billing --json-args")
    assert copies(task('[[1], {"to": 2}]')).shell == "python -c 'from app import charge; charge.enqueue(1, to=2)'"


def test_nothing_is_copied_of_what_cannot_be_read() -> None:
    assert copies(task("{}", unreadable="no envelope")).json == ""
    assert copies(task("{broken")).json == ""
