"""The main navigation: one entry a noun, in the order in which one looks."""

from __future__ import annotations

from dataclasses import dataclass

from flask import g, request


@dataclass(frozen=True, slots=True)
class Entry:
    """`key`: pressed behind `g`. `blueprints`: whose pages stand under it. `badge`: id of the panel beside the word."""

    endpoint: str
    label: str
    icon: str
    key: str
    blueprints: tuple[str, ...]
    badge: str = ""

    @property
    def is_current(self) -> bool:
        """A page that may stand under either of two says in `g.section` whose it is."""
        return g.get("section", request.blueprint) in self.blueprints


ENTRIES = (
    Entry("overview.index", "Overview", "overview", "o", ("overview",)),
    Entry("queues.index", "Queues", "queues", "q", ("queues", "figures", "limits", "tasks", "bulk")),
    Entry("failures.index", "Failures", "dead", "f", ("failures", "faults", "bulk_together"), badge="nav-dead"),
    Entry("workers.index", "Workers", "workers", "w", ("workers",)),
    Entry("schedules.index", "Schedules", "schedules", "s", ("schedules", "schedule_forms")),
    Entry("activity.index", "Activity", "activity", "a", ("activity", "together")),
)
SYSTEM = Entry("system.index", "System", "system", "y", ("system",))
"""In the menu, and under "More" in a narrow window."""
FIRST = 3
"""These stand in the bar of a narrow window, too; the others are behind "More"."""
