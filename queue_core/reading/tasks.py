"""A described task as it is shown: its row in a list, and everything that is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from queue_core import decoding, settings
from queue_core.codec import decode_envelope
from queue_core.errors import UnreadableEnvelope
from queue_core.keys import QueueKeys
from queue_core.protocol import Argument
from queue_core.reading.described import Described
from queue_core.snapshot import HistoryEntry, State, TaskDetail, TaskSummary

MAX_RESULT_BYTES = 65_536
"""Of a result: a longer one is not shown."""
PUT_BACK_STATES = frozenset({State.DEAD, State.TRASHED})
WAITING_STATES = frozenset({State.READY, State.HELD, State.SCHEDULED, State.RETRYING})


def tracebacks(queue: QueueKeys, task: Described) -> tuple[Sequence[Argument], Sequence[Argument]]:
    """The commands that read the traceback of the last attempt: its own, and its fault's, which is often the same."""
    task_id = decoding.text(task.id)
    fault = decoding.counters(task.first_line).fingerprint
    own = ("HGET", queue.record(task_id), "traceback") if task.is_ended else ("HGET", queue.history, f":{task_id}")
    return own, ("HGET", queue.faults, f"{fault}:traceback")


def traceback_of(answers: Sequence[Any]) -> bytes:
    own, fault_s = (found if isinstance(found, bytes) else b"" for found in answers)
    return own or fault_s


def summary(
    queue: str, task: Described, *, state: State | None = None, at: int | None = None, lane: str = ""
) -> TaskSummary:
    """One row. `state`, `at` and `lane` are what the list knows better."""
    name, options, payload = decoding.split_envelope(task.envelope)
    payload_bytes = max(0, task.envelope_bytes - (len(task.envelope) - len(payload)))
    counters = decoding.counters(task.first_line)
    error, failed_on = decoding.error_of(decoding.history(task.entries))
    shown = state or task.state
    return TaskSummary(
        queue=queue,
        id=decoding.line(decoding.text(task.id), 300),
        name=name,
        state=shown,
        payload=decoding.shorten_payload(payload, payload_bytes) if payload else "",
        priority=decoding.priority_of(options),
        at=task.at if at is None else at,
        attempts=counters.attempts,
        crashes=counters.crashes,
        error=error,
        fingerprint=decoding.fingerprint(counters),
        worker=task.worker or (failed_on if shown is State.DEAD else ""),
        lane=lane or task.lane,
        trashed_from=task.trashed_from,
        progress=task.progress,
    )


def more_of(queue: QueueKeys, task: Described) -> list[Sequence[Argument]]:
    """The commands that read what `detail` needs beside."""
    task_id = decoding.text(task.id)
    last: Sequence[Argument] = ("HGET", queue.cancelling, task_id)
    if task.is_ended:
        last = ("HMGET", queue.record(task_id), "result", "no_result", "result_until")
    commands = [*tracebacks(queue, task), last, ("ZSCORE", queue.expiring, task_id)]
    if task.state in PUT_BACK_STATES and (key := _unique_key(task)):
        commands.append(("HGET", queue.unique, key))
    return commands


