"""What is wrong, said once and not at every beat."""

from __future__ import annotations

import logging

log = logging.getLogger("taskyard.worker")


class Complaints:
    """Says of a queue what is wrong with it when that is news. Several chores look after a queue: what one of them met
    already is no news of another, and stands until it has gone well for the one that met it."""

    def __init__(self) -> None:
        self._standing: dict[str, dict[str, str]] = {}

    def say(self, queue: str, chore: str, error: Exception) -> None:
        text, standing = str(error), self._standing.setdefault(queue, {})
        is_news = text not in standing.values()
        standing[chore] = text
        if is_news:
            log.error("queue %s: %s", queue, text)

    def withdraw(self, queue: str, chore: str) -> None:
        """It went well: the chore's next error is news, unless another one has met it."""
        self._standing.get(queue, {}).pop(chore, None)
