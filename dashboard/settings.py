"""What the console is told from outside: a frozen value, checked once. Only `from_env` reads the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from queue_core.errors import ConfigurationError
from queue_core.settings import DEFAULT_NAMESPACE, DEFAULT_URL, mask_url

COLOURS = ("grey", "green", "blue", "amber", "red", "violet")
"""Names that `TASKYARD_ENVIRONMENT_COLOUR` accepts; each has a pair of tokens in app.css."""


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """`hosts`: names under which the console may be reached besides the loopback ones.

    `secret_key` signs cookies and form tokens; empty means a new one at each start. `proxy_count`: how many trusted
    proxies stand in front and set `X-Forwarded-*`. `no_login`: whoever reaches the console may use it.
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
            no_login=no_login,
            url_prefix=values.get("TASKYARD_URL_PREFIX", "").rstrip("/"),
            proxy_count=_whole_number("TASKYARD_PROXIES", values.get("TASKYARD_PROXIES", "0")),
            secure_cookies=_switch("TASKYARD_SECURE_COOKIES", values.get("TASKYARD_SECURE_COOKIES", "0")),
        )

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


def _switch(name: str, text: str) -> bool:
    if text.strip().lower() in ("", "0", "no", "false", "off"):
        return False
    if text.strip().lower() in ("1", "yes", "true", "on"):
        return True
    raise ConfigurationError(f"{name} is {text!r}; it must be 1 or 0")
