"""What was read and still holds, so that it need not be read again."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

LOOK_AGAIN_SECONDS = 30.0
"""Also what says that it has not changed is read again after so long at most: somebody may have damaged it by hand."""


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    mark: object
    value: T
    read_at: float
    """By the monotonic clock."""


class Kept(Generic[T]):
    """By name: what was read, and a mark that is another one as soon as it has changed. Threads may share one: each
    entry is put and taken whole. `clock` counts seconds and never goes back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: dict[str, _Entry[T]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def names(self) -> tuple[str, ...]:
        return tuple(self._entries)

    def get(self, name: str, mark: object) -> T | None:
        """What was read of it; `None` where it has another mark now, or is to be looked at again all the same."""
        entry = self._entries.get(name)
        if entry is None or mark is None or entry.mark != mark:
            return None
        return entry.value if self._clock() - entry.read_at < _seconds_of(name) else None

    def put(self, name: str, mark: object, value: T) -> T:
        """Without a mark nobody could tell how long it holds."""
        if mark is None:
            self._entries.pop(name, None)
        else:
            self._entries[name] = _Entry(mark, value, self._clock())
        return value

    def keep_only(self, names: Collection[str]) -> None:
        self._entries = {name: entry for name, entry in self._entries.items() if name in names}

    def clear(self) -> None:
        self._entries = {}


def _seconds_of(name: str) -> float:
    """What was read at once is not read again at once."""
    return LOOK_AGAIN_SECONDS * (0.5 + zlib.crc32(name.encode()) % 1024 / 2048)
