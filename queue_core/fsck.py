"""Checks a queue on a live server against what must always hold, in slices, and repairs what it finds.

Source: docs/architecture.md, "What holds always". A slice is read at one moment, the queue moves on between slices:
what looks wrong is looked at again, three times in all, and told only when it was wrong each time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from queue_core import connection, decoding, keys, protocol, timetable
from queue_core.client import Client
from queue_core.errors import UnreadableSchedule
from queue_core.inspector import Inspector, is_operation_id
from queue_core.protocol import Argument
from queue_core.protocol.repairs import OutOfOrder

T = TypeVar("T")
SLICE = 250
"""Ids in one call: about a millisecond of the server."""
SUSPECTS = 250
"""Ids that are put in order in one call: 35 ms of the server where all stand in the midst of a list of a million."""
LOOKS = 3

WALKS = (
    "ready", "removed", "prioritized", "scheduled", "retrying", "leases", "running", "held", "blocked", "dead",
    "dead_by_fault", "trash", "trashed", "cancelling", "expiring", "history", "tasks",
)  # fmt: skip
"""`tasks` last: what was seen in the list by then is not nowhere."""

_PLACES = {
    "P": "prioritized", "S": "scheduled", "R": "retrying", "L": "leases", "H": "held", "B": "blocked", "D": "dead",
    "X": "trash",
}  # fmt: skip
_BESIDES = {"U": "running", "Y": "trashed", "C": "cancelling", "E": "expiring", "N": "history"}


@dataclass(frozen=True, slots=True)
class Breach:
    """Something that must not be. `task_id`: empty where it is the queue's counters. `repaired`: what was done."""

    queue: str
    task_id: str
    what: str
    repaired: str = ""


@dataclass(slots=True)
class _Seen:
    """What a check has met so far."""

    last: bytes = b""
    """The last element of `ready`: it is walked backwards from there."""
    in_list: dict[str, int] = field(default_factory=dict)
    """id → how many elements before the last its own was met."""
    again: dict[str, list[int]] = field(default_factory=dict)
    """The same of further elements of an id."""
    foreign: dict[str, list[tuple[str, Argument]]] = field(default_factory=dict)
    """id → place's letter and member, of `held` and `dead_by_fault`, that are not its own."""
    suspects: dict[str, str] = field(default_factory=dict)

    def meet(self, task_id: str, position: int) -> None:
        if self.in_list.setdefault(task_id, position) != position:
            self.again.setdefault(task_id, []).append(position)

    def positions(self, task_id: str) -> list[int]:
        return [self.in_list[task_id], *self.again.get(task_id, ())] if task_id in self.in_list else []

    def met(self, task_id: str) -> list[tuple[str, Argument]]:
        """Where it was met, as `protocol.repair` wants it."""
        return [*self.foreign.get(task_id, ()), *(("Q", position) for position in self.positions(task_id))]


def check(
    client: Client,
    queue: str,
    *,
    repair: bool = False,
    on_progress: Callable[[str, int], None] = lambda walk, count: None,
) -> Iterator[Breach]:
    """Every breach in one queue. `on_progress`: what is being walked, how many ids so far.

    With `repair`, each id is put in order, by a script that looks again first. Raises `UnknownQueue`, `CorruptQueue`.
    """
    suspects: Collection[str] | None = None
    for _ in range(LOOKS):
        seen = _walk(client, queue, on_progress, suspects)
        suspects = seen.suspects
        if not suspects:
            break
    yield from _settle(client, queue, seen, repair)
    yield from _check_unique(client, queue, repair)
    yield from _check_operations(client, queue, repair)
    yield from _check_occurrences(client, queue, repair)
    yield from _check_faults(client, queue, repair)
    yield from _check_books(client, queue, repair)


