"""Writes the demo's output: for a person at a terminal or in a log, in brief, or for a program."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from typing import TextIO

from queue_core.demo import terminal
from queue_core.demo.facts import Fact, Totals
from queue_core.demo.terminal import Style

REWRITE_SECONDS = 1.0
LOG_SECONDS = 10.0


class Output(Enum):
    TEXT = "text"
    BRIEF = "brief"
    JSON = "json"


class Reporter:
    """`is_broken`: nobody reads any more. From then on nothing is written, and nothing fails."""

    def __init__(self, output: Output, stream: TextIO, environ: Mapping[str, str] = os.environ) -> None:
        self._output = output
        self._stream = stream
        self._style = style_of(stream, environ)
        self._started = time.monotonic()
        self._status_at = float("-inf")
        self._status = ""
        self.is_broken = False

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._started

    @property
    def is_terminal(self) -> bool:
        return self._style.is_terminal

    def tell(self, fact: Fact) -> None:
        match self._output:
            case Output.TEXT:
                lines = terminal.lines(fact, self.elapsed, self._style_now())
            case Output.BRIEF:
                lines = terminal.brief_lines(fact, self._style)
            case Output.JSON:
                lines = [terminal.json_line(fact, self.elapsed)]
        self._write("".join(f"{line}\n" for line in lines))

    def count(self, totals: Totals) -> None:
        """Rewrite the last line of a terminal each second; elsewhere write a line every ten."""
        rewrites = self._style.is_terminal and self._output is Output.TEXT
        pause = REWRITE_SECONDS if rewrites else LOG_SECONDS
        if self._output is Output.BRIEF or self.elapsed - self._status_at < pause:
            return
        is_first = self._status_at < 0
        self._status_at = self.elapsed
        if rewrites:
            self._status = terminal.status_line(totals, self.elapsed, self._style_now())
            self._write("")
        elif not is_first:
            self.tell(totals)

    def keep_status(self) -> None:
        """Let the rewritten line stand, and go on below it."""
        if self._status:
            status, self._status = self._status, ""
            self._write(f"{status}\n")

    def _style_now(self) -> Style:
        """People change the size of their terminals."""
        return replace(self._style, width=shutil.get_terminal_size().columns) if self.is_terminal else self._style

    def _write(self, text: str) -> None:
        if self.is_broken or not (text or self._status):
            return
        clear = "\r\x1b[2K" if self._style.is_terminal and self._output is Output.TEXT else ""
        try:
            self._stream.write(f"{clear}{text}{self._status}")
            self._stream.flush()
        except (OSError, ValueError):
            self.is_broken = True
            if self._stream is sys.stdout:  # or Python fails once more when it flushes at its end
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


def style_of(stream: TextIO, environ: Mapping[str, str]) -> Style:
    is_terminal = stream.isatty() and environ.get("TERM", "dumb") != "dumb"
    encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
    return Style(
        is_terminal=is_terminal,
        has_colour=is_terminal and not environ.get("NO_COLOR"),
        is_unicode=encoding.startswith("utf"),
    )
