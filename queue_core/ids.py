"""Task ids: UUIDv7 in 22 base62 characters. Made by the client, sortable by time, safe in URLs, readable.

Source: RFC 9562, section 5.7: 48 bits of Unix milliseconds, version, 12 random bits, variant, 62 random bits.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from itertools import count

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""In the order of ASCII, so that ids sort as their numbers do."""

ID_LENGTH = 22
EPOCH_MS = 1_577_836_800_000
"""2020-01-01T00:00:00Z: ready times inside of Redis count from here, so that they fit into 7 characters."""

_PAIRS = [a + b for a in ALPHABET for b in ALPHABET]
_VALUES = {character: value for value, character in enumerate(ALPHABET)}
_VERSION_AND_VARIANT = (7 << 76) | (2 << 62)
_RANDOM_BITS = ((1 << 12) - 1) << 64 | ((1 << 62) - 1)
_HALF, _PAIR, _TAIL = 62**10, 62**2, 62**4
_TASK_ID = re.compile(r"[A-Za-z0-9_-]{1,128}\Z")


def new_id(now_ms: int | None = None) -> str:
    """A fresh id. The first of a millisecond takes 74 random bits and about 2 µs; those that follow count on from there
    (RFC 9562, section 6.2) and take a quarter of that: a process's ids sort in the order of their making."""
    ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    made_ms, head, numbers = _series
    if ms == made_ms and now_ms is None:
        number = next(numbers)  # atomic: threads and signal handlers may share a series
        if number < _TAIL:
            p9, p10 = divmod(number, _PAIR)
            return head + _PAIRS[p9] + _PAIRS[p10]
    head, first = _begin_series(ms)
    if now_ms is None:
        _start(ms, head, first + 1)
    p9, p10 = divmod(first, _PAIR)
    return head + _PAIRS[p9] + _PAIRS[p10]


def _begin_series(ms: int) -> tuple[str, int]:
    """The first 18 characters of a fresh id, and the number that the last 4 stand for."""
    number = (ms << 80) | _VERSION_AND_VARIANT | (int.from_bytes(os.urandom(10), "big") & _RANDOM_BITS)
    high, low = divmod(number, _HALF)
    pairs = _PAIRS
    high, p5 = divmod(high, _PAIR)
    high, p4 = divmod(high, _PAIR)
    high, p3 = divmod(high, _PAIR)
    high, p2 = divmod(high, _PAIR)
    p0, p1 = divmod(high, _PAIR)
    low, first = divmod(low, _TAIL)
    low, p8 = divmod(low, _PAIR)
    p6, p7 = divmod(low, _PAIR)
    head = pairs[p0] + pairs[p1] + pairs[p2] + pairs[p3] + pairs[p4] + pairs[p5] + pairs[p6] + pairs[p7] + pairs[p8]
    return head, first


_series: tuple[int, str, Iterator[int]] = (-1, "", count())
"""The millisecond of the last ids, their first 18 characters, and what the last 4 of the next ones stand for."""


def _start(ms: int, head: str, first: int) -> None:
    global _series
    _series = (ms, head, count(first))


os.register_at_fork(after_in_child=lambda: _start(-1, "", 0))  # else both would count on in the same series


def is_task_id(text: object) -> bool:
    """Whether `text` may be the id of a task, ours or one that a user chose."""
    return isinstance(text, str) and _TASK_ID.match(text) is not None


def is_timed(task_id: str) -> bool:
    """Whether the id has the form of ours, so that its first characters are a time."""
    return len(task_id) == ID_LENGTH and task_id.isascii() and task_id.isalnum()


def id_time_ms(task_id: str) -> int | None:
    """Unix milliseconds at which an id was made, by its maker's clock; `None` for an id that a user chose."""
    if not is_timed(task_id):
        return None
    number = 0
    for character in task_id:
        number = number * 62 + _VALUES[character]
    ms = number >> 80
    return ms if ms < 1 << 48 else None


def encode_time(ms: int) -> str:
    """A ready time as it stands behind an id in `ready`: milliseconds since `EPOCH_MS` in 7 base62 digits."""
    left, digits = max(0, min(ms - EPOCH_MS, 62**7 - 1)), ""
    for _ in range(7):
        left, digit = divmod(left, 62)
        digits = ALPHABET[digit] + digits
    return digits


def decode_time(digits: str) -> int:
    """The reverse of `encode_time`. Raises `KeyError` when a character is no digit."""
    number = 0
    for character in digits:
        number = number * 62 + _VALUES[character]
    return number + EPOCH_MS


def read_ready_element(element: str) -> tuple[str, int | None]:
    """Split an element of `ready` into its id and its ready time, which is the id's own unless it carries one."""
    if element.startswith(":"):
        return element[1:-7], decode_time(element[-7:])
    if len(element) == ID_LENGTH:
        return element, id_time_ms(element)
    return element[:-7], decode_time(element[-7:])
