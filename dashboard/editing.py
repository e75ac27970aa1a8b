"""A payload that was edited with hidden values in it: what is stored comes back where its mask was left alone. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dashboard.redaction import MASK, Redactor
from queue_core.errors import InvalidArgument, InvalidPayload

LONGEST_VALUE = 300
"""Characters of a value in a difference."""
LEAST_PIECE = 6
"""Characters of a hidden value by which it is known again."""
_NONE = object()
_KINDS = {
    bool: "yes or no",
    int: "number",
    float: "number",
    str: "text",
    list: "list",
    dict: "object",
    type(None): "nothing (null)",
}
"""Of JSON, as they are said."""


@dataclass(frozen=True, slots=True)
class Change:
    """`before`, `after`: as JSON, redacted; empty where there is nothing. `note`: what a reader of both may miss, such
    as `number → text`; nothing of what is hidden."""

    path: str
    before: str
    after: str
    note: str = ""

    @property
    def words(self) -> str:
        return f"{self.path} {self.before or 'nothing'} → {self.after or 'nothing'}"


def read_json(text: str) -> Any:
    """Raises `InvalidPayload`, with line and column."""
    try:
        return json.loads(text, object_pairs_hook=_each_once, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise InvalidPayload(f"this is not JSON: {error.msg}, line {error.lineno}, column {error.colno}.") from error
    except RecursionError:
        raise InvalidPayload("this is not JSON that can be stored: it is too deep.") from None
    except ValueError as error:
        raise InvalidPayload(f"this is not JSON that can be stored: {error}.") from error


def merge(stored: Any, masked: Any, edited: Any, path: str = "") -> Any:
    """What is to be stored: as `edited`, with the values of `stored` where a mask of `masked` stands as it stood.

    Raises `InvalidArgument` for a mask that was moved, or of which a part was changed.
    """
    if not has_mask(edited):
        return edited
    if isinstance(edited, str):
        if isinstance(masked, str) and masked == edited:
            return stored
        raise InvalidArgument(
            f"The hidden value at {path or 'the top'} was moved or changed in part. Leave {MASK} as it stood, or "
            "put a whole new value in its place."
        )
    if isinstance(edited, dict) and isinstance(masked, dict) and isinstance(stored, dict):
        _check_places(masked, edited, path)
        if any(MASK in key and key not in masked for key in edited):
            raise InvalidArgument(f"A name in {path or 'the payload'} is {MASK}: that stands for a hidden value.")
        return {
            key: merge(stored.get(key), masked.get(key, _NONE), value, f"{path}.{key}" if path else key)
            for key, value in edited.items()
        }
    if isinstance(edited, list) and isinstance(masked, list) and isinstance(stored, list):
        if len(edited) != len(masked):
            raise InvalidArgument(
                f"The list at {path or 'the top'} has another length, so it cannot be told which hidden values stay."
            )
        _check_places(dict(enumerate(masked)), dict(enumerate(edited)), path)
        return [merge(stored[i], masked[i], value, f"{path}[{i}]") for i, value in enumerate(edited)]
    raise InvalidArgument(f"The hidden value at {path or 'the top'} was moved: nothing was hidden there.")


def check_hidden(stored: Any, masked: Any, edited: Any, merged: Any, redactor: Redactor) -> None:
    """A stored value came back where its mask was left alone: there it must be hidden as it was before.

    What hides a value may stand beside it: `{"name": "DB_PASSWORD", "value": …}`. Raises `InvalidArgument`.
    """
    if not has_mask(edited):
        return
    _check_pairs(masked, edited, redactor, "")
    _check_shown(edited, redactor.value(merged)[0], "")
    seen = dumps(edited) + _as_text(stored, redactor)
    shown = _as_text(merged, redactor)
    if any(piece in shown and piece not in seen for piece in _pieces(edited, merged)):
        raise _bared("")


def _as_text(value: Any, redactor: Redactor) -> str:
    """As lists show the beginning of it."""
    return redactor.text(dumps(value), is_cut=True).text


def _check_shown(edited: Any, shown: Any, path: str) -> None:
    if shown == MASK or not has_mask(edited):
        return
    if isinstance(edited, dict) and isinstance(shown, dict):
        for key, value in edited.items():
            _check_shown(value, shown.get(key), f"{path}.{key}" if path else key)
    elif isinstance(edited, list) and isinstance(shown, list):
        for i, (value, seen) in enumerate(zip(edited, shown, strict=True)):
            _check_shown(value, seen, f"{path}[{i}]")
    elif edited != shown:
        raise _bared(path)


def _check_pairs(masked: Any, edited: Any, redactor: Redactor, path: str) -> None:
    """A list shows the beginning of a payload alone: a name that was moved behind its value would hide it no more."""
    if not has_mask(edited):
        return
    if isinstance(edited, dict) and isinstance(masked, dict):
        pair = redactor.names.pair(masked)
        if pair and edited.get(pair[1]) == MASK and not _same(_until(masked, pair), _until(edited, pair)):
            raise _bared(f"{path}.{pair[1]}" if path else pair[1])
        for key, value in edited.items():
            _check_pairs(masked.get(key), value, redactor, f"{path}.{key}" if path else key)
    elif isinstance(edited, list) and isinstance(masked, list):
        for i, (was, value) in enumerate(zip(masked, edited, strict=False)):
            _check_pairs(was, value, redactor, f"{path}[{i}]")


def _until(value: dict[str, Any], pair: tuple[str, str]) -> list[tuple[str, Any]]:
    """The members as far as both of the pair stand."""
    places = [place for place, key in enumerate(value, 1) if key in pair]
    return list(value.items())[: max(places, default=0)]


def _pieces(edited: Any, merged: Any) -> Iterator[str]:
    """What tells values that came back from others, were they seen in a text: a quote that was typed before one may
    seem to end within it."""
    if edited == MASK:
        yield from (piece for piece in re.split(r"[\"'\\]", dumps(merged)) if len(piece) >= LEAST_PIECE)
    elif isinstance(edited, dict) and isinstance(merged, dict):
        for key, value in edited.items():
            yield from _pieces(value, merged[key])
    elif isinstance(edited, list) and isinstance(merged, list):
        for value, became in zip(edited, merged, strict=True):
            yield from _pieces(value, became)


def _bared(path: str) -> InvalidArgument:
    return InvalidArgument(
        f"The hidden value at {path or 'the top'} would be seen: what stands beside it, and hides it, was changed. "
        "Leave that as it stood, or put a whole new value in place of the mask."
    )


def has_mask(value: Any) -> bool:
    if isinstance(value, str):
        return MASK in value
    if isinstance(value, dict):
        return any(MASK in key or has_mask(item) for key, item in value.items())
    return isinstance(value, list) and any(has_mask(item) for item in value)


def difference(stored: Any, merged: Any, redactor: Redactor) -> tuple[Change, ...]:
    """What changes, without what is hidden: also what somebody has just put there is."""
    return tuple(_changes(stored, merged, redactor.value(stored)[0], redactor.value(merged)[0], ""))


def dumps(value: Any) -> str:
    """As it is stored."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _changes(before: Any, after: Any, seen: Any, shown: Any, path: str) -> Iterator[Change]:
    if _same(before, after):
        return
    kinds = [type(value) for value in (before, after, seen, shown)]
    if kinds == [dict] * 4:
        for key in dict.fromkeys((*before, *after)):
            place = f"{path}.{key}" if path else key
            was, becomes = before.get(key, _NONE), after.get(key, _NONE)
            yield from _changes(was, becomes, seen.get(key, _NONE), shown.get(key, _NONE), place)
        return
    if kinds == [list] * 4 and len(before) == len(after):
        for i in range(len(before)):
            yield from _changes(before[i], after[i], seen[i], shown[i], f"{path}[{i}]")
        return
    yield Change(path or "all of it", _told(seen), _told(shown), _note(seen, shown))


def _note(seen: Any, shown: Any) -> str:
    if seen is _NONE:
        return "new field"
    if shown is _NONE:
        return "field removed"
    was, becomes = _KINDS.get(type(seen), ""), _KINDS.get(type(shown), "")
    return f"{was} → {becomes}" if was != becomes and MASK not in (seen, shown) else ""


def _same(before: Any, after: Any) -> bool:
    """1, 1.0 and true are three values."""
    return before is after or (before is not _NONE and after is not _NONE and dumps(before) == dumps(after))


def _told(value: Any) -> str:
    if value is _NONE:
        return ""
    text = dumps(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def _check_places(masked: dict[Any, Any], edited: dict[Any, Any], path: str) -> None:
    """Neighbours that changed places took their masks with them."""
    for key, value in edited.items():
        if not has_mask(value) or isinstance(value, str) or (key in masked and _same(masked[key], value)):
            continue
        if any(other != key and _same(item, value) for other, item in masked.items()):
            raise InvalidArgument(f"The hidden values in {path or 'the payload'} were moved: {key!r} was elsewhere.")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")
