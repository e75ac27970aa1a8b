"""What people and programs did."""

from __future__ import annotations

from typing import Annotated

from dashboard.api.table import reads
from dashboard.api.values import UNSET, Count, Limit, Meta, Query, Time, UnsetType, Value, at
from dashboard.parts import parts


class EntryOut(Value, frozen=True):
    """Written before it was done. `verb` is `refuse` where somebody wanted what they may not; `queue`: "" where it was
    on none."""

    id: str
    at: Time | None
    by: str
    verb: str
    queue: str
    target: str
    count: Count
    reason: str
    action_id: str


class Entries(Value, frozen=True):
    """`older`: the cursor of the next page; `null` on the last one."""

    older: str | None
    entries: list[EntryOut]


class AuditQuery(Query, frozen=True):
    cursor: (
        Annotated[str, Meta(pattern=r"^[0-9]{1,15}-[0-9]{1,15}$", description="`older` of the page before.")]
        | UnsetType
    ) = UNSET
    limit: Limit = 50


@reads("/audit", Entries, query=AuditQuery)
def audit(query: AuditQuery) -> Entries:
    """The audit stream, newest first. About the last 10,000 entries."""
    page = parts().inspector.audit(query.limit, query.cursor or None)
    rows = [
        EntryOut(
            id=entry.id,
            at=at(entry.at),
            by=entry.by,
            verb=entry.verb,
            queue=entry.queue,
            target=entry.target,
            count=entry.count,
            reason=entry.reason,
            action_id=entry.action_id,
        )
        for entry in page.rows
    ]
    return Entries(older=page.older, entries=rows)
