"""One round of each measure of one engine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import quantiles

from benchmarks.peers.catalogue import Installed
from benchmarks.peers.running import Bench, Seen

PROBES = 200
WARM_UP = 20
IDLE_SECONDS = 0.5


@dataclass(frozen=True)
class Round:
    """What one round told: `tasks_per_second`, or the latencies in ms; CPU in µs a task."""

    tasks_per_second: float = 0.0
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    server_us: float = 0.0
    worker_us: float = 0.0


def noop(bench: Bench, engine: Installed) -> Round:
    """Preloaded tasks that do nothing, one worker: from the first one's start to the last one's end."""
    return _drain(bench, engine, "noop", engine.engine.tasks.noop, 1)


def pair(bench: Bench, engine: Installed) -> Round:
    """The same through two workers, from when both run tasks."""
    return _drain(bench, engine, "noop", engine.engine.tasks.noop, 2)


def sleep(bench: Bench, engine: Installed) -> Round:
    """Preloaded tasks that sleep 10 ms, 100 at once: at most 10,000 a second."""
    return _drain(bench, engine, "sleep", engine.engine.tasks.sleep, 1)


def latency(bench: Bench, engine: Installed) -> Round:
    """A task every 20 ms for an idle worker: from just before it is enqueued to its handler's first line."""
    bench.clear()
    with bench.workers(engine, "probe") as workers:
        bench.enqueue(engine, "noop", WARM_UP)
        workers.watch(WARM_UP)
        time.sleep(IDLE_SECONDS)
        bench.enqueue(engine, "probe", PROBES)
        cuts = quantiles(workers.probes(PROBES), n=20, method="inclusive")
    return Round(p50_ms=cuts[9], p95_ms=cuts[18])


MEASURES: dict[str, Callable[[Bench, Installed], Round]] = {
    "noop": noop,
    "pair": pair,
    "sleep": sleep,
    "latency": latency,
}


def _drain(bench: Bench, engine: Installed, kind: str, count: int, number: int) -> Round:
    bench.clear()
    bench.enqueue(engine, kind, count)
    with bench.workers(engine, kind, number) as workers:
        seen = workers.watch(count)
    start, end = _both_at_work(seen, number), seen[-1]
    done = end.ended - start.ended
    if number == 1:
        rate = (count - 1) / max(end.last_ns - end.first_ns, 1) * 1e9
    else:
        rate = done / max(end.last_ns - start.at_ns, 1) * 1e9
    return Round(
        rate,
        server_us=(end.server_cpu - start.server_cpu) / max(done, 1) * 1e6,
        worker_us=(end.worker_cpu - start.worker_cpu) / max(done, 1) * 1e6,
    )


def _both_at_work(seen: list[Seen], number: int) -> Seen:
    """The first look at which all workers had begun."""
    return next((look for look in seen if look.began >= number), seen[0])
