"""Signing in and out. Nothing of the queues is on this page, and nothing that tells which names there are."""

from __future__ import annotations

import math
from dataclasses import dataclass

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for

from dashboard.actions import is_path, safe_next
from dashboard.filters import duration
from dashboard.htmx import fresh
from dashboard.parts import parts

blueprint = Blueprint("sign_in", __name__)

SAID = {
    "lost": "You were signed out, so nothing was done. Sign in and press again.",
    "out": "You are signed out.",
}
"""Why one is here: the parameter `was`."""


@dataclass(frozen=True, slots=True)
class SignInPage:
    """`next`: where to go on. `wrong`: what has to be changed; `note`: what else there is to say."""

    next: str
    name: str = ""
    wrong: str = ""
    note: str = ""


@blueprint.get("/sign-in")
def show() -> Response:
    if not parts().access.has_passwords or parts().access.find():
        return fresh(make_response(redirect(url_for("overview.index"), 303)))
    target = request.args.get("next", "")
    return _page(SignInPage(target if is_path(target) else "/", note=SAID.get(request.args.get("was", ""), "")))


@blueprint.post("/sign-in")
def enter() -> Response:
    access = parts().access
    if not access.has_passwords:
        return fresh(make_response(redirect(url_for("overview.index"), 303)))
    name, password = request.form.get("name", "").strip()[:100], request.form.get("password", "")
    address = request.remote_addr or ""
    wait = access.begin_attempt(name, address)
    if wait:
        return _again(f"Too many attempts. Try again in {duration(math.ceil(wait) * 1000)}.", 429, wait)
    try:
        account = access.check(name, password, address)
    except TimeoutError:  # nothing was looked at
        access.give_back_attempt(name, address)
        return _again("Too many people sign in just now. Try again in a moment.", 429, 1)
    if account is None:
        parts().noted.refused_sign_in(address, name if name in access.users().accounts else "")
        return _again("This name and this password do not belong together.", 401)
    access.sign_in(account)
    parts().noted.signed_in(account.name, address)
    return fresh(make_response(redirect(safe_next(), 303)))


@blueprint.post("/sign-out")
def leave() -> Response:
    user = parts().access.find()
    parts().access.sign_out()
    if user is not None and user.via == "password":
        parts().noted.signed_out(user.name, request.remote_addr or "")
    return fresh(make_response(redirect(url_for("sign_in.show", was="out"), 303)))


def form_was_too_old() -> Response:
    """The page stood open while its cookie, or the console's key, became another one."""
    return _again("This page was too old, so nothing was done. Sign in once more.", 400)


def _again(wrong: str, status: int, wait: float = 0) -> Response:
    target = request.form.get("next", "")
    page = SignInPage(target if is_path(target) else "/", request.form.get("name", "").strip()[:100], wrong=wrong)
    answer = _page(page, status)
    if wait:
        answer.headers["Retry-After"] = str(math.ceil(wait))
    return answer


def _page(page: SignInPage, status: int = 200) -> Response:
    return fresh(make_response(render_template("sign_in/show.html", page=page), status))
