"""`make prove`: random lives beside the model for a stated time, with fresh seeds, on each server in turn.

    python -m tests.proof.prove [--seconds 600] [--steps 60] [--seed NUMBER] [--kind moves]

Prints what was done and which faults were injected. A failure prints its seed, with which it comes again, and the
shortest life in which it shows.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import sys
import time
from collections import Counter
from typing import Any

import hypothesis.core

from queue_core.embedded import EmbeddedServer, find_bundled_binary
from tests.engine import Engine
from tests.proof import machine, moving_machine, schedules_machine
from tests.proof.bulk_machine import BulkMachine
from tests.proof.machine import live
from tests.proof.moving_machine import MovingMachine
from tests.proof.queue_machine import QueueMachine
from tests.proof.schedules_machine import SchedulesMachine

RUNS = 100
"""With one seed, of each kind."""
KINDS = {"queue": QueueMachine, "bulk": BulkMachine, "moves": MovingMachine, "schedules": SchedulesMachine}
FAULTS = (*machine.FAULTS, *moving_machine.FAULTS, *schedules_machine.FAULTS)


def main() -> int:
    options = argparse.ArgumentParser(prog="prove", description="Random lives of a queue beside its model.")
    options.add_argument("--seconds", type=float, default=600, help="how long (default: 600)")
    options.add_argument("--steps", type=int, default=60, help="of one life (default: 60)")
    options.add_argument("--seed", type=int, help="of a failure, to see it again")
    options.add_argument("--kind", choices=KINDS, action="append", help="of life (default: every one)")
    given = options.parse_args()
    kinds = given.kind or list(KINDS)
    binaries = [binary for binary in (find_bundled_binary(), shutil.which("redis-server")) if binary]
    servers = [EmbeddedServer(binary=binary) for binary in binaries]
    done: Counter[str] = Counter()
    begin, seeds = time.monotonic(), 0
    try:
        for server in servers:
            server.start()
        engines = [Engine(server.url) for server in servers]
        while not seeds or (given.seed is None and time.monotonic() < begin + given.seconds):
            seed = secrets.randbits(32) if given.seed is None else given.seed
            for engine in engines if given.seed is not None else engines[seeds % len(engines) :][:1]:
                if not all(prove(engine, done, given.steps, seed, kind) for kind in kinds):
                    return 1
            seeds += 1
    finally:
        tell(done, seeds, time.monotonic() - begin, len(servers))
        for server in servers:
            server.stop()
    return 0


def prove(engine: Engine, done: Counter[str], steps: int, seed: int, kind: str) -> bool:
    core: Any = hypothesis.core
    core.global_force_seed = seed  # as pytest's --hypothesis-seed sets it
    try:
        live(engine, done, RUNS, steps, KINDS[kind], derandomize=False)
    except Exception as error:
        print(f"\nnot as the model says, on {engine.url}: {error}\n", *getattr(error, "__notes__", ()), sep="\n")
        print(f"\nagain: make prove ARGS='--seed {seed} --steps {steps} --kind {kind}'")
        return False
    return True


def tell(done: Counter[str], seeds: int, seconds: float, servers: int) -> None:
    faults = {what: count for what, count in done.items() if what in FAULTS}
    facts = {what: count for what, count in done.items() if ": " in what}
    other = {what: done[what] for what in done.keys() - faults.keys() - facts.keys() - {"runs", "steps", "time passes"}}
    print(f"{seconds:,.0f} s on {servers} servers: {seeds} seeds, {done['runs']:,} lives, {done['steps']:,} steps")
    print(f"{sum(other.values()):,} operations: {_list(other)}")
    print(f"of which {_list(facts)}")
    print(f"{sum(faults.values()):,} faults: {_list(faults)}; time passed {done['time passes']:,} times")


def _list(counts: dict[str, int]) -> str:
    return ", ".join(f"{what} {count:,}" for what, count in sorted(counts.items(), key=lambda item: -item[1]))


if __name__ == "__main__":
    sys.exit(main())
