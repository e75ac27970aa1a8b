"""What was counted in a queue and when, in plain Python: the specification of its minutes and hours, and of the figures
of its task names.

What is counted belongs to the minute and the hour in which that happened, so they add up to the books. Minutes and
hours here are since 1970.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from queue_core.snapshot import COUNTERS, AttemptsMinute, Figures, NameAttempts
from queue_core.telemetry import HOUR_MS, MINUTE_MS, Asked, Counted

MINUTES_TOLD = 6
"""At least: those of which the rates tell."""
BUSIEST, MAX_FIELDS = 20, 400
"""Names of an hour that are kept once it has ended; fields of the running hour."""
NEWEST_MINUTES = 60
"""With attempts of a name, that are kept at least."""
NOTHING = Figures()
Names = dict[str, Figures]
T = TypeVar("T")


class Counting:
    def __init__(self) -> None:
        self.since: int | None = None
        self.minutes: dict[int, Figures] = {}
        self.hours: dict[int, Figures] = {}
        self.books = NOTHING
        """All of them together."""
        self.names: dict[int, Names] = {}
        """Those of the hours that have ended; '' are all others."""
        self.hour: int | None = None
        """The running one, of names: it ends when something is counted of a name in a later one."""
        self.fields: dict[tuple[str, str], Figures] = {}
        """What was counted in that: of which kind (a counter, or what workers have measured) and of which name."""
        self.attempts: dict[str, dict[int, tuple[int, int]]] = {}
        """Of each name, minute by minute: how many have completed, and how many have failed or crashed."""
        self.completed_at: dict[str, int] = {}

    # What happens.

    def count(self, now: int, more: Figures) -> None:
        self.since = now if self.since is None else self.since
        self.books += more
        for unit_ms, units in ((MINUTE_MS, self.minutes), (HOUR_MS, self.hours)):
            units[now // unit_ms] = units.get(now // unit_ms, NOTHING) + more

    def count_books(self, now: int, books: Mapping[str, int]) -> None:
        """The counters stand there now."""
        counters = Figures.of(books.get(name, 0) for name in COUNTERS)
        more = counters - Figures.of(self.books.counters)
        if more != NOTHING:
            self.count(now, more)

    def count_names(self, now: int, counter: str, names: Iterable[str]) -> None:
        for name in names:
            self._count_of_name(now, counter, name, Figures.of(int(counter == one) for one in COUNTERS))

    def measure(self, now: int, measured: Mapping[str, Figures], ages_ms: Mapping[str, int]) -> int:
        """Of the counters each name has its own: those of the books change with the tasks."""
        times = NOTHING
        for name, figures in measured.items():
            self._count_attempts(now, name, figures.completed, figures.failed + figures.crashed)
            if figures.completed:
                completed_at = now - ages_ms.get(name, 0)
                self.completed_at[name] = max(completed_at, self.completed_at.get(name, completed_at))
        for name, figures in measured.items():
            times += Figures(wait=figures.wait, run=figures.run)
            self._count_of_name(now, "measured", name, figures)
        if measured:
            self.count(now, times)
        return len(measured)

    # What can be said of it.

    def told(self, now: int, asked: Asked) -> Counted:
        names = self.names if self.hour is None else {**self.names, self.hour: self._merged()}
        attempts = {
            name: NameAttempts(
                tuple(AttemptsMinute(at * MINUTE_MS, *counts) for at, counts in sorted(minutes.items(), reverse=True)),
                self.completed_at.get(name),
            )
            for name, minutes in self.attempts.items()
        }
        return asked_of(Counted(now, self.since, self.minutes, self.hours, names, attempts), asked)

    # Steps.

    def _count_of_name(self, now: int, kind: str, name: str, more: Figures) -> None:
        if self.hour != now // HOUR_MS:
            if self.hour is not None and self.fields:
                self.names[self.hour] = _busiest(self._merged())
            self.hour, self.fields = now // HOUR_MS, {}
        field = (kind, name)
        if field not in self.fields and len(self.fields) >= MAX_FIELDS:
            field = (kind, "")
        self.fields[field] = self.fields.get(field, NOTHING) + more

    def _count_attempts(self, now: int, name: str, completed: int, failed: int) -> None:
        if completed + failed:
            minutes = self.attempts.setdefault(name, {})
            before = minutes.get(now // MINUTE_MS, (0, 0))
            minutes[now // MINUTE_MS] = before[0] + completed, before[1] + failed

    def _merged(self) -> Names:
        merged: Names = {}
        for (_, name), figures in self.fields.items():
            merged[name] = merged.get(name, NOTHING) + figures
        return merged


def asked_of(counted: Counted, asked: Asked) -> Counted:
    """Of the last minutes and hours what was asked for, and in which something was counted."""
    minute, hour = counted.now_ms // MINUTE_MS, counted.now_ms // HOUR_MS
    names = _last(counted.names, hour, asked.name_hours)
    return Counted(
        counted.now_ms,
        counted.since,
        _counted(_last(counted.minutes, minute, max(asked.minutes, MINUTES_TOLD))),
        _counted(_last(counted.hours, hour, asked.hours)),
        {number: found for number, figures in names.items() if (found := _counted(figures))},
        {
            name: NameAttempts(told.minutes[:NEWEST_MINUTES], told.last_completed_at)
            for name, told in (counted.attempts.items() if asked.by_name else ())
        },
    )


def _counted(figures: Mapping[T, Figures]) -> dict[T, Figures]:
    return {key: value for key, value in figures.items() if value != NOTHING}


def _last(units: Mapping[int, T], newest: int, count: int) -> dict[int, T]:
    return {number: figures for number, figures in units.items() if newest - count < number <= newest}


def _busiest(names: Names) -> Names:
    """The others are one."""
    others = names.get("", NOTHING)
    ranked = sorted(names.keys() - {""}, key=lambda name: (-sum(names[name].counters), name))
    for name in ranked[BUSIEST:]:
        others += names[name]
    return {name: names[name] for name in ranked[:BUSIEST]} | {"": others}
