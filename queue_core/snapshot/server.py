"""The server as whoever runs it sees it: how it is, what was slow, what takes its memory."""

from __future__ import annotations

from dataclasses import dataclass

from queue_core.snapshot.overview import ServerSnapshot


@dataclass(frozen=True, slots=True)
class ServerDetail:
    """`None` where the server does not tell. `mode`: standalone, cluster, sentinel; `role`: master, slave."""

    server: ServerSnapshot
    mode: str
    role: str
    uptime_seconds: int | None
    peak_memory: int | None
    fragmentation: float | None
    """Memory that the system gave, for each byte in use."""
    clients: int | None
    max_clients: int | None
    blocked_clients: int | None
    commands_per_second: int | None
    evicted_keys: int | None
    rejected_connections: int | None
    replicas: int | None
    last_save_at: int | None
    unsaved_changes: int | None
    is_save_ok: bool | None
    """Of the last snapshot and of the last write to the append-only file."""


@dataclass(frozen=True, slots=True)
class SlowCall:
    """One entry of the server's slow log. `command`: its name, or that of our script, and its first key where that is
    one of ours: never an argument, which may be a payload. `client`: its address, and its name if it has one."""

    id: int
    at: int | None
    microseconds: int
    command: str
    client: str
