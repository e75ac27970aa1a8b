"""One snapshot a second for the whole process, taken only while somebody looks.

All pages and tabs share it. When the server is away the last good one stays, with its age, and at most one request at a
time waits for the server; the others get what there is at once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dashboard.problem import Problem
from dashboard.problems import Observations, find_problems
from dashboard.successes import Attempts, NewestAttempts
from queue_core.errors import ServerUnavailable, TaskyardError
from queue_core.snapshot import QueueSnapshot, Snapshot

if TYPE_CHECKING:
    from queue_core.inspector import Inspector

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 1.0
REFUSED = "refused"
RETRY_SECONDS = 1.0
"""How long a failure is believed before the server is asked again."""
BELIEVED_SECONDS = 10.0
"""How long a failure is believed by those who do not ask."""


@dataclass(frozen=True, slots=True)
class View:
    """What a page knows about the whole. `snapshot` is `None` until the server has answered once; `problems` are those
    that it shows; `attempts`: the newest of tasks that failed of late.

    `now_ms` is the server's time now, estimated from the last snapshot and the time since; `away_since` is when the
    server stopped answering, `None` while it answers. All that is shown is told as of `told_at`: while the server is
    away, nothing is known of the time since the last snapshot, and nobody became silent in it.
    """

    snapshot: Snapshot | None
    problems: tuple[Problem, ...]
    now_ms: int
    away_since: int | None = None
    error: str = ""
    attempts: Attempts = field(default_factory=dict)

    @property
    def is_away(self) -> bool:
        return self.away_since is not None

    @property
    def told_at(self) -> int:
        return self.snapshot.taken_at if self.snapshot and self.is_away else self.now_ms

    @property
    def away_ms(self) -> int:
        return 0 if self.away_since is None else self.now_ms - self.away_since

    @property
    def is_refused(self) -> bool:
        """Whether the server does answer, with an error."""
        return self.is_away and self.error.startswith(REFUSED)

    @property
    def refusal(self) -> str:
        """What the server answers."""
        return self.error.removeprefix(f"{REFUSED}: ") if self.is_refused else ""

    def queues_where(self, has: Callable[[QueueSnapshot], object]) -> tuple[str, ...] | None:
        """Those in which there is something to be shown, and those that cannot be read, which say so themselves. Of the
        others nothing need be asked; `None`: nobody knows, so all are."""
        if self.snapshot is None or self.is_away:
            return None
        return (*(queue.name for queue in self.snapshot.queues if has(queue)), *self.snapshot.unreadable)

    @property
    def muted(self) -> int:
        """Faults of which somebody has said that they know."""
        return sum(fault.is_muted(self.now_ms) for fault in self.snapshot.faults) if self.snapshot else 0

    @property
    def dead(self) -> int:
        return sum(queue.counts.dead for queue in self.snapshot.queues) if self.snapshot else 0


@dataclass(frozen=True, slots=True)
class _Held:
    snapshot: Snapshot
    problems: tuple[Problem, ...]
    attempts: Attempts
    observations: Observations
    taken: float
    """By the monotonic clock."""


class Live:
    """Thread-safe. `clock` counts seconds and never goes back; `wall` is only used before the server first answers."""

    def __init__(
        self,
        inspector: Inspector,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._inspector = inspector
        self._newest = NewestAttempts(inspector)
        self._clock = clock
        self._wall = wall
        self._taking = threading.Lock()
        self._held: _Held | None = None
        self._failed_at: float | None = None
        self._away_since: float | None = None
        self._error = ""

    def view(self, *, not_before: int = 0) -> View:
        """The shared snapshot, renewed if it is older than a second, or than `not_before` (a server time)."""
        if self._is_due(not_before) and self._taking.acquire(blocking=self._must_wait(not_before)):
            try:
                if self._is_due(not_before):
                    self._take()
            finally:
                self._taking.release()
        return self._seen()

    @property
    def is_away(self) -> bool:
        """Whether the server is known not to answer at all."""
        failed_at = self._failed_at
        is_known = failed_at is not None and self._clock() - failed_at < BELIEVED_SECONDS
        return is_known and not self._error.startswith(REFUSED)

    def now_ms(self) -> int:
        """The server's time now, as far as it is known."""
        held = self._held
        if held is None:
            return int(self._wall() * 1000)
        return held.snapshot.taken_at + int((self._clock() - held.taken) * 1000)

    def _is_due(self, not_before: int) -> bool:
        now = self._clock()
        if self._failed_at is not None and now - self._failed_at < RETRY_SECONDS:
            return False
        held = self._held
        if held is None or self._away_since is not None:
            return True
        return now - held.taken >= INTERVAL_SECONDS or held.snapshot.taken_at < not_before

    def _must_wait(self, not_before: int) -> bool:
        """Whether a request may not go on with what there is while another one asks the server."""
        if self._held is None:
            return True
        return self._away_since is None and self._held.snapshot.taken_at < not_before

    def _take(self) -> None:
        asked_at = self._clock()
        try:
            snapshot = self._inspector.snapshot()
        except ServerUnavailable as error:
            self._fail("has not answered", error, asked_at)
        except TaskyardError as error:
            self._fail(f"{REFUSED}: {error}", error, asked_at)
        else:
            seen = (self._held.observations if self._held else Observations()).after(snapshot)
            attempts = self._newest.of(snapshot)
            problems = find_problems(snapshot, seen, snapshot.taken_at, attempts)
            self._held = _Held(snapshot, problems, attempts, seen, self._clock())
            self._failed_at = self._away_since = None
            self._error = ""

    def _fail(self, what: str, error: Exception, asked_at: float) -> None:
        if self._away_since is None:
            log.warning("no snapshot: %s", error)
            self._away_since = asked_at
        self._failed_at = self._clock()
        self._error = what

    def _seen(self) -> View:
        held, now_ms = self._held, self.now_ms()
        away = self._away_since
        away_since = None if away is None else now_ms - int((self._clock() - away) * 1000)
        if held is None:
            return View(None, (), now_ms, away_since, self._error)
        return View(held.snapshot, held.problems, now_ms, away_since, self._error, held.attempts)
