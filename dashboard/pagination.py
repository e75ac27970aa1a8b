"""Pages and the order of tables. Lists of tasks page by the reader's cursors, lists that are held whole by number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Generic, TypeVar

from dashboard.parameters import not_accepted

Row = TypeVar("Row")

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class Part(Generic[Row]):
    """One numbered page of rows that are all at hand. `number` counts from 1; `size`: rows of a whole page."""

    rows: tuple[Row, ...]
    number: int
    last: int
    total: int
    size: int = PAGE_SIZE

    @property
    def first_shown(self) -> int:
        return (self.number - 1) * self.size + 1 if self.rows else 0

    @property
    def last_shown(self) -> int:
        return self.first_shown + len(self.rows) - 1 if self.rows else 0


def part_of(rows: Sequence[Row], number: int, size: int = PAGE_SIZE) -> Part[Row]:
    """The page `number`, or the nearest that exists."""
    last = max(1, -(-len(rows) // size))
    number = min(max(1, number), last)
    begin = (number - 1) * size
    return Part(rows=tuple(rows[begin : begin + size]), number=number, last=last, total=len(rows), size=size)


@dataclass(frozen=True, slots=True)
class Order:
    """By which column a table is sorted, as it stands in the URL: `dead` or `-dead` (largest first)."""

    column: str
    descending: bool

    @classmethod
    def read(cls, text: str | None, columns: Sequence[str], default: str) -> Order:
        """Raises `BadParameter`."""
        chosen = text or default
        if chosen.removeprefix("-") not in columns:
            raise not_accepted("sort", chosen, f"one of {', '.join(columns)}, with - before it the largest first")
        return cls(column=chosen.removeprefix("-"), descending=chosen.startswith("-"))

    @property
    def text(self) -> str:
        return f"-{self.column}" if self.descending else self.column

    def link(self, column: str, *, largest_first: bool = True) -> str:
        """What a click on that column's head sorts by: the other way round when it is sorted by it already."""
        if column != self.column:
            return f"-{column}" if largest_first else column
        return column if self.descending else f"-{column}"

    def aria(self, column: str) -> str:
        if column != self.column:
            return "none"
        return "descending" if self.descending else "ascending"

    def apply(self, rows: Sequence[Row], key: Callable[[Row], Any]) -> tuple[Row, ...]:
        """Rows without a value (`None`) come last in both directions."""
        keyed = [(key(row), row) for row in rows]
        known = sorted((pair for pair in keyed if pair[0] is not None), key=itemgetter(0), reverse=self.descending)
        return tuple(row for _, row in (*known, *(pair for pair in keyed if pair[0] is None)))
