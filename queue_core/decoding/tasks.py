"""What is stored of a task: its envelope, its times, its counters, its history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from queue_core.codec import decode_payload
from queue_core.decoding.values import LARGEST_NUMBER, amount, json_object, line, moment, string, text
from queue_core.errors import UnreadableEnvelope
from queue_core.ids import EPOCH_MS, decode_time, id_time_ms
from queue_core.keys import MAX_PRIORITY, PRIORITY_STEP
from queue_core.protocol import Counters
from queue_core.snapshot import HistoryEntry, Progress


def enqueued_at(task_id: str, now_ms: int) -> int | None:
    """When an id of ours was made; `None` where its time makes no sense, as in one that a user chose."""
    ms = id_time_ms(task_id)
    return ms if ms is not None and EPOCH_MS <= ms <= now_ms + 86_400_000 else None


def ready_at(task_id: str, digits: bytes, score: bytes) -> int | None:
    """Since when a task is ready, by its score in `prioritized` or the digits of its element in `ready`."""
    try:
        if score:
            return int(float(score)) % PRIORITY_STEP + EPOCH_MS
        return decode_time(digits.decode("ascii")) if digits else id_time_ms(task_id)
    except (KeyError, ValueError, OverflowError):
        return None


def priority_of(options: Mapping[str, object]) -> int:
    priority = options.get("priority")
    if isinstance(priority, int) and not isinstance(priority, bool) and abs(priority) <= MAX_PRIORITY:
        return priority
    return 0


def split_envelope(envelope: bytes) -> tuple[str, dict[str, Any], bytes]:
    """Name, options and payload as far as they can be told."""
    head, _, payload = envelope.partition(b"\n")
    name, _, options = head.partition(b" ")
    return line(text(name[:512]), 128), json_object(options) or {}, payload


def why_unreadable(payload: bytes) -> str:
    """Why a payload cannot be read; empty when it can."""
    try:
        decode_payload(payload)
    except UnreadableEnvelope as error:
        return line(str(error), 300)
    return ""


def counters(first_line: bytes) -> Counters:
    try:
        return Counters.parse(text(first_line))
    except ValueError:
        return Counters()


def progress(data: bytes) -> Progress | None:
    found = json_object(data)
    if found is None:
        return None
    done, total = amount(found.get("done")), amount(found.get("total"))
    return None if done is None else Progress(done, total, string(found.get("note"), 200), moment(found.get("at")))


def fingerprint(found: Counters) -> str:
    return "" if found.fingerprint == "-" else line(found.fingerprint, 64)


def history(lines: bytes) -> tuple[HistoryEntry, ...]:
    """The entries, oldest first; a line without a time is left out."""
    entries = []
    for entry in lines.split(b"\n"):
        at, _, rest = entry.partition(b" ")
        kind, _, facts = rest.partition(b" ")
        ms = moment(at)
        if ms is not None:
            known = json_object(facts)
            shown = {"unreadable": line(text(facts), 200)} if known is None and facts else _facts(known or {})
            entries.append(HistoryEntry(ms, line(text(kind), 40), shown))
    return tuple(entries)


def _facts(found: Mapping[str, object]) -> dict[str, object]:
    facts: dict[str, object] = {}
    for name, value in found.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST_NUMBER
        facts[line(name, 64)] = value if is_number else string(value)
    return facts


def error_of(entries: Iterable[HistoryEntry]) -> tuple[str, str]:
    """What went wrong in the newest of these entries that tells it, and which worker it was."""
    for entry in reversed(tuple(entries)):
        error = entry.facts.get("error") or entry.facts.get("evidence")
        if error:
            return string(error, 300), string(entry.facts.get("worker"), 128)
    return "", ""
