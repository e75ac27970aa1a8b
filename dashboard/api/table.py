"""The one table of the API: what each endpoint takes and gives. Its rows are made by `reads` and `changes`, and lead
the routing, the checks of what comes in, and the OpenAPI document: so none of them can say what the others do not."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dashboard.api.values import Change, NoQuery, Query
from dashboard.identity import Role

View = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`path`: as Flask has it, below /api/v1; `query` and `body`: what comes in; `answer`: the type that goes out.
    `may_fail`: statuses beside those that all endpoints have."""

    method: str
    path: str
    view: View
    query: type[Query]
    body: type[Change] | None
    answer: type
    role: Role
    may_fail: tuple[int, ...] = field(default=())

    @property
    def name(self) -> str:
        return f"{self.view.__module__.rpartition('.')[2]}_{self.view.__name__}"

    @property
    def parameters(self) -> tuple[str, ...]:
        """Of the path."""
        return tuple(re.findall(r"<(?:[^:>]+:)?(\w+)>", self.path))

    @property
    def public_path(self) -> str:
        """As OpenAPI has it."""
        return re.sub(r"<(?:[^:>]+:)?(\w+)>", r"{\1}", self.path)

    @property
    def words(self) -> tuple[str, str]:
        """The first sentence of its docstring, and the others."""
        text = " ".join(inspect.cleandoc(self.view.__doc__ or "").split())
        head, _, rest = text.partition(". ")
        return head.rstrip("."), rest


ENDPOINTS: list[Endpoint] = []


def reads(
    path: str, answer: type, *, query: type[Query] = NoQuery, may_fail: tuple[int, ...] = ()
) -> Callable[[View], View]:
    """The view is given what the path names and, where it takes any, `query`."""

    def add(view: View) -> View:
        ENDPOINTS.append(Endpoint("GET", path, view, query, None, answer, Role.VIEWER, may_fail))
        return view

    return add


def changes(
    path: str, answer: type, *, body: type[Change] = Change, role: Role = Role.OPERATOR, may_fail: tuple[int, ...] = ()
) -> Callable[[View], View]:
    """The view is given what the path names, `body` and `act` (who does it, why, by which form)."""

    def add(view: View) -> View:
        ENDPOINTS.append(Endpoint("POST", path, view, NoQuery, body, answer, role, may_fail))
        return view

    return add
