"""The servers that are measured: the bundled Valkey, and what is installed beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from queue_core.client import Client
from queue_core.embedded import EmbeddedServer, find_binaries_on_path, find_bundled_binary


def each_binary() -> list[Path | None]:
    return [find_bundled_binary(), *find_binaries_on_path()]


def server_of(binary: Path | None) -> EmbeddedServer:
    """A fresh server without persistence."""
    return EmbeddedServer(binary=binary, options={"appendonly": "no"})


def each_server() -> Iterator[EmbeddedServer]:
    """One of each kind, one after the other."""
    for binary in each_binary():
        with server_of(binary) as server:
            yield server


def bundled_server() -> EmbeddedServer:
    return EmbeddedServer(options={"appendonly": "no"})


def installed_server() -> EmbeddedServer:
    """The server that is installed on this machine, else the bundled one; on TCP, which every client can speak."""
    binary = next(iter(find_binaries_on_path()), None)
    return EmbeddedServer(binary=binary, tcp=True, options={"appendonly": "no"})


def script_microseconds(client: Client) -> float:
    """Time that scripts took since the last look."""
    stats: dict[str, Any] = client.redis.info("commandstats")
    names = ("evalsha", "eval", "evalsha_ro", "eval_ro")
    spent = sum(float(stats.get(f"cmdstat_{name}", {"usec": 0})["usec"]) for name in names)
    client.redis.config_resetstat()
    return spent
