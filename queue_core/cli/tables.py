"""Tables for people: aligned columns, figures to the right, hostile text made visible. Pure but for the colours."""

from __future__ import annotations

from collections.abc import Sequence

from queue_core.cli.output import bold, paint, safe
from queue_core.formats import width

GAP = "   "
LEAST = 12
"""Columns that the last one gets in the narrowest terminal."""


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1, text: bool = False, most: int | None = None
) -> str:
    """The first `left` columns are words and stand to the left, as does the last one where it is `text`; the others are
    figures. `most`: columns of the terminal, into which the last column is cut; `None`: it is not."""
    shown = [[safe(cell) for cell in row] for row in rows]
    last = len(heads) - 1
    widths = [max(width(row[i]) for row in (heads, *shown)) for i in range(len(heads))]
    if most is not None and shown:
        room = max(LEAST, most - sum(widths[:last]) - len(GAP) * last)
        shown = [[*row[:last], fit(row[last], room)] for row in shown]
        widths[last] = min(widths[last], room)

    def line(cells: Sequence[str], *, is_head: bool = False) -> str:
        padded = []
        for i, cell in enumerate(cells):
            space = " " * (widths[i] - width(cell))
            is_left = i < left or (text and i == last)
            word = bold(cell) if is_head else paint(cell)
            padded.append(word + space if is_left else space + word)
        return GAP.join(padded).rstrip()

    return "\n".join([line(heads, is_head=True), *map(line, shown)])


def fit(text: str, columns: int) -> str:
    """Cut at the end to so many columns of a terminal."""
    if width(text) <= columns:
        return text
    kept, taken = [], 1
    for character in text:
        taken += width(character)
        if taken > columns:
            break
        kept.append(character)
    return f"{''.join(kept)}…"
