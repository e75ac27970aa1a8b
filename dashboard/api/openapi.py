"""The OpenAPI document, made of the table that leads routing and checks."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec

from dashboard.api.problem import CONTENT_TYPE
from dashboard.api.requests import KEY_HEADER, KEY_PATTERN, MOST_KEY
from dashboard.api.table import Endpoint
from dashboard.api.values import PATH_WORDS, PATHS
from queue_core import __version__

Schema = dict[str, Any]

REFUSALS = {
    400: "The request is none: a name or parameter that is unknown, given twice, or of another kind; no JSON.",
    401: "No token, or none that is known.",
    403: "The token's role may not do this. Nothing was done.",
    404: "There is no such queue, task, fault, schedule or operation.",
    409: "It has changed meanwhile, or is so that this cannot be done.",
    413: "The body is larger than 1,500,000 bytes.",
    415: "The body is not application/json.",
    422: "The body is JSON, and something in it is not accepted. Nothing was done.",
    429: "More than the queue's rate allows; Retry-After says when to ask again.",
    500: "Something broke in the console.",
    502: "Redis answered with an error.",
    503: "Redis does not answer; Retry-After says when to ask again.",
}
READ = (400, 401, 403, 404, 502, 503)
CHANGE = (400, 401, 403, 404, 409, 413, 415, 422, 502, 503)
_REF = "#/components/schemas/{name}"


class Problem(msgspec.Struct, frozen=True):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str


def document(endpoints: Iterable[Endpoint], prefix: str) -> Schema:
    paths: dict[str, Schema] = {}
    endpoints = tuple(endpoints)
    kinds = {kind for endpoint in endpoints for kind in (endpoint.answer, endpoint.body) if kind is not None}
    _, components = msgspec.json.schema_components(
        sorted({*kinds, Problem}, key=lambda kind: kind.__name__), ref_template=_REF
    )
    for kind in kinds:
        components[kind.__name__] |= getattr(kind, "rules", {})
    for endpoint in endpoints:
        paths.setdefault(f"{prefix}{endpoint.public_path}", {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Taskyard",
            "version": __version__,
            "description": (
                "All that the console's pages show and do. Times are ISO 8601, UTC, with milliseconds. New fields may "
                "come; those that are there stay. Tokens: taskyard console add-token."
            ),
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": dict(components),
            "responses": {str(status): _refusal(status) for status in REFUSALS},
        },
    }


def _operation(endpoint: Endpoint) -> Schema:
    summary, description = endpoint.words
    found: Schema = {
        "operationId": endpoint.name,
        "tags": [endpoint.view.__module__.rpartition(".")[2]],
        "summary": summary,
        "parameters": [*_path_parameters(endpoint), *_query_parameters(endpoint)],
        "responses": {
            "200": {
                "description": "Done." if endpoint.body else "Found.",
                "content": {"application/json": {"schema": {"$ref": _REF.format(name=endpoint.answer.__name__)}}},
            },
            **{str(status): {"$ref": f"#/components/responses/{status}"} for status in statuses(endpoint)},
        },
    }
    if description:
        found["description"] = description
    if endpoint.body is not None:
        found["description"] = f"{description} Needs the role {endpoint.role.word}.".strip()
        found["parameters"].append(_key_parameter())
        found["requestBody"] = {
            "content": {"application/json": {"schema": {"$ref": _REF.format(name=endpoint.body.__name__)}}},
            "required": bool(_required(endpoint.body)) or bool(endpoint.body.rules.keys() & {"anyOf", "oneOf"}),
        }
    return found


def statuses(endpoint: Endpoint) -> tuple[int, ...]:
    """Other than 200."""
    usual = READ if endpoint.body is None else CHANGE
    return tuple(sorted({*usual, *endpoint.may_fail}))


def _path_parameters(endpoint: Endpoint) -> list[Schema]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": f"Name or id of a {PATH_WORDS[name]}.",
            "schema": _plain(PATHS[name]),
        }
        for name in endpoint.parameters
    ]


def _query_parameters(endpoint: Endpoint) -> list[Schema]:
    schema = msgspec.json.schema_components([endpoint.query])[1].get(endpoint.query.__name__, {})
    required = _required(endpoint.query)
    found = []
    for name, kind in schema.get("properties", {}).items():
        words = kind.pop("description", "")
        parameter = {"name": name, "in": "query", "required": name in required, "schema": kind}
        found.append({**parameter, "description": words} if words else parameter)
    return found


def _key_parameter() -> Schema:
    return {
        "name": KEY_HEADER,
        "in": "header",
        "required": False,
        "description": "The same key with the same content acts once, and within ten minutes gets the same answer.",
        "schema": {"type": "string", "minLength": 1, "maxLength": MOST_KEY, "pattern": KEY_PATTERN},
    }


def _required(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    return tuple(field.encode_name for field in msgspec.structs.fields(kind) if field.required)


@cache
def _plain(kind: object) -> Schema:
    return msgspec.json.schema(kind)


def _refusal(status: int) -> Schema:
    found: Schema = {
        "description": REFUSALS[status],
        "content": {CONTENT_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}},
    }
    if status in (429, 503):
        found["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}}
    return found
