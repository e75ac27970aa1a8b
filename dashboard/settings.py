"""What the console is told from outside: a frozen value, checked once. Only `from_env` reads the environment."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from dashboard.identity import Role
from queue_core.errors import ConfigurationError, InvalidArgument
from queue_core.settings import DEFAULT_NAMESPACE, DEFAULT_URL, mask_url

COLOURS = ("grey", "green", "blue", "amber", "red", "violet")
"""Names that `TASKYARD_ENVIRONMENT_COLOUR` accepts; each has a pair of tokens in app.css."""
MOST_HOURS = 24 * 366

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """`hosts`: names under which the console may be reached besides the loopback ones.

    `secret_key` signs cookies and form tokens; empty means a new one at each start. `proxy_count`: how many trusted
    proxies stand in front and set `X-Forwarded-*`. `no_login`: whoever reaches the console may use it.
    `users_file`: of those who sign in with a password, and of tokens. `proxy_user_header`: where a proxy at one of
    `proxy_addresses` says who asks, `proxy_role_header` in which role; `proxy_role` where it does not say.
    `sign_in_hours`: how long a sign-in holds at most, `sign_in_idle_hours`: while nobody clicks. `redact`: names whose
    values are hidden beside the usual ones; one that begins with `-` is not hidden after all. `edit_role`: who may
    edit dead letters.
    `demo_socket`: where the demo that started this console listens; without it there is no panel of the demo.
    `consoles`: names and addresses of others, to which the header leads: one console serves one Redis.
    `metrics_port`: where `/metrics` is open to whoever reaches it; 0: nowhere.
    """

    redis_url: str = DEFAULT_URL
    namespace: str = DEFAULT_NAMESPACE
    environment: str = ""
    environment_colour: str = "grey"
    secret_key: str = ""
    hosts: tuple[str, ...] = ()
    no_login: bool = False
    url_prefix: str = ""
    proxy_count: int = 0
    secure_cookies: bool = False
    users_file: str = ""
    sign_in_hours: float = 168.0
    sign_in_idle_hours: float = 12.0
    proxy_user_header: str = ""
    proxy_role_header: str = ""
    proxy_role: Role = Role.VIEWER
    proxy_addresses: tuple[Network, ...] = ()
    redact: tuple[str, ...] = ()
    edit_role: Role = Role.OPERATOR
    demo_socket: str = ""
    consoles: tuple[tuple[str, str], ...] = ()
    metrics_port: int = 0

    def __post_init__(self) -> None:
        if self.environment_colour not in COLOURS:
            raise ConfigurationError(
                f"TASKYARD_ENVIRONMENT_COLOUR is {self.environment_colour!r}; it must be one of {', '.join(COLOURS)}"
            )
        if self.url_prefix and not self.url_prefix.startswith("/"):
            raise ConfigurationError(
                f"TASKYARD_URL_PREFIX is {self.url_prefix!r}; it must begin with a slash, e.g. /queues"
            )
        if self.proxy_count < 0:
            raise ConfigurationError(f"TASKYARD_PROXIES is {self.proxy_count}; it must be 0 or more")
        for name, header in (
            ("TASKYARD_PROXY_USER_HEADER", self.proxy_user_header),
            ("TASKYARD_PROXY_ROLE_HEADER", self.proxy_role_header),
        ):
            if not re.fullmatch(r"[A-Za-z0-9-]*", header):
                raise ConfigurationError(f"{name} is {header!r}; it must be a header's name, e.g. X-Forwarded-User")
        if self.proxy_user_header and not self.proxy_addresses:
            raise ConfigurationError(
                "TASKYARD_PROXY_ADDRESSES is empty; anybody can send a header, so it must say from which addresses "
                f"{self.proxy_user_header} is believed, e.g. 127.0.0.1 or 10.0.0.0/24"
            )
        for name, hours in (
            ("TASKYARD_SIGN_IN_HOURS", self.sign_in_hours),
            ("TASKYARD_SIGN_IN_IDLE_HOURS", self.sign_in_idle_hours),
        ):
            if not 0 < hours <= MOST_HOURS:
                raise ConfigurationError(f"{name} is {hours:g}; it must be above 0 and at most {MOST_HOURS:,}")

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None, *, no_login: bool = False) -> ConsoleSettings:
        """Raises `ConfigurationError`, which names the variable, its value and what would be accepted."""
        values = os.environ if env is None else env
        environment = values.get("TASKYARD_ENVIRONMENT", "").strip()
        return cls(
            redis_url=values.get("TASKYARD_REDIS_URL", DEFAULT_URL),
            namespace=values.get("TASKYARD_NAMESPACE", DEFAULT_NAMESPACE),
            environment=environment,
            environment_colour=values.get("TASKYARD_ENVIRONMENT_COLOUR", "").strip() or usual_colour(environment),
            secret_key=values.get("TASKYARD_SECRET_KEY", ""),
            hosts=tuple(name.strip().lower() for name in values.get("TASKYARD_HOSTS", "").split(",") if name.strip()),
            no_login=no_login or _switch("TASKYARD_NO_LOGIN", values.get("TASKYARD_NO_LOGIN", "0")),
            url_prefix=values.get("TASKYARD_URL_PREFIX", "").rstrip("/"),
            proxy_count=_whole_number("TASKYARD_PROXIES", values.get("TASKYARD_PROXIES", "0")),
            secure_cookies=_switch("TASKYARD_SECURE_COOKIES", values.get("TASKYARD_SECURE_COOKIES", "0")),
            users_file=values.get("TASKYARD_USERS_FILE", ""),
            sign_in_hours=_number("TASKYARD_SIGN_IN_HOURS", values.get("TASKYARD_SIGN_IN_HOURS") or "168"),
            sign_in_idle_hours=_number(
                "TASKYARD_SIGN_IN_IDLE_HOURS", values.get("TASKYARD_SIGN_IN_IDLE_HOURS") or "12"
            ),
            proxy_user_header=values.get("TASKYARD_PROXY_USER_HEADER", "").strip(),
            proxy_role_header=values.get("TASKYARD_PROXY_ROLE_HEADER", "").strip(),
            proxy_role=_role("TASKYARD_PROXY_ROLE", values.get("TASKYARD_PROXY_ROLE") or "viewer"),
            proxy_addresses=_networks("TASKYARD_PROXY_ADDRESSES", values.get("TASKYARD_PROXY_ADDRESSES", "")),
            edit_role=_role("TASKYARD_EDIT_ROLE", values.get("TASKYARD_EDIT_ROLE") or "operator"),
            redact=tuple(name.strip() for name in values.get("TASKYARD_REDACT", "").split(",") if name.strip()),
            demo_socket=values.get("TASKYARD_DEMO_SOCKET", ""),
            consoles=_addresses("TASKYARD_CONSOLES", values.get("TASKYARD_CONSOLES", "")),
        )

    @property
    def is_open(self) -> bool:
        """Nobody is asked who they are. (`no_login` also where there are users: only tokens count then.)"""
        return self.no_login or not (self.users_file or self.proxy_user_header)

    @property
    def shown_url(self) -> str:
        """The Redis address without its credentials."""
        return mask_url(self.redis_url)


def usual_colour(environment: str) -> str:
    """The colour that people expect of an environment's name when none was chosen."""
    name = environment.lower()
    if name.startswith("prod"):
        return "red"
    if name.startswith(("stag", "pre")):
        return "amber"
    if name.startswith(("dev", "local", "test", "demo")):
        return "green"
    return "grey"


