"""Serves the console: gunicorn with threads, in this process, until a signal ends it."""

from __future__ import annotations

import gc
import ipaddress
import logging
import os
import secrets
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

from dashboard import create_app, tender_of
from dashboard.gunicorn_worker import Worker
from dashboard.rendering import FIRST_TEMPLATES, load_templates
from dashboard.security import is_loopback
from dashboard.settings import ConsoleSettings
from dashboard.users import UsersFile
from queue_core.errors import ConfigurationError

log = logging.getLogger(__name__)

DEFAULT_PORT = 8080
OTHER_TEMPLATES_SECONDS = 1.0
"""After it serves: the first page does not wait for those of the others."""
MOST_CONNECTIONS = 500
"""Well below the 1,024 open files that a process usually may have."""
LEAST_SECRET = 32
"""Characters of the key, where people sign in from elsewhere."""


def serve(
    settings: ConsoleSettings,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    *,
    threads: int = 16,
    on_ready: Callable[[], None] | None = None,
) -> None:
    """Does not return before the end: SIGINT or SIGTERM. `on_ready` is called once the address answers.

    Raises as `check_access`.
    """
    check_access(settings, host)
    if settings.no_login:
        log.warning("anyone who reaches %s:%d can retry and purge tasks: there is no sign-in", host, port)
    # Made here, before the process that serves is forked: all of them sign with the same key.
    settings = replace(settings, secret_key=settings.secret_key or secrets.token_hex(32))
    _Server(settings, host, port, threads, on_ready).run()


def check_access(settings: ConsoleSettings, host: str | None) -> None:
    """`host`: where it listens; `None`: who knows. Raises `ConfigurationError` where it would be open to others without
    a sign-in and that was not asked for, or where nobody could sign in."""
    users = UsersFile(settings.users_file).read() if settings.users_file else None
    if settings.no_login:
        return
    if users is not None and not users.accounts and not settings.proxy_user_header:
        raise ConfigurationError(
            f"users file {settings.users_file} has no users: taskyard console add-user NAME --role admin"
        )
    if host is not None and is_loopback(host):
        return
    if settings.is_open:
        where = f"it does not listen on {host}, where others could reach it" if host else "it does not start"
        insist = "--no-login" if host else "TASKYARD_NO_LOGIN=1"
        raise ConfigurationError(
            f"{where}, without users: taskyard console add-user NAME --role admin --users-file FILE\n"
            f"Or trust a proxy that signs people in (TASKYARD_PROXY_USER_HEADER), or let everybody in with {insist}."
        )
    if len(settings.secret_key) < LEAST_SECRET:
        raise ConfigurationError(
            f"TASKYARD_SECRET_KEY has {len(settings.secret_key)} characters; where others reach the console it signs "
            f"who they are, so it has at least {LEAST_SECRET}, by chance: openssl rand -hex 32"
        )


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    def __init__(
        self, settings: ConsoleSettings, host: str, port: int, threads: int, on_ready: Callable[[], None] | None
    ) -> None:
        self._settings = settings
        shown = f"[{host}]" if _is_version_6(host) else host
        self._addresses = [f"{shown}:{number}" for number in (port, settings.metrics_port) if number]
        self._threads = threads
        self._on_ready = on_ready
        super().__init__()

    def load_config(self) -> None:
        options: dict[str, Any] = {
            "bind": self._addresses,
            "workers": 1,
            "worker_class": Worker,
            "threads": self._threads,
            "timeout": 60,
            "graceful_timeout": 2,
            "keepalive": 5,
            "loglevel": "warning",
            "proc_name": "taskyard console",
            "control_socket_disable": True,
            # Made before the process that serves is forked, and before it is said that the console is there: it
            # connects to nothing and has no threads until then, and one that takes its place is there at once.
            "preload_app": True,
            "limit_request_line": 8190,
            "worker_connections": MOST_CONNECTIONS,
            "sendfile": False,  # it waits without end for whoever does not read on
            # Below which path it is comes from the settings: with these, any process of this machine could say so.
            "forwarded_allow_ips": "",
            "forwarder_headers": "",
        }
        for name, value in options.items():
            self.cfg.set(name, value)
        self.cfg.set("when_ready", self._begin)
        self.cfg.set("post_worker_init", self._begin_serving)
        self.cfg.set("worker_exit", self._end_serving)

    def _begin(self, arbiter: object) -> None:
        # Ctrl-C reaches the whole group: it ends the console as SIGTERM does, answers that are on their way first.
        signal.signal(signal.SIGINT, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        if self._on_ready is not None:
            self._on_ready()

    def _begin_serving(self, worker: Any) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        tender_of(worker.wsgi).start()
        others = threading.Timer(OTHER_TEMPLATES_SECONDS, _load_others, (worker.wsgi,))
        others.daemon = True
        others.start()

    def _end_serving(self, arbiter: object, worker: Any) -> None:
        # A worker whose application could not be loaded ends, too.
        if isinstance(app := getattr(worker, "wsgi", None), Flask):
            tender_of(app).stop()

    def load(self) -> Flask:
        app = create_app(self._settings)
        load_templates(app, FIRST_TEMPLATES)
        gc.freeze()  # modules and templates stay: a collection that looks through all of them stops every answer
        return app


def _load_others(app: Flask) -> None:
    load_templates(app)
    gc.freeze()


def _is_version_6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False
