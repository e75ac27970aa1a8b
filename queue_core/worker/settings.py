"""What a worker is told when it starts: checked once, then frozen."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from queue_core import settings
from queue_core.errors import ConfigurationError
from queue_core.keys import check_name

MAX_PROCESSES = 256
MAX_CONCURRENCY = 4_096
LEAST_MEMORY = 16 << 20
"""Bytes; a process that does nothing yet has more than that."""
MAX_QUEUES = 200
MAX_WEIGHT = 1_000


@dataclass(frozen=True)
class WorkerSettings:
    """`app`: `module:yard`. `queues`: name → weight; empty: all queues that the yard's tasks use.

    `processes`: how many, each for itself. `concurrency`: tasks that run at once in each. `max_tasks`, `max_memory`
    (bytes): a process that has run or taken so much is replaced. `burst`: it ends when its queues are empty.
    `reload`: its processes are replaced when a file of the application changes. `grace_seconds`: what running
    tasks get to finish when the worker stops or their process is replaced. `name`: what the worker is called in place
    of its host.
    """

    app: str
    queues: Mapping[str, int] = field(default_factory=dict)
    processes: int = 1
    concurrency: int = 16
    lease_seconds: float = settings.LEASE_SECONDS
    heartbeat_seconds: float = settings.HEARTBEAT_SECONDS
    grace_seconds: float = settings.GRACE_SECONDS
    max_tasks: int | None = None
    max_memory: int | None = None
    burst: bool = False
    reload: bool = False
    allow_eviction: bool = False
    name: str | None = None

    def __post_init__(self) -> None:
        _check_whole("number of processes", self.processes, 1, MAX_PROCESSES)
        _check_whole("concurrency", self.concurrency, 1, MAX_CONCURRENCY)
        _check_number("lease", self.lease_seconds, 0.5, 86_400)
        _check_number("heartbeat", self.heartbeat_seconds, 0.05, 3_600)
        _check_number("grace time", self.grace_seconds, 0, 86_400)
        if self.max_tasks is not None:
            _check_whole("largest number of tasks", self.max_tasks, 1, 10**12)
        if self.max_memory is not None:
            _check_whole("largest memory", self.max_memory, LEAST_MEMORY, 1 << 50)
        if self.name is not None:
            check_name("worker", self.name)
        if len(self.queues) > MAX_QUEUES:
            raise ConfigurationError(f"{len(self.queues)} queues are too many for one worker: at most {MAX_QUEUES}")
        for queue, weight in self.queues.items():
            check_name("queue", queue)
            _check_whole(f"weight of queue {queue}", weight, 1, MAX_WEIGHT)

    @property
    def lease_ms(self) -> int:
        return round(self.lease_seconds * 1000)

    @property
    def beat_seconds(self) -> float:
        """Between two heartbeats: as often as promised although a beat takes its time, and well below a third of the
        lease, after which the worker would pass for silent."""
        return min(0.8 * self.heartbeat_seconds, self.lease_seconds / 4)


def parse_queues(text: str) -> dict[str, int]:
    """`email=3,images` as name → weight. Raises `ConfigurationError`, `InvalidName`."""
    queues: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, weight = part.partition("=")
        check_name("queue", name)
        if name in queues:
            raise ConfigurationError(f"queue {name} is named twice in {text!r}")
        if equals and not weight.isdecimal():
            raise ConfigurationError(f"weight {weight!r} of queue {name} is not accepted: a whole number from 1")
        queues[name] = int(weight) if equals else 1
    if not queues:
        raise ConfigurationError(f"queues {text!r} name no queue: say, for example, email=3,images")
    return queues


def parse_memory(text: str) -> int:
    """`500M` in bytes; K, M and G are powers of 1,024. Raises `ConfigurationError`."""
    found = re.fullmatch(r"([0-9]{1,15})([KMG]?)(i?B)?", text.strip(), re.IGNORECASE)
    if not found:
        raise ConfigurationError(f"memory {text!r:.40} is not accepted: say, for example, 500M or 2G")
    return int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[found[2].upper()]


def _check_number(what: str, value: float, least: float, most: float) -> None:
    if not isinstance(value, int | float) or not math.isfinite(value) or not least <= value <= most:
        raise ConfigurationError(f"{what} {value!r} is not accepted: {least:g} to {most:g}")


def _check_whole(what: str, value: int, least: int, most: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ConfigurationError(f"{what} {value!r} is not accepted: {least} to {most}")
