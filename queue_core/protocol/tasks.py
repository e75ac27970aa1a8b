"""What producers and workers send: from enqueue to the end of an attempt."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from queue_core import ids, scripts, settings
from queue_core.errors import InvalidArgument
from queue_core.fingerprint import Failure
from queue_core.keys import SENTINEL, QueueKeys, check_name
from queue_core.protocol.call import Argument, Call, check_batch, check_limit, pairs, text, texts, to_json
from queue_core.snapshot import Figures
from queue_core.task import NewTask as NewTask

# Enqueue.


def enqueue(queue: QueueKeys, new_tasks: Sequence[NewTask]) -> Call[dict[str, str]]:
    """Put tasks into a queue, at most 256 and 1 MiB of envelopes a call.

    Shape: id → state, of those ids that were in the queue already and made no second task; of those whose unique key
    is held id → `state id`, that of the holder (`ended`: the key outlives it). A batch enters whole or not at all.
    Raises, on reading: `QueueFull`, `RateLimited`. Source: enqueue.lua.
    """
    check_batch(new_tasks)
    arguments: list[Argument] = []
    for task in new_tasks:
        arguments += placed(task)
    return Call(scripts.load("enqueue"), queue, arguments, pairs)


def placed(task: NewTask) -> tuple[Argument, ...]:
    """A new task as scripts have it: id, envelope, place."""
    place = ""
    if task.priority or task.delay_ms or task.due_ms:
        place = f"{task.priority} {task.delay_ms} {task.due_ms}"
    if task.expires_ms or task.unique_key:
        place = f"{place or '0 0 0'} {task.expires_ms} {task.unique_ms} {task.unique_key}"
    return task.id, task.envelope, place


# Claim and what follows it.


@dataclass(frozen=True, slots=True)
class Counters:
    """What has happened to a task. `attempts`: since its last requeue; `attempts_before`: before that."""

    attempts: int = 0
    crashes: int = 0
    releases: int = 0
    attempts_before: int = 0
    fingerprint: str = "-"
    operation: str = ""
    """That requeued it last; with a `!` when it has failed again since."""

    @classmethod
    def parse(cls, line: str) -> Counters:
        """A history's first line; one that is damaged counts nothing."""
        words = line.split(" ")
        if not 5 <= len(words) <= 6 or not all(word.isascii() and word.isdecimal() for word in words[:4]):
            return cls()
        attempts, crashes, releases, before = map(int, words[:4])
        return cls(attempts, crashes, releases, before, *words[4:])


NO_COUNTERS = Counters()


@dataclass(frozen=True, slots=True)
class ClaimedTask:
    id: str
    envelope: bytes
    counters: Counters
    has_history: bool
    ready_digits: str
    """Ready time in base62 behind the id's own (see `ids.read_ready_element`); empty: the id's own."""
    claimed_ms: int = field(default=0, compare=False)
    """By the server's clock."""

    @property
    def waited_ms(self) -> int:
        """From ready to claimed, both by the server's clock; an id's own time is within a second of it."""
        try:
            ready_ms = ids.decode_time(self.ready_digits) if self.ready_digits else ids.id_time_ms(self.id)
        except KeyError:
            return 0
        return 0 if ready_ms is None else max(0, self.claimed_ms - ready_ms)


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
    next_token_ms: int | None = None
    """When the claim rate allows more, where more tasks are ready and it allows none now."""
    has_overdue: bool = False
    """The time of some tasks to begin is over: somebody should end them (`reading.list_outstayed`, `expire`)."""


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
    check_limit("claim", limit, 1)
    if not 1 <= lease_ms <= 86_400_000:
        raise InvalidArgument(f"lease of {lease_ms} ms is not accepted: 1 ms to 24 h")
    check_name("worker", worker_id)
    arguments = (limit, lease_ms, worker_id, "1" if is_fair else "", max_bytes, SENTINEL, *lanes)
    return Call(scripts.load("claim"), queue, arguments, _read_claimed)


def _ms(score: bytes) -> int | None:
    """The time that a score is; none where there is no score, or a damaged one that never comes."""
    return int(float(score)) if score and math.isfinite(float(score)) else None


