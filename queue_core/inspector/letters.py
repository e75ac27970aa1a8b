"""Dead letters of some faults that died within a range of time: counted, and listed by when they died."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from queue_core import connection, decoding, reading
from queue_core.errors import InvalidArgument, TaskyardError, shown
from queue_core.inspector.reader import Reader
from queue_core.protocol import Argument
from queue_core.reading import Position
from queue_core.snapshot import Fault, Page, State, TaskSummary

MAX_CHOSEN = 20_000
"""Faults. Each is asked once for how many letters it has, and once for its newest."""
_LAST_MS = 10**13 - 1

Named = tuple[str, str]
"""A queue, and the fingerprint of a fault of it."""
Chosen = dict[Named, Fault | None]
"""Faults, and what is known of them."""


@dataclass(frozen=True, slots=True)
class Span:
    """When they died, ms, both included; `None`: whenever."""

    since: int | None = None
    until: int | None = None

    def known_of(self, fault: Fault | None) -> int | None:
        """How many letters of a fault are within it; `None`: the server is to be asked. After it was last seen none has
        died."""
        if fault is None or not fault.last_seen_at:
            return None
        if self.since is None:
            return fault.dead if self.until is None or self.until >= fault.last_seen_at else None
        return 0 if self.since > fault.last_seen_at else None

    def first(self, fingerprint: str) -> str:
        return f"[{fingerprint}:{self.since or 0:013}"

    def last(self, fingerprint: str) -> bytes:
        return b"[%b:%013d:\xff" % (fingerprint.encode(), _LAST_MS if self.until is None else self.until)


LETTERS = "letters"
"""What a cursor of theirs is of, whichever faults are chosen."""


@dataclass(frozen=True, slots=True)
class _Letter:
    """Sorted, the oldest is the first; of the same time by queue, fault and id."""

    died_at: int
    queue: str
    fingerprint: str
    task_id: bytes

    @property
    def order(self) -> tuple[int, str, str, bytes]:
        return self.died_at, self.queue, self.fingerprint, self.task_id

    @property
    def fault(self) -> Named:
        return self.queue, self.fingerprint


def check_faults(faults: Iterable[Named | Fault]) -> Chosen:
    """Each once. Raises `InvalidArgument`."""
    chosen: Chosen = {}
    for fault in faults:
        if isinstance(fault, Fault):
            chosen[fault.queue, fault.fingerprint] = fault
        else:
            chosen.setdefault(fault, None)
    if len(chosen) > MAX_CHOSEN:
        raise InvalidArgument(f"{len(chosen):,} faults are not accepted: at most {MAX_CHOSEN:,}")
    for _, fingerprint in chosen:
        if not reading.is_fingerprint(fingerprint):
            raise InvalidArgument(f"fault {shown(fingerprint, 80)} is not accepted: no fingerprint looks like that")
    return chosen


def count_letters(reader: Reader, faults: Chosen, span: Span) -> Mapping[Named, int]:
    """One round trip, where what is known of the faults does not tell."""
    keys = {queue: reader.client.queue(queue).dead_by_fault for queue, _ in faults}
    known = {named: span.known_of(fault) for named, fault in faults.items()}
    asked = [named for named, count in known.items() if count is None]
    commands = [("ZLEXCOUNT", keys[queue], span.first(name), span.last(name)) for queue, name in asked]
    counted = dict(zip(asked, _read(reader, commands), strict=True))
    return {named: counted[named] if count is None else count for named, count in known.items()}


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


@dataclass(frozen=True, slots=True)
class Walk:
    """Where a page begins, and which way it goes."""

    span: Span
    position: Position | None
    oldest_first: bool

    def next_of(self, letters: Iterable[_Letter], most: int) -> list[_Letter]:
        return sorted(letters, key=lambda letter: letter.order, reverse=not self.oldest_first)[:most]

    def command(self, key: str, fault: Named, limit: int) -> Sequence[Argument]:
        """The next letters of a fault."""
        first: bytes = self.span.first(fault[1]).encode()
        last = self.span.last(fault[1])
        if self.oldest_first:
            return "ZRANGEBYLEX", key, max(first, self._behind(fault) or first, key=_member), last, "LIMIT", 0, limit
        return "ZREVRANGEBYLEX", key, min(last, self._behind(fault) or last, key=_member), first, "LIMIT", 0, limit

    def _behind(self, fault: Named) -> bytes | None:
        """Where a fault's letters behind the position begin, as the end of a range: of the same time those that the
        order of the letters puts there."""
        if self.position is None:
            return None
        there = self.position.queue, self.position.member.partition(b":")[0].decode("ascii", "replace")
        if fault == there:
            return b"(" + self.position.member
        at = b"%b:%013d" % (fault[1].encode(), decoding.number(self.position.score))
        is_behind = (fault > there) if self.oldest_first else (fault < there)
        if self.oldest_first:
            return b"[" + at if is_behind else b"(" + at + b":\xff"
        return b"[" + at + b":\xff" if is_behind else b"(" + at


def _member(end: bytes) -> bytes:
    """Of the end of a range."""
    return end[1:]


def letters_page(
    reader: Reader, faults: Chosen, span: Span, position: Position | None, limit: int, *, oldest_first: bool = False
) -> Page:
    """Four round trips: a look at each fault's next letter finds those that can have a part in this page. Faults of
    which it is known when they were last seen are looked at in that order, some at once, as far as it is needed; the
    oldest of each is known of none, so for these all are looked at."""
    walk = Walk(span, position, oldest_first)
    counts = count_letters(reader, faults, span)
    present = sorted(
        (named for named in faults if counts[named]), key=lambda named: _newest(faults[named], named), reverse=True
    )
    looked: dict[Named, list[_Letter]] = {}
    heads: list[_Letter] = []
    while present and not (len(heads) > limit and heads[-1].order > _newest(faults[present[0]], present[0])):
        some = sum(oldest_first or _last_seen_at(faults[named]) == math.inf for named in present) or limit + 1
        looked |= _next_letters(reader, present[:some], walk, 2)
        heads = walk.next_of((letters[0] for letters in looked.values() if letters), limit + 1)
        present = present[some:]
    several = [head.fault for head in heads if len(looked[head.fault]) > 1]
    looked |= _next_letters(reader, several, walk, limit + 1)
    letters = walk.next_of((letter for head in heads for letter in looked[head.fault]), limit + 1)
    older = None
    if len(letters) > limit:
        last = letters[limit - 1]
        member = b"%b:%013d:%b" % (last.fingerprint.encode(), last.died_at, last.task_id)
        older = str(Position(LETTERS, "after", b"%d" % last.died_at, last.queue, member))
    rows = _rows(reader, letters[:limit])
    return Page(tuple(rows), sum(counts.values()), older)


def _newest(fault: Fault | None, named: Named) -> tuple[float, str, str, bytes]:
    """What `_Letter.order` of its newest letter is at most, beside those of other faults."""
    return _last_seen_at(fault), *named, b""


def _last_seen_at(fault: Fault | None) -> float:
    """None of its letters died later; infinite where that is not known."""
    return fault.last_seen_at if fault and fault.last_seen_at else math.inf


def _next_letters(reader: Reader, faults: Sequence[Named], walk: Walk, limit: int) -> dict[Named, list[_Letter]]:
    """The next of each fault behind the position."""
    commands = [walk.command(reader.client.queue(fault[0]).dead_by_fault, fault, limit) for fault in faults]
    found: dict[Named, list[_Letter]] = {}
    for (queue, name), members in zip(faults, _read(reader, commands), strict=True):
        letters = found[queue, name] = []
        for member in members:
            before, _, task_id = member.rpartition(b":")
            letters.append(_Letter(decoding.number(before.rpartition(b":")[2]), queue, name, task_id))
    return found


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
