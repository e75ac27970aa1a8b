"""What the audit stream holds."""

from __future__ import annotations

from collections.abc import Mapping

from queue_core.decoding.values import line, moment, number, text
from queue_core.snapshot import AuditEntry


def audit_entry(entry_id: bytes, facts: Mapping[bytes, bytes]) -> AuditEntry:
    """Whatever somebody else wrote there is an entry, too."""

    def fact(name: bytes, most: int) -> str:
        return line(text(facts.get(name)), most)

    return AuditEntry(
        id=text(entry_id),
        at=moment(facts.get(b"at")) or moment(entry_id.partition(b"-")[0]) or 0,
        by=fact(b"by", 200),
        verb=fact(b"verb", 40),
        queue=fact(b"queue", 128),
        target=fact(b"target", 300),
        count=number(facts.get(b"count", 0)),
        reason=fact(b"reason", 500),
        action_id=fact(b"action", 200),
    )
