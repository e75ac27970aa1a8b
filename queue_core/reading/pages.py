"""A page of the tasks in one place, and where the next one begins."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from queue_core import decoding, scripts
from queue_core.errors import UnknownCursor, shown
from queue_core.keys import SENTINEL, QueueKeys
from queue_core.protocol import Argument, Call
from queue_core.reading.described import Claim
from queue_core.snapshot import State

MAX_RUNNING = 1_000
"""Running tasks that a list knows, for it sorts them itself."""
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
_SCORE = re.compile(rb"[-+]?(\d{1,20}(\.\d{1,20})?(e[-+]?\d{1,3})?|inf)\Z")


def id_of(member: bytes, separator: bytes) -> bytes:
    """The id in a member of a place: `lane/id`, `fingerprint:time:id`, or all of it where nothing separates it."""
    return member.rpartition(separator)[2] if separator else member


def list_name(state: State, queue: str | None = None, fingerprint: str = "") -> str:
    """What a cursor is of: a state, of a queue or of all, or the letters of one of its faults. Short, as cursors stand
    in addresses."""
    named = "/".join(part for part in (state.value, queue, fingerprint) if isinstance(part, str))
    return hashlib.blake2b(named.encode("utf-8", "replace"), digest_size=6).hexdigest()


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins or ends: beside the row with this score and member of this queue. Its text is the cursor."""

    of: str
    """Of which list: a cursor of another one would begin somewhere in this one."""
    side: str
    """`after` or `before`."""
    score: bytes
    queue: str = ""
    member: bytes = b""

    def __str__(self) -> str:
        parts = (self.of.encode(), self.side[0].encode(), self.score, self.queue.encode(), self.member)
        return base64.urlsafe_b64encode(b"\0".join(parts)).decode().rstrip("=")

    @classmethod
    def parse(cls, cursor: str | None, of: str) -> Position | None:
        """Raises `UnknownCursor`, also of one of another list."""
        if cursor is None:
            return None
        try:
            if not isinstance(cursor, str) or len(cursor) > 1_000:
                raise ValueError
            data = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            own, side, score, queue, member = data.split(b"\0", 4)
            if not _SCORE.match(score) or own != of.encode():
                raise ValueError
            return cls(of, {b"a": "after", b"b": "before"}[side], score, queue.decode("ascii"), member)
        except (ValueError, KeyError, binascii.Error) as error:
            raise UnknownCursor(f"cursor {shown(cursor, 80)} is not accepted: it is not one of a page's own") from error

    @property
    def order(self) -> float:
        return float(self.score)

    def member_for(self, queue: str, *, is_rising: bool = False) -> bytes:
        """Rows of the same time are in order of their queues' names: what stands for this position in one of them,
        within which they rise or fall."""
        if queue == self.queue:
            return self.member
        return HIGHEST_MEMBER if (queue > self.queue) is not is_rising else b""


@dataclass(frozen=True, slots=True)
class Listed:
    """A page's members. `skipped`: how many come before its first."""

    total: int
    skipped: int
    members: list[tuple[bytes, bytes]]
    """Member and score."""


def list_sorted(
    queue: QueueKeys,
    state: State,
    position: Position | None,
    limit: int,
    fingerprint: str = "",
    *,
    oldest_first: bool = False,
) -> Call[Listed]:
    """Members of a sorted place beside a position; of `dead`, those of one fault. Source: list_sorted.lua."""
    place, order = _PLACES[state]
    order = "rising" if oldest_first else order
    key, prefix = place(queue), ""
    if fingerprint:
        key, prefix = queue.dead_by_fault, f"{fingerprint}:"
    where: tuple[Argument, ...] = ("first", "0", "")
    if position:
        where = (position.side, position.score, position.member_for(queue.queue, is_rising=oldest_first))

    def read(answer: list[Any]) -> Listed:
        members = [(answer[i], answer[i + 1]) for i in range(3, len(answer), 2)]
        return Listed(int(answer[1]), int(answer[2]), members)

    return Call(scripts.load("list_sorted"), queue, (order, *where, limit, prefix), read, (key,), has_session=False)


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

    return Call(scripts.load("list_ready"), queue, (rank, limit), read, has_session=False)


def list_running(queue: QueueKeys) -> Call[tuple[int, list[tuple[int, bytes]]]]:
    """How many tasks run, and at most 1,000 with their start, longest running first. Source: list_running.lua."""

    def read(answer: list[Any]) -> tuple[int, list[tuple[int, bytes]]]:
        rows = [(Claim.parse(answer[i + 1]).at or 0, answer[i]) for i in range(2, len(answer), 2)]
        return int(answer[1]), sorted(rows)

    return Call(scripts.load("list_running"), queue, (SENTINEL, MAX_RUNNING + 1), read, has_session=False)
