"""What readers ask the server and how they read the answers: what `protocol` is to transitions. No I/O."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from queue_core import decoding, scripts, settings
from queue_core.codec import decode_envelope
from queue_core.errors import InvalidArgument, UnreadableEnvelope, shown
from queue_core.ids import read_ready_element
from queue_core.keys import SENTINEL, QueueKeys
from queue_core.protocol import Argument, Call
from queue_core.snapshot import (
    Books,
    Counts,
    Fault,
    HistoryEntry,
    Lane,
    Progress,
    QueueSnapshot,
    Rate,
    State,
    TaskDetail,
    TaskSummary,
)

MAX_SUMMARY_BYTES = 1_024
"""Of an envelope: its first line and the beginning of its payload."""
MAX_RESULT_BYTES = 65_536
"""Of a result: a longer one is not shown."""
MAX_RUNNING = 1_000
"""Running tasks that a list knows, for it sorts them itself."""
END_BYTES = 256
"""Elements at each end of `ready` that are searched for the ready time of one task."""
BOOKS = (
    "enqueued", "imported", "repaired", "completed", "discarded", "cancelled", "expired", "deleted", "exported",
)  # fmt: skip
HIGHEST_MEMBER = b"\xff" * 8
"""Sorts behind every id."""

_PLACES: dict[State, tuple[Callable[[QueueKeys], str], str]] = {
    State.SCHEDULED: (lambda queue: queue.scheduled, "rising"),
    State.RETRYING: (lambda queue: queue.retrying, "rising"),
    State.HELD: (lambda queue: queue.held, "rising"),
    State.BLOCKED: (lambda queue: queue.blocked, "rising"),
    State.DEAD: (lambda queue: queue.dead, "falling"),
    State.TRASHED: (lambda queue: queue.trash, "falling"),
}
SORTED_STATES = frozenset(_PLACES)
WAITING_STATES = frozenset({State.READY, State.HELD, State.SCHEDULED, State.RETRYING})
_FINGERPRINT = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_SCORE = re.compile(rb"[-+]?(\d{1,20}(\.\d{1,20})?(e[-+]?\d{1,3})?|inf)\Z")


def is_fingerprint(fingerprint: object) -> bool:
    return isinstance(fingerprint, str) and _FINGERPRINT.match(fingerprint) is not None


def id_of(member: bytes, separator: bytes) -> bytes:
    """The id in a member of a place: `lane/id`, `fingerprint:time:id`, or all of it where nothing separates it."""
    return member.rpartition(separator)[2] if separator else member


def _read(name: str, queue: QueueKeys, arguments: Sequence[Argument], read: Any, keys: Sequence[str] = ()) -> Call[Any]:
    return Call(scripts.load(name), queue, arguments, read, keys, has_session=False)


# Queues and faults.


def observe(queue: QueueKeys) -> Call[QueueSnapshot]:
    """One queue at one moment. Source: observe.lua."""

    def read(answer: list[Any]) -> QueueSnapshot:
        tasks, ready, held, scheduled, blocked, running, retrying, dead, trashed, faults = map(int, answer[1])
        since = [decoding.ready_at("", b"", score) for score in answer[4]]
        if answer[3]:
            since.append(decoding.ready_at(decoding.text(answer[3][0]), answer[3][1], b""))
        due = [decoding.moment(score) for score in answer[5]]
        since += [at for at in due if at is not None and at <= int(answer[0])]  # the next claim finds it ready
        return QueueSnapshot(
            name=queue.queue,
            counts=Counts(max(0, ready), held, scheduled, blocked, running, retrying, dead, trashed),
            books=Books(tasks, *map(decoding.number, answer[2])),
            oldest_ready_at=min((at for at in since if at is not None), default=None),
            next_due_at=min((at for at in due if at is not None), default=None),
            pause=decoding.pause(answer[6]) if answer[6] else None,
            lanes=tuple(_lane(*answer[i : i + 3]) for i in range(8, len(answer), 3)),
            fault_count=faults,
            limits=decoding.limits(answer[7]),
        )

    return _read("observe", queue, (SENTINEL, *BOOKS), read)


def _lane(name: bytes, said: bytes, held: int) -> Lane:
    word, _, facts = said.partition(b" ")
    found = decoding.json_object(facts) or {}
    return Lane(
        lane=decoding.line(decoding.text(name), 140),
        by=decoding.string(found.get("by"), 200),
        reason=decoding.string(found.get("reason"), 500),
        closed_at=decoding.moment(found.get("at")) or 0,
        held=int(held),
        is_open=word == b"open",
    )


def list_faults(queue: QueueKeys, limit: int, fingerprint: str = "") -> Call[tuple[Fault, ...]]:
    """Faults, last seen first, or the one of that fingerprint. Source: list_faults.lua."""

    def read(answer: list[Any]) -> tuple[Fault, ...]:
        faults = (decoding.fault(queue.queue, parts) for parts in answer[1:])
        return tuple(fault for fault in faults if fault is not None)

    return _read("list_faults", queue, (limit, fingerprint), read)


# What has outstayed its time.


@dataclass(frozen=True, slots=True)
class Outstayed:
    """At most 256 of each. `overdue`: tasks whose time to begin is over. `letters`: the oldest beyond what the queue
    keeps, the last of which died at `died_by_ms`; `why`: `age` or `count`."""

    overdue: list[str]
    letters: list[str]
    why: str
    died_by_ms: int


def list_outstayed(queue: QueueKeys) -> Call[Outstayed]:
    """Source: list_outstayed.lua."""

    def read(answer: list[Any]) -> Outstayed:
        overdue, letters = ([decoding.text(task_id) for task_id in ids] for ids in answer[1:3])
        return Outstayed(overdue, letters, decoding.text(answer[3]), decoding.moment(answer[4]) or 0)

    return _read("list_outstayed", queue, (settings.MAX_BATCH,), read)


# Pages.


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins or ends: beside the row with this score and member of this queue. Its text is the cursor."""

    side: str
    """`after` or `before`."""
    score: bytes
    queue: str = ""
    member: bytes = b""

    def __str__(self) -> str:
        parts = (self.side[0].encode(), self.score, self.queue.encode(), self.member)
        return base64.urlsafe_b64encode(b"\0".join(parts)).decode().rstrip("=")

    @classmethod
    def parse(cls, cursor: str | None) -> Position | None:
        """Raises `InvalidArgument` for what is no cursor."""
        if cursor is None:
            return None
        try:
            if not isinstance(cursor, str) or len(cursor) > 1_000:
                raise ValueError
            data = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            side, score, queue, member = data.split(b"\0", 3)
            if not _SCORE.match(score):
                raise ValueError
            return cls({b"a": "after", b"b": "before"}[side], score, queue.decode("ascii"), member)
        except (ValueError, KeyError, binascii.Error) as error:
            raise InvalidArgument(
                f"cursor {shown(cursor, 80)} is not accepted: it is not one of a page's own"
            ) from error

    @property
    def order(self) -> float:
        return float(self.score)

    def member_for(self, queue: str) -> bytes:
        """Rows of the same time are in order of their queues' names: what stands for this position in one of them."""
        if queue == self.queue:
            return self.member
        return HIGHEST_MEMBER if queue > self.queue else b""


