"""What limits a queue, as an operator gives it: checked, and in the form in which it is sent and stored."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import timedelta
from enum import Enum
from typing import Final

from queue_core.errors import InvalidArgument, shown
from queue_core.task import check_integer, seconds_of

MOST = 10**9
"""Tasks, or seconds: 31 years."""


class Keep(Enum):
    """Of a limit that is not spoken of: it stays as it is."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP
Count = int | Keep | None
Age = float | timedelta | Keep | None
Rate = tuple[int, float | timedelta] | Keep | None
"""How many tasks, in how many seconds."""
_UNITS = {"d": 86_400, "h": 3_600, "min": 60, "s": 1}
_WRITTEN = re.compile(r"(\d{1,12}(?:\.\d{1,6})?) ?(s|min|h|d)?\Z", re.ASCII)
_TIMES = ("dead_max_age", "wait_target")


def changes(
    *,
    max_length: Count = KEEP,
    enqueue_rate: Rate = KEEP,
    claim_rate: Rate = KEEP,
    dead_max_age: Age = KEEP,
    dead_max_count: Count = KEEP,
    dead_warning: Count = KEEP,
    wait_target: Age = KEEP,
) -> dict[str, object]:
    """What is to be sent (scripts/limit.lua). `None`: no limit, and for `dead_warning` and `wait_target` the default.

    Raises `InvalidArgument`, also where nothing would change.
    """
    counts: Mapping[str, Count] = {
        "max_length": max_length,
        "dead_max_count": dead_max_count,
        "dead_warning": dead_warning,
    }
    rates: Mapping[str, Rate] = {"enqueue_rate": enqueue_rate, "claim_rate": claim_rate}
    ages: Mapping[str, Age] = {"dead_max_age": dead_max_age, "wait_target": wait_target}
    made: dict[str, object] = {}
    for name, count in counts.items():
        if count is not KEEP:
            made[name] = False if count is None else check_integer(name, count, 1, MOST)
    for name, rate in rates.items():
        if rate is not KEEP:
            made[name] = False if rate is None else _rate(name, rate)
    for name, age in ages.items():
        if age is not KEEP:
            made[name] = False if age is None else _milliseconds(name, age, 1.0)
    if not made:
        raise InvalidArgument("no limit was given")
    return made


def told(changes: Mapping[str, object]) -> str:
    """Changes as the audit has them: `max_length=100, claim_rate=50/1s, dead_max_age=none`."""
    return ", ".join(f"{name}={_told(name, value)}" for name, value in changes.items())


def read_count(text: str) -> int:
    """`100000` or `100,000`. Raises `ValueError`."""
    return int(text.replace(",", "").replace("_", ""))


def read_time(text: str) -> float:
    """Seconds of `90s`, `15min`, `12 h` or `30d`: with the unit, as 30 seconds where 30 days were meant would send all
    dead letters to the trash. Raises `ValueError`."""
    found = _WRITTEN.match(text.strip())
    if not found or not found[2]:
        raise ValueError(text)
    return float(found[1]) * _UNITS[found[2]]


def read_rate(text: str) -> tuple[int, float]:
    """How many tasks in how many seconds: `100/60`, `5000/1h`. Raises `ValueError`."""
    count, _, period = text.partition("/")
    found = _WRITTEN.match(period.strip())
    if not found:
        raise ValueError(text)
    return read_count(count), float(found[1]) * _UNITS[found[2] or "s"]


def write_time(seconds: float) -> str:
    """As `read_time` reads it: `15min`."""
    unit = next((unit for unit, size in _UNITS.items() if seconds >= size and seconds % size == 0), "s")
    return f"{seconds / _UNITS[unit]:.15g}{unit}"


def write_rate(tasks: int, seconds: float) -> str:
    """As `read_rate` reads it: `100/1min`."""
    return f"{tasks}/{write_time(seconds)}"


def _told(name: str, value: object) -> str:
    if value is False:
        return "none"
    if isinstance(value, list):
        return f"{value[0]}/{value[1] / 1000:.15g}s"
    return f"{value / 1000:.15g}s" if name in _TIMES and isinstance(value, int) else str(value)


def _rate(name: str, rate: object) -> list[int]:
    if not isinstance(rate, tuple | list) or len(rate) != 2:
        raise InvalidArgument(f"{name} {shown(rate, 80)} is not accepted: how many tasks, and in how many seconds")
    count, seconds = rate
    return [check_integer(f"{name}: number of tasks", count, 1, MOST), _milliseconds(f"{name}: time", seconds, 0.001)]


def _milliseconds(what: str, given: object, least: float) -> int:
    seconds = seconds_of(given) if isinstance(given, int | float | timedelta) and not isinstance(given, bool) else None
    if seconds is None or not least <= seconds <= MOST:
        raise InvalidArgument(
            f"{what} {shown(given, 80)} is not accepted: seconds, or a timedelta, from {least:g} to {MOST:,}"
        )
    return math.ceil(seconds * 1000)
