"""The operations console: a Flask application that reads through `Inspector`, acts through `Control`, `Operations`."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

from dashboard import access, errors, parameters, rendering, security
from dashboard.actions import new_action_id
from dashboard.away import unless_away
from dashboard.compression import compress_static
from dashboard.filters import clock
from dashboard.known_faults import KnownFaults
from dashboard.live import Live
from dashboard.memory import Memory
from dashboard.metrics_address import at_own_address
from dashboard.noted import Noted
from dashboard.parameters import ConsoleRequest
from dashboard.parts import Parts
from dashboard.proxy import believe_paths, believe_proxy
from dashboard.redacting import guard, redact_logs
from dashboard.redaction import Redactor
from dashboard.settings import ConsoleSettings
from dashboard.speeds import Speeds
from dashboard.tending import Tender
from dashboard.trends import Trends
from dashboard.users import UsersFile
from dashboard.viewer import Viewer
from queue_core.consoles import Consoles
from queue_core.operations import Operations
from queue_core.schedules import Schedules

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from queue_core.control import Control
    from queue_core.inspector import Inspector

__all__ = ["ConsoleSettings", "create_app", "tender_of"]

PATIENCE_SECONDS = 0.5
ANSWER_SECONDS = 2.0
"""For a server that does not answer a read: a page says so rather than waiting, and asks again by itself."""
UNSEEN_ENDPOINTS = {"static", "health.healthz", "sign_in.show", "sign_in.enter", "sign_in.leave"}
"""Answered without a look at the queues."""


def create_app(
    settings: ConsoleSettings,
    *,
    inspector: Inspector | None = None,
    control: Control | None = None,
    operations: Operations | None = None,
    schedules: Schedules | None = None,
    wall: Callable[[], float] = time.time,
) -> Flask:
    """Builds the console. Connects to nothing yet: a server that is away is shown, not raised.

    Bulk work that is begun in it is run by workers, and by this process once its `tender_of` is started. `wall`: the
    clock of sign-ins.
    """
    from dashboard.views import register_views

    if inspector is None:
        from queue_core.inspector import Inspector

        inspector = Inspector(
            settings.redis_url,
            settings.namespace,
            patience_seconds=PATIENCE_SECONDS,
            answer_seconds=ANSWER_SECONDS,
        )
    if control is None:
        from queue_core.control import Control

        control = Control(settings.redis_url, settings.namespace)
    if operations is None:
        operations = Operations(settings.redis_url, settings.namespace)
    if schedules is None:
        schedules = Schedules(settings.redis_url, settings.namespace)

    def run_operations() -> Operations:
        return Operations(settings.redis_url, settings.namespace, patience_seconds=PATIENCE_SECONDS)

    root = asset_root()
    app = Flask(__name__, template_folder=str(root / "templates"), static_folder=str(root / "static"))
    app.request_class = ConsoleRequest
    app.config.update(SEND_FILE_MAX_AGE_DEFAULT=timedelta(days=365), TEMPLATES_AUTO_RELOAD=False)
    redactor = Redactor(settings.redact)
    live = Live(guard(inspector, redactor))
    inspector = guard(unless_away(inspector, live), redactor)
    operations = guard(unless_away(operations, live), redactor)
    schedules = guard(unless_away(schedules, live), redactor)
    control = unless_away(control, live)
    redact_logs(redactor)
    users = UsersFile(settings.users_file) if settings.users_file else None
    memory = Memory(inspector)
    consoles = unless_away(Consoles(settings.redis_url, settings.namespace, answer_seconds=ANSWER_SECONDS), live)
    doors = access.Access(settings, users, consoles, wall)
    app.extensions["taskyard"] = Parts(
        settings,
        inspector,
        control,
        operations,
        schedules,
        redactor,
        live,
        Tender(run_operations),
        Speeds(),
        doors,
        Noted(control, wall, consoles),
        Trends(inspector),
        KnownFaults(inspector),
        memory,
    )
    rendering.register(app, settings)
    errors.register(app)
    compress_static(app)
    security.check_senders(app, settings)
    access.register(app, settings, doors)

    @app.before_request
    def look() -> None:
        g.viewer = Viewer.read(request.cookies)
        if request.endpoint in UNSEEN_ENDPOINTS:
            return
        g.action_id = new_action_id()
        g.view = live.view(not_before=g.viewer.seen_ms)
        g.now_ms = g.view.told_at
        memory.note(g.view.snapshot)
        g.as_of = clock(g.view.snapshot.taken_at if g.view.snapshot else g.now_ms, g.now_ms, g.viewer.zone)

    security.check_forms(app, settings)
    parameters.register(app)
    register_views(app, settings)

    if settings.proxy_count:
        count = settings.proxy_count
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=count, x_prefix=count)  # type: ignore[method-assign]
    if settings.url_prefix:
        app.wsgi_app = _under_prefix(app.wsgi_app, settings.url_prefix)  # type: ignore[assignment, method-assign]
    app.wsgi_app = believe_paths(app.wsgi_app)  # type: ignore[assignment, method-assign]
    if settings.proxy_user_header:
        app.wsgi_app = believe_proxy(app.wsgi_app, settings)  # type: ignore[assignment, method-assign]
    if settings.metrics_port:
        app.wsgi_app = at_own_address(app.wsgi_app, settings.metrics_port)  # type: ignore[assignment, method-assign]
    return app


def tender_of(app: Flask) -> Tender:
    """What runs bulk work in this process, once it is started: by whoever serves the application, after the fork."""
    found = app.extensions["taskyard"]
    assert isinstance(found, Parts)
    return found.tender


def asset_root() -> Path:
    """Where `templates` and `static` are: inside the package in a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parent
    return package if (package / "templates").is_dir() else package.parent


def _under_prefix(application: WSGIApplication, prefix: str) -> WSGIApplication:
    """Serves everything below a path; a proxy may have taken it off already, or not."""

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == prefix or path.startswith(f"{prefix}/"):
            environ["PATH_INFO"] = path[len(prefix) :] or "/"
        environ["SCRIPT_NAME"] = prefix
        return application(environ, start_response)

    return serve
