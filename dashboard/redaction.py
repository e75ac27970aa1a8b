"""What is not to be seen, and is not: values under keys that name a secret, and texts that look like one. Pure.

A payload that is JSON is looked at value by value and stays JSON. Everything else (the beginning of a payload, a
traceback, an error, a reason) is looked at as a text. What is hidden is hidden whole, its length with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from dashboard.memo import Memo, bytes_of

MASK = "•••"
KEYS = (
    "password", "passwd", "pwd", "passphrase", "secret", "token", "authorization", "api_key", "access_key",
    "private_key", "credential", "cookie", "card", "cvv", "cvc", "pin", "ssn", "iban",
)  # fmt: skip
"""Names whose values are hidden, also as a part of a longer name: `card` in `cardNumber` and `credit-card`, not in
`discard`. One more letter s makes no difference."""

PAIR_NAMES = frozenset(("name", "key", "header", "field", "variable"))
PAIR_VALUES = frozenset(("value", "val"))
"""`{"name": "password", "value": …}`, as headers and variables are often listed; in any case."""

LONGEST_KEY = 64
"""Characters of a name that are looked at in a text, on either side of what makes it one of a secret."""
SHORT = 2_000
"""Characters of a text that is remembered with what became of it: faults are looked at each second."""
LARGE = 20_000
"""Characters from which a payload is: the last few are remembered, as an open page asks for them every 2 s."""
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Redacted:
    """`hidden`: how many values are not in the text any more."""

    text: str
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class _Shape:
    """A known form of a secret: what stands before it and may be seen, how it begins, what it consists of, and how much
    of that makes it one. `hint`: what stands in every text that has one, in small letters."""

    hint: str
    before: str
    begins: str
    goes_on: str
    least: int
    ends: str = ""

    def pattern(self, *, is_cut: bool) -> re.Pattern[str]:
        """`is_cut`: where the text ends in the midst of one, less is enough."""
        forms = [f"{self.begins}{self.goes_on}{{{self.least},}}{self.ends}"]
        if is_cut:
            forms.append(rf"{self.begins}{self.goes_on}*…?\Z")
        return re.compile(f"(?P<before>{self.before})(?:{'|'.join(forms)})")


_SHAPES = (
    _Shape("://", r"://[^\s/:@\"']*:", "", r"[^\s/\"']", 1, "@"),
    _Shape("://", "://", "", r"[^\s/:@\"']", 20, "@"),
    _Shape("bearer", r"(?i:\bbearer)\s{1,9}", "", r"[^\s\"',;\\]", 1),
    _Shape("basic", r"(?i:\bbasic)\s{1,9}(?=[A-Za-z0-9+/]{0,80}[0-9=A-Z])", "", r"[A-Za-z0-9+/=]", 6),
    _Shape("private key-----", r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----", "", r"(?:(?!-----END)[\s\S])", 1),
    _Shape("hooks.slack.com/", r"hooks\.slack\.com/services/", "", r"[\w/]", 8),
    *(
        _Shape(hint, "", begins, goes_on, least)
        for hint, begins, goes_on, least in (
            ("akia", r"\bAKIA", r"[A-Z0-9]", 12),
            ("asia", r"\bASIA", r"[A-Z0-9]", 12),
            ("gh", r"\bgh[pousr]_", r"[A-Za-z0-9]", 16),
            ("github_pat_", r"\bgithub_pat_", r"\w", 16),
            ("glpat-", r"\bglpat-", r"[\w-]", 16),
            ("k_live_", r"\b[prs]k_live_", r"\w", 8),
            ("k_test_", r"\b[prs]k_test_", r"\w", 8),
            ("whsec_", r"\bwhsec_", r"[\w+/=]", 8),
            ("sk-", r"\bsk-", r"[\w-]", 20),
            ("xox", r"\bxox[abeoprs]-", r"[\w-]", 10),
            ("aiza", r"\bAIza", r"[\w-]", 30),
            ("ya29.", r"\bya29\.", r"[\w-]", 16),
            ("npm_", r"\bnpm_", r"[A-Za-z0-9]", 30),
            ("pypi-", r"\bpypi-", r"[\w-]", 16),
            ("sg.", r"\bSG\.", r"[\w.-]", 32),
            ("eyj", r"\beyJ", r"[\w.-]", 12),
            ("taskyard_", r"\btaskyard_", r"[\w-]", 20),
        )
    ),
)
Pattern = tuple[str, re.Pattern[str]]
_WHOLE: tuple[Pattern, ...] = tuple((shape.hint, shape.pattern(is_cut=False)) for shape in _SHAPES)
_CUT: tuple[Pattern, ...] = tuple((shape.hint, shape.pattern(is_cut=True)) for shape in _SHAPES)

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\W_]+")
_KEY_BEFORE = re.compile(r"[\w.$-]*\Z")
_KEY_AFTER = re.compile(r"[\w.$-]*")
_IS_SAID = re.compile(r"(?P<quote>\\*[\"'])?\]?\s{0,9}(?::=|=>|[:=])\s{0,9}")
_NO_KEY = re.compile(
    r"(?:Error|Exception|Warning|Timeout|Expired|Invalid|Missing|Required|Refused|Denied|Failed|NotFound)\Z"
)
"""`TokenError: it is too old` names a class of errors."""
_QUOTE = re.compile(r"[bBrRuUfF]{0,2}(\\*)([\"'])")
_NOTHING = re.compile(r"(?:null|None|true|false|True|False|undefined)\b(?![\w.-])|\\*[\"']{2}|\[\]|\{\}|\(\)")
_BARE = re.compile(r"[^\s,;&\"'<>()\[\]{}\\]+")
_LINE = re.compile(r"[^\n\"'\\]+")
_SCHEME = re.compile(r"(?i:bearer|basic|digest|token|negotiate)[ \t]+")
_UNICODE = re.compile(r"\\u([0-9a-fA-F]{4})")
_BRACKETS = re.compile(r"[\[\](){}]|\\*[\"']")


class Redactor:
    """`names`: more that are hidden; one that begins with `-` is not hidden after all. Threads may share one."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        given = [name.strip() for name in names if name.strip()]
        taken_off = {_joined(name[1:]) for name in given if name.startswith("-")}
        listed = [name for name in (*KEYS, *given) if not name.startswith("-") and _joined(name) not in taken_off]
        self._joined = frozenset(filter(None, map(_joined, listed)))
        self._most_words = max((len(_words(name)) for name in listed), default=0)
        self._marks = tuple(sorted({max(_words(name), key=len) for name in listed if _words(name)}))
        self._short_name = lru_cache(maxsize=10_000)(self._names_secret)
        self._short_text = Memo(self._redact_text, _bytes, most=20_000, most_bytes=16 * MIB)
        self._large_payload = Memo(self._redact_payload, _bytes, most=8, most_bytes=16 * MIB)

    def names_secret(self, key: str) -> bool:
        return self._short_name(key) if len(key) <= 2 * LONGEST_KEY else self._names_secret(key)

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
            return self.text(_UNICODE.sub(_character, text), is_cut=True)

    def value(self, value: Any, text: str = "\\") -> tuple[Any, int]:
        """What JSON holds, with masks, and how many. `text`: the JSON, where there is one."""
        walk = _Walk(self, *self._hints(text))
        return walk.masked(value), walk.hidden

    def secret_pair(self, value: dict[str, Any]) -> tuple[str, str] | None:
        """The member that names a secret, and the one beside it that holds it: `{"name": "password", "value": …}`."""
        holder = next((key for key in value if key.lower() in PAIR_VALUES), None)
        if holder is None:
            return None
        for key, name in value.items():
            if key.lower() in PAIR_NAMES and isinstance(name, str) and self.names_secret(name):
                return key, holder
        return None

    def _hints(self, text: str) -> tuple[tuple[Pattern, ...], tuple[str, ...]]:
        """What has to be looked for: what stands nowhere in the whole need not be in its parts. Behind a backslash
        anything may stand."""
        if "\\" in text:
            return _WHOLE, self._marks
        folded = text.lower()
        shapes = tuple((hint, pattern) for hint, pattern in _WHOLE if hint in folded)
        return shapes, tuple(mark for mark in self._marks if mark in folded)

    def text(self, text: str, *, is_cut: bool = False) -> Redacted:
        """Any text. `is_cut`: it may end in the midst of a secret."""
        if len(text) <= SHORT:
            return self._short_text(text, is_cut)
        return self._redact_text(text, is_cut)

    def _redact_text(self, text: str, is_cut: bool) -> Redacted:
        if not text:
            return Redacted(text)
        folded = text.lower()
        marks = [mark for mark in self._marks if mark in folded]
        said = _hide_spans(text, self._said(text, folded, marks)) if marks else Redacted(text)
        shapes = [pattern for hint, pattern in (_CUT if is_cut else _WHOLE) if hint in folded]
        shown = _hide_shapes(said.text, shapes)
        return Redacted(shown.text, said.hidden + shown.hidden)

    def _said(self, text: str, folded: str, marks: Iterable[str]) -> Iterator[tuple[int, int]]:
        """Where values stand behind names of secrets: `token=…`, `"token": …`, `--token …`, `<token>…`. None in
        another one."""
        last_end = 0
        for start, end in sorted(_hits(text, folded, marks)):
            if start < last_end:
                continue
            before = _KEY_BEFORE.search(text, max(0, start - LONGEST_KEY), start)
            after = _KEY_AFTER.match(text, end, end + LONGEST_KEY)
            first, last = before.start() if before else start, after.end() if after else end
            key = text[first:last]
            if not self.names_secret(key):
                continue
            value = self._value_behind(text, first, last)
            if value and value[0] < value[1]:
                yield value
                last_end = value[1]

    def _value_behind(self, text: str, first: int, last: int) -> tuple[int, int] | None:
        """The value of the name that stands from `first` to `last`."""
        key = text[first:last]
        said = _IS_SAID.match(text, last)
        if said and not (said["quote"] is None and _NO_KEY.search(key)):
            return _value_at(text, said.end(), key)
        if key.startswith("--") and text[last : last + 1] == " ":
            return _value_at(text, last + 1, key)
        if text[first - 1 : first] == "<" and text[last : last + 1] == ">":
            closing = text.find("<", last)
            return last + 1, closing if closing >= 0 else len(text)
        return None

    def _names_secret(self, key: str) -> bool:
        if len(key) > 2 * LONGEST_KEY and not any(mark in key.lower() for mark in self._marks):
            return False
        words = _words(key)
        for first in range(len(words)):
            for last in range(first + 1, min(first + self._most_words, len(words)) + 1):
                joined = "".join(words[first:last])
                if joined in self._joined or joined.removesuffix("s") in self._joined:
                    return True
        return False


