"""What is wrong, said once and not at every beat."""

from __future__ import annotations

import logging

log = logging.getLogger("taskyard.worker")


class Complaints:
    """Says of a queue what is wrong with it when that is news."""

    def __init__(self) -> None:
        self._last: dict[str, str] = {}

    def say(self, queue: str, error: Exception) -> None:
        text = str(error)
        if self._last.get(queue) != text:
            self._last[queue] = text
            log.error("queue %s: %s", queue, text)

    def withdraw(self, queue: str) -> None:
        """It went well: the next error is news, whatever it says."""
        self._last.pop(queue, None)
