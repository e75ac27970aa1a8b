"""What one queue did in the last hour or day, and by task name."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, Response, g

from dashboard.audit_rows import target_page
from dashboard.htmx import render_page
from dashboard.parameters import one_of, page_number
from dashboard.parts import parts, trends
from dashboard.queue_figures import SPANS, Charts, charts
from dashboard.queue_head import QueueHead, queue_head
from dashboard.trends import UNKNOWN
from queue_core.errors import CorruptQueue
from queue_core.snapshot import AuditEntry

blueprint = Blueprint("figures", __name__)

AUDIT_ENTRIES = 100
"""Among which marks are looked for."""


@dataclass(frozen=True, slots=True)
class Figures:
    head: QueueHead
    charts: Charts

    def place_of(self, entry: AuditEntry) -> str:
        """The page of what was done."""
        return target_page(entry)


@blueprint.get("/queues/<name>/figures")
def show(name: str) -> Response:
    span = one_of("span", SPANS, "1h")
    inspector = parts().inspector
    head = queue_head(g.view, inspector.queue(name), trends().get(name, UNKNOWN), None)
    statistics = inspector.statistics(name, by_name=True, **SPANS[span])
    try:
        entries = inspector.audit(AUDIT_ENTRIES).rows
    except CorruptQueue:
        entries = ()  # figures without marks; the page of activity says what is wrong with it
    workers = g.view.snapshot.workers if g.view.snapshot else ()
    page = Figures(head, charts(span, statistics, entries, head.known, head.held, workers, page_number()))
    panels = {
        "queue-head": "queues/_head.html",
        "tabs": "queues/_tabs.html",
        "charts": "figures/_charts.html",
        "names": "figures/_names.html",
    }
    return render_page("figures/show.html", panels, page)
