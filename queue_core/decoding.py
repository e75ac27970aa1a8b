"""From bytes that may be anything to values that can be shown. Nothing here raises."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from queue_core.codec import decode_payload
from queue_core.errors import UnreadableEnvelope
from queue_core.histogram import BUCKETS, Histogram
from queue_core.ids import EPOCH_MS, decode_time, id_time_ms
from queue_core.keys import MAX_PRIORITY, PRIORITY_STEP
from queue_core.protocol import Counters
from queue_core.snapshot import (
    COUNTERS,
    DEAD_WARNING,
    AuditEntry,
    Bound,
    Fault,
    Figures,
    HistoryEntry,
    Limits,
    Operation,
    Pause,
    ProcessSnapshot,
    Progress,
    Rate,
    RunningTask,
    ServerSnapshot,
    State,
    WorkerCommand,
    WorkerSnapshot,
)

MAX_SHOWN_PAYLOAD = 120
"""Characters of a payload in a list."""
LAST_MOMENT_MS = 253_402_300_799_999
"""The end of the year 9999: what lies behind it is no time."""
LARGEST_NUMBER = 1 << 63

_CONTROLS = dict.fromkeys((*range(32), *range(127, 160), 8232, 8233), " ")


def text(data: bytes | None) -> str:
    r"""What is not UTF-8 is shown as `\xff`."""
    return (data or b"").decode("utf-8", "backslashreplace")


def line(value: str, most: int = 1_000) -> str:
    """On one line, at most so many characters."""
    if len(value) <= most and value.isprintable():
        return value
    value = value[: 2 * most].translate(_CONTROLS).encode("utf-8", "replace").decode()
    return value if len(value) <= most else value[: most - 1] + "…"


def shorten_payload(data: bytes, total_bytes: int) -> str:
    """The beginning of a payload, of which `data` may be no more than the beginning, even of a character."""
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    shown = decoder.decode(data, final=len(data) >= total_bytes).translate(_CONTROLS)
    if len(shown) <= MAX_SHOWN_PAYLOAD and len(data) >= total_bytes:
        return shown
    return shown[: MAX_SHOWN_PAYLOAD - 1] + "…"


def number(data: object, default: int = 0) -> int:
    try:
        value = int(data) if isinstance(data, int | float) else int(data[:40])  # type: ignore[index]
    except (TypeError, ValueError, OverflowError):
        return default
    return value if abs(value) < LARGEST_NUMBER else default


def moment(data: object) -> int | None:
    """A score, or another text of a number, as a time in ms; `None` for what is no time."""
    try:
        value = float(data[:40] if isinstance(data, bytes) else data)  # type: ignore[arg-type]
        return int(value) if 0 < value <= LAST_MOMENT_MS else None
    except (TypeError, ValueError, OverflowError):
        return None


def json_object(data: bytes | None) -> dict[str, Any] | None:
    if not data:
        return None
    try:
        value = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def string(value: object, most: int = 1_000) -> str:
    """A value out of a JSON object as text on one line; empty where there is none."""
    if value is None:
        return ""
    try:
        return line(value if isinstance(value, str) else str(value), most)
    except ValueError:  # a number of thousands of digits
        return ""


# Tasks.


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


def amount(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST_NUMBER
    return value if is_number else None  # type: ignore[return-value]


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


# Queues, faults, workers, the server.


def pause(data: bytes) -> Pause:
    """Whatever stands there, the queue is paused."""
    found = json_object(data) or {}
    return Pause(string(found.get("by"), 200), string(found.get("reason"), 500), moment(found.get("at")) or 0)


def figures(packed: bytes | None) -> Figures | None:
    """What was counted, as lib/count.lua packs it; `None` for what cannot be read."""
    parts = _unpacked(packed)
    return None if parts is None else _figures_of(parts)


def figures_by_name(packed: bytes | None) -> dict[str, Figures]:
    """What was counted of task names in one hour, as lib/names.lua packs it."""
    parts = _unpacked(packed) or []
    pairs = zip(parts[::2], parts[1::2], strict=False)
    return {line(name, 128): _figures_of(found) for name, found in pairs if isinstance(name, str)}


def figures_of_names(fields: Sequence[bytes]) -> dict[str, Figures]:
    """What was counted of task names in the running hour: `:name` → figures, `counter:name` → how many."""
    found: dict[str, Figures] = {}
    for field, value in zip(fields[::2], fields[1::2], strict=True):
        counter, _, name = text(field).partition(":")
        more = (figures(value) or Figures()) if not counter else None
        if counter in COUNTERS:
            more = Figures.of([0] * COUNTERS.index(counter) + [number(value)])
        if more:
            found[line(name, 128)] = found.get(line(name, 128), Figures()) + more
    return found


def _unpacked(packed: bytes | None) -> list[Any] | None:
    try:
        found = msgspec.msgpack.decode(packed or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, list) else None


def _figures_of(parts: object) -> Figures:
    found = [*parts, None, None, None] if isinstance(parts, list) else [None] * 3
    counters, wait, run = (part if isinstance(part, list) else [] for part in found[:3])
    return _figures(counters, wait, run)


def figures_of_books(values: Sequence[bytes | None]) -> Figures:
    """The books themselves: each counter, then the two histograms, as their counts with spaces between."""
    *counters, wait, run = values
    return _figures(counters, (wait or b"").split(), (run or b"").split())


def _figures(counters: Sequence[object], wait: Sequence[object], run: Sequence[object]) -> Figures:
    """One that is missing or unreadable is 0."""
    wait_counts, run_counts = (Histogram.of(map(number, part[:BUCKETS])) for part in (wait, run))
    return Figures.of(map(number, counters), wait_counts, run_counts)


def limits(data: bytes) -> Limits:
    """What cannot be read limits nothing (scripts/lib/limits.lua)."""
    found = json_object(data) or {}
    age = _limit(found.get("dead_max_age"))
    return Limits(
        max_length=_limit(found.get("max_length")),
        enqueue_rate=_rate(found.get("enqueue_rate")),
        claim_rate=_rate(found.get("claim_rate")),
        dead_max_age=None if age is None else age / 1000,
        dead_max_count=_limit(found.get("dead_max_count")),
        dead_warning=_limit(found.get("dead_warning")) or DEAD_WARNING,
        by=string(found.get("by"), 200),
        at=moment(found.get("at")),
    )


def _limit(value: object) -> int | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return number(value) if is_number and number(value) >= 1 else None


def _rate(value: object) -> Rate | None:
    if not isinstance(value, list) or len(value) < 2:
        return None
    count, period_ms = _limit(value[0]), _limit(value[1])
    return Rate(count, period_ms / 1000) if count and period_ms else None


def fault(queue: str, parts: list[Any]) -> Fault | None:
    """A fault as list_faults.lua gives it; `None` where nothing is known of it."""
    name, seen, letters, info, attempts, retrying, versions = parts
    if not info:
        return None
    known = json_object(info)
    found = {"class": "(unreadable)"} if known is None else known
    seen_at = moment(seen)
    first_at = moment(found.get("first"))
    return Fault(
        queue=queue,
        fingerprint=line(text(name), 64),
        task_name=string(found.get("task"), 128),
        error_class=string(found.get("class"), 200),
        message=string(found.get("message"), 400),
        frame=string(found.get("frame"), 400),
        first_seen_at=first_at or seen_at or 0,
        last_seen_at=seen_at or first_at or 0,
        attempts=number(attempts),
        dead=number(letters),
        retrying=max(0, number(retrying)),
        versions=tuple(line(version, 64) for version in text(versions).split("\n") if version),
        is_overflow=found.get("overflow") is True,
    )


def audit_entry(entry_id: bytes, facts: Mapping[bytes, bytes]) -> AuditEntry:
    """Whatever somebody else wrote there is an entry, too."""

    def fact(name: bytes, most: int) -> str:
        return line(text(facts.get(name)), most)

    return AuditEntry(
        id=text(entry_id),
        at=moment(facts.get(b"at")) or moment(entry_id.partition(b"-")[0]) or 0,
        by=fact(b"by", 200),
        verb=fact(b"verb", 40),
        queue=fact(b"queue", 128),
        target=fact(b"target", 300),
        count=number(facts.get(b"count", 0)),
        reason=fact(b"reason", 500),
        action_id=fact(b"action", 200),
    )


OUTCOMES = ("completed", "failed", "ended")


def operation(queue: str, found: Mapping[bytes, bytes], outcomes: Sequence[bytes | None]) -> Operation | None:
    """An operation by its HASH; `None` where there is none. `outcomes`: as `OUTCOMES` has them."""
    if b"state" not in found:
        return None

    def fact(name: bytes, most: int = 500) -> str:
        return line(text(found.get(name)), most)

    def figure(name: bytes) -> int:
        return max(0, number(found.get(name, 0)))

    try:
        state = State(fact(b"of"))
    except ValueError:
        state = State.DEAD
    count, done, looked_at, waits_for = (figure(name) for name in (b"count", b"done", b"looked", b"canary"))
    progress = fact(b"state", 40)
    if progress == "running" and 0 < waits_for <= done:
        progress = "waiting"
    completed, failed, left = (max(0, number(value or 0)) for value in outcomes)
    ids = (entry.partition(b" ") for entry in (found.get(b"left") or b"").split(b"\n") if entry)
    return Operation(
        id=fact(b"id", 64),
        bound=Bound(
            queue=queue,
            verb=fact(b"verb", 40),
            state=state,
            taken_at=moment(found.get(b"until")) or 0,
            count=count,
            faults=tuple(fact(b"faults", 100_000).split()),
            since=moment(found.get(b"since")),
            until=moment(found.get(b"until")) if state is State.DEAD else None,
            highest=moment(found.get(b"top")),
            to_queue=fact(b"to", 128),
        ),
        by=fact(b"by"),
        reason=fact(b"reason"),
        action_id=fact(b"action"),
        began_at=moment(found.get(b"began")) or 0,
        progress=progress,
        why=fact(b"why"),
        ended_at=moment(found.get(b"ended")),
        looked_at=looked_at,
        done=done,
        skipped={
            line(text(name[8:]), 40): number(found[name]) for name in sorted(found) if name.startswith(b"skipped:")
        },
        skipped_ids=tuple((line(text(task_id), 300), line(text(why), 40)) for task_id, _, why in ids),
        completed=completed,
        failed=failed,
        left=left,
        drip=_drip(found.get(b"drip")),
        canary=figure(b"canary_size"),
        next_at=moment(found.get(b"next")),
        heard_at=moment(found.get(b"heard")),
    )


def _drip(data: bytes | None) -> float | None:
    try:
        value = float((data or b"")[:40])
    except ValueError:
        return None
    return value if 0 < value < LARGEST_NUMBER else None


class _Running(msgspec.Struct):
    queue: str
    task_id: str
    task_name: str = ""
    started_at: int = 0


class _Process(msgspec.Struct):
    pid: int = 0
    state: str = ""
    busy: int = 0
    completed: int = 0
    failed: int = 0
    memory_bytes: int = 0
    started_at: int = 0


class _Command(msgspec.Struct):
    verb: Literal["quiet", "resume", "stop"]
    by: str = ""
    reason: str = ""
    at: int = 0
    started_at: int = 0
    action_id: str = ""


class _Worker(msgspec.Struct):
    host: str = ""
    pid: int = 0
    queues: dict[str, int] = {}
    concurrency: int = 0
    state: str = ""
    version: str = ""
    started_at: int = 0
    busy: int = 0
    completed: int = 0
    failed: int = 0
    memory_bytes: int = 0
    task_names: list[str] = []
    running: list[_Running] = []
    processes: list[_Process] = []
    complaint: str = ""
    command: _Command | None = None


_command_decoder = msgspec.json.Decoder(_Command, strict=False)
_worker_decoder = msgspec.json.Decoder(_Worker, strict=False)


def worker(worker_id: bytes, heartbeat_at: int, data: bytes | None) -> WorkerSnapshot:
    """A worker by its own description; what cannot be read leaves one whose state is `unreadable`."""
    name = line(text(worker_id), 128)
    try:
        found = _worker_decoder.decode(data or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = _Worker(host=name, state="unreadable")
    return WorkerSnapshot(
        id=name,
        host=line(found.host, 255),
        pid=number(found.pid),
        queues={line(queue, 128): number(weight) for queue, weight in found.queues.items()},
        concurrency=number(found.concurrency),
        state=line(found.state, 40) or "unreadable",
        version=line(found.version, 64),
        started_at=moment(found.started_at) or 0,
        heartbeat_at=heartbeat_at,
        busy=number(found.busy),
        completed=number(found.completed),
        failed=number(found.failed),
        memory_bytes=number(found.memory_bytes),
        task_names=tuple(line(task_name, 128) for task_name in found.task_names),
        running=tuple(
            RunningTask(line(task.queue, 128), line(task.task_id, 128), line(task.task_name, 128), at)
            for task in found.running
            if (at := moment(task.started_at)) is not None
        ),
        processes=tuple(
            ProcessSnapshot(
                pid=number(process.pid),
                state=line(process.state, 40),
                busy=number(process.busy),
                completed=number(process.completed),
                failed=number(process.failed),
                memory_bytes=number(process.memory_bytes),
                started_at=moment(process.started_at) or 0,
            )
            for process in found.processes
        ),
        complaint=line(found.complaint, 500),
        command=_command(found.command) if found.command else None,
    )


def worker_command(data: bytes) -> WorkerCommand | None:
    """`None` where it cannot be read."""
    try:
        return _command(_command_decoder.decode(data))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _command(found: _Command) -> WorkerCommand:
    return WorkerCommand(
        verb=found.verb,
        by=line(found.by, 200),
        reason=line(found.reason, 500),
        at=moment(found.at) or 0,
        started_at=moment(found.started_at) or 0,
        action_id=line(found.action_id, 200),
    )


def server(info: object, save: object) -> ServerSnapshot:
    """Out of INFO and of the setting `save`: each may be refused. Valkey calls itself `redis_version:7.2.4` as well."""
    found = info if isinstance(info, dict) else {}
    product = "Valkey" if "valkey_version" in found else str(found.get("server_name") or "redis").capitalize()
    version = found.get("valkey_version") or found.get("redis_version") or ""
    policy = found.get("maxmemory_policy")
    return ServerSnapshot(
        product=line(product, 40),
        version=line(str(version), 40),
        used_memory=number(found["used_memory"]) if "used_memory" in found else None,
        max_memory=number(found["maxmemory"]) if "maxmemory" in found else None,
        eviction_policy=None if policy is None else line(str(policy), 40),
        is_aof_on=bool(number(found["aof_enabled"])) if "aof_enabled" in found else None,
        is_saving_on=bool(next(iter(save.values()), b"")) if isinstance(save, dict) and save else None,
    )
