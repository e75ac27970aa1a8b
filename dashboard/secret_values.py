"""Where, in a text, values stand behind names of secrets. Pure, and linear in the text's length whatever it is made of.

`token=…`, `"token": …`, `--token …`, `<token>…`, `"name": "token", "value": …`, `[("token", …)]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from dashboard.secret_names import SecretNames

Span = tuple[int, int]
REACH = 64
"""Characters of a name that are looked at, on either side of what makes it one of a secret."""
FAR = 200
"""Characters between a name and its value: of space, of attributes, of other members."""

_KEY_BEFORE = re.compile(r"[\w.$-]*\Z")
_KEY_AFTER = re.compile(r"[\w.$-]*")
_SAID = rf"\s{{0,9}}[ \t]{{0,{FAR}}}"
_IS_SAID = re.compile(rf"(?P<quote>\\*[\"'])?\]?{_SAID}(?::=|=>|->|[:=]|%3[AaDd]){_SAID}")
_NO_KEY = re.compile(
    r"(?:Error|Exception|Warning|Timeout|Expired|Invalid|Missing|Required|Refused|Denied|Failed|NotFound)\Z"
)
"""`TokenError: it is too old` names a class of errors."""
_QUOTE = re.compile(r"[bBrRuUfF]{0,2}(\\*)([\"'])")
_NOTHING = re.compile(r"(?:null|None|true|false|True|False|undefined)\b(?![\w.-])|\\*[\"']{2}|\[\]|\{\}|\(\)")
_TRIPLE = re.compile(r"[bBrRuUfF]{0,2}(\"{3}|'{3})")
_BARE = re.compile(r"[^\s,;&\"'<>()\[\]{}\\]+")
_CALL = re.compile(r"[A-Za-z_][\w.]*\Z")
_ANGLE = re.compile(r"<[^<>\n]{1,200}>")
_BLOCK = re.compile(r"[|>][+-]?\d?[ \t]{0,9}\n(?P<indent>[ \t]{1,200})[^\n]*(?:\n(?P=indent)[^\n]*)*")
_LINE = re.compile(r"(?:[^\n\"'\\]|(?<==)\"[^\"\n\\]*\"|(?<==)'[^'\n\\]*')+")
_SCHEME = re.compile(r"(?i:bearer|basic|digest|token|negotiate)[ \t]+")
_BRACKETS = re.compile(r"[\[\](){}]|\\*[\"']")
_OPTION = re.compile(r"-{1,2}[A-Za-z]")
_SPACE = re.compile(r"[ \t]{1,9}")
_NEXT_ITEM = re.compile(r"\\*[\"'],\s{0,9}(?=[bu]?\\*[\"'])")
_TAG = re.compile(r"</?(?:[\w.-]{1,40}:)?\Z")
_TAG_ENDS = re.compile(rf"(?:\s[^<>]{{0,{FAR}}})?(?<!/)>")
_IN_PAIR = re.compile(r"\b(?:name|key|header|field|variable)\\*[\"']?\s{0,9}[:=]\s{0,9}[bu]?\\*[\"']\Z", re.IGNORECASE)
_PAIR_VALUE = re.compile(
    rf"\\*[\"'](?=[\s,])(?:[^{{}}<>]|{{[^{{}}<>]*}}){{0,{FAR}}}?[\s,\"']val(?:ue)?\\*[\"']?\s{{0,9}}[:=]\s{{0,9}}",
    re.IGNORECASE,
)
_VALUE_FIRST = re.compile(r"\bval(?:ue)?\\*[\"']?\s{0,9}[:=]\s{0,9}", re.IGNORECASE)
_IN_TUPLE = re.compile(r"[\[(,]\s{0,9}[\[(]\s{0,9}[bu]?\\*[\"']\Z")
_TUPLE_ENDS = re.compile(r"\\*[\"']\s{0,9}(?:\Z|[\])]\s{0,9}(?:\Z|[\])]|,\s{0,9}(?:\Z|[\[(])))")


def spans(text: str, folded: str, names: SecretNames, marks: Iterable[str]) -> Iterator[Span]:
    """From where to where they are, in their order; none in another one."""
    last_end = 0
    for start, end in sorted(_hits(text, folded, marks)):
        if start < last_end:
            continue
        before = _KEY_BEFORE.search(text, max(0, start - REACH), start)
        after = _KEY_AFTER.match(text, end, end + REACH)
        first, last = before.start() if before else start, after.end() if after else end
        if text[first:last] not in names:
            continue
        value = _value_of(text, first, last)
        if value and last_end <= value[0] < value[1]:
            yield value
            last_end = value[1]


def _value_of(text: str, first: int, last: int) -> Span | None:
    """The value of the name that stands from `first` to `last`."""
    key = text[first:last]
    said = _IS_SAID.match(text, last)
    if said and not (said["quote"] is None and _NO_KEY.search(key)):
        return _value_at(text, said.end(), key)
    before = text[first - 1 : first]
    if before in ("<", ":"):
        return _in_tag(text, first, last)
    is_option = _OPTION.match(key)
    if is_option and (space := _SPACE.match(text, last)):
        return _no_option(text, _value_at(text, space.end(), key))
    if before not in ("'", '"'):
        return None
    if is_option and (item := _NEXT_ITEM.match(text, last)):
        return _no_option(text, _value_at(text, item.end(), key))
    return _in_pair(text, first, last) or _in_tuple(text, first, last)


def _no_option(text: str, value: Span) -> Span | None:
    """`--use-token --force`: the name of the next one is no value."""
    return None if text.startswith("--", value[0]) else value


def _in_tag(text: str, first: int, last: int) -> Span | None:
    """`<wsse:Password Type="…">x</`"""
    tag = _TAG.search(text, max(0, first - REACH), first)
    ends = _TAG_ENDS.match(text, last) if tag and not tag[0].startswith("</") else None
    if not ends:
        return None
    at, opening, closing = ends.end(), "<![CDATA[", "<"
    if text.startswith(opening, at):
        at, closing = at + len(opening), "]]>"
    end = text.find(closing, at)
    return at, end if end >= 0 else len(text)


def _in_pair(text: str, first: int, last: int) -> Span | None:
    """`"name": "password", "value": "x"`, the value behind it or before; `key="password" value="x"`."""
    if not _IN_PAIR.search(text, max(0, first - REACH), first):
        return None
    if behind := _PAIR_VALUE.match(text, last, last + FAR):
        return _value_at(text, behind.end(), "")
    window = max(0, first - FAR)
    opened = max(text.rfind("{", window, first), text.rfind("<", window, first), window)
    found = _VALUE_FIRST.search(text, opened, first)
    value = _value_at(text, found.end(), "") if found else (first, first)
    return value if value[0] < value[1] < first else None


def _in_tuple(text: str, first: int, last: int) -> Span | None:
    """`[("X-Api-Key", "x"), …]`"""
    item = _NEXT_ITEM.match(text, last)
    if not item or not _IN_TUPLE.search(text, max(0, first - REACH), first):
        return None
    value = _value_at(text, item.end(), "")
    return value if _TUPLE_ENDS.match(text, value[1]) else None


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


def _value_at(text: str, at: int, key: str) -> Span:
    """From where to where the value is that begins here; an empty span where there is none."""
    if triple := _TRIPLE.match(text, at):
        closing = text.find(triple[1], triple.end())
        return triple.end(), closing if closing >= 0 else len(text)
    if _NOTHING.match(text, at):
        return at, at
    quote = _QUOTE.match(text, at)
    if quote:
        return quote.end(), _closing(text, quote.end(), quote[1], quote[2])
    if text[at : at + 1] in ("{", "[", "("):
        return at, _balanced(text, at)
    if whole := _ANGLE.match(text, at) or _BLOCK.match(text, at):
        return at, whole.end()
    is_line = any(word in key.lower() for word in ("authorization", "cookie"))
    scheme = None if is_line else _SCHEME.match(text, at)
    found = (_LINE if is_line else _BARE).match(text, scheme.end() if scheme else at)
    end = found.end() if found else at
    if text[end : end + 1] == "(" and _CALL.match(text[at:end]):  # SecretStr('x')
        end = _balanced(text, end)
    return at, end


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
