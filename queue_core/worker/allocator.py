"""Who may claim how many: hands free slots to the queues, by weight. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Mapping


class Allocator:
    """`slots` tasks may be held at once, over all queues. While several queues have tasks ready, each gets slots in
    proportion to its weight; a queue that has none leaves its share to the others.

    Stride scheduling: the hungry queue that has come least far gets the next slot, and comes 1 ÷ weight further.
    """

    def __init__(self, slots: int, weights: Mapping[str, int]) -> None:
        self.free = slots
        self._strides = {queue: 1.0 / weight for queue, weight in weights.items()}
        self._distances = dict.fromkeys(weights, 0.0)
        self._hungry: set[str] = set(weights)
        self._granted = dict.fromkeys(weights, 0)

    def is_hungry(self, queue: str) -> bool:
        return queue in self._hungry

    @property
    def is_anyone_hungry(self) -> bool:
        return bool(self._hungry)

    def set_hungry(self, queue: str, is_hungry: bool) -> None:
        """Whether the queue may have ready tasks. One that was idle starts beside the others, not ahead of them."""
        if is_hungry and queue not in self._hungry:
            others = [self._distances[other] for other in self._hungry]
            self._distances[queue] = max(self._distances[queue], min(others, default=0.0))
            self._hungry.add(queue)
        elif not is_hungry:
            self._hungry.discard(queue)
            self._take_back(queue)

    def grant(self, queue: str, most: int) -> int:
        """How many tasks `queue` may claim now, at most `most`. They count as held until `give_back`."""
        if self.free > 0 and len(self._hungry) == 1:  # hundreds of slots one by one are a millisecond
            (only,) = self._hungry
            self._give(only, self.free)
        while self.free > 0 and self._hungry:
            next_queue = min(self._hungry, key=self._distances.__getitem__)
            self._give(next_queue, 1)
        granted = min(self._granted[queue], most)
        self._granted[queue] -= granted
        return granted

    def give_back(self, count: int) -> None:
        """Slots are free again: their tasks have ended."""
        self.free += count

    def return_unused(self, queue: str, count: int) -> None:
        """Slots were granted and the queue had no tasks for them: they do not count as its share."""
        self.free += count
        self._distances[queue] -= count * self._strides[queue]

    def resize(self, by: int) -> None:
        """There are more slots, or fewer: then no new ones are granted until enough are given back."""
        self.free += by

    def _give(self, queue: str, count: int) -> None:
        self._distances[queue] += count * self._strides[queue]
        self._granted[queue] += count
        self.free -= count

    def _take_back(self, queue: str) -> None:
        self.return_unused(queue, self._granted[queue])
        self._granted[queue] = 0
