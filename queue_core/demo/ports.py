"""Which port the console gets."""

from __future__ import annotations

import errno
import os
import socket

from queue_core.errors import ConfigurationError

USUAL_PORT = 8080
TRIED_PORTS = 100
LAST_PORT = 65_535
HOST = "127.0.0.1"


def choose_port(asked: int | None, host: str = HOST) -> int:
    """The port that was asked for; else the usual one, or the next that is free.

    Raises `ConfigurationError` where that one is taken, or may not be used.
    """
    if asked is not None:
        check_port(asked, host)
        return asked
    free = next_free_port(USUAL_PORT, host)
    if free is None:
        raise ConfigurationError(
            f"ports {USUAL_PORT} to {USUAL_PORT + TRIED_PORTS - 1} are in use. Choose another with --port."
        )
    return free


def check_port(port: int, host: str = HOST) -> None:
    """Raises `ConfigurationError` when nobody can listen there now."""
    error = _refusal(host, port)
    if error is None:
        return
    if error.errno != errno.EADDRINUSE:
        reason = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)
        raise ConfigurationError(f"it cannot listen on {host}, port {port}: {reason}.")
    other = next_free_port(port + 1, host)
    hint = f", e.g. --port {other}" if other else ""
    raise ConfigurationError(f"port {port} is in use. Choose another with --port{hint}.")


def next_free_port(first: int, host: str = HOST) -> int | None:
    ports = range(first, min(first + TRIED_PORTS, LAST_PORT + 1))
    return next((port for port in ports if _refusal(host, port) is None), None)


def _refusal(host: str, port: int) -> OSError | None:
    """Why nobody can listen there now."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does: a past one is no obstacle
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        return error
    return None
