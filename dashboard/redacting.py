"""The one place where what the engine tells becomes what the console shows: secrets do not get past it.

Pages, the API, copies and what is explained are all made of what comes through here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from typing import Any, TypeVar, cast, get_type_hints

from dashboard.redaction import Redactor
from queue_core.snapshot import (
    AuditEntry,
    Fault,
    FaultShare,
    HistoryEntry,
    Lane,
    Mute,
    Note,
    Operation,
    Pause,
    Progress,
    ScheduleSnapshot,
    Snapshot,
    TaskDetail,
    TaskSummary,
    WorkerCommand,
    WorkerSnapshot,
)

T = TypeVar("T")

TEXTS: Mapping[type, tuple[str, ...]] = {
    TaskSummary: ("error",),
    TaskDetail: ("unreadable", "traceback", "trashed_reason", "cancelled_reason", "result_missing", "options"),
    HistoryEntry: ("facts",),
    Progress: ("note",),
    Fault: ("message",),
    Mute: ("reason",),
    Note: ("text",),
    FaultShare: ("message",),
    Operation: ("reason", "why"),
    AuditEntry: ("target", "reason"),
    Lane: ("reason",),
    Pause: ("reason",),
    WorkerCommand: ("reason",),
    WorkerSnapshot: ("complaint",),
    ScheduleSnapshot: ("unreadable",),
}
"""Fields that hold what somebody wrote, or what went wrong: texts, or mappings of names to them."""

PAYLOADS: Mapping[type, tuple[str, ...]] = {
    TaskSummary: ("payload",),
    TaskDetail: ("payload_json", "result_json"),
    ScheduleSnapshot: ("payload",),
}
"""Fields that hold JSON, or its beginning."""


@dataclass(frozen=True, slots=True)
class SeenTask(TaskDetail):
    """A task as the console shows it. How many values of its payload and of its result are hidden."""

    hidden_in_payload: int = 0
    hidden_in_result: int = 0


class Redacting:
    """Answers as `whole` does, an `Inspector` or `Operations`, without what is not to be seen."""

    def __init__(self, whole: Any, redactor: Redactor) -> None:
        self.whole = whole
        self._redactor = redactor
        self._seen: dict[int, tuple[Any, Any]] = {}
        """Of the last snapshot: what the engine told, by its identity, and what is shown of it."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.whole, name)
        return self._guarded(found) if callable(found) else found

    def fault(self, queue: str, fingerprint: str) -> tuple[Fault, str]:
        fault, traceback = self.whole.fault(queue, fingerprint)
        return redacted(fault, self._redactor), self._redactor.text(traceback).text

    def snapshot(self) -> Snapshot:
        """Most of one is as it was in the last one, and the engine tells it by the same objects: these are not looked
        through again."""
        found: Snapshot = self.whole.snapshot()
        seen: dict[int, tuple[Any, Any]] = {}

        def shown(item: Any) -> Any:
            before = self._seen.get(id(item))
            seen[id(item)] = before if before and before[0] is item else (item, redacted(item, self._redactor))
            return seen[id(item)][1]

        parts: dict[str, Any] = {name: tuple(map(shown, getattr(found, name))) for name in _holders(Snapshot)}
        self._seen = seen
        return replace(found, **parts)

    def _guarded(self, method: Callable[..., T]) -> Callable[..., T]:
        return lambda *args, **kwargs: redacted(method(*args, **kwargs), self._redactor)


def guard(whole: T, redactor: Redactor) -> T:
    """For whoever reads: it looks as what it stands for."""
    return cast(T, Redacting(whole, redactor))


def unguarded(guarded: T) -> T:
    """What stands behind: for whoever has the right to see it, and for what is put back unseen."""
    return cast(T, guarded.whole) if isinstance(guarded, Redacting) else guarded


def redacted(value: T, redactor: Redactor) -> T:
    """The same where nothing in it has to be hidden. A `TaskDetail` becomes a `SeenTask`."""
    found: Any = value
    if isinstance(value, tuple) and type(value) is tuple:
        items = [redacted(item, redactor) for item in value]
        found = value if all(a is b for a, b in zip(items, value, strict=True)) else tuple(items)
    elif isinstance(value, Mapping):
        found = {key: redacted(item, redactor) for key, item in value.items()}
    elif isinstance(value, TaskDetail):
        found = _seen(value, redactor)
    elif is_dataclass(value) and not isinstance(value, type):
        changes = _changes(value, redactor)
        found = replace(value, **changes) if changes else value
    return cast(T, found)


def _seen(task: TaskDetail, redactor: Redactor) -> SeenTask:
    payload, result = redactor.payload(task.payload_json), redactor.payload(task.result_json)
    known = {field.name: getattr(task, field.name) for field in fields(TaskDetail)}
    return SeenTask(
        **{**known, **_changes(task, redactor)}, hidden_in_payload=payload.hidden, hidden_in_result=result.hidden
    )


def _changes(value: Any, redactor: Redactor) -> dict[str, Any]:
    kind: Any = type(value)
    changes: dict[str, Any] = {}
    for name in TEXTS.get(kind, ()):
        changes[name] = _text(getattr(value, name), redactor)
    for name in PAYLOADS.get(kind, ()):
        changes[name] = redactor.payload(getattr(value, name)).text
    for name in _holders(kind):
        if name not in changes:
            changes[name] = redacted(getattr(value, name), redactor)
    return {name: change for name, change in changes.items() if change is not getattr(value, name)}


def _text(value: Any, redactor: Redactor) -> Any:
    if isinstance(value, str):
        found = redactor.text(value, is_cut=value.endswith("…")).text
        return value if found == value else found  # the very same, so that nothing is made anew for it
    if isinstance(value, Mapping):
        return {name: _text(item, redactor) for name, item in value.items()}
    return value


@cache
def _holders(kind: Any) -> tuple[str, ...]:
    """Fields in which, somewhere, stands what has to be looked at."""
    hints = get_type_hints(kind)
    return tuple(field.name for field in fields(kind) if any(_tells(part) for part in _parts(hints[field.name])))


def _tells(kind: Any) -> bool:
    if not (isinstance(kind, type) and is_dataclass(kind)):
        return False
    return kind in TEXTS or kind in PAYLOADS or bool(_holders(kind))


def _parts(hint: Any) -> set[Any]:
    """The types of which a type is made: `tuple[Fault, ...]` → Fault."""
    inner = getattr(hint, "__args__", ())
    return {part for each in inner for part in _parts(each)} if inner else {hint}


class RedactingFilter(logging.Filter):
    """No line of the console's log has a secret in it, nor has what is told of an error there. None ends before its
    end, or has anything for a terminal in it: part of it may be what somebody sent."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = printable(self._redactor.text(record.getMessage()).text), ()
        if record.exc_info and not record.exc_text:
            told = self._redactor.text(logging.Formatter().formatException(record.exc_info)).text
            record.exc_text = "\n".join(map(printable, told.split("\n")))
            record.exc_info = None
        return True


def printable(text: str) -> str:
    """Control characters, and those that turn the direction of what follows, as their escapes."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )


def redact_logs(redactor: Redactor) -> None:
    """A filter holds for the logger that was called, not for those below it: each one gets it."""
    for name in list(logging.root.manager.loggerDict):
        if name in ("dashboard", "gunicorn.error") or name.startswith("dashboard."):
            logger = logging.getLogger(name)
            for old in [old for old in logger.filters if isinstance(old, RedactingFilter)]:
                logger.removeFilter(old)
            logger.addFilter(RedactingFilter(redactor))
