"""For whoever watches the console itself: open to all, so they tell nothing of the queues."""

from __future__ import annotations

from flask import Blueprint, Response, g, jsonify

from dashboard.live import View
from dashboard.parts import parts

blueprint = Blueprint("health", __name__)

OLD_MS = 10_000
"""A snapshot that could not be renewed for so long although the server is not known to be away."""


@blueprint.get("/healthz")
def healthz() -> Response:
    """The process works. Whether Redis does is another question: a console that is restarted for it helps nobody."""
    return _answer(parts().tender.trouble())


@blueprint.get("/readyz")
def readyz() -> Response:
    """It can show and do something now."""
    return _answer(parts().tender.trouble() or _trouble(g.view))


def _trouble(view: View) -> str:
    if view.is_refused:
        return "Redis answers with an error."
    if view.is_away or view.snapshot is None:
        return "Redis does not answer."
    if view.now_ms - view.snapshot.taken_at > OLD_MS:
        return f"Redis was last heard {(view.now_ms - view.snapshot.taken_at) // 1000} s ago."
    return ""


def _answer(trouble: str) -> Response:
    response = jsonify({"status": "unavailable", "reason": trouble} if trouble else {"status": "ok"})
    response.status_code = 503 if trouble else 200
    return response
