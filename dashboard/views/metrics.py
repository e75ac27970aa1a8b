"""For Prometheus."""

from __future__ import annotations

from flask import Blueprint, Response, g, request
from prometheus_client.exposition import choose_encoder

from dashboard.identity import Role, needs
from dashboard.metrics import Gathered
from dashboard.parts import parts
from queue_core.errors import TaskyardError
from queue_core.inspector import MAX_ROWS

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
@needs(Role.VIEWER)
def metrics() -> Response:
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return Response(encode(_gather()), content_type=content_type)


def _gather() -> Gathered:
    """Beside the shared snapshot four round trips."""
    view, inspector = g.view, parts().inspector
    if view.is_away or view.snapshot is None:
        return Gathered(view)
    try:
        among = view.queues_where(lambda queue: queue.operations_under_way)
        books = inspector.books(queue.name for queue in view.snapshot.queues)
        return Gathered(view, books, inspector.operations(MAX_ROWS, among=among))
    except TaskyardError:
        return Gathered(view)
