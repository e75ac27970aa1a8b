"""What there is to say after an action: kept in the session until the next answer shows it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from flask import session

from dashboard.filters import end

_KEY = "toasts"
_MOST = 5
_MOST_TEXT = 500
"""The session is a cookie, and cookies are small."""


@dataclass(frozen=True, slots=True)
class Toast:
    """`kind`: good, warn or bad. `undo_action`: the address to which a button "Undo" posts; empty without one."""

    kind: str
    text: str
    undo_action: str = ""


def say(text: str, *, kind: str = "good", undo_action: str = "") -> None:
    toast = Toast(kind, end(text, _MOST_TEXT), undo_action)
    session[_KEY] = [*session.get(_KEY, []), asdict(toast)][-_MOST:]


def take_toasts() -> tuple[Toast, ...]:
    """What was said and not yet shown; each is shown once."""
    return tuple(Toast(**found) for found in session.pop(_KEY, []))
