"""Scripts, styles and icons go compressed to whoever takes that, each compressed once.

Pages do not: over TLS the length of a compressed page that holds a secret (a form's token) beside what an address can
put there tells of the secret. A proxy that compresses pages takes that upon itself.
"""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

from flask import Flask, Response, request

ENDINGS = {".css", ".js", ".svg"}


def compress_static(app: Flask) -> None:
    root = Path(app.static_folder or "")

    @app.after_request
    def compress(response: Response) -> Response:
        name = (request.view_args or {}).get("filename", "")
        if request.endpoint != "static" or Path(name).suffix not in ENDINGS:
            return response
        response.vary.add("Accept-Encoding")
        if response.status_code != 200 or not request.accept_encodings["gzip"]:
            return response
        path = root / name
        response.direct_passthrough = False
        response.set_data(_compressed(path, path.stat().st_mtime_ns))
        response.headers["Content-Encoding"] = "gzip"
        response.headers.pop("Accept-Ranges", None)
        if (tag := response.get_etag()[0]) is not None:
            response.set_etag(tag, weak=True)  # the same file, not the same bytes
        return response


@cache
def _compressed(path: Path, modified_ns: int) -> bytes:
    return gzip.compress(path.read_bytes(), mtime=0)
