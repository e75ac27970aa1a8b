"""The engines that are measured side by side: what each needs to be installed, and how many tasks it is given.

Their settings stand in their adapters, `adapters/on_<name>.py`, tuned as their documentation says.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.peers import environments

ADAPTERS = Path(__file__).parent / "adapters"
PROJECT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Tasks:
    """How many tasks a round has: enough for some seconds at the engine's rate."""

    noop: int
    sleep: int


@dataclass(frozen=True)
class Engine:
    """`requirements` of pip, or `packages` of npm, or none: it is ours. `least`: the oldest Python that it runs on."""

    name: str
    tasks: Tasks
    requirements: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    least: tuple[int, int] = (3, 10)


@dataclass(frozen=True)
class Installed:
    engine: Engine
    command: tuple[str, ...]
    """What starts its adapter."""
    versions: str
    environment: Mapping[str, str] = field(default_factory=dict)


OURS = (
    Engine("taskyard", Tasks(100_000, 40_000)),
    Engine("taskyard_threads", Tasks(100_000, 40_000)),
)
PEERS = (
    Engine("bullmq", Tasks(20_000, 10_000), packages=("bullmq", "ioredis")),
    Engine("ardiq", Tasks(20_000, 15_000), ("ardiq", "redis[hiredis]", "uvloop"), least=(3, 12)),
    Engine("tarsk", Tasks(20_000, 10_000), ("tarsk-redis", "redis[hiredis]"), least=(3, 11)),
    Engine("huey", Tasks(10_000, 4_000), ("huey", "redis[hiredis]")),
    Engine("dramatiq", Tasks(8_000, 5_000), ("dramatiq[redis]", "hiredis")),
    Engine("saq", Tasks(5_000, 4_000), ("saq[redis,hiredis]", "typing_extensions", "uvloop")),
    Engine("celery", Tasks(3_000, 2_000), ("celery[redis]", "hiredis")),
    Engine("rq", Tasks(800, 300), ("rq", "redis[hiredis]")),
    Engine("taskiq", Tasks(6_000, 5_000), ("taskiq", "taskiq-redis", "redis[hiredis]", "uvloop")),
    Engine("arq", Tasks(4_000, 4_000), ("arq", "hiredis", "uvloop")),
)
USUAL = ("bullmq", "ardiq", "tarsk", "huey", "dramatiq", "saq", "celery", "rq")
"""Measured unless others are named: the fastest, and the best known."""


def install(engine: Engine) -> Installed:
    """Raises `NotInstalled`."""
    if not (engine.requirements or engine.packages):
        return Installed(
            engine,
            (sys.executable, "shape.py", f"on_{engine.name}"),
            "this one",
            {"PYTHONPATH": f"{ADAPTERS}:{PROJECT}"},
        )
    if engine.packages:
        place = environments.node_environment(engine.name, engine.packages)
        versions = environments.node_versions(place, engine.packages)
        return Installed(engine, ("node", f"on_{engine.name}.mjs"), versions, {"BENCH_MODULES": str(place)})
    python = environments.python_environment(engine.name, engine.requirements, engine.least)
    versions = environments.python_versions(python, engine.requirements)
    return Installed(engine, (str(python), "shape.py", f"on_{engine.name}"), versions, {"PYTHONPATH": str(ADAPTERS)})
