"""The system: the server behind the queues, this console, and who may sign in. Each panel fails alone."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from flask import Blueprint, Response, g, request

from dashboard.filters import duration
from dashboard.htmx import render_page, wants_fragment
from dashboard.identity import Role, current_user
from dashboard.memory import Forecast, Shares
from dashboard.parts import parts
from dashboard.problems import unsafe_settings
from queue_core import __version__
from queue_core.errors import AccessDenied, ConfigurationError, ServerUnavailable, TaskyardError
from queue_core.settings import mask_url
from queue_core.snapshot import ServerDetail, SlowCall

blueprint = Blueprint("system", __name__)

T = TypeVar("T")
STARTED = time.monotonic()
SLOW_CALLS = 20
MOST_QUEUES = 20


@dataclass(frozen=True, slots=True)
class Panel(Generic[T]):
    """What was read, or why it was not."""

    value: T | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """`part`: of the bar, of 96."""

    queue: str
    size: int
    tasks: int
    part: int


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    role: str
    added_at: int
    is_token: bool


@dataclass(frozen=True, slots=True)
class System:
    server: Panel[ServerDetail]
    unsafe: tuple[str, ...]
    forecast: Forecast | None
    shares: Shares
    largest: tuple[Share, ...]
    others: int
    """How many queues are not among the largest."""
    slow: Panel[tuple[SlowCall, ...]]
    console: tuple[tuple[str, str], ...]
    members: Panel[tuple[Member, ...]]


@blueprint.get("/system")
def index() -> Response:
    panels = {
        "server": "system/_server.html",
        "shares": "system/_shares.html",
        "slow": "system/_slow.html",
        "console": "system/_console.html",
        "members": "system/_members.html",
    }
    return render_page("system/index.html", panels, system())


def system() -> System:
    """Each panel is read by itself, and says by itself why it could not be."""
    found, snapshot = parts(), g.view.snapshot
    server = _try(lambda: found.inspector.server_detail(), "INFO")
    forecast = None
    if server.value:
        facts = server.value.server
        forecast = found.memory.forecast(facts.max_memory, facts.used_memory, g.now_ms)
    counts = {queue.name: queue.counts.total for queue in snapshot.queues} if snapshot else {}
    shares = found.memory.shares(tuple(counts), g.now_ms) if counts and not g.view.is_away else found.memory.last
    return System(
        server=server,
        unsafe=unsafe_settings(server.value.server) if server.value else (),
        forecast=forecast,
        shares=shares,
        largest=_largest(shares, counts),
        others=max(0, len(shares.queues or {}) - MOST_QUEUES),
        slow=_try(lambda: found.inspector.slow_calls(SLOW_CALLS), "SLOWLOG GET"),
        console=_console(),
        members=_members(),
    )


def _try(read: Callable[[], T], command: str) -> Panel[T]:
    try:
        return Panel(read())
    except AccessDenied:
        return Panel(
            None,
            f"The user with which this console is known to Redis may not ask for {command}. Everything else works "
            f"without it; to see it here: ACL SETUSER <user> +{command.lower().replace(' ', '|')}",
        )
    except ServerUnavailable:
        if wants_fragment():
            raise  # what stands on the open page stays
        return Panel(None, "Redis does not answer. This shows itself once it is back.")
    except TaskyardError as error:
        return Panel(None, f"{error}")


def _largest(shares: Shares, counts: dict[str, int]) -> tuple[Share, ...]:
    sizes = sorted((shares.queues or {}).items(), key=lambda item: (-item[1], item[0]))[:MOST_QUEUES]
    most = max((size for _, size in sizes), default=0) or 1
    return tuple(Share(name, size, counts.get(name, 0), max(1, size * 96 // most)) for name, size in sizes)


def _console() -> tuple[tuple[str, str], ...]:
    """What it is and how it was told to be; no secrets."""
    settings = parts().settings
    entry = "anybody who reaches it" if settings.is_open else "users" if settings.users_file else "the proxy's users"
    if settings.users_file and settings.proxy_user_header and not settings.is_open:
        entry = "users, and whom the proxy names"
    return (
        ("Version", f"Taskyard {__version__}, Python {platform.python_version()}"),
        (
            "Process",
            f"{os.getpid()} on {platform.node()}, up {uptime()}",
        ),
        ("Address", request.host_url.rstrip("/") + request.script_root),
        ("Redis", mask_url(settings.redis_url)),
        ("Namespace", settings.namespace),
        ("Environment", settings.environment or "–"),
        ("Lets in", entry),
        ("A sign-in holds", f"{settings.sign_in_hours:g} h, without a click {settings.sign_in_idle_hours:g} h"),
        ("Names", ", ".join(("localhost", *settings.hosts))),
        ("Proxies in front", str(settings.proxy_count)),
    )


def uptime() -> str:
    """In whole minutes: that time went on is no change of the page."""
    minutes = int(time.monotonic() - STARTED) // 60
    return duration(minutes * 60_000) if minutes else "less than a minute"


def _members() -> Panel[tuple[Member, ...]]:
    """For admins: names are the half of a password."""
    settings = parts().settings
    if settings.is_open:
        return Panel(None, "Nobody signs in here: whoever reaches this address may do everything.")
    if not current_user().may(Role.ADMIN):
        return Panel(None, "Admins see who may sign in.")
    if not settings.users_file:
        return Panel(None, "The proxy in front says who asks; there is no users file.")
    try:
        users = parts().access.users()
    except ConfigurationError as error:
        return Panel(None, str(error))
    people = [Member(name, user.role.word, user.added_at, is_token=False) for name, user in users.accounts.items()]
    programs = [Member(name, token.role.word, token.added_at, is_token=True) for name, token in users.tokens.items()]
    return Panel((*sorted(people, key=lambda m: m.name), *sorted(programs, key=lambda m: m.name)))
