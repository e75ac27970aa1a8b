"""A payload for people: laid out for reading, and as a line to paste into Python or a shell, safely quoted."""

from __future__ import annotations

import json
import keyword
import shlex
from dataclasses import dataclass

from dashboard.filters import iso
from queue_core.snapshot import TaskDetail

MOST_SHOWN = 20_000
"""Characters of a payload on a page; a larger one is cut, and not offered for copying."""


DECLARED = ("max_retries", "max_crashes", "result_ttl")
"""Options of which `taskyard enqueue` knows but what the yard declares."""


@dataclass(frozen=True, slots=True)
class Copies:
    """Empty where the payload cannot be read or is too large. In `shell`, `app` stands for the module of the task where
    its code is needed."""

    python: str
    shell: str
    json: str


def pretty(payload: str) -> str:
    """Indented, keys in their order. What is not JSON stays as it is."""
    if len(payload) > MOST_SHOWN:
        return f"{payload[:MOST_SHOWN]}…"
    try:
        return json.dumps(json.loads(payload), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return payload


def copies(task: TaskDetail) -> Copies:
    if task.unreadable or not task.payload_json or len(task.payload_json) > MOST_SHOWN:
        return Copies("", "", "")
    try:
        payload = json.loads(task.payload_json)
    except (ValueError, RecursionError):
        return Copies("", "", "")
    record = {
        "queue": task.queue,
        "id": task.id,
        "name": task.name,
        "state": task.state.value,
        "priority": task.priority,
        "enqueued_at": iso(task.enqueued_at),
        "payload": payload,
    }
    call = _python(task.name, payload)
    return Copies(
        python=call,
        shell=_shell(task, payload, call),
        json=json.dumps(record, indent=2, ensure_ascii=True),
    )


def _shell(task: TaskDetail, payload: object, call: str) -> str:
    """By the task's name, where nothing but its worker has to know it; by its yard, where its declaration has a say; as
    a call, where arguments have no names."""
    if not isinstance(payload, dict):
        return shlex.join(["python", "-c", f"from app import {_callee(task.name)}; {call}"])
    yard = ["app:yard"] if any(task.options.get(name) is not None for name in DECLARED) else []
    words = ["taskyard", "enqueue", *yard, task.name, "--queue", task.queue]
    if task.priority:
        words += [f"--priority={task.priority}"]
    return shlex.join([*words, "--json-args", json.dumps(payload)])


def _python(name: str, payload: object) -> str:
    """A call of the task with the same arguments; every value is a literal.

    A payload is an object of named arguments, or a list of the unnamed ones and that object.
    """
    is_pair = isinstance(payload, list) and len(payload) == 2 and isinstance(payload[0], list)
    args, kwargs = payload if isinstance(payload, list) and is_pair else ([], payload)
    written = [ascii(value) for value in args]
    if isinstance(kwargs, dict):
        plain = {key: value for key, value in kwargs.items() if _is_name(key)}
        written += [f"{key}={value!a}" for key, value in plain.items()]
        rest = {key: value for key, value in kwargs.items() if key not in plain}
        if rest:
            written.append(f"**{rest!a}")
    return f"{_callee(name)}.enqueue({', '.join(written)})"


def _callee(name: str) -> str:
    """A task's name is its function's unless another was given."""
    return name if _is_name(name) else "task"


def _is_name(text: str) -> bool:
    return text.isidentifier() and text.isascii() and not keyword.iskeyword(text)
