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
        """Tasks that came in, were moved here or requeued."""
        return self.enqueued + self.imported + self.requeued

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


COUNTERS = tuple(f.name for f in fields(Figures) if f.name not in ("wait", "run"))
