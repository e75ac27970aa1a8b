"""Texts, numbers and times out of bytes that may be anything."""

from __future__ import annotations

import codecs
from typing import Any

import msgspec

MAX_SHOWN_PAYLOAD = 120
"""Characters of a payload in a list."""
LAST_MOMENT_MS = 253_402_300_799_999
"""The end of the year 9999: what lies behind it is no time."""
LARGEST_NUMBER = 1 << 63

_CONTROLS = dict.fromkeys((*range(32), *range(127, 160), 8232, 8233), " ")


def text(data: bytes | None) -> str:
    r"""What is not UTF-8 is shown as `\xff`."""
    return (data or b"").decode("utf-8", "backslashreplace")


def line(value: str, most: int = 1_000) -> str:
    """On one line, at most so many characters."""
    if len(value) <= most and value.isprintable():
        return value
    value = value[: 2 * most].translate(_CONTROLS).encode("utf-8", "replace").decode()
    return value if len(value) <= most else value[: most - 1] + "…"


def shorten_payload(data: bytes, total_bytes: int) -> str:
    """The beginning of a payload, of which `data` may be no more than the beginning, even of a character."""
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    shown = decoder.decode(data, final=len(data) >= total_bytes).translate(_CONTROLS)
    if len(shown) <= MAX_SHOWN_PAYLOAD and len(data) >= total_bytes:
        return shown
    return shown[: MAX_SHOWN_PAYLOAD - 1] + "…"


def number(data: object, default: int = 0) -> int:
    try:
        value = int(data) if isinstance(data, int | float) else int(data[:40])  # type: ignore[index]
    except (TypeError, ValueError, OverflowError):
        return default
    return value if abs(value) < LARGEST_NUMBER else default


def moment(data: object) -> int | None:
    """A score, or another text of a number, as a time in ms; `None` for what is no time."""
    try:
        value = float(data[:40] if isinstance(data, bytes) else data)  # type: ignore[arg-type]
        return int(value) if 0 < value <= LAST_MOMENT_MS else None
    except (TypeError, ValueError, OverflowError):
        return None


def json_object(data: bytes | None) -> dict[str, Any] | None:
    if not data:
        return None
    try:
        value = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def string(value: object, most: int = 1_000) -> str:
    """A value out of a JSON object as text on one line; empty where there is none."""
    if value is None:
        return ""
    try:
        return line(value if isinstance(value, str) else str(value), most)
    except ValueError:  # a number of thousands of digits
        return ""


def amount(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST_NUMBER
    return value if is_number else None  # type: ignore[return-value]
