"""From one queue to another, which may live in another slot: put aside there, taken here, forgotten there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from queue_core import scripts, settings
from queue_core.keys import QueueKeys, check_name
from queue_core.protocol.actions import Acted, Chunk, ChunkDone, chunk_call, read_chunk
from queue_core.protocol.call import Argument, Call, check_batch, pairs, text, texts, to_json

ASIDE_MS = 100 * 365 * 86_400_000
"""How long a task that was put aside waits for its mover: nothing deletes it because its time has come."""
GOOD_MS = 600_000
"""How long what `export` answered may enter the other queue."""
MARK_MS = 3_600_000
"""How long a queue remembers a ticket that nobody has any more: much longer than `GOOD_MS`, as the servers' clocks may
differ."""
LOOK_AT = 256
"""Elements at each end of a list in which ready times are looked for."""
TOO_LATE = "too late"
_FAULT_FIELDS, _TASK_FIELDS = 6, 7


@dataclass(frozen=True, slots=True)
class ExportedTask:
    """A task that was put aside. `ticket`: `id:token`. `place`: ready, scheduled, retrying or dead; `at`: since, due,
    due, died. `envelope`: empty when it is no longer put aside under this ticket."""

    ticket: str
    envelope: bytes = b""
    place: str = ""
    at: bytes = b""
    history: bytes = b""
    traceback: bytes = b""
    expires_at: bytes = b""

    @property
    def id(self) -> str:
        return id_of(self.ticket)


@dataclass(frozen=True, slots=True)
class Exported:
    """What was put aside, for `import_`. `skipped`: id → why. `later`: ids for another call, as one takes 1 MiB."""

    now_ms: int
    tasks: tuple[ExportedTask, ...]
    skipped: dict[str, str]
    later: tuple[str, ...] = ()
    faults: tuple[bytes, ...] = ()
    """Of the dead and retrying ones: six values for each, as export.lua has them."""


def export(
    queue: QueueKeys,
    ids: Sequence[str],
    to_queue: str,
    token: str,
    by: str,
    reason: str,
    max_bytes: int = settings.MAX_PAYLOAD_BYTES,
) -> Call[Exported]:
    """Put tasks aside for another queue. Skipped: `running`, `in the trash`, `being moved to <another>`, `gone`; of ids
    `as_seen` also `<state> now` and `changed`.

    `token`: not used before; that of the tickets is this and the time. A task that was put aside for the same queue
    before is answered under its first one.
    Source: export.lua.
    """
    check_batch(ids)
    check_name("queue", to_queue)
    arguments: list[Argument] = [ASIDE_MS, by, reason, to_queue, token, max_bytes, LOOK_AT, *ids]
    return Call(scripts.load("export"), queue, arguments, _read_exported)


def export_chunk(
    queue: QueueKeys,
    to_queue: str,
    token: str,
    by: str,
    reason: str,
    chunk: Chunk,
    max_bytes: int = settings.MAX_PAYLOAD_BYTES,
) -> Call[Exported | ChunkDone]:
    """The next tasks of an operation are put aside, or told once more: those that are on their way already.

    Shape: how it goes on, where there is nothing to bring. Source: export.lua.
    """
    check_name("queue", to_queue)

    def read(answer: list[Any]) -> Exported | ChunkDone:
        return _read_exported(answer) if isinstance(answer[1], list) else read_chunk(answer)

    arguments: list[Argument] = [ASIDE_MS, by, reason, to_queue, token, max_bytes, LOOK_AT]
    return chunk_call("export", queue, arguments, chunk, read)


def import_(queue: QueueKeys, exported: Exported, facts: Mapping[str, object], *, refuses: bool = False) -> Call[Acted]:
    """Tasks that another queue has put aside enter this one; with `refuses` they never will, unless they have entered.

    `facts` (from where, who, which operation) go into their histories. Skipped, by ticket: `too late` (they may still
    enter), `called back`, `in that queue already, <state>`, `its unique key is held by <id>` (for good).
    Source: import.lua.
    """
    check_batch(exported.tasks)
    arguments: list[Argument] = [exported.now_ms + GOOD_MS, to_json({"from": "", **facts})]
    arguments += [len(exported.faults) // _FAULT_FIELDS, *exported.faults]
    for task in exported.tasks:
        envelope = b"" if refuses else task.envelope
        arguments += (task.ticket, envelope, task.place, task.at, task.history, task.traceback, task.expires_at)
    return Call(scripts.load("import"), queue, arguments, _read_acted)


def forget(queue: QueueKeys, tickets: Sequence[str]) -> Call[Acted]:
    """Tasks that another queue has taken leave this one. Skipped, by ticket: `not put aside`. Source: forget.lua."""
    check_batch(tickets)
    return Call(scripts.load("forget"), queue, tuple(tickets), _read_acted)


def forget_chunk(queue: QueueKeys, tickets: Sequence[str], left: Mapping[str, str], chunk: Chunk) -> Call[ChunkDone]:
    """The same for an operation's tasks, which are counted now. `left`: ticket → why, of those that were not taken.
    Source: forget.lua."""
    arguments = [*tickets, *(f"{ticket} {why}" for ticket, why in left.items())]
    check_batch(arguments)
    return chunk_call("forget", queue, arguments, chunk, read_chunk)


def confirm(queue: QueueKeys, tickets: Sequence[str]) -> Call[int]:
    """The other queue has these tickets no more. Shape: now, ms. Source: confirm.lua."""
    check_batch(tickets)
    return Call(scripts.load("confirm"), queue, (MARK_MS, *tickets), int)


def id_of(ticket: str) -> str:
    return ticket.partition(":")[0]


def _read_acted(answer: list[Any]) -> Acted:
    return Acted(int(answer[0]), pairs(answer[1:]))


def _read_exported(answer: list[Any]) -> Exported:
    now_ms, refused, later, faults = answer[:4]
    tasks = [
        ExportedTask(text(answer[i]), answer[i + 1], text(answer[i + 2]), *answer[i + 3 : i + 7])
        for i in range(4, len(answer), _TASK_FIELDS)
    ]
    return Exported(int(now_ms), tuple(tasks), pairs(refused), tuple(texts(later)), tuple(faults))
