"""A fault as it is seen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """Failures with the same fingerprint, in one queue."""

    queue: str
    fingerprint: str
    task_name: str
    error_class: str
    message: str
    frame: str
    first_seen_at: int
    last_seen_at: int
    attempts: int
    dead: int
    retrying: int
    versions: tuple[str, ...] = ()
    is_overflow: bool = False

    @property
    def title(self) -> str:
        return f"{self.error_class}: {self.message}" if self.message else self.error_class
