"""What was counted in a queue."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import msgspec

from queue_core.decoding.values import LAST_MOMENT_MS, line, moment, number, text
from queue_core.histogram import BUCKETS, Histogram
from queue_core.snapshot import COUNTERS, AttemptsMinute, Figures, NameAttempts

MINUTE_MS = 60_000

_PACKED = msgspec.msgpack.Decoder(tuple[list[int], list[int], list[int]])
"""As the scripts pack figures: a page of many queues reads thousands."""


def figures(packed: bytes | None) -> Figures | None:
    """What was counted, as lib/count.lua packs it; `None` for what cannot be read."""
    try:
        counters, wait, run = _PACKED.decode(packed or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        parts = _unpacked(packed)
        return None if parts is None else _figures_of(parts)
    return Figures.of(counters, Histogram.of(wait[:BUCKETS]), Histogram.of(run[:BUCKETS]))


def figures_by_name(packed: bytes | None) -> dict[str, Figures]:
    """What was counted of task names in one hour, as lib/names.lua packs it."""
    parts = _unpacked(packed) or []
    pairs = zip(parts[::2], parts[1::2], strict=False)
    return {line(name, 128): _figures_of(found) for name, found in pairs if isinstance(name, str)}


def figures_of_names(fields: Sequence[bytes]) -> dict[str, Figures]:
    """What was counted of task names in the running hour: `:name` → figures, `counter:name` → how many."""
    found: dict[str, Figures] = {}
    for field, value in zip(fields[::2], fields[1::2], strict=True):
        counter, _, name = text(field).partition(":")
        more = (figures(value) or Figures()) if not counter else None
        if counter in COUNTERS:
            more = Figures.of([0] * COUNTERS.index(counter) + [number(value)])
        if more:
            found[line(name, 128)] = found.get(line(name, 128), Figures()) + more
    return found


def attempts_of_names(fields: Sequence[bytes]) -> dict[str, NameAttempts]:
    """Task name, attempts, name, attempts …"""
    found = {line(text(name), 128): attempts(told) for name, told in zip(fields[::2], fields[1::2], strict=True)}
    return {name: one for name, one in found.items() if one}


def attempts(data: bytes | None) -> NameAttempts | None:
    """The newest attempts of a task name, as lib/attempts.lua writes them; `None` for what cannot be read."""
    last, *rest = [number(part, -1) for part in (data or b"").split()] or [-1]
    if len(rest) < 3 or min(last, *rest) < 0 or rest[0] * MINUTE_MS > LAST_MOMENT_MS:
        return None
    minutes = accumulate(rest[3::3], lambda minute, gap: minute - gap, initial=rest[0])
    counted = zip(minutes, rest[1::3], rest[2::3], strict=False)
    return NameAttempts(
        tuple(AttemptsMinute(minute * MINUTE_MS, *counts) for minute, *counts in counted if minute >= 0),
        moment(last),
    )


def _unpacked(packed: bytes | None) -> list[Any] | None:
    try:
        found = msgspec.msgpack.decode(packed or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, list) else None


def _figures_of(parts: object) -> Figures:
    found = [*parts, None, None, None] if isinstance(parts, list) else [None] * 3
    counters, wait, run = (part if isinstance(part, list) else [] for part in found[:3])
    return _figures(counters, wait, run)


def figures_of_books(values: Sequence[bytes | None]) -> Figures:
    """The books themselves: each counter, then the two histograms, as their counts with spaces between."""
    *counters, wait, run = values
    return _figures(counters, (wait or b"").split(), (run or b"").split())


def _figures(counters: Sequence[object], wait: Sequence[object], run: Sequence[object]) -> Figures:
    """One that is missing or unreadable is 0."""
    wait_counts, run_counts = (Histogram.of(map(number, part[:BUCKETS])) for part in (wait, run))
    return Figures.of(map(number, counters), wait_counts, run_counts)
