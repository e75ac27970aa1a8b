"""What each page of the console costs on a large installation, alone and while 50 tabs refresh themselves; and how long
a retry of all dead letters takes, beside a worker."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median, quantiles

from benchmarks import retrying
from benchmarks.figures import Figure
from benchmarks.seeding import DEAD, DISTINCT, READY, Life, Sizes, Workers, seed
from benchmarks.servers import bundled_server
from benchmarks.site import TAB_SECONDS, TABS, Site, tabs
from queue_core.client import Client
from queue_core.inspector import Inspector

BUDGET_MS = 50.0
BUDGET_KILOBYTES = 100.0
BUDGET_START_SECONDS = 1.0
ALONE, AMONG_TABS, OF_SMALL = 20, 40, 5
"""Loads of each page."""
SNAPSHOTS = 10
LIFE_SECONDS = 0.5
BEAT_SECONDS = 4.0
SMALL = 0.01
METRICS = "metrics"
"""No page: a program asks for it, once in a while."""


@dataclass(frozen=True)
class Cost:
    """Of one load while nobody else looks: milliseconds, bytes. `redis_*`: without the snapshot that pages share."""

    times_ms: list[float]
    cpu_ms: float
    redis_ms: float
    redis_commands: float
    redis_bytes: float
    html_bytes: int


@dataclass(frozen=True)
class Spent:
    """By the server since its start: CPU time, commands, those inside of scripts among them, and bytes that it sent."""

    ms: float
    commands: float
    sent: float

    @classmethod
    def by(cls, client: Client) -> Spent:
        stats, cpu = client.redis.info("stats"), client.redis.info("cpu")
        seconds = float(cpu["used_cpu_user"]) + float(cpu["used_cpu_sys"])
        return cls(seconds * 1000, int(stats["total_commands_processed"]), int(stats["total_net_output_bytes"]))

    def since(self, before: Spent, times: int) -> Spent:
        """Each of so many times."""
        return Spent(
            (self.ms - before.ms) / times, (self.commands - before.commands) / times, (self.sent - before.sent) / times
        )


def run(scale: float = 1.0, *, small: bool = False) -> Iterator[Figure | str]:
    """`small`: in about a minute, whether all of it works; its times are told and not judged."""
    scale = SMALL if small else scale
    began = time.monotonic()
    with bundled_server() as server:
        sizes = Sizes().scaled(scale)
        for line in seed(server.url, sizes):
            say(line)
            yield line
        Site(server.url).close()  # what is to be compiled is compiled once, as where it is installed
        client, workers, life, site = (
            Client(server.url),
            Workers(server.url, sizes.workers),
            Life(server.url),
            Site(server.url),
        )
        try:
            yield from _measure(client, workers, life, site, small=small)
            say("a retry of all dead letters, beside a worker")
            yield from retrying.run(server.url, site, scale, say)
        finally:
            site.close()
            life.close()
            workers.close()
            client.close()
    yield f"all of it took {time.monotonic() - began:.0f} s"


def say(line: str) -> None:
    """How far it is."""
    print(f"    … {line}", file=sys.stderr, flush=True)


def pages_of(inspector: Inspector) -> dict[str, str]:
    """Name → path. Those in LISTS have a budget of bytes as well."""
    fault = inspector.faults(DEAD)[0].fingerprint
    letter = inspector.letters(DEAD, limit=1).rows[0]
    ready = inspector.peek(READY, 1)[0]
    worker = inspector.workers()[0].id
    operation = inspector.operations(1)[0]
    return {
        "overview": "/",
        "queues": "/queues",
        "queues, found by name": "/queues?q=billing",
        "queue, ready": f"/queues/{READY}?state=ready",
        "queue, dead": f"/queues/{DEAD}?state=dead",
        "queue, figures": f"/queues/{READY}/figures",
        "faults": "/dead",
        "faults, found by text": "/dead?q=refused",
        "letters": "/dead/letters",
        "letters of a queue": f"/dead/letters?queue={DISTINCT}",
        "letters of 1,000 faults": "/dead/letters?q=customer",
        "trash": "/dead/trash",
        "fault": f"/queues/{DEAD}/faults/{fault}",
        "task, dead": f"/queues/{DEAD}/tasks/{letter.id}",
        "task, ready": f"/queues/{READY}/tasks/{ready.id}",
        "preview: retry a fault": f"/queues/{DEAD}/bulk/requeue?fault={fault}",
        "preview: purge all dead": f"/queues/{DEAD}/bulk/trash",
        "workers": "/workers",
        "worker": f"/workers/{worker}",
        "schedules": "/schedules",
        "activity": "/activity",
        "operation": f"/activity/{operation.id}?queue={operation.bound.queue}",
        "api, stats": "/api/v1/stats",
        "api, queues": "/api/v1/queues",
        "api, failed": "/api/v1/failed",
        METRICS: "/metrics",
    }


LISTS = (
    "overview", "queues", "queues, found by name", "queue, ready", "queue, dead", "faults", "faults, found by text",
    "letters", "letters of a queue", "letters of 1,000 faults", "trash", "fault", "workers", "schedules", "activity",
)  # fmt: skip


def _measure(client: Client, workers: Workers, life: Life, site: Site, *, small: bool) -> Iterator[Figure | str]:
    inspector, costs = Inspector(client=client), {}
    workers.beat()
    pages = pages_of(inspector)
    budget = None if small else BUDGET_START_SECONDS
    yield Figure("from the start of the command to the first page", site.start_seconds, "s", budget)
    yield from _snapshots(client, inspector, life)
    for name, path in pages.items():
        say(f"{name}, alone")
        workers.beat()  # now, and not while it is measured
        costs[name] = _cost(client, site, path, OF_SMALL if small else ALONE)
    times: dict[str, list[float]] = {}
    open_pages = [path for name, path in pages.items() if name != METRICS]
    beats, goes_on = _every(BEAT_SECONDS, workers.beat), _every(LIFE_SECONDS, life.goes_on)
    with beats, goes_on, tabs(site.port, open_pages) as seen:
        for name, path in pages.items():
            say(f"{name}, among {TABS} tabs")
            times[name] = site.times(path, OF_SMALL if small else AMONG_TABS)
    yield from _table(costs, times)
    for name in sorted(times.keys() - {METRICS}, key=lambda name: -_p95(times[name])):
        if _p95(times[name]) > BUDGET_MS or name == max(times.keys() - {METRICS}, key=lambda one: _p95(times[one])):
            budget = None if small else BUDGET_MS
            yield Figure(f"{name}, p95 among {TABS} tabs", _p95(times[name]), "ms", budget)
    for name in LISTS:
        kilobytes = costs[name].html_bytes / 1000
        if kilobytes > BUDGET_KILOBYTES or name == max(LISTS, key=lambda one: costs[one].html_bytes):
            yield Figure(f"{name}, HTML", kilobytes, "kB", BUDGET_KILOBYTES)
    answers = ", ".join(f"{status}: {count:,}" for status, count in sorted(seen.items()))
    yield f"{TABS} tabs, each every {TAB_SECONDS:g} s: {answers}"
    yield Figure("refreshes of tabs that were not answered well", sum(seen.values()) - seen[200] - seen[204], "", 0)


def _snapshots(client: Client, inspector: Inspector, life: Life) -> Iterator[str]:
    """The first one reads all; the next one what has changed."""

    def cost(what: str, times: int, act: Callable[[], object]) -> str:
        spent = Spent(0, 0, 0)
        seconds = 0.0
        for _ in range(times):
            act()
            before, began = Spent.by(client), time.perf_counter()
            inspector.snapshot()
            seconds += time.perf_counter() - began
            own = Spent.by(client).since(before, times)
            spent = Spent(spent.ms + own.ms, spent.commands + own.commands, spent.sent + own.sent)
        return (
            f"snapshot, {what}: {seconds * 1000 / times:.1f} ms; Redis {spent.ms:.2f} ms, "
            f"{spent.commands:.0f} commands, {spent.sent / 1000:.1f} kB"
        )

    yield cost("of everything", 1, lambda: None)
    yield cost("while nothing changes", SNAPSHOTS, lambda: None)
    yield cost("while the three large queues change", SNAPSHOTS, life.goes_on)


def _cost(client: Client, site: Site, path: str, loads: int) -> Cost:
    size = len(site.load(path))
    before, cpu = Spent.by(client), site.cpu_seconds()
    times = site.times(path, loads)
    cpu, spent = site.cpu_seconds() - cpu, Spent.by(client).since(before, loads)
    return Cost(times, cpu * 1000 / loads, spent.ms, spent.commands, spent.sent, size)


def _table(costs: dict[str, Cost], times: dict[str, list[float]]) -> Iterator[str]:
    yield ""
    yield (
        "| page | alone p50 / p95, ms | CPU, ms | "
        f"among {TABS} tabs p50 / p95, ms | Redis, ms | commands | kB of Redis | kB of HTML |"
    )
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    for name, cost in costs.items():
        yield (
            f"| {name} | {median(cost.times_ms):.0f} / {_p95(cost.times_ms):.0f} | {cost.cpu_ms:.0f} "
            f"| {median(times[name]):.0f} / {_p95(times[name]):.0f} | {cost.redis_ms:.1f} | {cost.redis_commands:,.0f} "
            f"| {cost.redis_bytes / 1000:.0f} | {cost.html_bytes / 1000:.0f} |"
        )
    yield ""


def _p95(times: list[float]) -> float:
    return quantiles(times, n=20, method="inclusive")[-1]


@contextmanager
def _every(seconds: float, act: Callable[[], object]) -> Iterator[None]:
    """It goes on meanwhile, in a thread."""
    ends = threading.Event()

    def go_on() -> None:
        while not ends.wait(seconds):
            act()

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()
