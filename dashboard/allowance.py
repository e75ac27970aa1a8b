"""So many in so long, for each of many: attempts to sign in, entries in the audit stream. Counted in this process."""

from __future__ import annotations

import threading
from collections.abc import Hashable

MOST_KEYS = 20_000
"""Beyond it the oldest are forgotten: whoever makes up keys fills no memory."""


class Allowance:
    """At most `most` of each key in `seconds`, which begin with the first of them. Thread-safe; time is passed in."""

    def __init__(self, most: int, seconds: float, *, most_keys: int = MOST_KEYS) -> None:
        self._most, self._seconds, self._most_keys = most, seconds, most_keys
        self._lock = threading.Lock()
        self._counts: dict[Hashable, tuple[int, float]] = {}
        """Key → how many, and until when that counts; in the order of their beginning."""

    def take(self, key: Hashable, now: float) -> float:
        """One more. 0, or, where there were too many, how many seconds to wait: then it does not count."""
        with self._lock:
            count, ends = self._counts.get(key, (0, 0.0))
            if ends <= now or ends > now + self._seconds:  # over, or the clock was set back
                self._counts.pop(key, None)
                count, ends = 0, now + self._seconds
            if count >= self._most:
                return ends - now
            self._counts[key] = (count + 1, ends)
            self._forget(now)
            return 0.0

    def give_back(self, key: Hashable, *, all_of_it: bool = False) -> None:
        """One less, or none at all any more."""
        with self._lock:
            count, ends = self._counts.get(key, (0, 0.0))
            if count > 1 and not all_of_it:
                self._counts[key] = (count - 1, ends)
            else:
                self._counts.pop(key, None)

    def _forget(self, now: float) -> None:
        if len(self._counts) <= self._most_keys:
            return
        for key in [key for key, (_, ends) in self._counts.items() if ends <= now]:
            del self._counts[key]
        while len(self._counts) > self._most_keys:
            del self._counts[next(iter(self._counts))]
