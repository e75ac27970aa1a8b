"""What stands behind the `?` of a page: a value that is not accepted is refused by a page that says what would be, and
leads to the same page without it. Nothing is taken for another thing than was asked for.

Names that no page knows are left aside: addresses pass through chats and mail that add some of their own. An empty
value is none: forms send their empty fields.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from flask import Flask, Request, request
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.exceptions import BadRequest

from queue_core.errors import shown

SEVERAL = frozenset({"fault", "held", "id", "letter", "purged"})
"""Names that may be given more than once."""
MOST_TEXT = 128
"""Characters of what is looked for."""


class BadParameter(BadRequest):
    """`parameter`: which one it is."""

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(sentence)
        self.parameter = name


class OnceOnly(ImmutableMultiDict[str, Any]):
    """Parameters and fields: whoever asks for one value is given it only where there is one, and asks for several by
    `getlist`. Raises `BadParameter`."""

    def __getitem__(self, name: str) -> Any:
        _check_once(name, super().getlist(name))
        return super().__getitem__(name)


class ConsoleRequest(Request):
    parameter_storage_class = OnceOnly


def register(app: Flask) -> None:
    @app.before_request
    def check_form() -> None:
        """Before anything is done: what is read only behind that would be refused too late."""
        if request.method == "POST":
            for name, values in (*request.args.lists(), *request.form.lists()):
                if name not in SEVERAL:
                    _check_once(name, values, " Nothing was done.")


def _check_once(name: str, values: list[Any], end: str = "") -> None:
    if len(values) > 1:
        raise BadParameter(name, f"{shown(name)[1:-1]} was given {len(values):,} times: it takes one value.{end}")


def one_of(name: str, accepted: Collection[str], default: str = "") -> str:
    """One of some words. Raises `BadParameter`."""
    text = request.args.get(name) or default
    if text != default and text not in accepted:
        *others, last = accepted
        raise not_accepted(name, text, f"{', '.join(others)} or {last}" if others else last)
    return text


def is_on(name: str) -> bool:
    """Of a switch: `1`, or nothing. Raises `BadParameter`."""
    return one_of(name, ("1",)) == "1"


def typed(name: str, most: int = MOST_TEXT) -> str:
    """What somebody looks for, without spaces around. Raises `BadParameter`."""
    return short(name, request.args.get(name, ""), most)


def short(name: str, text: str, most: int = MOST_TEXT) -> str:
    """Pure. Raises `BadParameter`."""
    if len(text) > most:
        raise BadParameter(name, f"{name} has {len(text):,} characters; {most} are the most.")
    return text.strip()


def page_number() -> int:
    """1 where none is given; one beyond the last is left to the list, which may have become shorter. Raises
    `BadParameter`."""
    text = request.args.get("page") or "1"
    if not (text.isascii() and text.isdigit() and len(text) < 7 and int(text)):
        raise not_accepted("page", text, "a whole number from 1 on")
    return int(text)


def not_accepted(name: str, text: str, right: str) -> BadParameter:
    return BadParameter(name, f"{name} is {shown(text)}; it must be {right}.")
