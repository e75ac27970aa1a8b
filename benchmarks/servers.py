"""The servers that are measured: the bundled Valkey, and what is installed beside it."""

from __future__ import annotations

from collections.abc import Iterator

from queue_core.embedded import EmbeddedServer, find_binaries_on_path, find_bundled_binary


def each_server() -> Iterator[EmbeddedServer]:
    """A fresh server of each kind, without persistence, one after the other."""
    for binary in (find_bundled_binary(), *find_binaries_on_path()):
        with EmbeddedServer(binary=binary, options={"appendonly": "no"}) as server:
            yield server


def bundled_server() -> EmbeddedServer:
    return EmbeddedServer(options={"appendonly": "no"})
