"""How the console writes figures, times and names: as `queue_core.formats`, with narrow spaces, and some of its own.

Times and durations are milliseconds. A value that is not known is `None`. Nothing here knows a request.
"""

from __future__ import annotations

import math
import re
from datetime import datetime, tzinfo

from queue_core import formats
from queue_core.formats import clock, iso, middle, one_line, short_id, visible
from queue_core.formats import shorten as end
from queue_core.ids import id_time_ms

__all__ = [
    "ago", "clock", "duration", "end", "exact", "for_input", "id_made_at", "iso", "middle", "minute", "one_line",
    "plausible", "plural", "rate", "share", "short_count", "short_id", "size", "thin", "time_of_day",
    "time_to_clear", "until", "visible",
]  # fmt: skip

THIN = "\u202f"
"""Between a figure and its unit: narrow, and the line never breaks there."""

EARLIEST_MS = 1_577_836_800_000
"""The beginning of 2020: what claims to be older has no time at all, and no age."""

_DAY = 86_400_000
_BEFORE_UNIT = re.compile(r"(?<=[0-9<]) (?=(?:[0-9]+ )?(?:ms|s|min|h|d|B|KiB|MiB|GiB|TiB|%)(?![A-Za-z0-9]))")


def thin(text: str) -> str:
    """Sentence or figure with a narrow space before each unit."""
    return _BEFORE_UNIT.sub(THIN, text)


def exact(count: int) -> str:
    """`1,238`: in buttons, previews, toasts and titles."""
    return f"{count:,}"


def short_count(count: int) -> str:
    """Exact up to 99,999, then `128 k`, `1.24 M`, `3.10 G`: rounded down, so that 999,999 is never `1000 k`."""
    size = abs(count)
    if size < 100_000:
        return exact(count)
    sign = "-" if count < 0 else ""
    if size < 1_000_000:
        return f"{sign}{size // 1_000}{THIN}k"
    unit, letter = (1_000_000, "M") if size < 1_000_000_000 else (1_000_000_000, "G")
    hundredths = size * 100 // unit
    return f"{sign}{hundredths // 100:,}.{hundredths % 100:02}{THIN}{letter}"


def share(part: int, whole: int) -> str:
    """`0.6 %`, `97 %`, `< 0.1 %`; `0 %` and `100 %` only when it is exactly that, `–` of nothing."""
    if whole <= 0:
        return "–"
    if part <= 0:
        return f"0{THIN}%"
    if part >= whole:
        return f"100{THIN}%"
    percent = part * 100 / whole
    if percent < 0.1:
        return f"<{THIN}0.1{THIN}%"
    if percent < 10:
        return f"{min(percent, 9.9):.1f}{THIN}%"
    if percent > 99:
        return f">{THIN}99{THIN}%"
    return f"{percent:.0f}{THIN}%"


def duration(milliseconds: float | None) -> str:
    """`< 1 ms`, `312 ms`, `4.2 s`, `58 s`, `12 min 04 s`, `5 h 04 min`, `3 d 4 h`. Never negative."""
    if milliseconds is None:
        return "–"
    return thin(formats.duration(milliseconds / 1000))


def plausible(at: int | None) -> int | None:
    """The time, where it can be one."""
    return at if at is not None and at >= EARLIEST_MS else None


def ago(at: int | None, now_ms: int) -> str:
    """`now`, `4 s ago`, `16 min ago`. Never in the future: what is newer than now is `now`."""
    return thin(formats.ago(at, now_ms))


def until(at: int | None, now_ms: int) -> str:
    """`in 3 min`; `now` once it is due. Never negative."""
    return thin(formats.until(at, now_ms))


def size(count: int | None) -> str:
    """`412 B`, `1.5 KiB`, `212.0 MiB`, `3.2 GiB`."""
    return thin(formats.size(count))


def id_made_at(identifier: str, now_ms: int) -> int | None:
    """When an id of ours was made; `None` for others, and for what only looks like one of ours."""
    made = id_time_ms(identifier)
    return made if made is not None and 0 < made <= now_ms + _DAY else None


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 dead letter`, `1,187 dead letters`."""
    return f"{exact(count)} {one if count == 1 else many or one + 's'}"


def for_input(at: int | None, zone: tzinfo) -> str:
    """As a field for a date and a time has it: without its zone."""
    if at is None:
        return ""
    try:
        return datetime.fromtimestamp(at // 1000, zone).strftime("%Y-%m-%dT%H:%M:%S")
    except (OverflowError, OSError, ValueError):
        return ""


def minute(at: int, now_ms: int, zone: tzinfo) -> str:
    """`03:12`; of another day `20 Nov 03:00`: on an axis, where seconds say nothing."""
    text = clock(at, now_ms, zone)
    return text[:-3] if text.count(":") == 2 else text


def time_of_day(at: int, zone: tzinfo) -> str:
    """`03:12`."""
    return f"{datetime.fromtimestamp(at // 1000, zone):%H:%M}"


def rate(per_minute: float | None) -> str:
    """Of a minute: `4,120`, below 1 with one decimal; `–` of what is not known."""
    if per_minute is None:
        return "–"
    if 0 < per_minute < 1:
        return f"{max(per_minute, 0.1):.1f}"
    return short_count(round(per_minute))


def time_to_clear(milliseconds: float | None) -> str:
    """`8 min 20 s`; `growing` where it will never be."""
    return "growing" if milliseconds is not None and math.isinf(milliseconds) else duration(milliseconds)
