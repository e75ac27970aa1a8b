"""What to send to the server and how to read its answer: one typed function per transition. No I/O.

A function returns a `Call`; `client` and `aio` carry it. All times are Unix milliseconds by the server's clock.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from queue_core import scripts, settings
from queue_core.errors import InvalidArgument
from queue_core.fingerprint import Failure
from queue_core.keys import FORMAT, SENTINEL, QueueKeys, check_name
from queue_core.task import NewTask as NewTask

T = TypeVar("T")
Argument = bytes | str | int | float


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One call of one script. `keys` and `arguments` are those behind what all scripts begin with."""

    script: scripts.Script
    queue: QueueKeys
    keys: Sequence[str]
    arguments: Sequence[Argument]
    read: Callable[[Any], T]
    has_session: bool = True


class Session:
    """Numbers the calls of somebody who has at most one in flight, so that one whose answer was lost can be sent again.

    Each script counts in a session of its own: a pipeline may carry one call of each.
    """

    def __init__(self, session_id: str | None = None, sequence: int = 0) -> None:
        self.id = session_id or secrets.token_urlsafe(9)
        self.sequence = sequence

    def command(self, call: Call[Any], now_ms: int | None = None) -> list[Argument]:
        """The EVALSHA of a call. A new one each time: to send a call again, send the same command again."""
        now: Argument = "" if now_ms is None else now_ms
        if not call.has_session:
            head: list[Argument] = [call.queue.control, *call.keys, FORMAT, now]
            return ["EVALSHA", call.script.sha, 1 + len(call.keys), *head, *call.arguments]
        self.sequence += 1
        session = call.queue.session(f"{self.id}.{call.script.name}")
        head = [call.queue.control, session, *call.keys, FORMAT, now, self.sequence]
        return ["EVALSHA", call.script.sha, 2 + len(call.keys), *head, *call.arguments]


def with_text(command: Sequence[Argument], script: scripts.Script) -> list[Argument]:
    """The same command for a server that does not know the script yet."""
    return ["EVAL", script.text, *command[2:]]


def _check_batch(tasks: Sequence[object]) -> None:
    """A script works through its batch in one go, while nobody else is served; and Lua cannot unpack 8,000 values."""
    if len(tasks) > settings.MAX_BATCH:
        raise InvalidArgument(f"{len(tasks):,} tasks in one call are not accepted: at most {settings.MAX_BATCH}")


def _check_limit(verb: str, limit: int, least: int) -> None:
    if not least <= limit <= settings.MAX_BATCH:
        raise InvalidArgument(f"{verb} limit {limit} is not accepted: {least} to {settings.MAX_BATCH} tasks")


# Enqueue.


def enqueue(queue: QueueKeys, new_tasks: Sequence[NewTask]) -> Call[dict[str, str]]:
    """Put tasks into a queue, at most 256 and 1 MiB of envelopes a call.

    Shape: id → state, of those ids that were in the queue already and made no second task. Source: enqueue.lua.
    """
    _check_batch(new_tasks)
    arguments: list[Argument] = []
    for task in new_tasks:
        place = ""
        if task.priority or task.delay_ms or task.due_ms:
            place = f"{task.priority} {task.delay_ms} {task.due_ms}"
        arguments += (task.id, task.envelope, place)
    keys = (
        queue.tasks, queue.ready, queue.removed, queue.prioritized, queue.scheduled, queue.retrying, queue.leases,
        queue.held, queue.dead, queue.trash, queue.stats, queue.notify,
    )  # fmt: skip
    return Call(scripts.load("enqueue"), queue, keys, arguments, _pairs)


# Claim and what follows it.


@dataclass(frozen=True, slots=True)
class Counters:
    """What has happened to a task. `attempts`: since its last requeue; `attempts_before`: before that."""

    attempts: int = 0
    crashes: int = 0
    releases: int = 0
    attempts_before: int = 0
    fingerprint: str = "-"

    @classmethod
    def parse(cls, line: str) -> Counters:
        """A history's first line; one that is damaged counts nothing."""
        *numbers, fingerprint = line.split(" ")
        if len(numbers) != 4 or not all(number.isascii() and number.isdecimal() for number in numbers):
            return cls()
        attempts, crashes, releases, before = map(int, numbers)
        return cls(attempts, crashes, releases, before, fingerprint)


