"""What checks and repairs a queue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from queue_core import scripts
from queue_core.keys import QueueKeys
from queue_core.protocol.call import Argument, Call, pairs, text
from queue_core.protocol.operations import KEPT_MS

OutOfOrder = tuple[str, str, str]
"""What is not in order, what is wrong with it, what was done or is to be done; "" where nothing can be done."""


def examine(
    queue: QueueKeys, walk: str, cursor: str, count: int, ids: Sequence[str] = (), last: bytes = b""
) -> Call[tuple[str, list[tuple[str, str, bytes]]]]:
    """One slice of a walk over a queue. Shape: next cursor (`0`: that was all), and for each id where it stands, in the
    letters of examine.lua, and the member that is not its own, or of `ready` the element. `walk`: a place, or `ids`.
    `last`: the first element that a walk over `ready` has met. Source: examine.lua."""

    def read(answer: list[Any]) -> tuple[str, list[tuple[str, str, bytes]]]:
        found = [(text(answer[i]), text(answer[i + 1]), answer[i + 2]) for i in range(1, len(answer), 3)]
        return text(answer[0]), found

    more: Sequence[Argument] = (last,) if walk == "ready" else ids
    return Call(scripts.load("examine"), queue, (walk, cursor, count, *more), read, has_session=False)


def repair(
    queue: QueueKeys, suspects: Mapping[str, Iterable[tuple[str, Argument]]], last: bytes, *, only_look: bool = False
) -> Call[dict[str, str]]:
    """Ids are put in order. `suspects`: id → where it was met: `Q` and how many elements of the list before `last`, its
    last one when it was walked; `h` or `f` and a member of `held` or `dead_by_fault`. Shape: id → what was done, or
    with `only_look` is to be done, in words, of those with which something is wrong. Source: repair.lua."""
    arguments: list[Argument] = ["" if only_look else "1", last]
    for task_id, met in suspects.items():
        for place, member in (("", ""), *met):
            arguments += (task_id, place, member)
    return Call(scripts.load("repair"), queue, arguments, pairs)


def recount(queue: QueueKeys, *, only_look: bool = False) -> Call[list[tuple[str, str, str]]]:
    """The faults count their tasks again. Shape: counter, what it says, what it is to say, of each that is wrong.
    Source: recount.lua."""

    return Call(scripts.load("recount"), queue, ("" if only_look else "1",), _read_threes)


def reclaim(queue: QueueKeys, unique_keys: Sequence[bytes], *, only_look: bool = False) -> Call[list[OutOfOrder]]:
    """Unique keys that nobody gives back any more are free. Shape: those of these that are not in order.
    Source: reclaim.lua."""
    arguments = ("" if only_look else "1", *unique_keys)
    return Call(scripts.load("reclaim"), queue, arguments, _read_threes)


def relist(queue: QueueKeys, operation_ids: Sequence[str], *, only_look: bool = False) -> Call[list[OutOfOrder]]:
    """Operations that are there are listed, those that are gone are forgotten. Shape: those of these that are not in
    order. Source: relist.lua."""
    arguments = ("" if only_look else "1", KEPT_MS, *operation_ids)
    keys = [queue.operation(operation_id) for operation_id in operation_ids]
    return Call(scripts.load("relist"), queue, arguments, _read_threes, keys)


def _read_threes(answer: Sequence[Any]) -> list[tuple[str, str, str]]:
    return [(text(answer[i]), text(answer[i + 1]), text(answer[i + 2])) for i in range(0, len(answer), 3)]


def balance(queue: QueueKeys) -> Call[int]:
    """The books balance again. Shape: tasks entered under `repaired`; negative: tasks that are gone.
    Source: balance.lua."""
    return Call(scripts.load("balance"), queue, (), int)
