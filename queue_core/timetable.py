"""What a schedule is: when it comes, which task it makes, who says so; how it is stored and its tasks made. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec

from queue_core import codec, schedule
from queue_core.errors import InvalidArgument, UnreadableEnvelope, UnreadableSchedule, shown
from queue_core.keys import check_name
from queue_core.schedule import MISSED, ONE, Cron, Every, Rule
from queue_core.snapshot import Pause
from queue_core.task import MAX_UNIQUE_KEY, Message, NewTask

MAX_ENVELOPE_BYTES = 64 * 1024
"""Of a schedule's task: every worker reads all schedules every few seconds."""
CLOCK_BACK_MS = 3_600_000
"""A noted occurrence that lies further ahead is none: the server's clock has gone back (enqueue_occurrence.lua)."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_ID = re.compile(r"[^A-Za-z0-9_-]")
_MAX_STEM = 80


class Paused(msgspec.Struct, frozen=True):
    by: str
    reason: str
    at: int


class Schedule(msgspec.Struct, frozen=True, omit_defaults=True):
    """`app`: `module:yard` of the code that declares it, empty where an operator added it; `declared`: what that code
    said, as a digest. `since`: what came at or before this time is nobody's business. Times are Unix milliseconds by
    the server's clock.

    One is made by `make`, read by `read`, and stored as `write` has it.
    """

    name: str
    task: str
    queue: str
    envelope: str
    cron: str = ""
    time_zone: str = "UTC"
    every_ms: int = 0
    start_ms: int = 0
    missed: str = ONE
    overlap: bool = True
    priority: int = 0
    expires_ms: int = 0
    unique_key: str = ""
    unique_ms: int = 0
    app: str = ""
    declared: str = ""
    undeclared_at: int = 0
    """When its code began without it; 0: it still declares it."""
    created_at: int = 0
    changed_at: int = 0
    by: str = ""
    """The operator who added or changed it last."""
    since: int = 0
    paused: Paused | None = None
    form: str = ""
    """The operator's form that has changed it last."""

    @property
    def rule(self) -> Rule:
        return Cron(self.cron, self.time_zone) if self.cron else Every(self.every_ms, self.start_ms)

    @property
    def pause(self) -> Pause | None:
        return Pause(self.paused.by, self.paused.reason, self.paused.at) if self.paused else None

    @property
    def payload(self) -> str:
        return self.envelope.partition("\n")[2]

    def seen_to(self, noted_ms: int | None, now_ms: int) -> int:
        """Up to when its occurrences have been seen to. `noted_ms`: the last that was enqueued."""
        is_known = noted_ms is not None and noted_ms <= now_ms + CLOCK_BACK_MS
        return max(self.since, noted_ms if is_known and noted_ms is not None else 0)

    def occurrence(self, ms: int) -> NewTask:
        """The task of one occurrence: its id tells which, so that no server that fails midway has it made twice."""
        at = _EPOCH + timedelta(milliseconds=ms)
        text = f"{at:%Y%m%dT%H%M%S}{f'{ms % 1000:03}' if ms % 1000 else ''}Z"
        return self._new_task(f"{_stem(self.name)}-{text}", ms)

    def extra(self, form: str, ms: int) -> NewTask:
        """A task beside the occurrences, made by an operator's form at a time."""
        return self._new_task(extra_id(self.name, form), ms)

    def _new_task(self, task_id: str, ms: int) -> NewTask:
        envelope = codec.decode_envelope(self.envelope.encode())
        options = msgspec.structs.replace(envelope.options, schedule=self.name, scheduled_for=ms)
        data = codec.encode_envelope(envelope.name, options, envelope.payload)
        return NewTask(
            task_id,
            data,
            self.priority,
            expires_ms=self.expires_ms,
            unique_key=self.unique_key,
            unique_ms=self.unique_ms,
        )


def extra_id(name: str, form: str) -> str:
    """Of the task that an operator's form makes of the schedule of that name."""
    digest = hashlib.sha256(f"{name}\0{form}".encode()).hexdigest()
    return f"{_stem(name)}-now-{digest[:16]}"