NO_COUNTERS = Counters()


@dataclass(frozen=True, slots=True)
class ClaimedTask:
    id: str
    envelope: bytes
    counters: Counters
    has_history: bool
    ready_digits: str
    """Ready time in base62 behind the id's own (see `ids.read_ready_element`); empty: the id's own."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """The answer to a claim. `fence` is the lease's token, the same for all its tasks."""

    fence: int
    now_ms: int
    next_due_ms: int | None
    """When the next scheduled or retrying task is due."""
    has_expired: bool
    """Leases have run out: somebody should recover them."""
    has_more: bool
    """More tasks are ready."""
    is_paused: bool
    closed_lanes: tuple[str, ...] = ()
    tasks: tuple[ClaimedTask, ...] = ()


def claim(
    queue: QueueKeys,
    worker_id: str,
    limit: int,
    lease_ms: int,
    *,
    is_fair: bool = False,
    lanes: Iterable[str] = (),
    max_bytes: int = settings.MAX_PAYLOAD_BYTES,
) -> Call[Claimed]:
    """Lease up to `limit` ready tasks (1 to 256) to one worker: highest priority first, then oldest.

    `is_fair`: one task in 20 is the one that has waited longest. `lanes`: lanes `unknown:<task>` that it can run.
    Raises, on reading: `Stale`. A lost answer says nothing: send the same command again. Source: claim.lua.
    """
    _check_limit("claim", limit, 1)
    if not 1 <= lease_ms <= 86_400_000:
        raise InvalidArgument(f"lease of {lease_ms} ms is not accepted: 1 ms to 24 h")
    check_name("worker", worker_id)
    keys = (
        queue.tasks, queue.ready, queue.removed, queue.prioritized, queue.held, queue.closed, queue.scheduled,
        queue.retrying, queue.leases, queue.running, queue.history, queue.faults, queue.notify,
    )  # fmt: skip
    arguments = (limit, lease_ms, worker_id, "1" if is_fair else "", max_bytes, SENTINEL, *lanes)
    return Call(scripts.load("claim"), queue, keys, arguments, _read_claimed)


def _read_claimed(answer: list[Any]) -> Claimed:
    fence, now_ms, next_due, has_expired, has_more, is_paused, lanes = answer[:7]
    tasks = []
    for i in range(7, len(answer), 4):
        line = answer[i + 2]
        tasks.append(
            ClaimedTask(
                _text(answer[i]),
                answer[i + 1],
                Counters.parse(_text(line)) if line else NO_COUNTERS,
                bool(line),
                _text(answer[i + 3]),
            )
        )
    return Claimed(
        int(fence),
        int(now_ms),
        int(float(next_due)) if next_due else None,
        bool(has_expired),
        bool(has_more),
        bool(is_paused),
        tuple(_texts(lanes)),
        tuple(tasks),
    )


@dataclass(frozen=True, slots=True)
class Held:
    """A task that somebody holds by a fence. `has_history`: as the claim said."""

    id: str
    fence: int
    has_history: bool = False


def complete(queue: QueueKeys, held: Sequence[Held]) -> Call[list[str]]:
    """Tasks have ended well. Shape: ids whose lease was lost; for those nothing changed. Source: complete.lua."""
    _check_batch(held)
    arguments: list[Argument] = [settings.RECORD_SECONDS * 1000]
    keys = [queue.tasks, queue.leases, queue.running, queue.history, queue.stats]
    for task in held:
        arguments += (task.id, task.fence, "1" if task.has_history else "")
        if task.has_history:
            keys.append(queue.record(task.id))
    return Call(scripts.load("complete"), queue, keys, arguments, _texts)


RETRY, DEAD, DISCARD = "retry", "dead", "discard"


@dataclass(frozen=True, slots=True)
class FailedTask:
    """An attempt that failed. `verdict`: RETRY after `delay_ms`, DEAD or DISCARD. `facts` go into its history."""

    id: str
    fence: int
    verdict: str
    delay_ms: int
    failure: Failure
    facts: Mapping[str, object] = field(default_factory=dict)


