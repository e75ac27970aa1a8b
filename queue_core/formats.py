"""How counts, durations and ids are written, in a terminal and, with narrower spaces, in the console. Pure."""

from __future__ import annotations

SHORT_ID = 8


def count(number: int, singular: str = "", plural: str = "") -> str:
    """`1,238`; with words `1 dead letter`, `8 dead letters`."""
    word = singular if number == 1 else plural or f"{singular}s"
    return f"{number:,} {word}" if singular else f"{number:,}"


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


def clock(seconds: float) -> str:
    """Time since the start: `00:52`, from an hour on `1:02:06`."""
    whole = int(max(seconds, 0.0))
    minutes = f"{whole % 3_600 // 60:02}:{whole % 60:02}"
    return f"{whole // 3_600}:{minutes}" if whole >= 3_600 else minutes


def short_id(task_id: str) -> str:
    """The last 8 characters: the first ones are time, and alike."""
    return task_id if len(task_id) <= SHORT_ID else f"…{task_id[-SHORT_ID:]}"


def shorten(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(width - 1, 0)]}…"
