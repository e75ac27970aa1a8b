"""What operators send."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from queue_core import scripts, settings
from queue_core.errors import InvalidArgument, shown
from queue_core.keys import LASTING, SENTINEL, QueueKeys, check_name
from queue_core.protocol.call import Argument, Call, check_batch, check_limit, pairs, text, texts, to_json
from queue_core.snapshot import State

T = TypeVar("T")
PLACES = ("ready", "held", "scheduled", "blocked", "running", "retrying", "dead", "trashed")


@dataclass(frozen=True, slots=True)
class Acted:
    """What an action did not do, and when it was: id → why. `until_ms`: how long the trash keeps what it got."""

    now_ms: int
    skipped: dict[str, str]
    until_ms: int | None = None
    count: int | None = None
    asked: tuple[str, ...] = ()
    """Running tasks that were asked to stop."""
    chunk: ChunkDone | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """The next chunk of an operation, where an action takes ids else. `runner`: who runs it, by a word of its own."""

    operation_id: str
    runner: str


@dataclass(frozen=True, slots=True)
class ChunkDone:
    """How an operation goes on: `more` (at once), `due` (at `next_ms`, by its drip), `waiting` (for what becomes of its
    first tasks), `busy` (somebody else runs it), `paused`, `ended`, `cancelled`, `gone`."""

    word: str
    next_ms: int | None
    done: int
    ids: tuple[str, ...] = ()
    """Tasks that are next, where the chunk has to be told of them."""


def requeue(
    queue: QueueKeys, letters: Sequence[tuple[str, int]], facts: Mapping[str, object], chunk: Chunk | None = None
) -> Call[Acted]:
    """Dead letters (id, time of death) become ready; `facts` (who, which operation) go into their history.

    Skipped: `changed` (it died again since), `not dead`, `its unique key is held by <id>`. Source: requeue.lua.
    """
    check_batch(letters)
    arguments: list[Argument] = [to_json({"by": "", **facts})]
    if chunk:
        return _chunk("requeue", queue, arguments, chunk)
    for task_id, died_at in letters:
        arguments += (task_id, died_at)
    return Call(scripts.load("requeue"), queue, arguments, read_acted)


def recall(queue: QueueKeys, facts: Mapping[str, object], chunk: Chunk) -> Call[Acted]:
    """What an operation has requeued and nobody has begun since is dead again, as it was; `facts` (who, why) go into
    the history. Only an operation does it, and finds them. Source: recall.lua."""

    def read(answer: list[Any]) -> Acted:
        return Acted(int(answer[0]), {}, chunk=read_chunk(answer))

    keys = (queue.operation(chunk.operation_id), queue.operations, queue.outcomes)
    return Call(scripts.load("recall"), queue, (to_json({"by": "", **facts}), chunk.runner), read, keys)


def edit(queue: QueueKeys, task_id: str, died_at: int, envelope: bytes, facts: Mapping[str, object]) -> Call[Acted]:
    """A dead letter gets another envelope and becomes ready; `facts` (who, what) go into its history.

    Skipped: `changed` (it died again since, or the envelope is of another task), `not dead`, `its unique key is held by
    <id>`. Source: edit.lua.
    """
    return Call(scripts.load("edit"), queue, (to_json({"by": "", **facts}), task_id, died_at, envelope), read_acted)


def as_seen(task_id: str, state: State | None = None, died_at: int | None = None) -> str:
    """An id for `trash`, `cancel` and `export`: the task is left alone unless it is in that state still, of a letter:
    unless it is the one that died then. Source: scripts/lib/seen.lua."""
    seen = [State.DEAD, str(died_at)] if died_at is not None else [state] if state else []
    return ":".join([task_id, *seen])


def trash(
    queue: QueueKeys,
    ids: Sequence[str],
    keep_ms: int,
    by: str,
    reason: str,
    chunk: Chunk | None = None,
    *,
    died_by_ms: int | None = None,
    act: str = "",
) -> Call[Acted]:
    """Tasks are put out of the way, restorable for `keep_ms`. Skipped: `running`, `in the trash`, `gone`; with
    `died_by_ms` everything but letters that died by then: `changed`. `act`: by which they are found again, all that it
    put there and no other. `ids`: also `as_seen`; skipped then, too: `<state> now`, `changed`. Source: trash.lua."""
    check_batch(ids)
    died_by: Argument = "" if died_by_ms is None else died_by_ms

    def read(answer: list[Any]) -> Acted:
        return Acted(int(answer[0]), pairs(answer[2:]), until_ms=int(answer[1]))

    if chunk:
        return _chunk("trash", queue, (keep_ms, by, reason, died_by, act), chunk)
    return Call(scripts.load("trash"), queue, (keep_ms, by, reason, died_by, act, *ids), read)


def cancel(
    queue: QueueKeys, ids: Sequence[str], facts: Mapping[str, object], chunk: Chunk | None = None
) -> Call[Acted]:
    """Tasks end before their time: those that wait at once, those that run are asked to stop. `facts` (by, reason) go
    into their records. Skipped: `dead`, `in the trash`, `gone`; of ids `as_seen` also `<state> now`.

    A chunk cannot name its records by itself: without ids it says which tasks are next and ends none, with these it
    ends those that still are. Source: cancel.lua.
    """
    check_batch(ids)

    def read(answer: list[Any]) -> Acted:
        return Acted(int(answer[0]), pairs(answer[2:]), asked=tuple(texts(answer[1])))

    arguments: list[Argument] = [settings.RECORD_SECONDS * 1000, to_json({"by": "", **facts}), *ids]
    records = [queue.record(task_id.partition(":")[0]) for task_id in ids]
    if chunk:
        return _chunk("cancel", queue, arguments, chunk, records)
    return Call(scripts.load("cancel"), queue, arguments, read, records)


def restore(queue: QueueKeys, ids: Sequence[str], chunk: Chunk | None = None) -> Call[Acted]:
    """Tasks leave the trash for where they were. Skipped: `not in the trash`, `its unique key is held by
    <id>`. Source: restore.lua."""
    check_batch(ids)
    if chunk:
        return _chunk("restore", queue, (), chunk)
    return Call(scripts.load("restore"), queue, tuple(ids), read_acted)


def delete(queue: QueueKeys, ids: Sequence[str] = (), *, due_limit: int = 0, chunk: Chunk | None = None) -> Call[Acted]:
    """Tasks in the trash are deleted for good: `ids`, or up to `due_limit` of those whose time has come.
    Source: delete.lua."""
    check_batch(ids)
    check_limit("delete", due_limit, 0)

    def read(answer: list[Any]) -> Acted:
        return Acted(int(answer[0]), pairs(answer[2:]), count=int(answer[1]))

    if chunk:
        return _chunk("delete", queue, (0,), chunk)
    return Call(scripts.load("delete"), queue, (due_limit, *ids), read)


def promote(queue: QueueKeys, ids: Sequence[str], chunk: Chunk | None = None) -> Call[Acted]:
    """Scheduled and retrying tasks become ready. Skipped: `not waiting for a time`. Source: promote.lua."""
    check_batch(ids)
    if chunk:
        return _chunk("promote", queue, (), chunk)
    return Call(scripts.load("promote"), queue, tuple(ids), read_acted)


@dataclass(frozen=True, slots=True)
class QueueDeleted:
    """Whether a queue is gone. `tasks`: how many were in it; `counts`: state → how many, where there are any."""

    now_ms: int
    is_gone: bool
    tasks: int
    counts: dict[str, int]


def delete_queue(queue: QueueKeys, *, is_forced: bool = False, at_most: int | None = None) -> Call[QueueDeleted]:
    """A queue and everything in it is gone, if it is empty. Never while tasks run.

    `is_forced`: also with tasks in it; `at_most`: unless they are more. Sessions, records
    and marks of moved tasks expire by themselves. Raises, on reading: `UnknownQueue`. Source: delete_queue.lua.
    """
    script = scripts.load("delete_queue")
    others = queue.named(tuple(name for name in LASTING if name not in (*script.keys, "control")))

    def read(answer: list[Any]) -> QueueDeleted:
        counts = {state: count for state, count in zip(PLACES, answer[3:], strict=True) if count}
        return QueueDeleted(int(answer[0]), bool(answer[1]), answer[2], counts)

    arguments = ("1" if is_forced else "", "" if at_most is None else at_most, SENTINEL)
    return Call(script, queue, arguments, read, others)


@dataclass(frozen=True, slots=True)
class Switched:
    """When it was, and whether anything changed."""

    now_ms: int
    has_changed: bool


def pause(queue: QueueKeys, by: str, reason: str) -> Call[Switched]:
    """Nothing is given out until `resume`. Source: pause.lua."""
    return Call(scripts.load("pause"), queue, (by, reason), read_switched)


def resume(queue: QueueKeys) -> Call[Switched]:
    """Tasks are given out again. Source: resume.lua."""
    return Call(scripts.load("resume"), queue, (), read_switched)


def limit(queue: QueueKeys, changes: Mapping[str, object], by: str) -> Call[Switched]:
    """The queue is limited: name → number, or for a rate how many in how many ms; `False`: not any more.
    Source: limit.lua."""
    return Call(scripts.load("limit"), queue, (by, to_json(changes)), read_switched)


def close_lane(queue: QueueKeys, lane: str, by: str, reason: str) -> Call[Switched]:
    """Tasks of a lane (`name:<task>`) are held as claims meet them. Source: close_lane.lua."""
    arguments = (check_lane(lane), by, reason)
    return Call(scripts.load("close_lane"), queue, arguments, read_switched)


def open_lane(queue: QueueKeys, lane: str, by: str) -> Call[Switched]:
    """Tasks of a lane are given out again. Source: open_lane.lua."""
    return Call(scripts.load("open_lane"), queue, (check_lane(lane), by), read_switched)


def check_lane(lane: str) -> str:
    kind, _, name = lane.partition(":") if isinstance(lane, str) else ("", "", "")
    if kind not in ("name", "unknown"):
        raise InvalidArgument(f"lane {shown(lane, 150)} is not accepted: it is name:<task> or unknown:<task>")
    check_name("task", name)
    return lane


def _chunk(
    verb: str, queue: QueueKeys, arguments: Sequence[Argument], chunk: Chunk, records: Sequence[str] = ()
) -> Call[Acted]:
    def read(answer: list[Any]) -> Acted:
        return Acted(int(answer[0]), {}, chunk=read_chunk(answer))

    return chunk_call(verb, queue, arguments, chunk, read, records)


def chunk_call(
    verb: str,
    queue: QueueKeys,
    arguments: Sequence[Argument],
    chunk: Chunk,
    read: Callable[[list[Any]], T],
    records: Sequence[str] = (),
) -> Call[T]:
    """A verb's script, called for an operation: with its keys and its runner behind the others."""
    keys = (queue.operation(chunk.operation_id), queue.operations, queue.outcomes, *records)
    return Call(scripts.load(verb), queue, (*arguments, chunk.runner), read, keys)


def read_chunk(answer: list[Any]) -> ChunkDone:
    _, word, next_ms, done, *ids = answer
    return ChunkDone(text(word), int(next_ms) if next_ms else None, int(done), tuple(texts(ids)))


def read_acted(answer: list[Any]) -> Acted:
    return Acted(int(answer[0]), pairs(answer[1:]))


def read_switched(answer: list[Any]) -> Switched:
    return Switched(int(answer[0]), bool(answer[1]))
