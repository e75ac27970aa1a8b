"""What was counted in a queue, minute by minute or hour by hour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

from queue_core.histogram import NO_DURATIONS, Histogram


@dataclass(frozen=True, slots=True)
class Figures:
    """What was counted in some time. The order of the counters is that of lib/count.lua.

    `failed`: attempts whose handler raised, `crashed`: attempts whose worker died; each was then `retried`, or the task
    `died` (is a dead letter) or was `discarded`. `wait`: from ready to the start of the handler; `run`: of the handler.
    """

    enqueued: int = 0
    completed: int = 0
    failed: int = 0
    retried: int = 0
    died: int = 0
    discarded: int = 0
    expired: int = 0
    cancelled: int = 0
    crashed: int = 0
    requeued: int = 0
    deleted: int = 0
    imported: int = 0
    exported: int = 0
    repaired: int = 0
    recalled: int = 0
    wait: Histogram = NO_DURATIONS
    run: Histogram = NO_DURATIONS

    @classmethod
    def of(cls, counters: Iterable[int], wait: Histogram = NO_DURATIONS, run: Histogram = NO_DURATIONS) -> Figures:
        """`counters` in their order, as many as there are."""
        return cls(**dict(zip(COUNTERS, counters, strict=False)), wait=wait, run=run)

    @property
    def counters(self) -> tuple[int, ...]:
        return tuple(getattr(self, name) for name in COUNTERS)

    @property
    def arrived(self) -> int:
        """Tasks that came in, were moved here or requeued, and not recalled since."""
        return max(0, self.enqueued + self.imported + self.requeued - self.recalled)

    @property
    def served(self) -> int:
        """Tasks that ended or died."""
        return self.completed + self.died + self.discarded + self.expired + self.cancelled

    def __add__(self, other: Figures) -> Figures:
        counters = (a + b for a, b in zip(self.counters, other.counters, strict=True))
        return Figures.of(counters, self.wait + other.wait, self.run + other.run)

    def __sub__(self, other: Figures) -> Figures:
        counters = (a - b for a, b in zip(self.counters, other.counters, strict=True))
        return Figures.of(counters, self.wait - other.wait, self.run - other.run)


@dataclass(frozen=True, slots=True)
class Period:
    """A minute or an hour that began at `at`."""

    at: int
    figures: Figures


@dataclass(frozen=True, slots=True)
class Minutes:
    """What was counted in the last minutes of a queue, by their numbers since 1970; the last is not over.

    One that is missing counted nothing, or, before `since`, is unknown.
    """

    queue: str
    taken_at: int
    since: int | None
    counted: Mapping[int, Figures]


@dataclass(frozen=True, slots=True)
class AttemptsMinute:
    """A minute that began at `at`, and how many attempts of one task name ended in it. `failed`: crashed ones, too."""

    at: int
    completed: int
    failed: int


@dataclass(frozen=True, slots=True)
class NameAttempts:
    """The newest attempts of one task name, as workers tell of them within a second. `minutes`: those with any, newest
    first: each of the last hour, and earlier ones where these are fewer than 60. `last_completed_at`: `None` where none
    has completed since the first of the minutes, at least."""

    minutes: tuple[AttemptsMinute, ...]
    last_completed_at: int | None

    @property
    def since(self) -> int:
        """When the first of the minutes began."""
        return self.minutes[-1].at

    def newest(self, enough: int) -> tuple[AttemptsMinute, ...]:
        """As many of the newest minutes as have so many attempts, or all."""
        count = 0
        for i, minute in enumerate(self.minutes):
            count += minute.completed + minute.failed
            if count >= enough:
                return self.minutes[: i + 1]
        return self.minutes

    def failed_since_last_completed(self) -> int:
        """In the minutes after that in which the last one completed: in that itself some may have failed before."""
        since = self.last_completed_at or 0
        return sum(minute.failed for minute in self.minutes if minute.at > since)


@dataclass(frozen=True, slots=True)
class NameStatistics:
    """What was counted of one task name. `hours`: those in which there was something."""

    name: str
    total: Figures
    hours: tuple[Period, ...]


@dataclass(frozen=True, slots=True)
class Statistics:
    """What was counted in a queue. `periods`: minutes or hours, without a gap, oldest first; the last is not over."""

    queue: str
    taken_at: int
    since: int | None
    """When counting began; what lies before is unknown, not zero."""
    step_ms: int
    periods: tuple[Period, ...]
    total: Figures
    rate_seconds: float
    """The time of which the rates tell: the last minutes, or since counting began."""
    arrival_rate: float | None
    """Tasks a second that came in, were moved here or requeued; `None`: too little time to tell."""
    service_rate: float | None
    """Tasks a second that ended or died; `None`: too little time to tell."""
    ready: int
    oldest_wait_ms: int | None
    time_to_drain_seconds: float | None
    """Until nothing is ready, if the rates stay as they are; infinite: it grows, or stands; `None`: unknown."""
    names: tuple[NameStatistics, ...] = ()
    """Busiest first. What stands in the hours' lists of the 20 busiest; the rest is in `others`."""
    others: Figures = field(default_factory=Figures)
    attempts: Mapping[str, NameAttempts] = field(default_factory=dict)
    """Of task names, the newest by the minute; of one whose workers did not tell all of the running hour there is
    nothing."""


COUNTERS = tuple(f.name for f in fields(Figures) if f.name not in ("wait", "run"))