@dataclass(frozen=True, slots=True)
class Listed:
    """A page's members. `skipped`: how many come before its first."""

    total: int
    skipped: int
    members: list[tuple[bytes, bytes]]
    """Member and score."""


def list_sorted(
    queue: QueueKeys, state: State, position: Position | None, limit: int, fingerprint: str = ""
) -> Call[Listed]:
    """Members of a sorted place beside a position; of `dead`, those of one fault. Source: list_sorted.lua."""
    place, order = _PLACES[state]
    key, prefix = place(queue), ""
    if fingerprint:
        key, prefix = queue.dead_by_fault, f"{fingerprint}:"
    where: tuple[Argument, ...] = ("first", "0", "")
    if position:
        where = (position.side, position.score, position.member_for(queue.queue))

    def read(answer: list[Any]) -> Listed:
        members = [(answer[i], answer[i + 1]) for i in range(3, len(answer), 2)]
        return Listed(int(answer[1]), int(answer[2]), members)

    return _read("list_sorted", queue, (order, *where, limit, prefix), read, (key,))


@dataclass(frozen=True, slots=True)
class ReadyListed:
    """Ready tasks in the order of claims. `next_rank`: of the next page's first; `None` on the last page."""

    total: int
    next_rank: int | None
    since: dict[bytes, int | None]
    """Id → since when it is ready."""


