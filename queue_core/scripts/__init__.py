"""The transitions of a task, each one Lua script: its header says what becomes true, its keys, arguments and answer.

`-- include a b` in a script stands for `lib/a.lua` and `lib/b.lua`, so that no rule is written twice; in a block it
holds for the block. The keys of the header have their names in the script, those that the caller adds follow behind
`KEYS[NAMED]`; `-- check keys` stands for the answer that one of another type gets before anything is written (keys
behind a `;` are not looked at). Of `control` those fields are read that the script names, as `known.format`.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent
_HEADER = re.compile(r"^-- KEYS (.+?)(?:, then .+?)?\n-- ARGV", re.MULTILINE | re.DOTALL)
_UNCHECKED = re.compile(r";.+", re.DOTALL)
_KEY = re.compile(r"(\w+)\s(?:-- )?(HASH|LIST|SET|STREAM|STRING|ZSET)\b")
_INCLUDE = re.compile(r"^ *-- include (.+)$", re.MULTILINE)
_FUNCTION = re.compile(r"^local function (\w+)\(.*?^end\n", re.MULTILINE | re.DOTALL)
_WORD = re.compile(r"\w+")
_KNOWN = re.compile(r"\bknown\.(\w+)")
_NAMES, _CHECK, _FIELDS = "-- name keys", "-- check keys", "'<fields>'"
_CALLERS_OWN = frozenset({"control", "session"})


@dataclass(frozen=True, slots=True)
class Script:
    name: str
    text: str
    sha: str
    keys: tuple[str, ...]
    """Names of the keys in the header, as `QueueKeys` has them, but for `control` and `session`."""
    types: tuple[str, ...]
    """Of the same, as TYPE says it."""


@cache
def load(name: str) -> Script:
    """The script `name`.lua with its includes in place."""
    source = (_FOLDER / f"{name}.lua").read_text()
    keys = header_keys(source)
    text = _with_includes(source)
    text = text.replace(_NAMES, _locals(keys)).replace(_CHECK, _check(header_keys(source, only_checked=True)))
    text = _with_fields(_without_unused(text))
    own = tuple(key for key in keys if key not in _CALLERS_OWN)
    types = tuple(keys[key].lower() for key in own)
    return Script(name, text, hashlib.sha1(text.encode()).hexdigest(), own, types)


def header_keys(source: str, *, only_checked: bool = False) -> dict[str, str]:
    """Name → type of the keys that a script's header names, in their order."""
    header = _HEADER.search(source)
    words = header[1] if header else ""
    return dict(_KEY.findall(_UNCHECKED.sub("", words) if only_checked else words))


def names() -> list[str]:
    return sorted(path.stem for path in _FOLDER.glob("*.lua"))


def _with_includes(source: str) -> str:
    return _INCLUDE.sub(lambda found: "\n".join(map(_library, found[1].split())), source)


@cache
def _library(name: str) -> str:
    return _with_includes((_FOLDER / "lib" / f"{name}.lua").read_text())


def _without_unused(text: str) -> str:
    """Without the functions that this script includes and never calls: each would be made anew in every call."""
    words = Counter(_WORD.findall(text))
    unused = {name for name in _FUNCTION.findall(text) if words[name] == 1}
    if not unused:
        return text
    return _without_unused(_FUNCTION.sub(lambda found: "" if found[1] in unused else found[0], text))


def _with_fields(text: str) -> str:
    """Reads the fields of `control` that the script names. A field costs as much as a small command."""
    fields = list(dict.fromkeys(_KNOWN.findall(text)))
    text = _KNOWN.sub(lambda found: f"known[{fields.index(found[1]) + 1}]", text)
    return text.replace(_FIELDS, ", ".join(f"'{field}'" for field in fields))


def _locals(keys: dict[str, str]) -> str:
    values = ", ".join(f"KEYS[{number}]" for number in range(1, len(keys) + 1))
    return f"local {', '.join(keys)} = {values}\nlocal NAMED = {len(keys)}"


def _check(keys: dict[str, str]) -> str:
    pairs = ", ".join(f"'{kind.lower()}', {name}" for name, kind in keys.items() if name not in _CALLERS_OWN)
    return f"local wrong = check_types({pairs})\nif wrong then return wrong end" if pairs else "local wrong"
