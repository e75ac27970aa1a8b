"""For programs: all that pages show and do, as JSON, described by /api/v1/openapi.json.

A module a noun; each adds its endpoints to `table`, which leads routing, checks and the document.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
from flask import Blueprint, Response
from flask.typing import ResponseReturnValue

from dashboard.api import (
    audit,
    edits,
    failed,
    figures,
    operations,
    overview,
    queues,
    schedules,
    system,
    tasks,
    together,
    workers,
)
from dashboard.api.openapi import document
from dashboard.api.requests import check_path, read_act, read_body, read_query
from dashboard.api.table import ENDPOINTS, Endpoint
from dashboard.api.values import NoQuery
from dashboard.identity import Role, needs

__all__ = ["NOUNS", "blueprint"]

NOUNS = (
    overview,
    queues,
    figures,
    tasks,
    edits,
    failed,
    workers,
    schedules,
    operations,
    together,
    audit,
    system,
)
PREFIX = "/api/v1"

blueprint = Blueprint("api", __name__, url_prefix=PREFIX)


def _serve(endpoint: Endpoint) -> Any:
    @needs(endpoint.role)
    def answer(**arguments: str) -> ResponseReturnValue:
        check_path(arguments)
        given: dict[str, Any] = dict(arguments)
        if endpoint.body is not None:
            given["body"] = read_body(endpoint.body)
            given["act"] = read_act(given["body"])
        else:
            query = read_query(endpoint.query)
            if endpoint.query is not NoQuery:
                given["query"] = query
        return _json(endpoint.view(**given))

    return answer


def _json(value: object) -> Response:
    """Only ASCII: what is stored may hold halves of characters, which no other form can carry."""
    text = json.dumps(msgspec.to_builtins(value), separators=(",", ":"), allow_nan=False)
    return Response(text + "\n", content_type="application/json")


for _endpoint in ENDPOINTS:
    blueprint.add_url_rule(_endpoint.path, _endpoint.name, _serve(_endpoint), methods=[_endpoint.method])


@blueprint.get("/openapi.json")
@needs(Role.VIEWER)
def openapi() -> Response:
    return _json(document(ENDPOINTS, PREFIX))