def _read_claimed(answer: list[Any]) -> Claimed:
    fence, now_ms, next_due, has_expired, has_more, is_paused, lanes, next_token, overdue = answer[:9]
    claimed_ms, tasks = int(now_ms), []
    for i in range(9, len(answer), 4):
        line = answer[i + 2]
        tasks.append(
            ClaimedTask(
                text(answer[i]),
                answer[i + 1],
                Counters.parse(text(line)) if line else NO_COUNTERS,
                bool(line),
                text(answer[i + 3]),
                claimed_ms,
            )
        )
    return Claimed(
        int(fence),
        claimed_ms,
        _ms(next_due),
        bool(has_expired),
        bool(has_more),
        bool(is_paused),
        tuple(texts(lanes)),
        tuple(tasks),
        int(next_token) if next_token else None,
        bool(overdue),
    )


@dataclass(frozen=True, slots=True)
class Result:
    """What a handler returned, as JSON, to be kept for `keep_ms`; or why there is nothing to keep."""

    json: bytes
    keep_ms: int
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """A task that somebody holds by a fence. `has_history`: as the claim said. `result`: of one that completes."""

    id: str
    fence: int
    has_history: bool = False
    result: Result | None = None
    unique_key: str | None = None
    """That it gives back when it ends."""


def complete(queue: QueueKeys, held: Sequence[Held]) -> Call[list[str]]:
    """Tasks have ended well. Shape: ids whose lease was lost; for those nothing changed. Source: complete.lua."""
    check_batch(held)
    arguments: list[Argument] = [settings.RECORD_SECONDS * 1000]
    records: list[str] = []
    for task in held:
        result, about = task.result, _about(task)
        if task.has_history or result:
            records.append(queue.record(task.id))
        arguments += (task.id, task.fence, to_json(about) if about else b"", result.json if result else b"")
    return Call(scripts.load("complete"), queue, arguments, texts, records)


def _about(task: Held) -> dict[str, object]:
    about: dict[str, object] = {"history": True} if task.has_history else {}
    if task.result:
        about["result_ms"] = task.result.keep_ms
        if task.result.missing:
            about["no_result"] = task.result.missing
    if task.unique_key is not None:
        about["unique"] = task.unique_key
    return about


RETRY, DEAD, DISCARD, CANCEL = "retry", "dead", "discard", "cancel"


@dataclass(frozen=True, slots=True)
class FailedTask:
    """An attempt that failed. `verdict`: RETRY after `delay_ms`, DEAD or DISCARD; CANCEL where the handler has stopped
    because it was asked to: then it is no failure. `facts` go into its history."""

    id: str
    fence: int
    verdict: str
    delay_ms: int
    failure: Failure
    facts: Mapping[str, object] = field(default_factory=dict)


def fail(queue: QueueKeys, failed: Sequence[FailedTask], version: str = "") -> Call[list[str]]:
    """Attempts have failed. Shape: ids whose lease was lost; for those nothing changed. Source: fail.lua."""
    check_batch(failed)
    arguments: list[Argument] = [settings.RECORD_SECONDS * 1000, version]
    records: list[str] = []
    for task in failed:
        failure = task.failure
        info = {
            "task": failure.task_name,
            "class": failure.error_class,
            "message": failure.message,
            "frame": failure.frame,
        }
        error = {"worker": ""} if task.verdict == CANCEL else {"error": failure.error}
        facts = to_json({**error, **task.facts})
        arguments += (
            task.id, task.fence, task.verdict, task.delay_ms, failure.fingerprint, failure.overflow_fingerprint,
            to_json(info), facts, failure.frames_digest, failure.traceback,
        )  # fmt: skip
        records.append(queue.record(task.id))
    return Call(scripts.load("fail"), queue, arguments, texts, records)


@dataclass(frozen=True, slots=True)
class Extended:
    """Ids whose lease was lost, and those of the others that were asked to stop."""

    lost: list[str]
    cancelled: list[str]


def extend(queue: QueueKeys, held: Sequence[Held], lease_ms: int) -> Call[Extended]:
    """Leases last `lease_ms` from now. Source: extend.lua."""
    check_batch(held)
    arguments: list[Argument] = [lease_ms]
    for task in held:
        arguments += (task.id, task.fence)
    return Call(scripts.load("extend"), queue, arguments, _read_extended, has_session=False)


