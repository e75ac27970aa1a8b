"""When something is to be done again and again: a cron expression with its time zone, or an interval. Pure: time is
passed in, and times are Unix milliseconds.

Daylight saving: where the expression names its hours, a time that a change of the clocks leaves out comes at the first
moment after the change, and one that exists twice comes the first time only. Where the hour begins with `*`, it comes
whenever the clock on the wall says so, also in the hour that is repeated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from itertools import islice
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from queue_core.errors import InvalidArgument, shown
from queue_core.formats import duration, iso

SKIP, ONE, ALL = MISSED = ("skip", "one", "all")
"""What becomes of occurrences that nobody enqueued in their time: none but the latest, if it is at most
`TOLERANCE_MS` late; the latest, however late; each, but of more than `MOST_MISSED` the latest ones."""
MISSED_WORDS = {
    SKIP: "missed ones are skipped",
    ONE: "of missed ones the latest is made up for",
    ALL: "all missed ones are made up for",
}
TOLERANCE_MS = 60_000
MOST_MISSED = 1_000
MIN_EVERY_MS, MAX_EVERY_MS = 1_000, 366 * 86_400_000
MAX_EXPRESSION = 200
"""Characters."""
SHORTHANDS = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
FORM = (
    "five fields (minute, hour, day of month, month, day of week), such as '0 3 * * MON-FRI', or one of "
    + ", ".join(SHORTHANDS)
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND, _MINUTE = timedelta(seconds=1), timedelta(minutes=1)
_AT_A_TIME = re.compile(r"At (\d\d:\d\d(?:(?:, and |, | and )\d\d:\d\d)*) (.+)\Z")
_ON_DAYS = re.compile(r"on ((?:(?:, and |, | and | through )?(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day)+)(?= |\Z)")
_MINUTES = re.compile(r"\*/(\d+) \* \* \* \*\Z")
_LOOK_BACK_MS = 60_000
MOST_KNOWN = 4_096
"""Rules of which is remembered what was computed: a cron expression takes its time."""


@dataclass(frozen=True)
class Cron:
    """`expression`: five fields, or a shorthand. Made by `cron`, which checks it."""

    expression: str
    time_zone: str = "UTC"

    @cached_property
    def _fields(self) -> str:
        return SHORTHANDS.get(self.expression.lower(), self.expression)

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def after(self, ms: int) -> Iterator[int]:
        """The occurrences later than a time, soonest first; none where there is none for 50 years."""
        local = (_EPOCH + timedelta(seconds=ms // 1000)).astimezone(self._zone)
        goes_by_the_wall = self._fields.split()[1].startswith("*")
        last = ms
        for moment in CronSim(self._fields, local if goes_by_the_wall else local.replace(tzinfo=None)):
            at = _ms(moment) if goes_by_the_wall else _ms(_existing(moment, self._zone))
            if at > last:
                yield at
                last = at

    @property
    def words(self) -> str:
        """`every weekday at 09:00, Europe/Vienna`."""
        return _words(self)

    def _told(self) -> str:
        minutes = _MINUTES.match(self._fields)
        if minutes and int(minutes[1]) > 1 and 60 % int(minutes[1]) == 0:
            return f"every {int(minutes[1])} minutes, {self.time_zone}"
        try:
            told: str = CronSim(self._fields, _EPOCH).explain()
        except (LookupError, ValueError, TypeError, AssertionError):  # what has no words of its own
            return f"{self._fields}, {self.time_zone}"
        at_a_time = _AT_A_TIME.match(told)
        told = f"{at_a_time[2]} at {at_a_time[1]}" if at_a_time else told[0].lower() + told[1:]
        on_days = _ON_DAYS.match(told)
        if on_days:
            days = "weekday" if on_days[1] == "Monday through Friday" else on_days[1]
            told = f"every {days}{told[on_days.end() :]}"
        return f"{told}, {self.time_zone}"


@dataclass(frozen=True)
class Every:
    """`start_ms`: the first occurrence, from which the others are counted; 0: all full intervals since 1970, UTC, so
    that `every hour` is at the full hour. Made by `every`, which checks it."""

    every_ms: int
    start_ms: int = 0

    def after(self, ms: int) -> Iterator[int]:
        """The occurrences later than a time, soonest first."""
        at = self.start_ms + max(0, (ms - self.start_ms) // self.every_ms + 1) * self.every_ms
        while True:
            yield at
            at += self.every_ms

    @property
    def words(self) -> str:
        """`every 90 s`."""
        seconds = self.every_ms / 1000
        told = f"every {seconds:g} s" if seconds < 600 and seconds % 60 else f"every {_length(self.every_ms)}"
        return f"{told}, counted from {iso(self.start_ms)}" if self.start_ms else told


@lru_cache(maxsize=MOST_KNOWN)
def _words(rule: Cron) -> str:
    return rule._told()


Rule = Cron | Every


def cron(expression: object, time_zone: object = "UTC") -> Cron:
    """Raises `InvalidArgument`, which says what is accepted."""
    if not isinstance(expression, str) or len(expression) > MAX_EXPRESSION:
        raise InvalidArgument(f"cron expression {shown(expression, 80)} is not accepted: {FORM}")
    fields = SHORTHANDS.get(expression.strip().lower(), expression).split()
    if len(fields) != 5:
        raise InvalidArgument(f"cron expression {shown(expression, 80)} has {len(fields)} fields: it takes {FORM}")
    rule = Cron(" ".join(expression.split()), zone_name(time_zone))
    try:
        comes = next(rule.after(0), None) is not None
    except (CronSimError, ValueError, AssertionError, IndexError, TypeError) as error:
        raise InvalidArgument(
            f"cron expression {shown(expression, 80)} is not accepted: {error}; it is {FORM}"
        ) from None
    if not comes:
        raise InvalidArgument(f"cron expression {shown(expression, 80)} is not accepted: there is never such a day")
    return rule


def every(interval: object, start: object = None) -> Every:
    """`interval`: seconds or a timedelta, 1 s to 366 days; `start`: a datetime with its zone. Raises
    `InvalidArgument`."""
    seconds = interval.total_seconds() if isinstance(interval, timedelta) else interval
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not MIN_EVERY_MS <= seconds * 1000 <= MAX_EVERY_MS:  # type: ignore[operator]
        raise InvalidArgument(
            f"interval {shown(interval, 80)} is not accepted: seconds, or a timedelta, from 1 s to 366 days"
        )
    if start is None:
        return Every(round(seconds * 1000))  # type: ignore[operator]
    if not isinstance(start, datetime) or start.tzinfo is None or start < _EPOCH:
        raise InvalidArgument(f"start {shown(start, 80)} is not accepted: a datetime with its time zone, since 1970")
    return Every(round(seconds * 1000), _ms(start))  # type: ignore[operator]


def rule(*, cron: object = None, every: object = None, time_zone: object = None, start: object = None) -> Rule:
    """The rule that these options give. Raises `InvalidArgument`."""
    if (cron is None) == (every is None):
        raise InvalidArgument("a schedule takes either cron=… or every=…, and one of them")
    if cron is not None:
        if start is not None:
            raise InvalidArgument("start is of an interval: a cron expression says itself when it begins")
        return _cron(cron, "UTC" if time_zone is None else time_zone)
    if time_zone is not None:
        raise InvalidArgument("time_zone is of a cron expression: an interval is as long everywhere")
    return _every(every, start)


_cron, _every = cron, every


def zone_name(name: object) -> str:
    """A name of an IANA time zone that this machine knows. Raises `InvalidArgument`."""
    if isinstance(name, ZoneInfo) and name.key:
        name = name.key
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_+/-]{0,63}", name):
        raise InvalidArgument(f"time zone {shown(name, 80)} is not accepted: an IANA name, such as Europe/Vienna")
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        alike = sorted(known for known in available_timezones() if known.lower() == name.lower())
        hint = f"; did you mean {alike[0]}?" if alike else "" if available_timezones() else " (it has none: see tzdata)"
        raise InvalidArgument(
            f"time zone {shown(name, 80)} is not known here: it is an IANA name, such as Europe/Vienna{hint}"
        ) from None
    return name


# What is to be done now.


@dataclass(frozen=True, slots=True)
class Due:
    """`occurrences`: what is to be enqueued now, oldest first. `is_cut`: more were missed than are made up for."""

    occurrences: tuple[int, ...] = ()
    is_cut: bool = False


def due(rule: Rule, missed: str, after_ms: int, now_ms: int) -> Due:
    """What is to be enqueued now where everything up to `after_ms` has been seen to."""
    if missed == ALL:
        latest = _latest(rule, after_ms, now_ms, MOST_MISSED + 1)
        return Due(tuple(latest[-MOST_MISSED:]), is_cut=len(latest) > MOST_MISSED)
    earliest = max(after_ms, now_ms - TOLERANCE_MS - 1) if missed == SKIP else after_ms
    return Due(tuple(_latest(rule, earliest, now_ms, 1)))


_coming: dict[tuple[Rule, int], tuple[int, tuple[int, ...]]] = {}
"""Rule and how many → the next ones after a time, and that time: they are the same until the first has come."""


def next_after(rule: Rule, ms: int, count: int = 1) -> tuple[int, ...]:
    """The next `count` occurrences, soonest first."""
    since, found = _coming.get((rule, count), (ms + 1, ()))
    if since <= ms and (not found or ms < found[0]):
        return found
    found = tuple(islice(rule.after(ms), count))
    if len(_coming) >= MOST_KNOWN:
        _coming.clear()
    _coming[rule, count] = ms, found
    return found


@lru_cache(maxsize=MOST_KNOWN)
def first_after(rule: Rule, ms: int) -> int | None:
    """The next occurrence; `None` where there is none for 50 years."""
    return next(rule.after(ms), None)


def overdue_since(rule: Rule, after_ms: int, now_ms: int) -> int | None:
    """The first occurrence that nobody has seen to; `None` where there is none."""
    first = first_after(rule, after_ms)
    return first if first is not None and first <= now_ms else None


def _latest(rule: Rule, after_ms: int, until_ms: int, most: int) -> list[int]:
    """The last `most` occurrences later than `after_ms` and not later than `until_ms`. It looks back ever further, so
    that a long absence costs little."""
    look_back = _LOOK_BACK_MS
    if isinstance(rule, Every):
        look_back = most * rule.every_ms
    while True:
        begin = max(after_ms, until_ms - look_back)
        found = []
        for at in rule.after(begin):
            if at > until_ms:
                break
            found.append(at)
        if len(found) >= most or begin == after_ms:
            return found[-most:]
        look_back *= 4


def _existing(wall: datetime, zone: ZoneInfo) -> datetime:
    """When a clock on the wall first shows this; what it leaves out, at the end of what is left out."""
    moment = wall.replace(tzinfo=zone, fold=0)
    while moment.astimezone(UTC).astimezone(zone).replace(fold=0) != moment:
        wall += _MINUTE
        moment = wall.replace(tzinfo=zone, fold=0)
    return moment


def _ms(moment: datetime) -> int:
    return (moment.astimezone(UTC) - _EPOCH) // timedelta(milliseconds=1)


def _length(ms: int) -> str:
    for unit, name in ((86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute")):
        if ms % unit == 0:
            number = ms // unit
            return name if number == 1 else f"{number:,} {name}s"
    return duration(ms / 1000)
