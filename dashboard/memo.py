"""What was made of texts, for as long as there is room: bounded by how many there are and by their bytes."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Memo(Generic[T]):
    """Forgets what was not asked for the longest. `size`: the bytes of one, with what it was made of. Threads may
    share one; two that ask for the same at once may both make it."""

    def __init__(self, make: Callable[..., T], size: Callable[..., int], *, most: int, most_bytes: int) -> None:
        self._make, self._size, self._most, self._most_bytes = make, size, most, most_bytes
        self._made: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self._lock = threading.Lock()
        self.bytes = 0

    def __call__(self, *key: Hashable) -> T:
        with self._lock:
            if found := self._made.get(key):
                self._made.move_to_end(key)
                return found[0]
        made = self._make(*key)
        self._keep(key, made, self._size(made, *key))
        return made

    def __len__(self) -> int:
        return len(self._made)

    def _keep(self, key: Hashable, made: T, size: int) -> None:
        if size > self._most_bytes:
            return
        with self._lock:
            if key in self._made:
                return
            self._made[key] = made, size
            self.bytes += size
            while self.bytes > self._most_bytes or len(self._made) > self._most:
                self.bytes -= self._made.popitem(last=False)[1][1]


def bytes_of(*texts: str) -> int:
    return sum(map(sys.getsizeof, texts))
