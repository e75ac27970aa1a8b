"""A proxy that signs people in says in a header who asks. It is believed from its own address alone: anybody can send
a header. That address is the connection's, looked at before other headers may change who seems to ask."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from dashboard.identity import Role, User
from dashboard.settings import ConsoleSettings, Network

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

USER = "taskyard.proxy_user"
"""In the request's environment; what a client sends stands there under other names."""
MOST_NAME = 100
PATH = re.compile(r"(/[A-Za-z0-9._~%-]+)*/?")
"""`/queues`, or nothing."""


def believe_proxy(application: WSGIApplication, settings: ConsoleSettings) -> WSGIApplication:
    """The outermost layer."""

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if is_listed(environ.get("REMOTE_ADDR", ""), settings.proxy_addresses):
            user = read_user(environ, settings)
            if user is not None:
                environ[USER] = user
        return application(environ, start_response)

    return serve


def believe_paths(application: WSGIApplication) -> WSGIApplication:
    """Below which path the console is reached, but only where that is one: it stands before every link, and
    `//elsewhere` there would be another host's."""

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        said = environ.get("HTTP_X_FORWARDED_PREFIX")
        if said is not None and not all(PATH.fullmatch(part.strip(" ")) for part in said.split(",")):
            del environ["HTTP_X_FORWARDED_PREFIX"]
        if not PATH.fullmatch(environ.get("SCRIPT_NAME", "")):
            environ["SCRIPT_NAME"] = ""
        return application(environ, start_response)

    return serve


def is_listed(address: str, networks: Iterable[Network]) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return any(found in network for network in networks)


def read_user(environ: WSGIEnvironment, settings: ConsoleSettings) -> User | None:
    """`None` where the proxy names nobody, or what can be no name: also several, of which one may come from outside."""
    name = _header(environ, settings.proxy_user_header)
    if not 1 <= len(name) <= MOST_NAME or not name.isprintable() or "," in name or len(name.split()) != 1:
        return None
    role = settings.proxy_role
    if settings.proxy_role_header:
        said = {word.strip().lower() for word in _header(environ, settings.proxy_role_header).split(",")}
        role = max((known for known in Role if known.word in said), default=role)
    return User(name, role, "proxy")


def _header(environ: WSGIEnvironment, name: str) -> str:
    value = str(environ.get("HTTP_" + name.upper().replace("-", "_"), "")).strip()
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value
