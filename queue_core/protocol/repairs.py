"""What checks and repairs a queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from queue_core import scripts
from queue_core.keys import QueueKeys
from queue_core.protocol.call import Call, text
from queue_core.protocol.operations import KEPT_MS

OutOfOrder = tuple[str, str, str]
"""What is not in order, what is wrong with it, what was done or is to be done; "" where nothing can be done."""


def examine(
    queue: QueueKeys, walk: str, cursor: str, count: int, ids: Sequence[str] = ()
) -> Call[tuple[str, list[tuple[str, str]]]]:
    """One slice of a walk over a queue. Shape: next cursor (`0`: that was all), and for each id where it stands, in the
    letters of examine.lua. `walk`: a place, or `ids`. Source: examine.lua."""

    def read(answer: list[Any]) -> tuple[str, list[tuple[str, str]]]:
        found = [(text(answer[i]), text(answer[i + 1])) for i in range(1, len(answer), 3)]
        return text(answer[0]), found

    return Call(scripts.load("examine"), queue, (walk, cursor, count, *ids), read, has_session=False)


def repair(queue: QueueKeys, task_id: str, *, only_look: bool = False) -> Call[str]:
    """One id is put in order. Shape: what was done, or with `only_look` is to be done, in words; empty where nothing is
    wrong. Source: repair.lua."""
    return Call(scripts.load("repair"), queue, (task_id, "" if only_look else "1"), text)


def recount(queue: QueueKeys, *, only_look: bool = False) -> Call[list[tuple[str, str, str]]]:
    """The faults count their tasks again. Shape: counter, what it says, what it is to say, of each that is wrong.
    Source: recount.lua."""

    return Call(scripts.load("recount"), queue, ("" if only_look else "1",), _read_out_of_order)


def reclaim(queue: QueueKeys, unique_keys: Sequence[bytes], *, only_look: bool = False) -> Call[list[OutOfOrder]]:
    """Unique keys that nobody gives back any more are free. Shape: those of these that are not in order.
    Source: reclaim.lua."""
    arguments = ("" if only_look else "1", *unique_keys)
    return Call(scripts.load("reclaim"), queue, arguments, _read_out_of_order)


def relist(queue: QueueKeys, operation_ids: Sequence[str], *, only_look: bool = False) -> Call[list[OutOfOrder]]:
    """Operations that are there are listed, those that are gone are forgotten. Shape: those of these that are not in
    order. Source: relist.lua."""
    arguments = ("" if only_look else "1", KEPT_MS, *operation_ids)
    keys = [queue.operation(operation_id) for operation_id in operation_ids]
    return Call(scripts.load("relist"), queue, arguments, _read_out_of_order, keys)


def _read_out_of_order(answer: list[Any]) -> list[OutOfOrder]:
    return [(text(answer[i]), text(answer[i + 1]), text(answer[i + 2])) for i in range(0, len(answer), 3)]


def balance(queue: QueueKeys) -> Call[int]:
    """The books balance again. Shape: tasks entered under `repaired`; negative: tasks that are gone.
    Source: balance.lua."""
    return Call(scripts.load("balance"), queue, (), int)
