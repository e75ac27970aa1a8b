"""A worker by itself: how it starts, idles, keeps time, and holds out; what its features cost; the reference load."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from statistics import median, quantiles

from benchmarks.figures import Figure
from benchmarks.peers import catalogue
from benchmarks.peers.adapters.shape import EARLY_NS
from benchmarks.peers.catalogue import OURS, Installed
from benchmarks.peers.running import Bench, DidNotWork, Seen
from benchmarks.processes import cpu_seconds, tree
from benchmarks.servers import installed_server

STARTS, START_SECONDS = 5, 1.0
IDLE_SECONDS, IDLE_COMMANDS, IDLE_PERCENT = 15.0, 2.0, 0.5
LATE, LATE_MS = 100, 20.0
FEW, MANY, DRIFT = 10_000, 1_000_000, 0.10
SMALL_ROUNDS = 5
GROWTH_MB = 4.0
LOAD, LOAD_SECONDS, LOAD_SLOTS = 100_000, 45.0, 640
FEATURE_TASKS, FEATURE_ROUNDS = 30_000, 3


def run() -> Iterator[Figure | str]:
    ours = catalogue.install(OURS[0])
    with installed_server() as server:
        yield f"{server.product} without persistence, on TCP"
        bench = Bench(server)
        try:
            for part in (_start, _idle, _late, _many, _features, _load):
                try:
                    yield from part(bench, ours)
                except DidNotWork as error:
                    yield Figure(f"{part.__name__.strip('_')} did not work", 1, "", 0, note=str(error))
        finally:
            bench.close()


def _start(bench: Bench, ours: Installed) -> Iterator[Figure]:
    seconds = []
    for _ in range(STARTS):
        bench.clear()
        bench.enqueue(ours, "noop", 1)
        with bench.workers(ours, "noop") as workers:
            seconds.append((workers.watch(1)[-1].first_ns - workers.begun_ns) / 1e9)
    yield Figure("start of a worker to its first task", median(seconds), "s", START_SECONDS)


def _idle(bench: Bench, ours: Installed) -> Iterator[Figure]:
    """The difference that four more queues make, and what is left for the worker itself."""
    rates, loads = [], []
    for queues in (("bench",), ("bench", "a", "b", "c", "d")):
        bench.clear()
        bench.enqueue(ours, "noop", 1)
        with bench.workers(_with_options(ours, f"--queues {','.join(queues)}"), "noop") as workers:
            workers.watch(1)
            time.sleep(2)
            pids = tree(workers.pids[0])
            before = {pid: cpu_seconds(pid) for pid in pids}
            rates.append(_commands_a_second(bench.address, IDLE_SECONDS))
            loads.append(max(cpu_seconds(pid) - spent for pid, spent in before.items()) / IDLE_SECONDS * 100)
    each = (rates[1] - rates[0]) / 4
    yield Figure("idle: commands a queue", each, "/s", IDLE_COMMANDS)
    yield Figure("idle: commands of a worker beside its queues'", rates[0] - each, "/s")
    yield Figure("idle: CPU of the busiest process, 5 queues", loads[1], "%", IDLE_PERCENT, note="to 0.07")


def _late(bench: Bench, ours: Installed) -> Iterator[Figure]:
    bench.clear()
    with bench.workers(ours, "probe") as workers:
        bench.enqueue(ours, "noop", 1)
        workers.watch(1)
        bench.enqueue(ours, "late", LATE)
        late = sorted(found - EARLY_NS / 1e6 for found in workers.probes(LATE))
    note = f"median {median(late):.1f}, {late[0]:.1f} to {late[-1]:.1f}"
    yield Figure("a delayed task is late, p95", quantiles(late, n=20, method="inclusive")[18], "ms", LATE_MS, note=note)


def _many(bench: Bench, ours: Installed) -> Iterator[Figure]:
    """A million tasks, and in turn with its first ones queues of ten thousand."""
    few = [_rate(_drain(bench, ours, FEW)) for _ in range(SMALL_ROUNDS)]
    seen = _drain(bench, ours, MANY)
    few += [_rate(_drain(bench, ours, FEW)) for _ in range(SMALL_ROUNDS)]
    early = [look for look in seen if look.ended < MANY // 10]
    ratio = _rate(early) / median(few)
    yield Figure(f"{MANY:,} queued: tasks/s beside {FEW:,}", ratio, "×", 1 - DRIFT, True, f"{_rate(early):,.0f} /s")
    yield Figure(f"{MANY:,} drained: the whole of it", _rate(seen), "tasks/s")
    begun = next(look for look in seen if look.ended >= MANY // 10)
    grown = (seen[-1].worker_bytes - begun.worker_bytes) / 1e6
    note = f"{seen[-1].worker_bytes / 1e6:.0f} MB at the end, all processes"
    yield Figure("memory over the last 900,000 of them", grown, "MB", GROWTH_MB, note=note)


def _features(bench: Bench, ours: Installed) -> Iterator[Figure]:
    """CPU time of the worker: what a task costs that uses one feature more than a plain one."""
    spent: dict[str, list[float]] = {"noop": [], "context": [], "timed": [], "kept": []}
    for _ in range(FEATURE_ROUNDS):
        for kind, costs in spent.items():
            seen = _drain(bench, ours, FEATURE_TASKS, kind)
            costs.append((seen[-1].worker_cpu - seen[0].worker_cpu) / (seen[-1].ended - seen[0].ended) * 1e6)
    yield Figure("a task that does nothing: worker", median(spent["noop"]), "µs")
    for kind, name in (("context", "a context"), ("timed", "a timeout of its own"), ("kept", "a result that is kept")):
        yield Figure(f"more with {name}", median(spent[kind]) - median(spent["noop"]), "µs")


def _load(bench: Bench, ours: Installed) -> Iterator[Figure]:
    """100,000 tasks that wait for 234 ms on average."""
    seen = _drain(bench, _with_options(ours, f"--concurrency {LOAD_SLOTS}"), LOAD, "wait")
    seconds = (seen[-1].last_ns - seen[-1].first_ns) / 1e9
    note = f"one process, {LOAD_SLOTS} slots, {max(look.worker_bytes for look in seen) / 1e6:.0f} MB"
    yield Figure(f"{LOAD:,} tasks of 234 ms", seconds, "s", LOAD_SECONDS, note=note)


def _drain(bench: Bench, ours: Installed, count: int, kind: str = "noop") -> list[Seen]:
    bench.clear()
    bench.enqueue(ours, kind, count)
    with bench.workers(ours, kind) as workers:
        return workers.watch(count)


def _rate(seen: list[Seen]) -> float:
    return (seen[-1].ended - seen[0].ended) / (seen[-1].at_ns - seen[0].at_ns) * 1e9


def _with_options(ours: Installed, options: str) -> Installed:
    return replace(ours, environment={**ours.environment, "BENCH_OPTIONS": options})


def _commands_a_second(address: tuple[str, int], seconds: float) -> float:
    """Commands that clients send, as MONITOR shows them; those of scripts are not counted."""
    lines = b""
    with socket.create_connection(address) as monitor:
        monitor.sendall(b"MONITOR\r\n")
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            monitor.settimeout(left)
            try:
                lines += monitor.recv(65_536)
            except TimeoutError:
                break
    sent = [line for line in lines.splitlines() if line.startswith(b"+") and b" lua]" not in line]
    return (len(sent) - 1) / seconds  # the first says OK
