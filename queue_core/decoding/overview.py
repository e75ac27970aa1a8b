"""What the server says of itself."""

from __future__ import annotations

from queue_core.decoding.values import line, number
from queue_core.snapshot import ServerSnapshot


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
