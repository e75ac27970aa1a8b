"""A fault as it is seen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mute:
    """Somebody knows of a fault: it is no problem until then, or until that many of its attempts have failed in all;
    `None`: whenever, however many."""

    by: str
    reason: str
    at: int
    until: int | None = None
    attempts: int | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody wrote down about a fault."""

    by: str
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Fault:
    """Failures with the same fingerprint, in one queue.

    `recent`: its attempts by time, newest first: since when, in ms, and how many; a minute each, of what lies more than
    an hour back five. `None`, as in `notes` (newest first): it was not asked for. `next_retry_at`: the first of its
    tasks is tried again then; `None` also where none of the queue's next 100 retries is of it.
    """

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
    mute: Mute | None = None
    """As it was said; whether it holds: `is_muted`."""
    recent: tuple[tuple[int, int], ...] | None = None
    notes: tuple[Note, ...] | None = None
    next_retry_at: int | None = None

    @property
    def title(self) -> str:
        return f"{self.error_class}: {self.message}" if self.message else self.error_class

    def is_muted(self, now_ms: int) -> bool:
        """A mute ends by itself."""
        mute = self.mute
        if mute is None or (mute.until is not None and now_ms >= mute.until):
            return False
        return mute.attempts is None or self.attempts < mute.attempts