def list_ready(queue: QueueKeys, rank: int, limit: int) -> Call[ReadyListed]:
    """Source: list_ready.lua."""

    def read(answer: list[Any]) -> ReadyListed:
        rows = [answer[i : i + 3] for i in range(3, len(answer), 3)]
        since = {row[0]: decoding.ready_at(decoding.text(row[0]), row[1], row[2]) for row in rows}
        return ReadyListed(int(answer[1]), int(answer[2]) if answer[2] else None, since)

    return _read("list_ready", queue, (rank, limit), read)


def list_running(queue: QueueKeys) -> Call[tuple[int, list[tuple[int, bytes]]]]:
    """How many tasks run, and at most 1,000 with their start, longest running first. Source: list_running.lua."""

    def read(answer: list[Any]) -> tuple[int, list[tuple[int, bytes]]]:
        rows = [(_Claim.parse(answer[i + 1]).at or 0, answer[i]) for i in range(2, len(answer), 2)]
        return int(answer[1]), sorted(rows)

    return _read("list_running", queue, (SENTINEL, MAX_RUNNING + 1), read)


def line(queue: QueueKeys, task_id: str) -> list[Sequence[Argument]]:
    """The commands whose answers `ahead` reads."""
    return [
        ("ZSCORE", queue.prioritized, task_id),
        ("ZRANK", queue.prioritized, task_id),
        ("ZCOUNT", queue.prioritized, "-inf", "(0"),
        ("LLEN", queue.ready),
        ("SCARD", queue.removed),
        ("LRANGE", queue.ready, 0, END_BYTES - 1),
        ("LRANGE", queue.ready, -END_BYTES, -1),
    ]


def ahead(task_id: str, answers: Sequence[Any]) -> int | None:
    """Larger priorities, the list, smaller ones. What was struck out of the list counts as if it stood at its end."""
    if any(isinstance(answer, Exception) for answer in answers):
        return None
    score, rank, higher, length, removed, first, last = answers
    if score is not None:
        return int(rank) if float(score) < 0 else int(rank) + max(0, length - removed)
    for elements, begin in ((first, 0), (last, max(0, length - len(last)))):
        for index, element in enumerate(elements):
            try:
                found, _ = read_ready_element(decoding.text(element))
            except (KeyError, ValueError):
                continue
            if found == task_id:
                return int(higher) + int(begin) + index
    return None


def next_token_at(rate: Rate, full: object, now_ms: int) -> int | None:
    """`full`: when the bucket of a rate will be full, as `control` has it (scripts/lib/limits.lua)."""
    period_ms = rate.seconds * 1000
    missing = (decoding.moment(full) or 0) - now_ms
    if not 0 < missing <= period_ms:
        return None
    wait = missing - period_ms * (1 - 1 / rate.tasks)
    return now_ms + math.ceil(wait) if wait > 0 else None


# Tasks.