def detail(queue: str, task: Described, now_ms: int, more: Sequence[Any]) -> TaskDetail:
    """Everything that is known of one task; `unreadable` says what is not, and why."""
    name, options, payload = decoding.split_envelope(task.envelope)
    kept_whole = task.envelope_bytes == len(task.envelope)
    unreadable = _why_unreadable(task, kept_whole)
    counters = decoding.counters(task.first_line)
    entries = decoding.history(task.entries)
    max_retries = options.get("max_retries")
    asked = decoding.json_object(more[2]) if isinstance(more[2], bytes) else None
    if task.state is State.CANCELLED and entries:
        asked = dict(entries[-1].facts)
    result, missing, until = more[2] if task.is_ended and isinstance(more[2], list) else (None, None, None)
    is_kept = (decoding.moment(until) or 0) >= now_ms
    result = (result or b"") if is_kept else b""
    held_by, held_until = _other_holder(task, more[4], now_ms) if len(more) > 4 else ("", None)
    return TaskDetail(
        queue=queue,
        id=decoding.line(decoding.text(task.id), 300),
        name=name,
        state=task.state,
        options={decoding.line(key, 64): _option(value) for key, value in options.items()},
        payload_json="" if unreadable or not kept_whole else decoding.text(payload),
        payload_bytes=max(0, task.envelope_bytes - (len(task.envelope) - len(payload))),
        unreadable=unreadable,
        enqueued_at=decoding.enqueued_at(decoding.text(task.id), now_ms),
        at=task.at if task.at is not None else _requeued_at(task, entries),
        priority=decoding.priority_of(options),
        attempts=counters.attempts,
        attempts_before=counters.attempts_before,
        crashes=counters.crashes,
        releases=counters.releases,
        max_retries=max_retries if isinstance(max_retries, int) else settings.MAX_RETRIES,
        history=entries,
        fingerprint=decoding.fingerprint(counters),
        traceback=decoding.text(traceback_of(more[:2])),
        worker=task.worker or (decoding.error_of(entries)[1] if task.state is State.DEAD else ""),
        lease_expires_at=decoding.moment(task.score) if task.state is State.RUNNING else None,
        lane=task.lane,
        trashed_from=task.trashed_from,
        trashed_by=decoding.string(task.trashed.get("by"), 200),
        trashed_reason=decoding.string(task.trashed.get("reason"), 500),
        moving_to=decoding.string(task.trashed.get("to"), 128),
        progress=task.progress,
        cancelled_by=decoding.string((asked or {}).get("by"), 200),
        cancelled_reason=decoding.string((asked or {}).get("reason"), 500),
        result_json=decoding.text(result) if len(result) <= MAX_RESULT_BYTES else "",
        result_bytes=len(result),
        result_missing=decoding.line(decoding.text(missing), 500) if is_kept else "",
        result_expires_at=decoding.moment(until) if is_kept else None,
        expires_at=decoding.moment(more[3]) if task.state in WAITING_STATES else None,
        key_held_by=held_by,
        key_held_until=held_until,
    )


def _unique_key(task: Described) -> str:
    """The key that it would take again (scripts/lib/unique.lua); "" where it has none."""
    options = decoding.split_envelope(task.envelope)[1]
    key = options.get("unique_key")
    return key if isinstance(key, str) and not options.get("unique_for") else ""


def _other_holder(task: Described, holder: Any, now_ms: int) -> tuple[str, int | None]:
    held_by, _, until = holder.rpartition(b" ") if isinstance(holder, bytes) else (b"", b"", b"")
    until_ms = decoding.moment(until)
    is_held = until == b"0" or (until_ms is not None and until_ms > now_ms)
    if not is_held or held_by == task.id:
        return "", None
    return decoding.line(decoding.text(held_by), 300), until_ms


def _why_unreadable(task: Described, kept_whole: bool) -> str:
    if task.envelope_bytes < 0:
        return f"it stands in {task.place}, and nothing is stored for it"
    if not task.envelope and task.is_ended:
        return ""
    try:
        envelope = decode_envelope(task.envelope)
    except UnreadableEnvelope as error:
        return decoding.line(str(error), 300)
    return decoding.why_unreadable(envelope.payload) if kept_whole else ""


def _requeued_at(task: Described, entries: tuple[HistoryEntry, ...]) -> int | None:
    """Where a task's element was not found, an operator's requeue still tells since when it is ready."""
    is_known = task.state is State.READY and bool(entries) and entries[-1].kind in ("requeued", "edited")
    return entries[-1].at if is_known else None


def _option(value: object) -> object:
    is_number = isinstance(value, int | float) and abs(value) < decoding.LARGEST_NUMBER
    return value if value is None or is_number else decoding.string(value, 200)
