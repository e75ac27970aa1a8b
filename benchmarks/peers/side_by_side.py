"""Taskyard beside its peers: the same Redis, the same minutes, the rounds of all engines in turn, medians."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from benchmarks.figures import Figure
from benchmarks.peers import catalogue, report
from benchmarks.peers.catalogue import OURS, PEERS, USUAL, Engine, Installed, Tasks
from benchmarks.peers.environments import NotInstalled
from benchmarks.peers.measures import MEASURES, Round
from benchmarks.peers.running import Bench, DidNotWork
from benchmarks.servers import installed_server

ROUNDS = 3


def run(
    measures: Sequence[str] = (), engines: Sequence[str] = (), rounds: int = ROUNDS, is_small: bool = False
) -> Iterator[Figure | str]:
    """`measures`, `engines`: only these, else all of them and the usual ones. `is_small`: few tasks, to see whether
    each engine works here; its figures mean nothing."""
    installed: list[Installed] = []
    for engine in _chosen(engines):
        _say(f"installing {engine.name}")
        try:
            installed.append(catalogue.install(_smaller(engine) if is_small else engine))
        except NotInstalled as error:
            yield f"{engine.name} is not measured: {error}"
    found: dict[tuple[str, str], list[Round]] = defaultdict(list)
    with installed_server() as server:
        yield f"{server.product} without persistence, on TCP; medians of {rounds}"
        bench = Bench(server)
        try:
            for number in range(rounds):
                for name in measures or MEASURES:
                    for each in installed:
                        if told := _measure(bench, each, name, f"round {number + 1} of {rounds}", found):
                            yield told
        finally:
            bench.close()
    yield from report.table(installed, found)
    yield from report.figures(found)


def _measure(
    bench: Bench, engine: Installed, name: str, where: str, found: dict[tuple[str, str], list[Round]]
) -> str | None:
    """One round of one engine; what is to be told where it does not work."""
    began = time.monotonic()
    try:
        measured = MEASURES[name](bench, engine)
    except DidNotWork as error:
        return f"{engine.engine.name}, {name}, {where}: {error}"
    found[engine.engine.name, name].append(measured)
    rate = f"{measured.tasks_per_second:,.0f} tasks/s" if measured.tasks_per_second else f"p50 {measured.p50_ms:.2f} ms"
    _say(f"{where}: {name:8} {engine.engine.name:18} {rate:20} ({time.monotonic() - began:.0f} s)")
    return None


def _chosen(names: Sequence[str]) -> list[Engine]:
    wanted = names or (*(ours.name for ours in OURS), *USUAL)
    return [engine for engine in (*OURS, *PEERS) if engine.name in wanted]


def _smaller(engine: Engine) -> Engine:
    return replace(engine, tasks=Tasks(max(engine.tasks.noop // 20, 100), max(engine.tasks.sleep // 20, 100)))


def _say(progress: str) -> None:
    print(progress, file=sys.stderr, flush=True)