def _settle(client: Client, queue: str, seen: _Seen, repair: bool) -> Iterator[Breach]:
    """Where suspects stand was seen at several moments: this looks at all of it in one.

    Those at the list's head come first: what leaves it there moves none of the others, which are found from its end.
    """
    order = sorted(seen.suspects, key=lambda task_id: (task_id in seen.again, -max(seen.positions(task_id), default=0)))
    for some in _slices(order, SUSPECTS):
        about = {task_id: seen.met(task_id) for task_id in some}
        found = client.run(protocol.repair(client.queue(queue), about, seen.last, only_look=not repair))
        for task_id, done in found.items():
            yield Breach(queue, task_id, seen.suspects[task_id], done if repair else "")


def judge(letters: str, seen_in_list: int) -> str:
    """What is wrong with an id that stands where the letters say (scripts/examine.lua); empty when nothing is."""
    places = [name for letter, name in _PLACES.items() for _ in range(letters.count(letter))]
    places += ["held"] * letters.count("h")
    if seen_in_list and "M" not in letters:
        places.append("ready")
    if "T" not in letters:
        rest = [name for letter, name in _BESIDES.items() if letter in letters]
        found = places + rest + (["dead_by_fault"] if "f" in letters else [])
        return f"is no task and stands in {', '.join(found)}" if found else ""
    if len(places) > 1:
        return f"stands in {' and '.join(places)}"
    if not places:
        return "is a task and stands nowhere"
    if seen_in_list > 1:
        return "stands in the list more than once"
    if "M" in letters and not seen_in_list:
        return "is struck out of the list and is not in it"
    if ("L" in letters) != ("U" in letters):
        return "has a lease and no claim" if "L" in letters else "has a claim and no lease"
    if "C" in letters and "L" not in letters:
        return "was asked to stop and does not run"
    if "E" in letters and "D" in letters:
        return "is dead and can expire"
    if ("X" in letters) != ("Y" in letters):
        return "is in the trash without its origin" if "X" in letters else "has an origin and is not in the trash"
    if "D" in letters and "F" not in letters:
        return "is a dead letter of no fault"
    if "f" in letters:
        return f"is a letter of a fault {'that is not its own' if 'D' in letters else 'and not dead'}"
    return ""


def _walk(
    client: Client, queue: str, on_progress: Callable[[str, int], None], only: Collection[str] | None = None
) -> _Seen:
    """One look at everything. Ids that look wrong in a slice are suspects; `only`: no others than these are."""
    seen = _Seen()
    doubtful: dict[str, None] = {}
    for walk in WALKS:
        cursor, count = "0", 0
        while True:
            call = protocol.examine(client.queue(queue), walk, cursor, SLICE, last=seen.last)
            cursor, found = client.run(call)
            for position, (task_id, letters, member) in enumerate(found, count):
                if walk == "ready":
                    seen.last = seen.last or member
                    seen.meet(task_id, position)
                elif member:
                    seen.foreign.setdefault(task_id, []).append((letters[-1], member))
                if judge(letters, len(seen.positions(task_id))) and (only is None or task_id in only):
                    doubtful[task_id] = None
            count += len(found)
            on_progress(walk, count)
            if cursor == "0":
                break
    # The queue has moved on since some of these were met: as they stand now, in one moment each.
    for ids in _slices(doubtful, SLICE):
        _, found = client.run(protocol.examine(client.queue(queue), "ids", "0", SLICE, ids))
        for task_id, letters, _ in found:
            letters += "".join(letter for letter, _ in seen.foreign.get(task_id, ()))
            if what := judge(letters, len(seen.positions(task_id))):
                seen.suspects[task_id] = what
    return seen


def _slices(items: Iterable[T], size: int) -> Iterator[list[T]]:
    waiting = list(items)
    for start in range(0, len(waiting), size):
        yield waiting[start : start + size]


def _check_unique(client: Client, queue: str, repair: bool) -> Iterator[Breach]:
    """Each slice of keys is looked at in one moment, so one look tells; and so below."""
    keys = client.queue(queue)
    names = {*_members(client, "HSCAN", keys.unique), *_members(client, "ZSCAN", keys.unique_expiring)}
    for some in _slices(names, SLICE):
        found = client.run(protocol.reclaim(keys, some, only_look=not repair))
        yield from _told(queue, "unique key", found, repair)


