"""The server, its slow log and its memory, this console, and who may use it."""

from __future__ import annotations

from dashboard.api.overview import shared_snapshot
from dashboard.api.table import reads
from dashboard.api.values import Count, Time, Value, at
from dashboard.views.system import Panel, System, system
from queue_core.snapshot import ServerDetail, SlowCall


class ServerWhole(Value, frozen=True):
    """`null`: the server does not tell. `mode`: standalone, cluster, sentinel; `role`: master, slave. `fragmentation`:
    memory that the system gave, for each byte in use. `is_save_ok`: of the last snapshot and of the last write to the
    append-only file."""

    product: str
    version: str
    mode: str
    role: str
    uptime_seconds: int | None
    used_memory_bytes: int | None
    max_memory_bytes: int | None
    peak_memory_bytes: int | None
    eviction_policy: str | None
    fragmentation: float | None
    clients: int | None
    max_clients: int | None
    blocked_clients: int | None
    commands_per_second: int | None
    evicted_keys: int | None
    rejected_connections: int | None
    replicas: int | None
    last_save_at: Time | None
    unsaved_changes: int | None
    is_save_ok: bool | None

    @classmethod
    def of(cls, detail: ServerDetail) -> ServerWhole:
        server = detail.server
        same = (
            *("mode", "role", "uptime_seconds", "fragmentation", "clients", "max_clients", "blocked_clients"),
            *("commands_per_second", "evicted_keys", "rejected_connections", "replicas", "unsaved_changes"),
        )
        return cls(
            product=server.product,
            version=server.version,
            used_memory_bytes=server.used_memory,
            max_memory_bytes=server.max_memory,
            peak_memory_bytes=detail.peak_memory,
            eviction_policy=server.eviction_policy,
            last_save_at=at(detail.last_save_at),
            is_save_ok=detail.is_save_ok,
            **{name: getattr(detail, name) for name in same},
        )


class SlowOut(Value, frozen=True):
    """`command`: its name and first key, never what was passed to it."""

    id: Count
    at: Time | None
    microseconds: Count
    command: str
    client: str

    @classmethod
    def of(cls, call: SlowCall) -> SlowOut:
        return cls(id=call.id, at=at(call.at), microseconds=call.microseconds, command=call.command, client=call.client)


class MemberOut(Value, frozen=True):
    name: str
    role: str
    added_at: Time | None
    is_token: bool


class SystemOut(Value, frozen=True):
    """What is `null` could not be read, or is for admins: `not_told` says why. `unsafe`: why the server may lose or
    refuse tasks. `memory_by_queue`: bytes, an estimate, counted at most once a minute: `null` until it was once.
    `memory_growth_per_hour`: bytes; `memory_full_in_seconds`: `null` where nobody can tell."""

    server: ServerWhole | None
    unsafe: list[str]
    memory_growth_per_hour: float | None
    memory_full_in_seconds: float | None
    memory_by_queue: dict[str, int] | None
    slow: list[SlowOut] | None
    console: dict[str, str]
    users: list[MemberOut] | None
    not_told: dict[str, str]

    @classmethod
    def of(cls, found: System) -> SystemOut:
        forecast, shares = found.forecast, found.shares
        panels: dict[str, Panel[object]] = {"server": found.server, "slow": found.slow, "users": found.members}  # type: ignore[dict-item]  # each of its own kind
        errors = {name: panel.error for name, panel in panels.items()} | {"memory_by_queue": shares.error}
        return cls(
            server=ServerWhole.of(found.server.value) if found.server.value else None,
            unsafe=list(found.unsafe),
            memory_growth_per_hour=forecast.per_hour if forecast else None,
            memory_full_in_seconds=forecast.full_in_ms / 1000 if forecast and forecast.full_in_ms is not None else None,
            memory_by_queue=None if shares.queues is None else dict(shares.queues),
            slow=None if found.slow.value is None else [SlowOut.of(call) for call in found.slow.value],
            console=dict(found.console),
            users=None
            if found.members.value is None
            else [
                MemberOut(name=member.name, role=member.role, added_at=at(member.added_at), is_token=member.is_token)
                for member in found.members.value
            ],
            not_told={name: error for name, error in errors.items() if error},
        )


@reads("/system", SystemOut)
def whole() -> SystemOut:
    """How the server and this console are."""
    shared_snapshot()  # while the server is away there is none
    return SystemOut.of(system())