def make(
    name: str,
    message: Message,
    *,
    cron: object = None,
    every: object = None,
    time_zone: object = None,
    start: object = None,
    missed: object = ONE,
    overlap: object = True,
) -> Schedule:
    """A schedule of a message's task. Raises `InvalidArgument`, `InvalidName`.

    `overlap=False`: its task has a unique key until it ends, so that an occurrence that comes before that makes none.
    """
    check_name("schedule", name)
    rule = schedule.rule(cron=cron, every=every, time_zone=time_zone, start=start)
    if missed not in MISSED:
        raise InvalidArgument(f"missed {shown(missed, 80)} is not accepted: {', '.join(MISSED)}")
    if not isinstance(overlap, bool):
        raise InvalidArgument(f"overlap {shown(overlap, 80)} is not accepted: True or False")
    queue, task = message
    if task.delay_ms or task.due_ms:
        raise InvalidArgument(f"schedule {name}: its task has a delay or an eta; the schedule alone says when it comes")
    if len(task.envelope) > MAX_ENVELOPE_BYTES:
        raise InvalidArgument(
            f"schedule {name}: its arguments take {len(task.envelope):,} bytes as JSON; at most {MAX_ENVELOPE_BYTES:,} "
            "are stored with a schedule. Store the data elsewhere and pass a reference"
        )
    envelope, unique_key = task.envelope, task.unique_key
    if not overlap:
        if unique_key:
            raise InvalidArgument(
                f"schedule {name}: its task has a unique_key; overlap=False would need one of its own"
            )
        unique_key = f"schedule:{name}"[:MAX_UNIQUE_KEY]
        kept = codec.decode_envelope(envelope)
        options = msgspec.structs.replace(kept.options, unique_key=unique_key)
        envelope = codec.encode_envelope(kept.name, options, kept.payload)
    return Schedule(
        name=name,
        task=codec.name_of(envelope),
        queue=queue,
        envelope=envelope.decode(),
        cron=rule.expression if isinstance(rule, Cron) else "",
        time_zone=rule.time_zone if isinstance(rule, Cron) else "UTC",
        every_ms=rule.every_ms if isinstance(rule, Every) else 0,
        start_ms=rule.start_ms if isinstance(rule, Every) else 0,
        missed=str(missed),
        overlap=overlap,
        priority=task.priority,
        expires_ms=task.expires_ms,
        unique_key=unique_key,
        unique_ms=task.unique_ms,
    )


def revised(
    stored: Schedule,
    *,
    cron: object = None,
    every: object = None,
    time_zone: object = None,
    start: object = None,
    missed: object = None,
    overlap: object = None,
    arguments: Mapping[str, Any] | None = None,
) -> Schedule:
    """With what is named changed; `None`: it stays. Raises as `make`."""
    envelope = codec.decode_envelope(stored.envelope.encode())
    if arguments is not None and not isinstance(arguments, Mapping):
        raise InvalidArgument(f"arguments {shown(arguments, 80)} are not accepted: a mapping with their names as keys")
    payload = envelope.payload if arguments is None else codec.encode_payload((), arguments)
    options, unique_key = envelope.options, stored.unique_key
    if not stored.overlap:  # the key is one of its own
        options, unique_key = msgspec.structs.replace(options, unique_key=None), ""
    data = codec.encode_envelope(envelope.name, options, payload)
    task = NewTask(
        "",
        data,
        stored.priority,
        expires_ms=stored.expires_ms,
        unique_key=unique_key,
        unique_ms=stored.unique_ms,
    )
    if cron is None and every is None:
        if stored.cron:
            cron, time_zone = stored.cron, stored.time_zone if time_zone is None else time_zone
        else:
            every = timedelta(milliseconds=stored.every_ms)
            begin = _EPOCH + timedelta(milliseconds=stored.start_ms) if stored.start_ms else None
            start = begin if start is None else start
    elif cron is not None and time_zone is None and stored.cron:
        time_zone = stored.time_zone
    wanted = make(
        stored.name,
        Message(stored.queue, task),
        cron=cron,
        every=every,
        time_zone=time_zone,
        start=start,
        missed=stored.missed if missed is None else missed,
        overlap=stored.overlap if overlap is None else overlap,
    )
    return msgspec.structs.replace(wanted, app=stored.app, declared=stored.declared, undeclared_at=stored.undeclared_at)


