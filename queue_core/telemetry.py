"""What was counted in a queue and when: what `inspector` asks for, and the arithmetic on the answer. No I/O.

A minute is the difference of two states of the books (scripts/lib/count.lua). What was counted since the last one was
stored belongs to the minute that is noted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from queue_core import decoding, scripts
from queue_core.errors import InvalidArgument, shown
from queue_core.keys import QueueKeys
from queue_core.protocol import Argument, Call
from queue_core.snapshot import (
    COUNTERS,
    Figures,
    Minutes,
    NameAttempts,
    NameStatistics,
    Period,
    QueueSnapshot,
    Statistics,
)
from queue_core.task import check_integer

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
MAX_MINUTES, MAX_HOURS, MAX_NAME_HOURS = 25 * 60, 35 * 24, 7 * 24
"""How long figures are kept."""
RATE_MINUTES = 5
"""Whole minutes, and what there is of the running one, of which the rates tell."""
LEAST_RATE_SECONDS = 10.0
"""Of less than so much time no rate is told."""

_NOTHING = Figures()


@dataclass(frozen=True, slots=True)
class Asked:
    """How many minutes or hours are wanted, up to the running one. Raises `InvalidArgument`."""

    minutes: int = 0
    hours: int = 0
    by_name: bool = False

    def __post_init__(self) -> None:
        for unit, number, most in (("minutes", self.minutes, MAX_MINUTES), ("hours", self.hours, MAX_HOURS)):
            if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= most:
                raise InvalidArgument(f"{shown(number)} {unit} are not accepted: 1 to {most:,} {unit} are kept")
        if bool(self.minutes) == bool(self.hours):
            raise InvalidArgument("either minutes or hours are asked for, at least one")

    @property
    def step_ms(self) -> int:
        return MINUTE_MS if self.minutes else HOUR_MS

    @property
    def count(self) -> int:
        return self.minutes or self.hours

    @property
    def name_hours(self) -> int:
        """Names are kept by the hour: as many whole ones as hold what is asked for."""
        return min(self.hours or -(-self.minutes // 60) + 1, MAX_NAME_HOURS) if self.by_name else 0


@dataclass(frozen=True, slots=True)
class Counted:
    """What statistics.lua tells. Minutes and hours are since 1970; those in which nothing was counted are missing."""

    now_ms: int
    since: int | None
    minutes: Mapping[int, Figures]
    hours: Mapping[int, Figures]
    names: Mapping[int, Mapping[str, Figures]] = field(default_factory=dict)
    attempts: Mapping[str, NameAttempts] = field(default_factory=dict)


def read_counted(queue: QueueKeys, asked: Asked) -> Call[Counted]:
    """Cost: what is asked for, whatever the queue holds. Source: statistics.lua."""
    minutes = max(asked.minutes, RATE_MINUTES + 1)
    arguments: tuple[Argument, ...] = (minutes, asked.hours, asked.name_hours, *COUNTERS, "wait", "run")
    return Call(scripts.load("statistics"), queue, arguments, _read, has_session=False)


def read_minutes(queue: QueueKeys, minutes: int) -> Call[Minutes]:
    """The last `minutes` alone, for whoever looks at many queues. Source: statistics.lua."""
    check_integer("minutes", minutes, 1, MAX_MINUTES)

    def read(answer: list[Any]) -> Minutes:
        counted = _read(answer)
        return Minutes(queue.queue, counted.now_ms, counted.since, counted.minutes)

    arguments: tuple[Argument, ...] = (minutes, 0, 0, *COUNTERS, "wait", "run")
    return Call(scripts.load("statistics"), queue, arguments, read, has_session=False)


def _read(answer: list[Any]) -> Counted:
    now_ms = int(answer[0])
    noted_minute, noted_hour = (decoding.number(noted, -1) for noted in answer[1:3])
    minutes, hours = (
        {number: decoding.figures(packed) or _NOTHING for number, packed in _numbered(answer[i])} for i in (7, 8)
    )
    names = {number: decoding.figures_by_name(packed) for number, packed in _numbered(answer[9])}
    last = decoding.figures(answer[5])
    if last is not None and noted_minute >= 0:
        running = decoding.figures_of_books(answer[4]) - last
        minute = min(noted_minute, now_ms // MINUTE_MS)  # the clock may have gone back since
        minutes[minute] = minutes.get(minute, _NOTHING) + running
        hours[minute // 60] = hours.get(minute // 60, _NOTHING) + running
    running_names: Mapping[str, Figures] = decoding.figures_of_names(answer[6])
    if running_names and noted_hour >= 0:
        hour = min(noted_hour, now_ms // HOUR_MS)
        names[hour] = _together(names.get(hour, {}), running_names)
    attempts = decoding.attempts_of_names(answer[10]) if answer[10] else {}
    told = {name: found for name, found in attempts.items() if _is_all(found, running_names.get(name), noted_hour)}
    return Counted(now_ms, decoding.moment(answer[3]), minutes, hours, names, told)


def read_attempts(queue: QueueKeys, names: Sequence[str]) -> tuple[tuple[Argument, ...], ...]:
    """Commands that read the newest attempts of some task names, and what else `attempts_of` needs."""
    return (
        ("HMGET", queue.attempts, *names),
        ("HMGET", queue.names, *(f":{name}" for name in names)),
        ("HGET", queue.control, "hour"),
    )


def attempts_of(names: Sequence[str], answers: Sequence[Any]) -> dict[str, NameAttempts]:
    """Of those of whose attempts workers told. What cannot be read is told of nobody."""
    attempts, running, hour = answers
    if not isinstance(attempts, list) or not isinstance(running, list):
        return {}
    noted_hour = decoding.number(hour, -1)
    found = {}
    for name, told, measured in zip(names, attempts, running, strict=True):
        one = decoding.attempts(told)
        if one and _is_all(one, decoding.figures(measured), noted_hour):
            found[name] = one
    return found


def _is_all(attempts: NameAttempts, measured: Figures | None, hour: int) -> bool:
    """Whether they are all that workers measured in that hour, the running one: a worker of before there were minutes
    tells of hours alone, and a name that had no room for a while has missed some."""
    if measured is None:
        return True
    told = sum(minute.completed + minute.failed for minute in attempts.minutes if minute.at >= hour * HOUR_MS)
    return told >= measured.completed + measured.failed + measured.crashed


def _numbered(flat: list[bytes]) -> Iterable[tuple[int, bytes]]:
    return ((int(flat[i]), flat[i + 1]) for i in range(0, len(flat), 2))


def _together(some: Mapping[str, Figures], more: Mapping[str, Figures]) -> dict[str, Figures]:
    return {name: some.get(name, _NOTHING) + more.get(name, _NOTHING) for name in {**some, **more}}


def summarize(asked: Asked, counted: Counted, queue: QueueSnapshot) -> Statistics:
    """`queue`: the same queue, seen in the same request."""
    stored = counted.minutes if asked.minutes else counted.hours
    newest = counted.now_ms // asked.step_ms
    numbers = range(newest - asked.count + 1, newest + 1)
    periods = tuple(Period(number * asked.step_ms, stored.get(number, _NOTHING)) for number in numbers)
    arrival_rate, service_rate, seconds = rates(counted.minutes, counted.since, counted.now_ms)
    names, others = _by_name(counted, asked.name_hours)
    oldest = queue.oldest_ready_at
    return Statistics(
        queue=queue.name,
        taken_at=counted.now_ms,
        since=counted.since,
        step_ms=asked.step_ms,
        periods=periods,
        total=sum((period.figures for period in periods), _NOTHING),
        rate_seconds=seconds,
        arrival_rate=arrival_rate,
        service_rate=service_rate,
        ready=queue.counts.ready,
        oldest_wait_ms=None if oldest is None else max(0, counted.now_ms - oldest),
        time_to_drain_seconds=seconds_to_drain(queue.counts.ready, arrival_rate, service_rate),
        names=names,
        others=others,
        attempts=counted.attempts,
    )


def seconds_to_drain(ready: int, arrival_rate: float | None, service_rate: float | None) -> float | None:
    """Until nothing is ready. Infinite when as many come as are served, or more; `None` when the rates are unknown."""
    if ready <= 0:
        return 0.0
    if arrival_rate is None or service_rate is None:
        return None
    return ready / (service_rate - arrival_rate) if service_rate > arrival_rate else math.inf


def rates(
    minutes: Mapping[int, Figures], since: int | None, now_ms: int, least_seconds: float = LEAST_RATE_SECONDS
) -> tuple[float | None, float | None, float]:
    """Tasks a second that came and that were served in the last minutes, and how many seconds that is: less where
    counting began in them. Both are `None` where it is less than `least_seconds`."""
    first = now_ms // MINUTE_MS - RATE_MINUTES
    begin = max(first * MINUTE_MS, since or 0)
    seconds = max(0.0, (now_ms - begin) / 1000) if since else 0.0
    if seconds < least_seconds:
        return None, None, seconds
    arrived = served = 0
    for minute, figures in minutes.items():
        if minute >= first:
            arrived += figures.arrived
            served += figures.served
    return arrived / seconds, served / seconds, seconds


def _by_name(counted: Counted, hours: int) -> tuple[tuple[NameStatistics, ...], Figures]:
    """Names, busiest first, and what is of none of them."""
    oldest = counted.now_ms // HOUR_MS - hours + 1
    found: dict[str, list[Period]] = {}
    for hour, names in sorted(counted.names.items()):
        for name, figures in names.items():
            if hour >= oldest:
                found.setdefault(name, []).append(Period(hour * HOUR_MS, figures))
    totals = {name: sum((period.figures for period in periods), _NOTHING) for name, periods in found.items()}
    others = totals.pop("", _NOTHING)
    ranked = sorted(totals, key=lambda name: (-sum(totals[name].counters), name))
    return tuple(NameStatistics(name, totals[name], tuple(found[name])) for name in ranked), others
