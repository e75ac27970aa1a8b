"""How the one who looks wants to see times, colours, rows and keys: kept in cookies of that browser."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, redirect, request

from dashboard.actions import safe_next
from dashboard.htmx import fresh
from dashboard.viewer import DENSITIES, DENSITY_COOKIE, KEYS_COOKIE, THEME_COOKIE, THEMES, TIME_COOKIE, TIME_MODES

blueprint = Blueprint("preferences", __name__)

_CHOICES = {
    "time": (TIME_COOKIE, TIME_MODES),
    "theme": (THEME_COOKIE, THEMES),
    "density": (DENSITY_COOKIE, DENSITIES),
    "keys": (KEYS_COOKIE, ("on", "off")),
}
_YEAR_SECONDS = 31_536_000


@blueprint.post("/preferences")
def save() -> Response:
    response = fresh(make_response(redirect(safe_next(), 303)))
    for field, (cookie, accepted) in _CHOICES.items():
        value = request.form.get(field, "")
        if value in accepted:
            response.set_cookie(
                cookie,
                value,
                max_age=_YEAR_SECONDS,
                samesite="Lax",
                secure=request.is_secure,
                path=request.script_root or "/",
            )
    return response
