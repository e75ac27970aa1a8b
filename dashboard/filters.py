"""How figures, times, names and text are written: pure functions, one rule each. Nothing here knows a request.

Times are Unix milliseconds; durations milliseconds. A value that is not known is `None`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo

from queue_core import formats
from queue_core.ids import id_time_ms

THIN = "\u202f"
"""Between a figure and its unit: narrow, and the line never breaks there."""

EARLIEST_MS = 1_577_836_800_000
"""The beginning of 2020: what claims to be older has no time at all, and no age."""

_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000


_BEFORE_UNIT = re.compile(r"(?<=[0-9<]) ")


def _with_thin_spaces(text: str) -> str:
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
    return _with_thin_spaces(formats.duration(milliseconds / 1000))


def coarse(milliseconds: float, *, is_up: bool = False) -> str:
    """One unit, for ages: `4 s`, `16 min`, `5 h`, `3 d`; is_up: what is begun counts, for times to come."""
    value = max(0, int(milliseconds))
    if is_up:
        for unit, limit in ((_SECOND, _MINUTE), (_MINUTE, _HOUR), (_HOUR, 2 * _DAY), (_DAY, None)):
            rounded = -(-value // unit) * unit
            if limit is None or rounded < limit:
                value = rounded
                break
    if value < _MINUTE:
        return f"{value // _SECOND}{THIN}s"
    if value < _HOUR:
        return f"{value // _MINUTE}{THIN}min"
    if value < 2 * _DAY:
        return f"{value // _HOUR}{THIN}h"
    return f"{value // _DAY:,}{THIN}d"


def plausible(at: int | None) -> int | None:
    """The time, where it can be one."""
    return at if at is not None and at >= EARLIEST_MS else None


def ago(at: int | None, now_ms: int) -> str:
    """`now`, `4 s ago`, `16 min ago`. Never in the future: what is newer than now is `now`."""
    if at is None:
        return "–"
    age = now_ms - at
    return "now" if age < _SECOND else f"{coarse(age)} ago"


def until(at: int | None, now_ms: int) -> str:
    """`in 3 min`; `now` once it is due. Never negative."""
    if at is None:
        return "–"
    left = at - now_ms
    return "now" if left < _SECOND else f"in {coarse(left, is_up=True)}"


def iso(at: int | None) -> str:
    """ISO 8601, UTC, with milliseconds: for `datetime=`, copies and the API."""
    if at is None:
        return ""
    try:
        moment = datetime.fromtimestamp(at // 1000, UTC)
    except (OverflowError, OSError, ValueError):
        return ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at % 1000:03}Z"


def clock(at: int | None, now_ms: int, zone: tzinfo = UTC, *, with_ms: bool = False) -> str:
    """Today `03:14:07`, this year `20 Nov 03:14`, else `2024-11-20 03:14`; with_ms: to the ms."""
    if at is None:
        return "–"
    try:
        moment = datetime.fromtimestamp(at // 1000, zone)
        now = datetime.fromtimestamp(now_ms // 1000, zone)
    except (OverflowError, OSError, ValueError):
        return "?"
    seconds = f"{moment:%H:%M:%S}.{at % 1000:03}" if with_ms else f"{moment:%H:%M:%S}"
    if moment.date() == now.date():
        return seconds
    short = seconds if with_ms else f"{moment:%H:%M}"
    if moment.year == now.year:
        return f"{moment.day} {moment:%b} {short}"
    return f"{moment:%Y-%m-%d} {short}"


def size(count: int | None) -> str:
    """`412 B`, `1.5 KiB`, `212.0 MiB`, `3.2 GiB`."""
    if count is None:
        return "?"
    if count < 1024:
        return f"{count}{THIN}B"
    value = float(count)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        value /= 1024
        if value < 1023.95 or unit == "TiB":
            break
    return f"{value:,.1f}{THIN}{unit}"


def short_id(identifier: str) -> str:
    """The last 8 characters: the first ones of our ids are time and alike."""
    return identifier if len(identifier) <= 9 else f"…{identifier[-8:]}"


def id_made_at(identifier: str, now_ms: int) -> int | None:
    """When an id of ours was made; `None` for others, and for what only looks like one of ours."""
    made = id_time_ms(identifier)
    return made if made is not None and 0 < made <= now_ms + _DAY else None


def middle(text: str, most: int = 40) -> str:
    """Cut in the middle: both ends of a name tell it apart."""
    if len(text) <= most:
        return text
    head = (most - 1) // 2
    return f"{text[:head]}…{text[-(most - 1 - head) :]}"


def end(text: str, most: int = 120) -> str:
    """Cut at the end."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def one_line(text: str) -> str:
    """Line ends and tabs become single spaces: for text that stands in a row."""
    return " ".join(text.split())


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 dead letter`, `1,187 dead letters`."""
    return f"{exact(count)} {one if count == 1 else many or one + 's'}"


_INVISIBLE = {"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"}
_SUSPECT = re.compile(r"[^\x20-\x7e\n\t]")
_FILLERS = "\u115f\u1160\u3164\uffa0\u2800\u034f\u180b\u180c\u180d\u180f"


def visible(text: str) -> str:
    """Control, zero-width and direction characters as something to be seen; line ends and tabs stay.

    Controls become their pictures (`␀`, `␛`), everything else that has no shape its number (`\\u202e`).
    """
    return _SUSPECT.sub(_shown, text)


def _shown(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    if character in "\u202f\u00a0":
        return character
    if code < 32:
        return chr(0x2400 + code)
    if code == 127:
        return "␡"
    if unicodedata.category(character) in _INVISIBLE or character in _FILLERS or 0xFE00 <= code <= 0xFE0F:
        return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
    return character


def spread(counts: Mapping[str, int], width: int = 96) -> tuple[tuple[str, int, int], ...]:
    """The parts of a stacked bar as (state, x, width): whole pixels, at least 2 each, together `width`."""
    present = [(state, count) for state, count in counts.items() if count > 0]
    total = sum(count for _, count in present)
    if not total:
        return ()
    widths = [max(2, count * width // total) for _, count in present]
    widest = widths.index(max(widths))
    widths[widest] += width - sum(widths)
    parts, x = [], 0
    for (state, _), part in zip(present, widths, strict=True):
        parts.append((state, x, part))
        x += part
    return tuple(parts)