def _check_operations(client: Client, queue: str, repair: bool) -> Iterator[Breach]:
    """Those that are listed, or left outcomes. (One that is neither cannot be found without a scan of the server.)"""
    keys = client.queue(queue)
    counted = (field.rpartition(b":")[0] for field in _members(client, "HSCAN", keys.outcomes))
    names = {decoding.text(name) for name in (*_members(client, "ZSCAN", keys.operations), *counted)}
    for some in _slices(filter(is_operation_id, names), SLICE):
        found = client.run(protocol.relist(keys, some, only_look=not repair))
        yield from _told(queue, "operation", found, repair)


def _check_occurrences(client: Client, queue: str, repair: bool) -> Iterator[Breach]:
    """What is noted of a schedule that is gone, or enqueues elsewhere by now, as where it went while a scheduler was at
    it. Notes are read before schedules: one that has come meanwhile is none of these."""
    known = client.queue(queue)
    names = set(_members(client, "HSCAN", known.occurrences))
    if not names:
        return
    directory = keys.schedules(client.namespace)
    for some in _slices(sorted(names), SLICE):
        (stored,) = connection.checked(client.read(("HMGET", directory, *some)), client.url)
        for name, data in zip(some, stored, strict=True):
            if data is None or _queue_of(decoding.text(name), data) not in (queue, ""):
                if repair:
                    client.read(("HDEL", known.occurrences, name))
                shown = decoding.line(decoding.text(name), 128)
                done = "dropped" if repair else ""
                yield Breach(queue, "", f"an occurrence is noted of {shown}, which is no schedule of it", done)


def _queue_of(name: str, data: bytes) -> str:
    """Empty: what is stored cannot be read, and may be of any."""
    try:
        return timetable.read(name, data).queue
    except UnreadableSchedule:
        return ""


def _told(queue: str, about: str, found: Iterable[OutOfOrder], repair: bool) -> Iterator[Breach]:
    for name, what, done in found:
        yield Breach(queue, "", f"{about} {name} {what}", done if repair else "")


def _members(client: Client, command: str, key: str) -> Iterator[bytes]:
    """Of a hash or a sorted set, slice by slice."""
    cursor: Any = 0
    while True:
        (answer,) = connection.checked(client.read((command, key, cursor, "COUNT", SLICE)), client.url)
        cursor, found = answer
        yield from (member if isinstance(member, bytes) else member[0] for member in found)
        if not cursor:
            return


def _check_faults(client: Client, queue: str, repair: bool) -> Iterator[Breach]:
    """All is counted at one moment, so one look tells."""
    for counter, says, counted in client.run(protocol.recount(client.queue(queue), only_look=not repair)):
        fault, _, what = counter.rpartition(":")
        about = {"retrying": "wait for a retry", "trashed": "lie in the trash"}[what]
        done = f"it says {counted}" if repair else ""
        yield Breach(queue, "", f"fault {fault} says that {says} of its tasks {about}, and it is {counted}", done)


def _check_books(client: Client, queue: str, repair: bool) -> Iterator[Breach]:
    """Counters and places are read at one moment, so one look tells."""
    snapshot = Inspector(client=client).queue(queue)
    if snapshot.counts.total != snapshot.books.tasks:
        yield Breach(queue, "", f"{snapshot.counts.total} tasks have a place and {snapshot.books.tasks} are there")
    if snapshot.books.difference:
        done = ""
        if repair:
            entered = client.run(protocol.balance(client.queue(queue)))
            done = f"{entered:+d} under repaired" if entered else ""
        what = f"{abs(snapshot.books.difference)} tasks more " + (
            "came in than left or are there" if snapshot.books.difference > 0 else "left or are there than came in"
        )
        yield Breach(queue, "", what, done)
