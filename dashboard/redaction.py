"""What is not to be seen, and is not: values under keys that name a secret, and texts that look like one. Pure.

A payload that is JSON is looked at value by value and stays JSON. Everything else (the beginning of a payload, a
traceback, an error, a reason) is looked at as a text. What is hidden is hidden whole, its length with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dashboard.memo import Memo, bytes_of
from dashboard.secret_names import MASK as MASK
from dashboard.secret_names import SecretNames
from dashboard.secret_shapes import CUT, WHOLE, Pattern
from dashboard.secret_values import Span, spans

SHORT = 2_000
"""Characters of a text that is remembered with what became of it: faults are looked at each second."""
LARGE = 20_000
"""Characters from which a payload is: the last few are remembered, as an open page asks for them every 2 s."""
MIB = 1024 * 1024


_UNICODE = re.compile(r"(?<!\\)(\\+)u([0-9a-fA-F]{4})")


@dataclass(frozen=True, slots=True)
class Redacted:
    """`hidden`: how many values are not in the text any more."""

    text: str
    hidden: int = 0


class Redactor:
    """`names`: more that are hidden; one that begins with `-` is not hidden after all. Threads may share one."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names = SecretNames(names)
        self._short_text = Memo(self._redact_text, _bytes, most=20_000, most_bytes=16 * MIB)
        self._large_payload = Memo(self._redact_payload, _bytes, most=8, most_bytes=16 * MIB)

    def payload(self, text: str) -> Redacted:
        """JSON as it is stored; what is none, or was cut, is looked at as a text."""
        return self._large_payload(text) if len(text) > LARGE else self._redact_payload(text)

    def _redact_payload(self, text: str) -> Redacted:
        shapes, marks = self._hints(text)
        if not shapes and not marks:
            return Redacted(text)
        try:
            masked, hidden = self.value(json.loads(text, object_pairs_hook=_each_once), text)
            if not hidden:
                return Redacted(text)
            return Redacted(json.dumps(masked, ensure_ascii=False, separators=(",", ":")), hidden)
        except (ValueError, RecursionError):
            return self.text(text, is_cut=True)

    def value(self, value: Any, text: str = "\\") -> tuple[Any, int]:
        """What JSON holds, with masks, and how many. `text`: the JSON, where there is one."""
        walk = _Walk(self, *self._hints(text))
        return walk.masked(value), walk.hidden

    def _hints(self, text: str) -> tuple[tuple[Pattern, ...], tuple[str, ...]]:
        """What has to be looked for: what stands nowhere in the whole need not be in its parts. Behind a backslash
        anything may stand."""
        if "\\" in text:
            return WHOLE, self.names.marks
        folded = text.lower()
        shapes = tuple((hint, pattern) for hint, pattern in WHOLE if hint in folded)
        return shapes, tuple(mark for mark in self.names.marks if mark in folded)

    def text(self, text: str, *, is_cut: bool = False) -> Redacted:
        """Any text. `is_cut`: it may end in the midst of a secret."""
        if len(text) <= SHORT:
            return self._short_text(text, is_cut)
        return self._redact_text(text, is_cut)

    def _redact_text(self, text: str, is_cut: bool) -> Redacted:
        if not text:
            return Redacted(text)
        whole, text = text, _read(text)
        folded = text.lower()
        marks = [mark for mark in self.names.marks if mark in folded]
        said = _hide_spans(text, spans(text, folded, self.names, marks)) if marks else Redacted(text)
        shapes = [pattern for hint, pattern in (CUT if is_cut else WHOLE) if hint in folded]
        shown = _hide_shapes(said.text, shapes)
        hidden = said.hidden + shown.hidden
        return Redacted(shown.text if hidden else whole, hidden)


class _Walk:
    """Through what JSON holds."""

    def __init__(self, redactor: Redactor, shapes: tuple[Pattern, ...], marks: tuple[str, ...]) -> None:
        self._redactor, self._shapes, self._marks, self._names = redactor, shapes, marks, redactor.names
        self.hidden = 0

    def masked(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return self._object(value)
        if isinstance(value, list):
            return self._list(value)
        return value

    def _list(self, values: list[Any]) -> list[Any]:
        if self._names.are_pairs(values):
            return [
                [name, self._secret(value) if self._names.is_name(name) else self.masked(value)]
                for name, value in values
            ]
        places = self._names.places(values)
        return [self._secret(item) if place in places else self.masked(item) for place, item in enumerate(values)]

    def _object(self, value: dict[str, Any]) -> Any:
        if any(self._looks_secret(key) for key in value):
            self.hidden += 1
            return MASK
        pair = self._names.pair(value)
        return {
            key: self._secret(item) if key in self._names or (pair and key == pair[1]) else self.masked(item)
            for key, item in value.items()
        }

    def _secret(self, value: Any) -> Any:
        """Nothing, yes and no are no secrets; that one is missing may be what went wrong."""
        if value is None or isinstance(value, bool) or value in ("", [], {}):
            return value
        self.hidden += 1
        return MASK

    def _looks_secret(self, key: str) -> bool:
        if ("=" in key or ":" in key) and self._redactor.text(key).hidden:
            return True
        return bool(self._shapes) and any(hint in key.lower() and pattern.search(key) for hint, pattern in self._shapes)

    def _text(self, value: str) -> str:
        folded = value.lower()
        has_shape = any(hint in folded for hint, _ in self._shapes)
        has_mark = any(mark in folded for mark in self._marks)
        if not has_shape and not has_mark and "\\u" not in value:
            return value
        found = self._redactor.text(value)
        self.hidden += found.hidden
        return found.text


def _hide_shapes(text: str, patterns: Iterable[re.Pattern[str]]) -> Redacted:
    hidden = 0

    def hide(found: re.Match[str]) -> str:
        nonlocal hidden
        value = found[0][len(found["before"]) :]
        at = "@" if value.endswith("@") else ""
        if value.rstrip("@…") in ("", MASK):
            return found[0]
        hidden += 1
        return f"{found['before']}{MASK}{at}"

    for pattern in patterns:
        text = pattern.sub(hide, text)
    return Redacted(text, hidden)


def _hide_spans(text: str, spans: Iterable[Span]) -> Redacted:
    pieces: list[str] = []
    position = hidden = 0
    for start, end in spans:
        if text[start:end] == MASK:  # it was looked at before
            continue
        pieces += (text[position:start], MASK)
        position, hidden = end, hidden + 1
    return Redacted("".join((*pieces, text[position:])), hidden) if hidden else Redacted(text)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a name that stands twice only one value would be looked at."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def _read(text: str) -> str:
    """JSON in a text writes names as it likes: `contrase\\u00f1a`."""
    return _UNICODE.sub(_character, text) if "\\u" in text else text


def _character(found: re.Match[str]) -> str:
    character = chr(int(found[2], 16))
    return character if character.isprintable() and character not in '"\\' else found[0]


def _bytes(made: Redacted, text: str, *_: bool) -> int:
    return bytes_of(text) + (0 if made.text is text else bytes_of(made.text))
