"""`python -m benchmarks [NAME …]`: runs the benchmarks and prints their figures; exit code 1 where a budget is missed.
Nothing else should run meanwhile. `--help` tells the rest."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial

from benchmarks import console, enqueue, flatness, memory, pages, scripts, throughput, worker
from benchmarks.figures import Figure
from benchmarks.peers import environments, side_by_side
from benchmarks.peers.catalogue import OURS, PEERS
from benchmarks.peers.measures import MEASURES

BENCHMARKS: dict[str, Callable[[], Iterator[Figure | str]]] = {
    "memory": memory.run,
    "enqueue": enqueue.run,
    "scripts": scripts.run,
    "flatness": flatness.run,
    "throughput": throughput.run,
    "pages": pages.run,
    "worker": worker.run,
}


def main(arguments: list[str]) -> int:
    given = _parse(arguments)
    benchmarks = dict(BENCHMARKS)
    benchmarks["console"] = partial(console.run, given.scale, small=given.small)
    benchmarks["peers"] = partial(side_by_side.run, given.only, given.engines, given.rounds, given.small)
    if given.renew:
        environments.remove()
    missed = 0
    for name in given.names or benchmarks:
        print(f"\n{name}")
        for line in benchmarks[name]():
            print(f"  {line}", flush=True)
            missed += isinstance(line, Figure) and not line.is_kept
    if missed:
        print(f"\n{missed} budget{'s' if missed > 1 else ''} missed", file=sys.stderr)
    return 1 if missed else 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures, and judges by the budgets.")
    names, engines = [*BENCHMARKS, "console", "peers"], [engine.name for engine in (*OURS, *PEERS)]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(names)}; without any: all")
    parser.add_argument("--small", action="store_true", help="console, peers: few tasks, to see whether it works")
    parser.add_argument("--scale", type=float, default=1.0, help="console: of 1,000,000 dead and as many ready tasks")
    peers = parser.add_argument_group("peers: Taskyard beside other engines")
    peers.add_argument("--only", action="append", default=[], choices=MEASURES, help="one measure; may be repeated")
    peers.add_argument("--engines", nargs="+", default=[], choices=engines, help="these, in place of the usual ones")
    peers.add_argument("--rounds", type=int, default=side_by_side.ROUNDS)
    peers.add_argument("--renew", action="store_true", help="install the peers again, in their newest versions")
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.names if name not in names]:
        parser.error(f"no benchmark {unknown[0]!r}: there are {', '.join(names)}")
    return given


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started ends with it
    sys.exit(main(sys.argv[1:]))