def fail(queue: QueueKeys, failed: Sequence[FailedTask], version: str = "") -> Call[list[str]]:
    """Attempts have failed. Shape: ids whose lease was lost; for those nothing changed. Source: fail.lua."""
    _check_batch(failed)
    arguments: list[Argument] = [settings.RECORD_SECONDS * 1000, version]
    keys = [
        queue.tasks, queue.leases, queue.running, queue.retrying, queue.scheduled, queue.dead, queue.dead_by_fault,
        queue.faults, queue.faults_seen, queue.history, queue.stats, queue.notify,
    ]  # fmt: skip
    for task in failed:
        failure = task.failure
        info = {
            "task": failure.task_name,
            "class": failure.error_class,
            "message": failure.message,
            "frame": failure.frame,
        }
        facts = _json({"error": failure.error, **task.facts})
        arguments += (
            task.id, task.fence, task.verdict, task.delay_ms, failure.fingerprint, failure.overflow_fingerprint,
            _json(info), facts, failure.frames_digest, failure.traceback,
        )  # fmt: skip
        if task.verdict == DISCARD:
            keys.append(queue.record(task.id))
    return Call(scripts.load("fail"), queue, keys, arguments, _texts)


def extend(queue: QueueKeys, held: Sequence[Held], lease_ms: int) -> Call[list[str]]:
    """Leases last `lease_ms` from now. Shape: ids whose lease was lost. Source: extend.lua."""
    _check_batch(held)
    arguments: list[Argument] = [lease_ms]
    for task in held:
        arguments += (task.id, task.fence)
    keys = (queue.leases, queue.running)
    return Call(scripts.load("extend"), queue, keys, arguments, lambda answer: _texts(answer[1:]), has_session=False)


@dataclass(frozen=True, slots=True)
class ReleasedTask:
    """A task that is given back. `lane`: `unknown:<task>` where its name is not known here; `facts`: for its history,
    where its run had begun."""

    id: str
    fence: int
    lane: str = ""
    facts: Mapping[str, object] | None = None


def release(queue: QueueKeys, released: Sequence[ReleasedTask]) -> Call[list[str]]:
    """Tasks go back to the head of where they came from. Shape: ids whose lease was lost. Source: release.lua."""
    _check_batch(released)
    arguments: list[Argument] = []
    for task in released:
        arguments += (task.id, task.fence, task.lane, "" if task.facts is None else _json(task.facts))
    keys = (
        queue.tasks, queue.ready, queue.removed, queue.prioritized, queue.held, queue.closed, queue.leases,
        queue.running, queue.history, queue.notify,
    )  # fmt: skip
    return Call(scripts.load("release"), queue, keys, arguments, _texts)


@dataclass(frozen=True, slots=True)
class Recovered:
    """Ids that run again later, that were quarantined as dead letters, and whose lease somebody else has by now."""

    again: list[str]
    buried: list[str]
    lost: list[str]


def recover(
    queue: QueueKeys,
    lease_ms: int,
    *,
    held: Sequence[Held] = (),
    limit: int = settings.MAX_BATCH,
    jitter: float = 0.1,
    seed: int | None = None,
    evidence: Mapping[str, object] | None = None,
) -> Call[Recovered]:
    """Tasks whose worker is gone: those of `held`, else those whose lease has run out. Source: recover.lua."""
    _check_batch(held)
    _check_limit("recover", limit, 1)
    arguments: list[Argument] = [
        lease_ms,
        limit,
        settings.MAX_CRASHES,
        jitter,
        secrets.randbelow(1 << 31) if seed is None else seed,
        _json(evidence or {"evidence": "its lease ran out"}),
    ]
    for task in held:
        arguments += (task.id, task.fence)
    keys = (
        queue.tasks, queue.leases, queue.running, queue.retrying, queue.scheduled, queue.dead, queue.dead_by_fault,
        queue.faults, queue.faults_seen, queue.history, queue.notify,
    )  # fmt: skip
    return Call(scripts.load("recover"), queue, keys, arguments, lambda lists: Recovered(*map(_texts, lists)))


