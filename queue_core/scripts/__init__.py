"""The transitions of a task, each one Lua script: its header says what becomes true, its keys, arguments and answer.

`-- include a b` in a script stands for `lib/a.lua` and `lib/b.lua`, so that no rule is written twice.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent
_INCLUDE = re.compile(r"^-- include (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Script:
    name: str
    text: str
    sha: str


@cache
def load(name: str) -> Script:
    """The script `name`.lua with its includes in place."""
    text = (_FOLDER / f"{name}.lua").read_text()
    text = _INCLUDE.sub(lambda found: "\n".join(_library(library) for library in found[1].split()), text)
    return Script(name, text, hashlib.sha1(text.encode()).hexdigest())


def names() -> list[str]:
    return sorted(path.stem for path in _FOLDER.glob("*.lua"))


@cache
def _library(name: str) -> str:
    return (_FOLDER / "lib" / f"{name}.lua").read_text()