class _Walk:
    """Through what JSON holds."""

    def __init__(self, redactor: Redactor, shapes: tuple[Pattern, ...], marks: tuple[str, ...]) -> None:
        self._redactor, self._shapes, self._marks = redactor, shapes, marks
        self.hidden = 0

    def masked(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return self._object(value)
        if isinstance(value, list):
            return [self.masked(item) for item in value]
        return value

    def _object(self, value: dict[str, Any]) -> Any:
        if any(self._looks_secret(key) for key in value):
            self.hidden += 1
            return MASK
        pair = self._redactor.secret_pair(value)
        return {
            key: self._secret(item)
            if self._redactor.names_secret(key) or (pair and key == pair[1])
            else self.masked(item)
            for key, item in value.items()
        }

    def _secret(self, value: Any) -> Any:
        """Nothing, yes and no are no secrets; that one is missing may be what went wrong."""
        if value is None or isinstance(value, bool) or value in ("", [], {}):
            return value
        self.hidden += 1
        return MASK

    def _looks_secret(self, key: str) -> bool:
        return bool(self._shapes) and any(hint in key.lower() and pattern.search(key) for hint, pattern in self._shapes)

    def _text(self, value: str) -> str:
        folded = value.lower()
        has_shape = any(hint in folded for hint, _ in self._shapes)
        has_mark = any(mark in folded for mark in self._marks)
        if not has_shape and not has_mark:
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


def _hide_spans(text: str, spans: Iterable[tuple[int, int]]) -> Redacted:
    pieces: list[str] = []
    position = hidden = 0
    for start, end in spans:
        if text[start:end] == MASK:  # it was looked at before
            continue
        pieces += (text[position:start], MASK)
        position, hidden = end, hidden + 1
    return Redacted("".join((*pieces, text[position:])), hidden) if hidden else Redacted(text)


def _hits(text: str, folded: str, marks: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Where these words stand, whatever their case."""
    if len(folded) != len(text):  # some letter is two in small
        for mark in marks:
            yield from (found.span() for found in re.finditer(re.escape(mark), text, re.IGNORECASE))
        return
    for mark in marks:
        at = folded.find(mark)
        while at >= 0:
            yield at, at + len(mark)
            at = folded.find(mark, at + len(mark))


def _value_at(text: str, at: int, key: str) -> tuple[int, int]:
    """From where to where the value is that begins here; an empty span where there is none."""
    if _NOTHING.match(text, at):
        return at, at
    quote = _QUOTE.match(text, at)
    if quote:
        return quote.end(), _closing(text, quote.end(), quote[1], quote[2])
    if text[at : at + 1] in ("{", "[", "("):
        return at, _balanced(text, at)
    is_line = any(word in key.lower() for word in ("authorization", "cookie"))
    scheme = None if is_line else _SCHEME.match(text, at)
    found = (_LINE if is_line else _BARE).match(text, scheme.end() if scheme else at)
    return at, found.end() if found else at


def _closing(text: str, at: int, slashes: str, quote: str) -> int:
    """Where the quotation ends that began before; at the text's end where it does not."""
    while True:
        at = text.find(quote, at)
        if at < 0:
            return len(text)
        before = len(text[max(0, at - 64) : at]) - len(text[max(0, at - 64) : at].rstrip("\\"))
        if before == len(slashes) if slashes else before % 2 == 0:
            return at - len(slashes)
        at += 1


def _balanced(text: str, at: int) -> int:
    """Behind the bracket that closes the one that stands here."""
    depth, position = 0, at
    while found := _BRACKETS.search(text, position):
        position = found.end()
        if found[0] in ("[", "(", "{"):
            depth += 1
        elif found[0] in ("]", ")", "}"):
            depth -= 1
            if depth == 0:
                return position
        else:
            slashes, quote = found[0][:-1], found[0][-1]
            position = min(len(text), _closing(text, position, slashes, quote) + len(found[0]))
    return len(text)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a name that stands twice only one value would be looked at."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def _character(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    return character if character.isprintable() and character not in '"\\' else found[0]


def _bytes(made: Redacted, text: str, *_: bool) -> int:
    return bytes_of(text) + (0 if made.text is text else bytes_of(made.text))


def _words(key: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(_HUMP.sub("_", key))]


def _joined(key: str) -> str:
    return "".join(_words(key))