# Operators' actions.


@dataclass(frozen=True, slots=True)
class Acted:
    """What an action did not do, and when it was: id → why. `until_ms`: how long the trash keeps what it got."""

    now_ms: int
    skipped: dict[str, str]
    until_ms: int | None = None
    count: int | None = None


def requeue(queue: QueueKeys, letters: Sequence[tuple[str, int]], facts: Mapping[str, object]) -> Call[Acted]:
    """Dead letters (id, time of death) become ready; `facts` (who, which operation) go into their history.

    Skipped: `changed` (it died again since), `not dead`. Source: requeue.lua.
    """
    _check_batch(letters)
    arguments: list[Argument] = [_json({"by": "", **facts})]
    for task_id, died_at in letters:
        arguments += (task_id, died_at)
    keys = (
        queue.tasks, queue.ready, queue.removed, queue.prioritized, queue.dead, queue.dead_by_fault, queue.history,
        queue.notify,
    )  # fmt: skip
    return Call(scripts.load("requeue"), queue, keys, arguments, _read_acted)


def trash(queue: QueueKeys, ids: Sequence[str], keep_ms: int, by: str, reason: str) -> Call[Acted]:
    """Tasks are put out of the way, restorable for `keep_ms`. Skipped: `running`, `in the trash`, `gone`.
    Source: trash.lua."""
    _check_batch(ids)
    keys = (
        queue.tasks, queue.leases, queue.removed, queue.prioritized, queue.scheduled, queue.retrying, queue.held,
        queue.dead, queue.dead_by_fault, queue.history, queue.faults, queue.trash, queue.trashed,
    )  # fmt: skip

    def read(answer: list[Any]) -> Acted:
        return Acted(int(answer[0]), _pairs(answer[2:]), until_ms=int(answer[1]))

    return Call(scripts.load("trash"), queue, keys, (keep_ms, by, reason, *ids), read)


def restore(queue: QueueKeys, ids: Sequence[str]) -> Call[Acted]:
    """Tasks leave the trash for where they were. Skipped: `not in the trash`. Source: restore.lua."""
    _check_batch(ids)
    keys = (
        queue.tasks, queue.ready, queue.removed, queue.prioritized, queue.scheduled, queue.retrying, queue.held,
        queue.closed, queue.dead, queue.dead_by_fault, queue.history, queue.faults, queue.trash, queue.trashed,
        queue.notify,
    )  # fmt: skip
    return Call(scripts.load("restore"), queue, keys, tuple(ids), _read_acted)


def delete(queue: QueueKeys, ids: Sequence[str] = (), *, due_limit: int = 0) -> Call[Acted]:
    """Tasks in the trash are deleted for good: `ids`, or up to `due_limit` of those whose time has come.
    Source: delete.lua."""
    _check_batch(ids)
    _check_limit("delete", due_limit, 0)

    def read(answer: list[Any]) -> Acted:
        return Acted(int(answer[0]), _pairs(answer[2:]), count=int(answer[1]))

    keys = (queue.tasks, queue.history, queue.stats, queue.trash, queue.trashed, queue.faults)
    return Call(scripts.load("delete"), queue, keys, (due_limit, *ids), read)


def promote(queue: QueueKeys, ids: Sequence[str]) -> Call[Acted]:
    """Scheduled and retrying tasks become ready. Skipped: `not waiting for a time`. Source: promote.lua."""
    _check_batch(ids)
    keys = (
        queue.tasks, queue.ready, queue.removed, queue.prioritized, queue.scheduled, queue.retrying, queue.history,
        queue.faults, queue.notify,
    )  # fmt: skip
    return Call(scripts.load("promote"), queue, keys, tuple(ids), _read_acted)


@dataclass(frozen=True, slots=True)
class Switched:
    """When it was, and whether anything changed."""

    now_ms: int
    has_changed: bool


def pause(queue: QueueKeys, by: str, reason: str) -> Call[Switched]:
    """Nothing is given out until `resume`. Source: pause.lua."""
    return Call(scripts.load("pause"), queue, (queue.notify,), (by, reason), _read_switched)


