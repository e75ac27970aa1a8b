"""Would a retry work now? One sentence out of what workers counted of the task's attempts: minute by minute where they
told so, else hour by hour. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dashboard.filters import exact
from queue_core.snapshot import Fault, Figures, NameAttempts, Period
from queue_core.telemetry import HOUR_MS, MINUTE_MS

HOURS = 6
"""Looked at, the running one included."""
ENOUGH_OF_HOURS = 20
"""Attempts that tell something; fewer in the running hour, and those of the hours before count as well."""
ENOUGH_OF_MINUTES = 60
"""As many of the newest minutes are looked at as have so many attempts."""
TOLD_WITHIN_MS = 2_000
"""Workers tell of an attempt in the minute in which it ended, or so long after it."""
RARE = 0.1
"""A share of attempts that completed which is no sign that this one would."""


@dataclass(frozen=True, slots=True)
class Chance:
    """`verdict`: `Probably`, `Probably not` or `Not known`; `why`: with figures; `tone`: of the notice."""

    verdict: str
    why: str
    tone: str = ""

    @property
    def is_doubtful(self) -> bool:
        return self.verdict == "Probably not"


@dataclass(frozen=True, slots=True)
class Clock:
    """The time, and how moments are told: `exact`: to the second; `minute`: beginnings of minutes and hours."""

    now_ms: int
    exact: Callable[[int], str]
    minute: Callable[[int], str]


def chance(fault: Fault, hours: Sequence[Period], attempts: NameAttempts | None, clock: Clock) -> Chance:
    """`hours`: those in which something of the task's name was counted, oldest first: of hours that are over only the
    busiest names are kept. `attempts`: the newest of that name. Hand-made consumers count nothing by name. What is not
    counted is not known."""
    first = (clock.now_ms // HOUR_MS - HOURS + 1) * HOUR_MS
    counted = [period for period in hours if period.at >= first and _attempts(period.figures)]
    if attempts and _tells_as_much(attempts, counted):
        return _by_minute(fault, attempts, clock)
    return _by_hour(fault, counted, first, clock)


def _tells_as_much(attempts: NameAttempts, hours: Sequence[Period]) -> bool:
    """Hours tell more where workers began but now to tell of minutes."""
    told = sum(minute.completed + minute.failed for minute in attempts.minutes)
    return told >= min(ENOUGH_OF_HOURS, sum(_attempts(hour.figures) for hour in hours))


def _by_minute(fault: Fault, attempts: NameAttempts, clock: Clock) -> Chance:
    name, last_at = fault.task_name, attempts.last_completed_at
    last = f"no success was counted since {clock.minute(attempts.since)}"
    if last_at:
        last = f"the last success was at {clock.exact(last_at)}"
    newest = attempts.minutes[0].at + MINUTE_MS
    if newest <= clock.now_ms - HOURS * HOUR_MS:
        return Chance("Not known", f"no attempt of {name} was counted since {clock.minute(newest)}, {last}")
    looked_at = attempts.newest(ENOUGH_OF_MINUTES)
    # Where some were made since it was last seen, those before tell nothing of now.
    after = tuple(minute for minute in looked_at if minute.at > fault.last_seen_at + TOLD_WITHIN_MS)
    looked_at = after or looked_at
    completed, failed = (sum(getattr(minute, what) for minute in looked_at) for what in ("completed", "failed"))
    told = _told(completed, completed + failed, name)
    if looked_at[-1].at <= clock.now_ms - HOUR_MS:
        told = f"{told} since {clock.minute(looked_at[-1].at)}"
    if not completed:
        return Chance("Probably not", f"{told}, {last}", "warn")
    if last_at and last_at > fault.last_seen_at and not after:
        return Chance("Not known", f"{told}, {last}, after this fault was seen at {clock.exact(fault.last_seen_at)}")
    return _judged(told, completed / (completed + failed), fault, clock, is_over=bool(after))


def _told(completed: int, attempts: int, name: str) -> str:
    if attempts == 1:
        return f"the last attempt of {name} {'completed' if completed else 'failed'}"
    return f"{exact(completed)} of the last {exact(attempts)} attempts of {name} completed"


def _by_hour(fault: Fault, counted: Sequence[Period], first: int, clock: Clock) -> Chance:
    recent = _recent(counted)
    attempts, completed = (sum(map(of, (p.figures for p in recent))) for of in (_attempts, _completed))
    name = fault.task_name
    if not recent:
        return Chance("Not known", f"no attempt of {name} was counted since {clock.minute(first)}")
    since = recent[0].at
    told = f"{exact(completed)} of the {exact(attempts)} attempts of {name} since {clock.minute(since)} completed"
    if attempts == 1:
        told = f"the one attempt of {name} since {clock.minute(since)} {'completed' if completed else 'failed'}"
    if not completed:
        good = [period.at for period in counted if _completed(period.figures)]
        last = f"no success was counted since {clock.minute(first)}"
        if good:
            last = f"the last success was between {clock.minute(good[-1])} and {clock.minute(good[-1] + HOUR_MS)}"
        return Chance("Probably not", f"{told}, {last}", "warn")
    return _judged(told, completed / attempts, fault, clock, is_over=fault.last_seen_at < since)


def _judged(told: str, share: float, fault: Fault, clock: Clock, *, is_over: bool) -> Chance:
    """`is_over`: none of them met the fault."""
    seen_at = clock.exact(fault.last_seen_at)
    if share < RARE:
        seen = f"this fault was {'last ' if is_over else ''}seen at {seen_at}"
        return Chance("Probably not", f"{told}, and {seen}", "warn")
    if is_over:
        return Chance("Probably", f"{told}, and this fault was last seen at {seen_at}")
    return Chance("Not known", f"{told}, but this fault was seen at {seen_at}")


def _recent(counted: Sequence[Period]) -> list[Period]:
    """The newest hours with enough attempts, oldest first."""
    found: list[Period] = []
    for period in reversed(counted):
        if sum(_attempts(one.figures) for one in found) >= ENOUGH_OF_HOURS:
            break
        found.insert(0, period)
    return found


def _attempts(figures: Figures) -> int:
    return figures.completed + figures.failed + figures.crashed


def _completed(figures: Figures) -> int:
    return figures.completed
