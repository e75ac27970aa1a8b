"""For whoever watches the console itself."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """The console answers. Whether Redis does is another question: a console that is restarted for it helps nobody."""
    return jsonify(status="ok")
