"""An address of its own for Prometheus and for probes, which have no token: whoever may reach it is the network's
affair. Nothing else is served there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from dashboard.identity import Role, User

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

OWN = "taskyard.metrics_address"
"""In the request's environment; what a client sends stands there under other names."""
PATHS = ("/metrics", "/healthz", "/readyz")
SCRAPER = User("metrics", Role.VIEWER)


def at_own_address(application: WSGIApplication, port: int) -> WSGIApplication:
    """The outermost layer. `port`: of the listening socket, which no header can change."""

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("SERVER_PORT") == str(port):
            if environ.get("PATH_INFO") not in PATHS:
                start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
                return [b"Here are /metrics, /healthz and /readyz.\n"]
            environ[OWN] = True
        return application(environ, start_response)

    return serve