def resume(queue: QueueKeys) -> Call[Switched]:
    """Tasks are given out again. Source: resume.lua."""
    keys = (
        queue.ready, queue.removed, queue.prioritized, queue.scheduled, queue.retrying, queue.held, queue.notify,
    )  # fmt: skip
    return Call(scripts.load("resume"), queue, keys, (), _read_switched)


def close_lane(queue: QueueKeys, lane: str, by: str, reason: str) -> Call[Switched]:
    """Tasks of a lane (`name:<task>`) are held as claims meet them. Source: close_lane.lua."""
    arguments = (check_lane(lane), by, reason)
    return Call(scripts.load("close_lane"), queue, (queue.closed,), arguments, _read_switched)


def open_lane(queue: QueueKeys, lane: str, by: str) -> Call[Switched]:
    """Tasks of a lane are given out again. Source: open_lane.lua."""
    keys = (queue.held, queue.closed, queue.notify)
    return Call(scripts.load("open_lane"), queue, keys, (check_lane(lane), by), _read_switched)


def check_lane(lane: str) -> str:
    kind, _, name = lane.partition(":")
    if kind not in ("name", "unknown"):
        raise InvalidArgument(f"lane {lane!r:.150} is not accepted: it is name:<task> or unknown:<task>")
    check_name("task", name)
    return lane


# Checking and repairing.


def examine(
    queue: QueueKeys, walk: str, cursor: str, count: int, ids: Sequence[str] = ()
) -> Call[tuple[str, list[tuple[str, str]]]]:
    """One slice of a walk over a queue. Shape: next cursor (`0`: that was all), and for each id where it stands, in the
    letters of examine.lua. `walk`: a place, or `ids`. Source: examine.lua."""
    keys = (
        queue.tasks, queue.ready, queue.removed, queue.prioritized, queue.scheduled, queue.retrying, queue.leases,
        queue.running, queue.held, queue.blocked, queue.dead, queue.dead_by_fault, queue.trash, queue.trashed,
        queue.history,
    )  # fmt: skip

    def read(answer: list[Any]) -> tuple[str, list[tuple[str, str]]]:
        found = [(_text(answer[i]), _text(answer[i + 1])) for i in range(1, len(answer), 3)]
        return answer[0].decode(), found

    return Call(scripts.load("examine"), queue, keys, (walk, cursor, count, *ids), read, has_session=False)


def repair(queue: QueueKeys, task_id: str, *, only_look: bool = False) -> Call[str]:
    """One id is put in order. Shape: what was done, or with `only_look` is to be done, in words; empty where nothing is
    wrong. Source: repair.lua."""
    keys = (
        queue.tasks, queue.ready, queue.removed, queue.prioritized, queue.scheduled, queue.retrying, queue.leases,
        queue.running, queue.held, queue.blocked, queue.dead, queue.dead_by_fault, queue.trash, queue.trashed,
        queue.history, queue.faults, queue.notify,
    )  # fmt: skip
    return Call(scripts.load("repair"), queue, keys, (task_id, "" if only_look else "1"), _text)


def balance(queue: QueueKeys) -> Call[int]:
    """The books balance again. Shape: tasks entered under `repaired`; negative: tasks that are gone.
    Source: balance.lua."""
    return Call(scripts.load("balance"), queue, (queue.tasks, queue.stats), (), int)


# Reading answers.


def _read_acted(answer: list[Any]) -> Acted:
    return Acted(int(answer[0]), _pairs(answer[1:]))


def _read_switched(answer: list[Any]) -> Switched:
    return Switched(int(answer[0]), bool(answer[1]))


def _texts(answer: Iterable[bytes]) -> list[str]:
    return [_text(item) for item in answer]


def _pairs(answer: Sequence[bytes]) -> dict[str, str]:
    return {_text(answer[i]): _text(answer[i + 1]) for i in range(0, len(answer), 2)}


def _text(data: bytes) -> str:
    """What is stored may be damaged: reading it never fails."""
    return data.decode("utf-8", "backslashreplace")


def _json(value: Mapping[str, object]) -> bytes:
    """One line. Where a script puts more facts behind them, there is at least one."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str).encode("utf-8", "replace")
