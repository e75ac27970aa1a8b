"""Kinds of values that come in and go out, each with what is accepted: the same words check requests and stand in the
OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from dashboard.filters import iso

_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}$"

Time = Annotated[str, Meta(description="ISO 8601, UTC, with milliseconds.", extra_json_schema={"format": "date-time"})]
Count = Annotated[int, Meta(ge=0)]
Name = Annotated[str, Meta(pattern=_NAME)]
TaskId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,128}$")]
Fingerprint = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
OperationId = Annotated[str, Meta(pattern=r"^[0-9a-f]{12}$")]
ActionId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.: -]{1,200}$")]
WorkerId = Annotated[str, Meta(min_length=1, max_length=128)]
Moment = Annotated[datetime, Meta(tz=True, description="A time with its zone.")]
"""As it comes in."""

PATHS: dict[str, object] = {
    "name": Name,
    "task_id": TaskId,
    "fingerprint": Fingerprint,
    "operation_id": OperationId,
    "schedule": Name,
    "action_id": ActionId,
    "worker_id": WorkerId,
}
"""Of parameters in paths."""
PATH_WORDS = {
    "name": "queue",
    "task_id": "task",
    "fingerprint": "fault",
    "operation_id": "operation",
    "schedule": "schedule",
    "action_id": "act",
    "worker_id": "worker",
}
LAST_MS = 10**13 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_ROWS = 200
Limit = Annotated[int, Meta(ge=1, le=MAX_ROWS, description="At most so many rows.")]
OldestFirst = Annotated[
    bool, Meta(description="Dead letters and the trash the oldest first; `older` leads then to what is newer.")
]
Cursor = Annotated[str, Meta(min_length=1, max_length=500, description="`older` of the page before.")]


class Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes out, or a part of it."""


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters behind the `?`. Where one may be missing it is `UNSET`, or has a default."""


class NoQuery(Query, frozen=True):
    pass


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of whatever changes something."""

    rules: ClassVar[Mapping[str, Any]] = {}
    """What is accepted beyond each field by itself, as the document has it."""

    reason: Annotated[str, Meta(max_length=200, description="Why: it stands in the audit stream.")] = ""


def at(ms: int | None) -> str | None:
    """A time as it goes out; `None` also for what can be no time."""
    return iso(ms) or None


def time(ms: int) -> str:
    return iso(ms) or iso(0)


def ms_of(moment: datetime) -> int:
    """Unix milliseconds. Before 1970 it is 1970; beyond 2286 nothing is stored, so then it is that."""
    return min(max(0, (moment - _EPOCH) // timedelta(milliseconds=1)), LAST_MS)


def given(value: object) -> bool:
    return value is not UNSET


__all__ = ["UNSET", "Meta", "UnsetType"]
