"""Who may ask and who may change something: headers, Host, Origin, form tokens. One place, before every view."""

from __future__ import annotations

import ipaddress
import secrets
from datetime import timedelta
from urllib.parse import urlsplit

from flask import Flask, Response, abort, request
from flask_wtf.csrf import CSRFProtect

from dashboard.identity import current_user
from dashboard.metrics_address import OWN
from dashboard.settings import ConsoleSettings

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
MOST_BYTES = 1_500_000
"""Of a form or body: a payload of 100,000 characters has 12 bytes for each at most, as a form or as JSON sends it."""
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


def is_for_programs() -> bool:
    """Whether this address is one at which tokens count, and which answers in JSON, also what was wrong."""
    return request.path.startswith("/api/") or request.path == "/metrics"


def is_loopback(host: str) -> bool:
    """Whether an address to bind or a name in a Host header means this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def host_name(netloc: str) -> str:
    """`[::1]:8080` → `::1`, `Localhost:80` → `localhost`; empty when it is no host at all."""
    try:
        return (urlsplit(f"//{netloc}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def is_host_allowed(netloc: str, settings: ConsoleSettings) -> bool:
    """A foreign name that resolves to this machine (DNS rebinding) is refused.

    A numeric address cannot be rebound: it is let through where the console may be open to others.
    """
    name = host_name(netloc)
    if not name:
        return False
    if name in settings.hosts or is_loopback(name):
        return True
    return (settings.no_login or not settings.is_open) and _is_address(name)


def is_same_origin(origin: str | None, fetch_site: str | None, netloc: str) -> bool:
    """What the browser says about where a form comes from. One that says nothing is left to the form's token."""
    if fetch_site is not None and fetch_site not in ("same-origin", "none"):
        return False
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc.lower() == netloc.lower()
    except ValueError:
        return False


def check_senders(app: Flask, settings: ConsoleSettings) -> None:
    """Host and Origin, before anything else: a foreign site learns nothing from the answer."""

    @app.before_request
    def check_sender() -> None:
        is_scraped = OWN in request.environ and _is_address(host_name(request.host))
        if not is_scraped and not is_host_allowed(request.host, settings):
            abort(400, f"The console is not known under the name {request.host!r}. Names are added in TASKYARD_HOSTS.")
        if request.method in SAFE_METHODS:
            return
        if not is_same_origin(request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site"), request.host):
            abort(400, "This form came from another site, so nothing was done.")

    @app.after_request
    def add_headers(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if request.endpoint != "static":
            response.headers["Cache-Control"] = "no-store"
        return response


def check_forms(app: Flask, settings: ConsoleSettings) -> None:
    """Every POST carries the token of its page. It holds as long as the session; a page may stand open for days.

    But for a program's, which is known by a token of its own: no browser adds that by itself.
    """
    app.config.update(
        SECRET_KEY=settings.secret_key or secrets.token_hex(32),
        SESSION_COOKIE_NAME="taskyard_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=timedelta(hours=settings.sign_in_hours),
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=False,  # Origin and Sec-Fetch-Site are checked above; a proxy's referrer is not ours
        WTF_CSRF_HEADERS=[],
        MAX_CONTENT_LENGTH=MOST_BYTES,
    )
    csrf = CSRFProtect(app)

    @app.before_request
    def check_form() -> None:
        if request.endpoint is not None and current_user().via != "token":
            csrf.protect()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
