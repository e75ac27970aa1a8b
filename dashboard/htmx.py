"""One address, two forms: the whole page, or only its panels for the page that already stands in the browser.

`HX-Request-Type: partial` decides. (`HX-Request` does not: links that htmx follows and redirects carry it, too.)
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import Any

from flask import Response, current_app, g, make_response, render_template, request
from flask_wtf.csrf import generate_csrf
from jinja2.environment import TemplateModule

from dashboard.identity import current_user
from dashboard.toasts import take_toasts

log = logging.getLogger(__name__)

SHARED_PANELS = {
    "band": "shared/_band.html",
    "nav-dead": "shared/_nav_dead.html",
}
"""Panels that every page has."""


def wants_fragment() -> bool:
    return request.headers.get("HX-Request-Type") == "partial"


def render_page(template: str, panels: Mapping[str, str], page: object, *, status: int = 200) -> Response:
    """`panels`: id of an element of the page → the template of its content. `page`: what both are made from.

    A panel that cannot be rendered says so in its place; the others are shown. A refresh in which nothing changed
    is answered by 204. A list that the browser holds (`held=<panel>`) is left out of a refresh.
    """
    context: dict[str, Any] = {"page": page}
    current_app.update_template_context(context)
    if not wants_fragment():
        rendered = {name: _render_panel(name, path, context) for name, path in {**SHARED_PANELS, **panels}.items()}
        return fresh(make_response(render_template(template, page=page, panels=rendered), status))
    held = set(request.args.getlist("held"))
    rendered = {
        name: _render_panel(name, path, context)
        for name, path in {**SHARED_PANELS, **panels}.items()
        if name not in held
    }
    return _fragment(render_template("shared/_partials.html", page=page, panels=rendered), status)


def render_outcome(*, status: int = 200) -> Response:
    """The answer to an action from a page that stays: what there is to say, as toasts."""
    return fresh(make_response(render_template("shared/_outcome.html", messages=take_toasts()), status))


def fresh(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    response.vary.add("HX-Request-Type")
    return response


def _fragment(body: str, status: int) -> Response:
    # That time went on is told by a header; it is no change of what is shown.
    shown = body.replace(f"<span data-as-of>{g.as_of}</span>", "")
    tag = hashlib.blake2b(shown.encode(), digest_size=12).hexdigest()
    unchanged = request.headers.get("If-None-Match") == f'"{tag}"'
    response = make_response("" if unchanged else body, 204 if unchanged else status)
    response.headers["ETag"] = f'"{tag}"'
    return refresh(response)


def refresh(response: Response) -> Response:
    """With what every refresh tells the page around its panels."""
    if current_user().via == "password":
        # For forms of a page that has seen its sign-in end and another one begin.
        response.headers["Taskyard-Form-Token"] = generate_csrf()
    response.headers["Taskyard-Problems"] = str(len(g.view.problems))
    response.headers["Taskyard-As-Of"] = g.as_of.encode("ascii", "replace").decode()
    return fresh(response)


def _render_panel(name: str, path: str, context: dict[str, Any]) -> TemplateModule:
    environment = current_app.jinja_env
    try:
        return environment.get_template(path).make_module(context)
    except Exception:  # whatever it is: one panel must not take the page with it
        if current_app.testing:
            raise
        log.exception("panel %s of %s failed", name, request.path)
        return environment.get_template("shared/_panel_failed.html").make_module({"name": name})
