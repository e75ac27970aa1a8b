"""A Python traceback as frames: the application's own ones open, those of libraries folded. Pure text work.

What does not look like a traceback is shown as the text that it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

PATH_PARTS = 3
_FRAME = re.compile(r'^\s*File "(?P<file>[^"]*)", line (?P<line>\d+)(?:, in (?P<function>.*))?$')
_LIBRARY = re.compile(r"(^|/)(site-packages|dist-packages|lib(64)?/python\d[^/]*|queue_core)/|^<frozen ")
_DEMO = re.compile(r"(^|/)queue_core/demo/")
"""Its tasks stand for those of an application."""
_PACKAGES = (
    re.compile(r"(?:site-packages|dist-packages)/([^/]+)"),
    re.compile(r"lib(?:64)?/python\d[^/]*/([^/]+)"),
    re.compile(r"(?:^|/)(queue_core)/"),
)


@dataclass(frozen=True, slots=True)
class Frame:
    file: str
    line: int
    function: str
    code: str

    @property
    def is_library(self) -> bool:
        return bool(_LIBRARY.search(self.file)) and not _DEMO.search(self.file)

    @property
    def package(self) -> str:
        found = next((match for pattern in _PACKAGES if (match := pattern.search(self.file))), None)
        return found[1].removesuffix(".py") if found else "libraries"

    @property
    def place(self) -> str:
        """The end of the path and the line: `…/billing/gateway.py:88`."""
        parts = self.file.split("/")
        shown = self.file if len(parts) <= PATH_PARTS else "/".join(["…", *parts[-PATH_PARTS:]])
        return f"{shown}:{self.line}"


@dataclass(frozen=True, slots=True)
class Section:
    """Neighbouring frames of one kind, or a sentence between two tracebacks (`text`)."""

    frames: tuple[Frame, ...]
    is_folded: bool
    text: str = ""

    @property
    def packages(self) -> str:
        return ", ".join(dict.fromkeys(frame.package for frame in self.frames))


@dataclass(frozen=True, slots=True)
class Traceback:
    text: str
    sections: tuple[Section, ...]

    @property
    def is_parsed(self) -> bool:
        return any(section.frames for section in self.sections)


def parse_traceback(text: str) -> Traceback:
    sections: list[Section] = []
    pieces = tuple(_pieces(text))
    frames = [piece for piece in pieces if isinstance(piece, Frame)]
    folds = any(not frame.is_library for frame in frames)
    for kind, group in groupby(pieces, key=_kind):
        members = tuple(group)
        if kind == "text":
            sections.append(Section((), False, "\n".join(piece for piece in members if isinstance(piece, str))))
        else:
            shown = tuple(piece for piece in members if isinstance(piece, Frame))
            sections.append(Section(shown, is_folded=folds and kind == "library"))
    return Traceback(text, tuple(sections))


def _kind(piece: Frame | str) -> str:
    if isinstance(piece, str):
        return "text"
    return "library" if piece.is_library else "own"


def _pieces(text: str) -> Iterator[Frame | str]:
    """Frames with their line of code, and every other line that says something."""
    lines = text.splitlines()
    position = 0
    while position < len(lines):
        found = _FRAME.match(lines[position])
        if not found:
            if lines[position].strip() and lines[position] != "Traceback (most recent call last):":
                yield lines[position]
            position += 1
            continue
        position += 1
        code: list[str] = []
        while position < len(lines) and lines[position].startswith("    ") and not _FRAME.match(lines[position]):
            if set(lines[position].strip()) - set("^~ "):
                code.append(lines[position].strip())
            position += 1
        yield Frame(found["file"], int(found["line"]), (found["function"] or "").strip(), " ".join(code))
