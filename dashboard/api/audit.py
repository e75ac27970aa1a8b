"""What people and programs did."""

from __future__ import annotations

from typing import Annotated

from dashboard.api.table import reads
from dashboard.api.values import UNSET, Count, Limit, Meta, Name, Query, Time, UnsetType, Value, at
from dashboard.views.activity import WHATS, AuditFilter, entries_of
from queue_core.errors import InvalidArgument, shown


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
    """`older`: the cursor of the next page; `null` on the last one. Of a filter that finds little a page may be short,
    and not the last."""

    older: str | None
    entries: list[EntryOut]


class AuditQuery(Query, frozen=True):
    cursor: (
        Annotated[str, Meta(pattern=r"^[0-9]{1,15}-[0-9]{1,15}$", description="`older` of the page before.")]
        | UnsetType
    ) = UNSET
    limit: Limit = 50
    queue: Annotated[Name, Meta(description="Only what was done in this queue.")] | UnsetType = UNSET
    by: Annotated[str, Meta(max_length=200, description="Only what this person, or token NAME, did.")] = ""
    what: (
        Annotated[str, Meta(description="Only this, as the button says it.", extra_json_schema={"enum": list(WHATS)})]
        | UnsetType
    ) = UNSET


@reads("/audit", Entries, query=AuditQuery)
def audit(query: AuditQuery) -> Entries:
    """The audit stream, newest first. About the last 10,000 entries."""
    if query.what and query.what not in WHATS:
        raise InvalidArgument(f"what is {shown(query.what)}; it must be one of {', '.join(WHATS)}")
    chosen = AuditFilter(query.queue or "", query.by.strip(), query.what or "")
    entries, older = entries_of(chosen, query.limit, query.cursor or None)
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
        for entry in entries
    ]
    return Entries(older=older, entries=rows)