def _read_extended(answer: list[Any]) -> Extended:
    return Extended(texts(answer[1]), texts(answer[2]))


@dataclass(frozen=True, slots=True)
class Report:
    """How far a handler is: what `codec.encode_progress` makes."""

    id: str
    fence: int
    progress: bytes


def progress(queue: QueueKeys, reports: Sequence[Report]) -> Call[list[str]]:
    """What handlers say of their progress. Shape: ids whose lease was lost. Source: progress.lua."""
    check_batch(reports)
    arguments: list[Argument] = []
    for report in reports:
        arguments += (report.id, report.fence, report.progress)
    return Call(scripts.load("progress"), queue, arguments, texts)


@dataclass(frozen=True, slots=True)
class ReleasedTask:
    """A task that is given back. `lane`: `unknown:<task>` where its name is not known here; `facts`: for its history,
    where its run had begun."""

    id: str
    fence: int
    lane: str = ""
    facts: Mapping[str, object] | None = None


def release(queue: QueueKeys, released: Sequence[ReleasedTask]) -> Call[list[str]]:
    """Tasks go back to the head of where they came from; those that were asked to stop are cancelled. Shape: ids whose
    lease was lost. Source: release.lua."""
    check_batch(released)
    arguments: list[Argument] = [settings.RECORD_SECONDS * 1000]
    for task in released:
        arguments += (task.id, task.fence, task.lane, "" if task.facts is None else to_json(task.facts))
    records = [queue.record(task.id) for task in released]
    return Call(scripts.load("release"), queue, arguments, texts, records)


def expire(queue: QueueKeys, ids: Sequence[str]) -> Call[list[str]]:
    """Tasks whose time to begin is over end as expired. Shape: ids that did not: they run, lie in the
    trash, or their time is not over. Source: expire.lua."""
    check_batch(ids)
    records = [queue.record(task_id) for task_id in ids]
    return Call(scripts.load("expire"), queue, (settings.RECORD_SECONDS * 1000, *ids), texts, records)


@dataclass(frozen=True, slots=True)
class Recovered:
    """Ids that run again later, that were quarantined as dead letters, whose lease somebody else has by now, and that
    were cancelled. `flagged`: were asked to stop and can be cancelled: recover them as `held`."""

    again: list[str]
    buried: list[str]
    lost: list[str]
    cancelled: list[str] = field(default_factory=list)
    flagged: list[Held] = field(default_factory=list)


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
    check_batch(held)
    check_limit("recover", limit, 1)
    arguments: list[Argument] = [
        lease_ms,
        limit,
        settings.MAX_CRASHES,
        jitter,
        secrets.randbelow(1 << 31) if seed is None else seed,
        to_json(evidence or {"evidence": "its lease ran out"}),
        settings.RECORD_SECONDS * 1000,
    ]
    for task in held:
        arguments += (task.id, task.fence)
    records = [queue.record(task.id) for task in held]
    return Call(scripts.load("recover"), queue, arguments, _read_recovered, records)


def _read_recovered(lists: list[Any]) -> Recovered:
    flagged = [Held(text(lists[4][i]), int(lists[4][i + 1])) for i in range(0, len(lists[4]), 2)]
    again, buried, lost, cancelled = map(texts, lists[:4])
    return Recovered(again, buried, lost, cancelled, flagged)


def measure(queue: QueueKeys, measured: Mapping[str, Figures], ages_ms: Mapping[str, int] | None = None) -> Call[int]:
    """What a worker measured, by task name: waits, runs, and what became of the attempts; at most 256 names a call.
    `ages_ms`: how long ago the last of them completed, by name; of others it was just now.

    Shape: how many names were counted. The other counters of the queue change with its tasks. Source: measure.lua.
    """
    check_batch(list(measured))
    ages = ages_ms or {}
    arguments: list[Argument] = []
    for name, figures in measured.items():
        parts = (figures.counters, figures.wait.counts, figures.run.counts)
        arguments += (check_name("task", name), msgspec.msgpack.encode(parts), ages.get(name, ""))
    return Call(scripts.load("measure"), queue, arguments, int)
