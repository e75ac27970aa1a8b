"""Who asks is found out before anything is read: by a token, by what the trusted proxy says, or by a sign-in.

Whoever is nobody is sent to sign in, learns nothing of the queues, and is told so in a form that what asked can read:
a page by a redirect, an open page's refresh and a program by 401.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable

from flask import Flask, Response, abort, g, make_response, redirect, request, url_for
from flask.sessions import SecureCookieSessionInterface

from dashboard.actions import is_path
from dashboard.attempts import Attempts
from dashboard.htmx import fresh, render_outcome, wants_fragment
from dashboard.identity import ANYBODY, User
from dashboard.metrics_address import OWN, SCRAPER
from dashboard.passwords import decoy, is_right
from dashboard.proxy import USER
from dashboard.rendering import here
from dashboard.security import SAFE_METHODS, is_for_programs
from dashboard.settings import ConsoleSettings
from dashboard.sign_ins import SignIns
from dashboard.toasts import say
from dashboard.users import TOKEN_PREFIX, Account, Users, UsersFile
from queue_core.consoles import Consoles

OPEN_BLUEPRINTS = {"health", "sign_in"}
"""For whoever reaches the console; nothing of the queues is on them."""
AT_ONCE = 2
"""Passwords that are checked at the same time: each takes 32 MiB and a core for a quarter of a second."""
BUSY_SECONDS = 2.0
UNKNOWN_TOKEN = "This token is not known (any more)."


class Access:
    """`wall`: seconds by this host's clock, as cookies outlive its processes."""

    def __init__(
        self, settings: ConsoleSettings, users: UsersFile | None, consoles: Consoles, wall: Callable[[], float]
    ) -> None:
        self._settings, self._users, self._wall = settings, users, wall
        self._sign_ins = SignIns(settings.sign_in_idle_hours * 3600, settings.sign_in_hours * 3600, consoles)
        self._attempts = Attempts(consoles)
        self._checking = threading.BoundedSemaphore(AT_ONCE)
        self._decoy = decoy()

    @property
    def has_passwords(self) -> bool:
        """Whether there is anything to sign in to here."""
        return self._users is not None and not self._settings.is_open

    def users(self) -> Users:
        return self._users.current() if self._users else Users()

    def find(self) -> User | None:
        """Who sent this request; `None`: nobody knows."""
        if OWN in request.environ:
            return SCRAPER
        if is_for_programs() and (text := bearer()).startswith(TOKEN_PREFIX):  # others are the proxy's own affair
            token = self.users().token(text)
            return User(f"token {token.name}", token.role, "token") if token else None
        if self._settings.is_open:
            return ANYBODY
        proxied = request.environ.get(USER)
        if isinstance(proxied, User):
            return proxied
        if not self.has_passwords:
            return None
        is_click = not (wants_fragment() and request.method == "GET")
        account = self._sign_ins.find(self.users(), self._wall(), is_click=is_click)
        return User(account.name, account.role, "password") if account else None

    def begin_attempt(self, name: str, address: str) -> float:
        """0, or how many seconds to wait before the next."""
        g.attempt = secrets.token_hex(8)
        return self._attempts.begin(name, address, self._wall(), g.attempt)

    def give_back_attempt(self, name: str, address: str) -> None:
        self._attempts.give_back(name, address, g.attempt)

    def check(self, name: str, password: str, address: str) -> Account | None:
        """Of an attempt that has begun, whose password it is; as slow for names that nobody has. Raises `TimeoutError`
        when too many are checked."""
        account = self.users().accounts.get(name)
        if not self._checking.acquire(timeout=BUSY_SECONDS):
            raise TimeoutError
        try:
            is_theirs = is_right(password, account.password if account else self._decoy)
        finally:
            self._checking.release()
        if not is_theirs or account is None:
            return None
        self._attempts.was_right(name, address, self._wall(), g.attempt)
        return account

    def sign_in(self, account: Account) -> None:
        self._sign_ins.begin(account, self._wall())

    def sign_out(self) -> None:
        self._sign_ins.end(self._wall())


def bearer() -> str:
    """The token that the request carries; "" without one."""
    kind, _, text = request.headers.get("Authorization", "").partition(" ")
    return text.strip() if kind.lower() == "bearer" else ""


def register(app: Flask, settings: ConsoleSettings, access: Access) -> None:
    app.session_interface = _Cookies(settings)

    @app.before_request
    def identify() -> Response | None:
        if request.endpoint == "static" or request.blueprint in OPEN_BLUEPRINTS:
            return None
        user = access.find()
        is_unknown = user is None and bearer().startswith(TOKEN_PREFIX)
        if (
            is_for_programs()
            and request.method not in SAFE_METHODS
            and not is_unknown
            and (user is None or user.via != "token")
        ):
            # By nothing that a browser adds by itself.
            abort(
                401, "Changes need a token: Authorization: Bearer …, from taskyard console add-token. Nothing was done."
            )
        if user is None:
            return _ask(access)
        g.user = user
        return None


def _ask(access: Access) -> Response:
    if is_for_programs() and bearer().startswith(TOKEN_PREFIX):
        abort(401, f"{UNKNOWN_TOKEN} Make one with taskyard console add-token. Nothing was done.")
    if is_for_programs():
        abort(401, "Send a token: Authorization: Bearer …, from taskyard console add-token.")
    if wants_fragment():
        if request.method == "GET":
            return fresh(make_response("", 401))
        say("You are signed out, so nothing was done.", kind="bad")
        return render_outcome(status=401)
    if not access.has_passwords:
        abort(401, "This console is reached through a proxy that says who you are. It named nobody.")
    if request.method in ("GET", "HEAD"):
        return fresh(make_response(redirect(url_for("sign_in.show", next=here()), 303)))
    back = request.form.get("next", "")
    address = url_for("sign_in.show", next=back if is_path(back) else "/", was="lost")
    return fresh(make_response(redirect(address, 303)))


class _Cookies(SecureCookieSessionInterface):
    """Only over TLS where the request came so, only below the console's own path, and of another name on another port:
    to browsers that is the same site, and several consoles on one machine would sign one another's readers out."""

    def __init__(self, settings: ConsoleSettings) -> None:
        self._settings = settings

    def get_cookie_name(self, app: Flask) -> str:
        port = request.host.rpartition(":")[2]
        name = super().get_cookie_name(app)
        return f"{name}_{port}" if port.isascii() and port.isdigit() and len(port) <= 5 else name

    def get_cookie_secure(self, app: Flask) -> bool:
        return self._settings.secure_cookies or request.is_secure

    def get_cookie_path(self, app: Flask) -> str:
        return request.script_root or "/"
