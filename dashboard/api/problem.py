"""How programs are told what went wrong: RFC 9457."""

from __future__ import annotations

import json

from flask import Response

CONTENT_TYPE = "application/problem+json"
RETRY_SECONDS = 2


def problem(status: int, title: str, detail: str, *, retry_after: float | None = None) -> Response:
    """`retry_after`: in seconds, after which the same request may do."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    response = Response(json.dumps(body) + "\n", status, content_type=CONTENT_TYPE)
    if retry_after is None and status == 503:
        retry_after = RETRY_SECONDS
    if retry_after is not None:
        response.headers["Retry-After"] = str(max(1, round(retry_after + 0.499)))
    return response
