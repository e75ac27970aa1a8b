"""Would a retry work now? One sentence out of what workers counted of the task's attempts, hour by hour. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dashboard.filters import exact
from queue_core.snapshot import Fault, Figures, Period
from queue_core.telemetry import HOUR_MS

HOURS = 6
"""Looked at, the running one included."""
ENOUGH = 20
"""Attempts that tell something; fewer in the running hour, and those of the hours before count as well."""
RARE = 0.1
"""A share of attempts that completed which is no sign that this one would."""


@dataclass(frozen=True, slots=True)
class Chance:
    """`verdict`: `Probably`, `Probably not` or `Not known`; `why`: with figures; `tone`: of the notice."""

    verdict: str
    why: str
    tone: str = ""


def chance(fault: Fault, hours: Sequence[Period], now_ms: int, clock: Callable[[int], str]) -> Chance:
    """`hours`: those in which something of the task's name was counted, oldest first. Of hours that are over only the
    busiest names are kept, and hand-made consumers count nothing by name: what is not counted is not known."""
    first = (now_ms // HOUR_MS - HOURS + 1) * HOUR_MS
    counted = [period for period in hours if period.at >= first and _attempts(period.figures)]
    recent = _recent(counted)
    attempts, completed = (sum(map(of, (p.figures for p in recent))) for of in (_attempts, _completed))
    name = fault.task_name
    if not recent:
        return Chance("Not known", f"no attempt of {name} was counted since {clock(first)}")
    since = recent[0].at
    told = f"{exact(completed)} of the {exact(attempts)} attempts of {name} since {clock(since)} completed"
    if attempts == 1:
        told = f"the one attempt of {name} since {clock(since)} {'completed' if completed else 'failed'}"
    if not completed:
        good = [period.at for period in counted if _completed(period.figures)]
        last = f"no success was counted since {clock(first)}"
        if good:
            last = f"the last success was between {clock(good[-1])} and {clock(good[-1] + HOUR_MS)}"
        return Chance("Probably not", f"{told}, {last}", "warn")
    if fault.last_seen_at < since:
        return Chance("Probably", f"{told}, and this fault was last seen at {clock(fault.last_seen_at)}")
    seen = f"this fault was seen at {clock(fault.last_seen_at)}"
    if completed < RARE * attempts:
        return Chance("Probably not", f"{told}, and {seen}", "warn")
    return Chance("Not known", f"{told}, but {seen}")


def _recent(counted: Sequence[Period]) -> list[Period]:
    """The newest hours with enough attempts, oldest first."""
    found: list[Period] = []
    for period in reversed(counted):
        if sum(_attempts(one.figures) for one in found) >= ENOUGH:
            break
        found.insert(0, period)
    return found


def _attempts(figures: Figures) -> int:
    return figures.completed + figures.failed + figures.crashed


def _completed(figures: Figures) -> int:
    return figures.completed
