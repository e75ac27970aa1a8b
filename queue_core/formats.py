"""How figures, times, names and text are written, in a terminal and, with narrower spaces, in the console. Pure.

Times are Unix milliseconds, durations seconds. A value that is not known is `None`.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, tzinfo

_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000

# Figures.


def count(number: int, singular: str = "", plural: str = "") -> str:
    """`1,238`; with words `1 dead letter`, `8 dead letters`."""
    word = singular if number == 1 else plural or f"{singular}s"
    return f"{number:,} {word}" if singular else f"{number:,}"


def size(number: int | None) -> str:
    """`412 B`, `1.5 KiB`, `212.0 MiB`, `3.2 GiB`."""
    if number is None:
        return "?"
    if number < 1024:
        return f"{number} B"
    value = float(number)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        value /= 1024
        if value < 1023.95 or unit == "TiB":
            break
    return f"{value:,.1f} {unit}"


# Times.


def duration(seconds: float) -> str:
    """`0 s`, `< 1 ms`, `312 ms`, `4.2 s`, `58 s`, `12 min 04 s`, `5 h 04 min`, `3 d 4 h`. Never more than it is."""
    milliseconds = max(0.0, seconds * 1000)
    if milliseconds < 1:
        return "< 1 ms" if milliseconds else "0 s"
    whole = int(milliseconds + 1e-6)
    if whole < 1_000:
        return f"{whole} ms"
    if whole < 10_000:
        return f"{whole // 100 / 10:.1f} s"
    whole //= 1_000
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86_400:
        return f"{whole // 3_600} h {whole % 3_600 // 60:02} min"
    days, hours = divmod(whole // 3_600, 24)
    return f"{days:,} d {hours} h" if hours else f"{days:,} d"


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
        return f"{value // _SECOND} s"
    if value < _HOUR:
        return f"{value // _MINUTE} min"
    if value < 2 * _DAY:
        return f"{value // _HOUR} h"
    return f"{value // _DAY:,} d"


def ago(at: int | None, now_ms: int) -> str:
    """`now`, `4 s ago`, `16 min ago`. Never in the future: what is newer than now is `now`."""
    if at is None:
        return "–"
    age = now_ms - at
    return "now" if age < _SECOND else f"{coarse(age)} ago"


def when(at: int | None, now_ms: int) -> str:
    """`just now`, `4 s ago`: as `ago`, within a sentence."""
    found = ago(at, now_ms)
    return "just now" if found == "now" else found


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


def elapsed(seconds: float) -> str:
    """Time since the start: `00:52`, from an hour on `1:02:06`."""
    whole = int(max(seconds, 0.0))
    minutes = f"{whole % 3_600 // 60:02}:{whole % 60:02}"
    return f"{whole // 3_600}:{minutes}" if whole >= 3_600 else minutes


# Names and text.


def short_id(task_id: str) -> str:
    """The last 8 characters: the first ones of our ids are time, and alike."""
    return task_id if len(task_id) <= 9 else f"…{task_id[-8:]}"


def middle(text: str, most: int = 40) -> str:
    """Cut in the middle: both ends of a name tell it apart."""
    if len(text) <= most:
        return text
    head = (most - 1) // 2
    return f"{text[:head]}…{text[-(most - 1 - head) :]}"


def shorten(text: str, most: int = 120) -> str:
    """Cut at the end."""
    return text if len(text) <= most else f"{text[: max(most - 1, 0)]}…"


def one_line(text: str) -> str:
    """Line ends and tabs become single spaces: for text that stands in a row."""
    return " ".join(text.split())


_INVISIBLE = {"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"}
_SUSPECT = re.compile(r"[^\x20-\x7e\n\t\u00a0\u202f–…·]")
_FILLERS = "\u115f\u1160\u3164\uffa0\u2800\u034f\u180b\u180c\u180d\u180f"


def visible(text: str) -> str:
    """Control, zero-width and direction characters as something to be seen; line ends and tabs stay.

    Controls become their pictures (`␀`, `␛`), everything else that has no shape its number (`\\u202e`). What a terminal
    or a page is given this way cannot move its cursor, change its colours or turn its lines round.
    """
    return text if text.isascii() and text.isprintable() else _SUSPECT.sub(_shown, text)


def _shown(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    if code < 32:
        return chr(0x2400 + code)
    if code == 127:
        return "␡"
    if unicodedata.category(character) in _INVISIBLE or character in _FILLERS or 0xFE00 <= code <= 0xFE0F:
        return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
    return character


def width(text: str) -> int:
    """Columns that a text takes in a terminal: East Asian characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
