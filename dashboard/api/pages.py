"""Lists that are at hand whole, a page at a time: what stands behind the last row of the page before, whatever came or
went meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from dashboard.api.values import UNSET, Cursor, Limit, Query, UnsetType

Row = TypeVar("Row")


class Paged(Protocol):
    """Of a query that asks for one page."""

    @property
    def cursor(self) -> str | UnsetType: ...
    @property
    def limit(self) -> int: ...


class PageQuery(Query, frozen=True):
    cursor: Cursor | UnsetType = UNSET
    limit: Limit = 50


def page_of(rows: Iterable[Row], key: Callable[[Row], str], query: Paged) -> tuple[list[Row], str | None]:
    """The rows of the page in the order of their keys, which differ, and the cursor of the next page."""
    behind = query.cursor or ""
    left = sorted((row for row in rows if key(row) > behind), key=key)
    shown = left[: query.limit]
    return shown, key(shown[-1]) if len(left) > query.limit else None