# As it is stored.

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Schedule)


def write(schedule: Schedule) -> bytes:
    return _encoder.encode(schedule)


@lru_cache(maxsize=4096)
def read(name: str, data: bytes) -> Schedule:
    """Raises `UnreadableSchedule`: what is stored may be anything, or of a time zone that is not known here."""
    try:
        found = _decoder.decode(data)
        check_name("queue", found.queue)
        check_name("task", found.task)
        codec.decode_envelope(found.envelope.encode())
        interval = timedelta(milliseconds=found.every_ms)
        if found.cron:
            schedule.cron(found.cron, found.time_zone)
        else:
            schedule.every(interval)
        if found.name != name or found.missed not in MISSED:
            raise ValueError("it is not one that was stored")
    except (msgspec.MsgspecError, UnreadableEnvelope, ValueError, OverflowError, RecursionError) as error:
        raise UnreadableSchedule(f"schedule {name} cannot be read: {error}") from error
    return found


def noted(data: bytes | None) -> tuple[int, str, str] | None:
    """The last occurrence that was enqueued: when, the id of its task, `made` or `met` (enqueue_occurrence.lua)."""
    words = (data or b"").decode("ascii", "replace").split(" ")
    if len(words) != 3 or not words[0].isdecimal() or len(words[0]) > 15:
        return None
    return int(words[0]), words[1], words[2]


# What becomes of one.

_KEPT = ("app", "declared", "undeclared_at", "created_at", "changed_at", "by", "since", "paused", "form")


def digest(schedule: Schedule) -> str:
    """Of what it does, whoever says so and since when."""
    plain = msgspec.structs.replace(schedule, **{name: _DEFAULTS[name] for name in _KEPT})
    return hashlib.sha256(_encoder.encode(plain)).hexdigest()[:16]


_DEFAULTS: Mapping[str, Any] = {
    field.name: field.default for field in msgspec.structs.fields(Schedule) if field.name in _KEPT
}


def declared(wanted: Schedule, stored: Schedule | None, app: str, now_ms: int) -> Schedule | None:
    """As it is to stand where code declares it; `None`: as it does already.

    An operator's pause stays, and so does an operator's change until the code itself declares something else.
    """
    says = digest(wanted)
    if stored and stored.declared == says and stored.app == app:
        return msgspec.structs.replace(stored, undeclared_at=0) if stored.undeclared_at else None
    own = msgspec.structs.replace(wanted, app=app, declared=says)
    return changed(own, stored, now_ms) if stored else created(own, now_ms)


def created(schedule: Schedule, now_ms: int) -> Schedule:
    return msgspec.structs.replace(schedule, created_at=now_ms, changed_at=now_ms, since=now_ms)


def changed(wanted: Schedule, stored: Schedule, now_ms: int) -> Schedule:
    """As `wanted`, with the life of the one that is stored. Where it comes at other times, or elsewhere, it begins
    anew: what the new rule would have had before makes no task."""
    is_same = (wanted.rule, wanted.queue) == (stored.rule, stored.queue)
    return msgspec.structs.replace(
        wanted,
        created_at=stored.created_at,
        changed_at=now_ms,
        since=stored.since if is_same else now_ms,
        paused=stored.paused,
    )


def undeclared(stored: Schedule, now_ms: int) -> Schedule:
    """Its code has begun without it."""
    return msgspec.structs.replace(stored, undeclared_at=now_ms)


def paused(stored: Schedule, by: str, reason: str, now_ms: int) -> Schedule:
    return msgspec.structs.replace(stored, paused=Paused(by, reason, now_ms))


def resumed(stored: Schedule, now_ms: int) -> Schedule:
    """What came while it was paused makes no task."""
    return msgspec.structs.replace(stored, paused=None, since=now_ms)


def _stem(name: str) -> str:
    """A schedule's name as the beginning of an id, another one for each name."""
    stem = _NO_ID.sub("-", name)[:_MAX_STEM]
    return stem if stem == name else f"{stem}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
