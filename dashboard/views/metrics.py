"""For Prometheus."""

from __future__ import annotations

import gzip

from flask import Blueprint, Response, g, request

from dashboard.exposition import OPEN_METRICS, TEXT, encode, is_open_metrics
from dashboard.identity import Role, needs
from dashboard.metrics import Gathered
from dashboard.parts import parts
from queue_core.errors import TaskyardError
from queue_core.inspector import MAX_ROWS

blueprint = Blueprint("metrics", __name__)

FAST = 1
"""Of gzip's levels. A megabyte of 300 queues becomes 60 kB."""


@blueprint.get("/metrics")
@needs(Role.VIEWER)
def metrics() -> Response:
    as_open_metrics = is_open_metrics(request.headers.get("Accept", ""))
    body = encode(_gather().families(), as_open_metrics=as_open_metrics)
    response = Response(body, content_type=OPEN_METRICS if as_open_metrics else TEXT)
    response.vary.add("Accept-Encoding")
    if request.accept_encodings["gzip"]:  # nothing in it is a secret whose length could tell of it
        response.set_data(gzip.compress(body, FAST, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
    return response


def _gather() -> Gathered:
    """Beside the shared snapshot four round trips, and what has changed since the last time."""
    view, inspector = g.view, parts().inspector
    if view.is_away or view.snapshot is None:
        return Gathered(view)
    try:
        among = view.queues_where(lambda queue: queue.operations_under_way)
        changes = {queue.name: queue.changes for queue in view.snapshot.queues}
        books = inspector.books(changes, changes=changes)
        return Gathered(view, books, inspector.operations(MAX_ROWS, among=among))
    except TaskyardError:
        return Gathered(view)
