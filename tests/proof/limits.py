"""What limits a queue, in the model: how many tasks it takes, how fast they come and go, what is kept of the dead."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from queue_core.errors import InvalidArgument, QueueFull, RateLimited, TaskyardError

GATHER_MS = 100
"""Tokens of a fast rate are worth coming back for when so many ms have brought some."""


@dataclass(frozen=True)
class Refused:
    """A batch of which no task has entered, and nothing is remembered. `facts`: limit and length of a full queue;
    seconds until the batch would enter."""

    why: type[TaskyardError]
    facts: tuple[float, ...] = ()


class Limits:
    """A rate is a bucket of tokens: `(count, period)` holds `count`, and all of them come back in `period` ms, evenly.
    The periods here are multiples of the counts."""

    def __init__(self) -> None:
        self.chosen: dict[str, Any] = {}
        """Name → number or rate; besides who has chosen last, and when."""
        self.full: dict[str, int] = {}
        """Rate → when its bucket is full again."""

    def change(self, changes: Mapping[str, Any], by: str, now: int) -> bool:
        if all(self.chosen.get(name, False) == value for name, value in changes.items()):
            return False
        chosen = {**self.chosen, **changes, "by": by, "at": now}
        self.chosen = {name: value for name, value in chosen.items() if value is not False}
        if self.chosen.keys() == {"by", "at"}:
            self.chosen = {}
        self.full = {name: at for name, at in self.full.items() if changes.get(name) is not False}
        return True

    def refusal_of(self, entering: int, length: int, now: int) -> Refused | None:
        """Why so many tasks may not enter a queue of that length."""
        most = self.chosen.get("max_length", math.inf)
        if entering and length + entering > most:
            return Refused(QueueFull, (most, length))
        if entering <= self.tokens("enqueue_rate", now):
            return None
        capacity, _ = self._rate("enqueue_rate")
        if entering > capacity:
            return Refused(InvalidArgument)
        return Refused(RateLimited, ((self._when("enqueue_rate", entering, now) - now) / 1000,))

    def tokens(self, rate: str, now: int) -> float:
        if rate not in self.chosen:
            return math.inf
        capacity, period = self._rate(rate)
        return capacity - math.ceil(self._missing_ms(rate, now) * capacity / period)

    def take(self, rate: str, count: int, now: int) -> None:
        if rate in self.chosen and count:
            capacity, period = self._rate(rate)
            self.full[rate] = now + self._missing_ms(rate, now) + count * period // capacity

    def next_token_ms(self, now: int) -> int | None:
        """When to come back for tokens to claim by; None while there are some."""
        if self.tokens("claim_rate", now):
            return None
        capacity, period = self._rate("claim_rate")
        gathered = min(capacity // 2, capacity * GATHER_MS // period)
        return self._when("claim_rate", max(1, gathered), now)

    def _missing_ms(self, rate: str, now: int) -> int:
        """Until the bucket is full. More than its period cannot be: the rate was another one."""
        _, period = self._rate(rate)
        missing = self.full.get(rate, 0) - now
        return missing if 0 < missing <= period else 0

    def _when(self, rate: str, count: int, now: int) -> int:
        """When the bucket will hold `count`."""
        capacity, period = self._rate(rate)
        return now + self._missing_ms(rate, now) - (capacity - count) * period // capacity

    def _rate(self, name: str) -> tuple[int, int]:
        count, period_ms = self.chosen[name]
        return count, period_ms
