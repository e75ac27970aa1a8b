"""What the server says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from queue_core.decoding.values import LARGEST_NUMBER, line, moment, number
from queue_core.snapshot import ServerDetail, ServerSnapshot


def server(info: object, save: object) -> ServerSnapshot:
    """Out of INFO and of the setting `save`: each may be refused. Valkey calls itself `redis_version:7.2.4` as well."""
    found = info if isinstance(info, dict) else {}
    product = "Valkey" if "valkey_version" in found else str(found.get("server_name") or "redis").capitalize()
    version = found.get("valkey_version") or found.get("redis_version") or ""
    policy = found.get("maxmemory_policy")
    return ServerSnapshot(
        product=line(product, 40),
        version=line(str(version), 40),
        used_memory=number(found["used_memory"]) if "used_memory" in found else None,
        max_memory=number(found["maxmemory"]) if "maxmemory" in found else None,
        eviction_policy=None if policy is None else line(str(policy), 40),
        is_aof_on=bool(number(found["aof_enabled"])) if "aof_enabled" in found else None,
        is_saving_on=bool(next(iter(save.values()), b"")) if isinstance(save, dict) and save else None,
    )


def server_detail(info: Mapping[str, Any], save: object) -> ServerDetail:
    def count(name: str) -> int | None:
        return number(info[name]) if name in info else None

    oks = [info[name] == "ok" for name in ("rdb_last_bgsave_status", "aof_last_write_status") if name in info]
    ratio = info.get("mem_fragmentation_ratio")
    return ServerDetail(
        server=server(info, save),
        mode=line(str(info.get("redis_mode") or info.get("server_mode") or ""), 40),
        role=line(str(info.get("role", "")), 40),
        uptime_seconds=count("uptime_in_seconds"),
        peak_memory=count("used_memory_peak"),
        fragmentation=ratio if isinstance(ratio, float) and 0 < ratio < LARGEST_NUMBER else None,
        clients=count("connected_clients"),
        max_clients=count("maxclients"),
        blocked_clients=count("blocked_clients"),
        commands_per_second=count("instantaneous_ops_per_sec"),
        evicted_keys=count("evicted_keys"),
        rejected_connections=count("rejected_connections"),
        replicas=count("connected_slaves"),
        last_save_at=moment(number(info.get("rdb_last_save_time", 0)) * 1000),
        unsaved_changes=count("rdb_changes_since_last_save"),
        is_save_ok=all(oks) if oks else None,
    )
