"""What the views work with: built once by `create_app`, found again from any request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import current_app, g

if TYPE_CHECKING:
    from dashboard.access import Access
    from dashboard.known_faults import KnownFaults
    from dashboard.live import Live
    from dashboard.memory import Memory
    from dashboard.noted import Noted
    from dashboard.redaction import Redactor
    from dashboard.settings import ConsoleSettings
    from dashboard.speeds import Speeds
    from dashboard.tending import Tender
    from dashboard.trends import Trend, Trends
    from queue_core.control import Control
    from queue_core.inspector import Inspector
    from queue_core.operations import Operations
    from queue_core.schedules import Schedules
    from queue_core.snapshot import Fault


@dataclass(frozen=True, slots=True)
class Parts:
    """`inspector` and `operations` tell nothing that is to be hidden (`redacting`)."""

    settings: ConsoleSettings
    inspector: Inspector
    control: Control
    operations: Operations
    schedules: Schedules
    redactor: Redactor
    live: Live
    tender: Tender
    speeds: Speeds
    access: Access
    noted: Noted
    trends: Trends
    faults: KnownFaults
    memory: Memory


def parts() -> Parts:
    found = current_app.extensions["taskyard"]
    assert isinstance(found, Parts)
    return found


def trends() -> Mapping[str, Trend]:
    """What the queues of the page did in the last hour. A server that is away is not asked."""
    found, snapshot = parts().trends, g.view.snapshot
    if snapshot is None or g.view.is_away:
        return found.last
    return found.of({queue.name: queue.changes for queue in snapshot.queues}, g.view.told_at)


def known_faults(queue: str | None = None) -> tuple[Fault, ...]:
    """Of one queue or of all, last seen first, as they are in the page's snapshot."""
    return parts().faults.of(g.view, queue or None)
