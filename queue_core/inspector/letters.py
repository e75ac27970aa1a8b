"""Dead letters of some faults that died within a range of time: counted, and listed newest first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from queue_core import connection, decoding, reading
from queue_core.errors import InvalidArgument, TaskyardError, shown
from queue_core.inspector.reader import Reader
from queue_core.protocol import Argument
from queue_core.reading import Position
from queue_core.snapshot import Page, State, TaskSummary

MAX_CHOSEN = 20_000
"""Faults. Each is asked once for how many letters it has, and once for its newest."""
_LAST_MS = 10**13 - 1

Named = tuple[str, str]
"""A queue, and the fingerprint of a fault of it."""


@dataclass(frozen=True, slots=True)
class Span:
    """When they died, ms, both included; `None`: whenever."""

    since: int | None = None
    until: int | None = None

    def first(self, fingerprint: str) -> str:
        return f"[{fingerprint}:{self.since or 0:013}"

    def last(self, fingerprint: str) -> bytes:
        return b"[%b:%013d:\xff" % (fingerprint.encode(), _LAST_MS if self.until is None else self.until)


@dataclass(frozen=True, slots=True)
class _Letter:
    """Sorted, the newest is the last; of the same time by queue, fault and id."""

    died_at: int
    queue: str
    fingerprint: str
    task_id: bytes

    @property
    def order(self) -> tuple[int, str, str, bytes]:
        return self.died_at, self.queue, self.fingerprint, self.task_id


def check_faults(faults: Iterable[Named]) -> tuple[Named, ...]:
    """Each once. Raises `InvalidArgument`."""
    named = tuple(dict.fromkeys(faults))
    if len(named) > MAX_CHOSEN:
        raise InvalidArgument(f"{len(named):,} faults are not accepted: at most {MAX_CHOSEN:,}")
    for _, fingerprint in named:
        if not reading.is_fingerprint(fingerprint):
            raise InvalidArgument(f"fault {shown(fingerprint, 80)} is not accepted: no fingerprint looks like that")
    return named


def count_letters(reader: Reader, faults: Sequence[Named], span: Span) -> Mapping[Named, int]:
    """One round trip."""
    keys = {queue: reader.client.queue(queue).dead_by_fault for queue, _ in faults}
    commands = [("ZLEXCOUNT", keys[queue], span.first(name), span.last(name)) for queue, name in faults]
    return dict(zip(faults, _read(reader, commands), strict=True))


def ends_of(reader: Reader, fault: Named, span: Span) -> tuple[int, int | None, int | None]:
    """How many letters there are, when the first died, and when the last. One round trip."""
    queue, name = fault
    key = reader.client.queue(queue).dead_by_fault
    first, last = span.first(name), span.last(name)
    count, oldest, newest = _read(
        reader,
        [
            ("ZLEXCOUNT", key, first, last),
            ("ZRANGEBYLEX", key, first, last, "LIMIT", 0, 1),
            ("ZREVRANGEBYLEX", key, last, first, "LIMIT", 0, 1),
        ],
    )
    times = [decoding.number(found[0].split(b":")[1]) if found else None for found in (oldest, newest)]
    return count, times[0], times[1]


def letters_page(reader: Reader, faults: Sequence[Named], span: Span, position: Position | None, limit: int) -> Page:
    """Three round trips: a look at each fault's next letter finds those that can have a part in this page."""
    counts = count_letters(reader, faults, span)
    present = [fault for fault in faults if counts[fault]]
    heads = _next_letters(reader, present, span, position, 1)
    nearest = sorted(heads, key=lambda letter: letter.order, reverse=True)[: limit + 1]
    found = _next_letters(reader, [(head.queue, head.fingerprint) for head in nearest], span, position, limit + 1)
    letters = sorted(found, key=lambda letter: letter.order, reverse=True)[: limit + 1]
    older = None
    if len(letters) > limit:
        last = letters[limit - 1]
        member = b"%b:%013d:%b" % (last.fingerprint.encode(), last.died_at, last.task_id)
        older = str(Position("after", b"%d" % last.died_at, last.queue, member))
    rows = _rows(reader, letters[:limit])
    return Page(tuple(rows), sum(counts.values()), older)


def _next_letters(
    reader: Reader, faults: Sequence[Named], span: Span, position: Position | None, limit: int
) -> list[_Letter]:
    """The newest of each fault behind the position."""
    commands = []
    for queue, name in faults:
        key, last = reader.client.queue(queue).dead_by_fault, _last(queue, name, span, position)
        commands.append(("ZREVRANGEBYLEX", key, last, span.first(name), "LIMIT", 0, limit))
    found = []
    for (queue, name), members in zip(faults, _read(reader, commands), strict=True):
        for member in members:
            before, _, task_id = member.rpartition(b":")
            found.append(_Letter(decoding.number(before.rpartition(b":")[2]), queue, name, task_id))
    return found


def _last(queue: str, fingerprint: str, span: Span, position: Position | None) -> bytes:
    """Where a fault's letters behind the position begin, as one that ends a range."""
    last = span.last(fingerprint)
    if position is None:
        return last
    died_at = decoding.number(position.score)
    there, name = (position.queue, position.member.partition(b":")[0].decode("ascii", "replace")), fingerprint.encode()
    if (queue, fingerprint) == there:
        behind = b"(" + position.member
    elif (queue, fingerprint) < there:
        behind = b"[%b:%013d:\xff" % (name, died_at)
    else:
        behind = b"(%b:%013d" % (name, died_at)
    return min(last, behind, key=lambda end: end[1:])


def _rows(reader: Reader, letters: Sequence[_Letter]) -> list[TaskSummary]:
    """What is no letter any more is left out."""
    ids: dict[str, list[bytes]] = {}
    for letter in letters:
        ids.setdefault(letter.queue, []).append(letter.task_id)
    if not ids:
        return []
    answers, _ = reader.ask([reading.describe(reader.client.queue(queue), some) for queue, some in ids.items()])
    found = {queue: answer for queue, answer in zip(ids, answers, strict=True) if not isinstance(answer, TaskyardError)}
    rows = []
    for letter in letters:
        task = found.get(letter.queue, {}).get(letter.task_id)
        if task is not None and task.state is State.DEAD:
            rows.append(reading.summary(letter.queue, task))
    return rows


def _read(reader: Reader, commands: Sequence[Sequence[Argument]]) -> list[Any]:
    answers = reader.client.read(*commands) if commands else []
    for answer in answers:
        if isinstance(answer, Exception):
            raise connection.translate(answer, reader.client.url) from answer
    return answers