@dataclass(frozen=True, slots=True)
class _Claim:
    """What `running` says: `fence claimed-ms digits worker`, and ` {progress}` where there is any."""

    at: int | None = None
    worker: str = ""
    progress: Progress | None = None

    @classmethod
    def parse(cls, claim: bytes) -> _Claim:
        parts = claim.split(b" ", 4)
        if len(parts) < 4:
            return cls()
        said = decoding.progress(parts[4]) if len(parts) == 5 else None
        return cls(decoding.moment(parts[1]), decoding.line(decoding.text(parts[3]), 128), said)


@dataclass(frozen=True, slots=True)
class Described:
    """A task as summarize.lua gives it. `place`: a place or an end."""

    id: bytes
    place: str
    score: bytes
    member: bytes
    about: bytes
    envelope: bytes
    envelope_bytes: int
    """-1: there is no envelope."""
    first_line: bytes
    entries: bytes

    @property
    def state(self) -> State:
        """A place that nobody knows can only come from a record."""
        try:
            return State.READY if self.place == "prioritized" else State(self.place)
        except ValueError:
            return State.DISCARDED

    @property
    def lane(self) -> str:
        lane, slash, _ = self.member.rpartition(b"/")
        return decoding.line(decoding.text(lane), 140) if slash and self.place == "held" else ""

    @property
    def at(self) -> int | None:
        """The state's own time; of a ready task in the list only where its element was found."""
        task_id = decoding.text(self.id)
        if self.place == "prioritized":
            return decoding.ready_at(task_id, b"", self.score)
        if self.place == "ready":
            return decoding.ready_at(task_id, self.about[1:], b"") if self.about else None
        if self.place == "running":
            return _Claim.parse(self.about).at
        return None if self.place == "held" else decoding.moment(self.score)

    @property
    def worker(self) -> str:
        """Who runs it, or who had it when it ended."""
        if self.place == "running":
            return _Claim.parse(self.about).worker
        return decoding.line(decoding.text(self.about), 128) if self.is_ended else ""

    @property
    def progress(self) -> Progress | None:
        return _Claim.parse(self.about).progress if self.place == "running" else None

    @property
    def is_ended(self) -> bool:
        return self.state in (State.COMPLETED, State.CANCELLED, State.EXPIRED, State.DISCARDED)

    @property
    def trashed(self) -> dict[str, Any]:
        return (decoding.json_object(self.about) or {}) if self.place == "trashed" else {}

    @property
    def trashed_from(self) -> str:
        place = decoding.string(self.trashed.get("from"), 40)
        return State.READY.value if place == "prioritized" else place


def describe(
    queue: QueueKeys, ids: Sequence[bytes | str], *, is_whole: bool = False, finds_ready_time: bool = False
) -> Call[dict[bytes, Described]]:
    """What is known of tasks, wherever they are, those that ended with a record included; unknown ones are missing.

    `is_whole`: all of the envelope and the history instead of their bounded ends. Source: summarize.lua.
    """
    records = [queue.record(task_id if isinstance(task_id, str) else decoding.text(task_id)) for task_id in ids]
    max_bytes = 2 * settings.MAX_PAYLOAD_BYTES if is_whole else MAX_SUMMARY_BYTES
    arguments = (max_bytes, "1" if is_whole else "", END_BYTES if finds_ready_time else 0, *ids)

    def read(answer: list[Any]) -> dict[bytes, Described]:
        found = (Described(parts[0], decoding.text(parts[1]), *parts[2:]) for parts in answer[1:])
        return {task.id: task for task in found}

    return _read("summarize", queue, arguments, read, records)


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
    return [*tracebacks(queue, task), last, ("ZSCORE", queue.expiring, task_id)]


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
    )


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
    is_known = task.state is State.READY and bool(entries) and entries[-1].kind == "requeued"
    return entries[-1].at if is_known else None


def _option(value: object) -> object:
    is_number = isinstance(value, int | float) and abs(value) < decoding.LARGEST_NUMBER
    return value if value is None or is_number else decoding.string(value, 200)