def _whole_number(name: str, text: str) -> int:
    try:
        return int(text or "0")
    except ValueError:
        raise ConfigurationError(f"{name} is {text!r}; it must be a whole number, e.g. 1") from None


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigurationError(f"{name} is {text!r}; it must be a number, e.g. 12") from None


def _role(name: str, text: str) -> Role:
    try:
        return Role.of(text)
    except InvalidArgument:
        roles = ", ".join(role.word for role in Role)
        raise ConfigurationError(f"{name} is {text!r}; it must be one of {roles}") from None


def _networks(name: str, text: str) -> tuple[Network, ...]:
    found: list[Network] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            found.append(ipaddress.ip_network(part, strict=False))
        except ValueError:
            raise ConfigurationError(
                f"{name} has {part!r}; it must be addresses or networks with commas, e.g. 127.0.0.1,10.0.0.0/24"
            ) from None
    return tuple(found)


def _addresses(name: str, text: str) -> tuple[tuple[str, str], ...]:
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"([^=\s][^=]{0,39}?)\s*=\s*(https?://[^\s/?#@]+(?:/\S*)?)", part)
        if match is None or not part.isprintable():
            raise ConfigurationError(
                f"{name} has {part!r}; it must be names and addresses with commas, e.g. staging=https://queues.example.com"
            )
        found.append((match[1], match[2]))
    return tuple(found)


def _switch(name: str, text: str) -> bool:
    if text.strip().lower() in ("", "0", "no", "false", "off"):
        return False
    if text.strip().lower() in ("1", "yes", "true", "on"):
        return True
    raise ConfigurationError(f"{name} is {text!r}; it must be 1 or 0")
