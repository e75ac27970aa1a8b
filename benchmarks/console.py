"""What each page of the console costs on a large installation, alone and while 50 tabs refresh themselves."""

from __future__ import annotations

import http.client
import multiprocessing
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.queues import Queue
from statistics import median, quantiles

from benchmarks.figures import Figure
from benchmarks.processes import cpu_seconds, tree
from benchmarks.seeding import DEAD, DISTINCT, READY, Sizes, Workers, seed
from benchmarks.servers import bundled_server
from queue_core.client import Client
from queue_core.demo.ports import HOST, next_free_port
from queue_core.inspector import Inspector

BUDGET_MS = 50.0
BUDGET_KILOBYTES = 100.0
BUDGET_START_SECONDS = 1.0
TABS = 50
TAB_SECONDS = 2.0
ALONE, AMONG_TABS, OF_SMALL = 10, 40, 5
"""Loads of each page."""
BEAT_SECONDS = 4.0
START_SECONDS = 20.0
SMALL = 0.01


@dataclass(frozen=True)
class Cost:
    """Of one load while nobody else looks: milliseconds, bytes; `redis_*`: with its share of the shared snapshot."""

    alone_ms: float
    cpu_ms: float
    redis_ms: float
    redis_commands: float
    redis_bytes: float
    html_bytes: int


class Site:
    """The console as a process, and one who reads it over a connection that stays."""

    def __init__(self, url: str) -> None:
        port = next_free_port(18_080)
        assert port is not None
        self.port = port
        arguments = ["console", "--port", str(port), "--redis-url", url]
        began = time.monotonic()
        self._process = subprocess.Popen([sys.executable, "-m", "queue_core.cli", *arguments])
        self._connection = http.client.HTTPConnection(HOST, port, timeout=30)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert time.monotonic() < deadline, "the console did not start"
            time.sleep(0.005)
        self.start_seconds = time.monotonic() - began

    def load(self, path: str) -> bytes:
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        body = answer.read()
        assert answer.status == 200, f"{path}: {answer.status}"
        return body

    def cpu_seconds(self) -> float:
        return sum(map(cpu_seconds, tree(self._process.pid)))

    def close(self) -> None:
        self._connection.close()
        self._process.terminate()
        self._process.wait()

    def _answers(self) -> bool:
        assert self._process.poll() is None, "the console has ended"
        try:
            self.load("/")
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return False
        return True


def run(scale: float = 1.0, *, small: bool = False) -> Iterator[Figure | str]:
    """`small`: in less than a minute, whether all of it works; its times are told and not judged."""
    with bundled_server() as server:
        sizes = Sizes().scaled(SMALL if small else scale)
        yield from seed(server.url, sizes)
        client, workers, site = Client(server.url), Workers(server.url, sizes.workers), Site(server.url)
        try:
            yield from _measure(client, workers, site, small=small)
        finally:
            site.close()
            workers.close()
            client.close()


def pages_of(inspector: Inspector) -> dict[str, str]:
    """Name → path. Those in LISTS have a budget of bytes as well."""
    fault = inspector.faults(DEAD)[0].fingerprint
    letter = inspector.letters(DEAD, limit=1).rows[0]
    ready = inspector.peek(READY, 1)[0]
    worker = inspector.workers()[0].id
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
        "api, stats": "/api/v1/stats",
        "api, queues": "/api/v1/queues",
        "api, failed": "/api/v1/failed",
    }


LISTS = (
    "overview", "queues", "queues, found by name", "queue, ready", "queue, dead", "faults", "faults, found by text",
    "letters", "letters of a queue", "trash", "fault", "workers", "schedules", "activity",
)  # fmt: skip


def _measure(client: Client, workers: Workers, site: Site, *, small: bool) -> Iterator[Figure | str]:
    inspector, costs = Inspector(client=client), {}
    workers.beat()
    pages = pages_of(inspector)
    yield Figure(
        "from the start of the command to the first page",
        site.start_seconds,
        "s",
        None if small else BUDGET_START_SECONDS,
    )
    yield _snapshot(client, inspector)
    for name, path in pages.items():
        workers.beat()  # now, and not while it is measured
        costs[name] = _cost(client, site, path)
    with _beating(workers), _tabs(site.port, list(pages.values())) as seen:
        loads = OF_SMALL if small else AMONG_TABS
        times = {name: _times(site, path, loads) for name, path in pages.items()}
    for name, cost in costs.items():
        p95 = quantiles(times[name], n=20)[-1]
        yield Figure(
            f"{name}, p95 among {TABS} tabs",
            p95,
            "ms",
            None if small else BUDGET_MS,
            note=f"p50 {median(times[name]):.1f}; alone {cost.alone_ms:.1f}, CPU {cost.cpu_ms:.1f}; "
            f"Redis {cost.redis_ms:.2f} ms, {cost.redis_commands:.0f} commands, {cost.redis_bytes / 1000:.1f} kB",
        )
    for name in LISTS:
        yield Figure(f"{name}, HTML", costs[name].html_bytes / 1000, "kB", BUDGET_KILOBYTES)
    answers = ", ".join(f"{status}: {count:,}" for status, count in sorted(seen.items()))
    yield f"{TABS} tabs, each every {TAB_SECONDS:g} s: {answers}"
    yield Figure("refreshes of tabs that were not answered well", sum(seen.values()) - seen[200] - seen[204], "", 0)


def _snapshot(client: Client, inspector: Inspector) -> str:
    before, began = _spent(client), time.perf_counter()
    for _ in range(ALONE):
        inspector.snapshot()
    took = (time.perf_counter() - began) * 1000 / ALONE
    ms, commands, sent = (value / ALONE for value in _difference(before, _spent(client)))
    return (
        f"snapshot, at most once a second for all: {took:.1f} ms; Redis {ms:.2f} ms, "
        f"{commands:.0f} commands, {sent / 1000:.1f} kB"
    )


def _cost(client: Client, site: Site, path: str) -> Cost:
    size = len(site.load(path))
    before, cpu, began = _spent(client), site.cpu_seconds(), time.perf_counter()
    for _ in range(ALONE):
        site.load(path)
    took, cpu = time.perf_counter() - began, site.cpu_seconds() - cpu
    redis_ms, commands, sent = _difference(before, _spent(client))
    return Cost(took * 1000 / ALONE, cpu * 1000 / ALONE, redis_ms / ALONE, commands / ALONE, sent / ALONE, size)


def _times(site: Site, path: str, loads: int) -> list[float]:
    """Milliseconds from sending the request to the last byte, on this machine."""
    times = []
    for _ in range(loads):
        began = time.perf_counter()
        site.load(path)
        times.append((time.perf_counter() - began) * 1000)
    return times


def _spent(client: Client) -> tuple[float, int, int]:
    """The server's CPU time in ms, commands, bytes that it sent; all since its start."""
    stats, cpu = client.redis.info("stats"), client.redis.info("cpu")
    seconds = float(cpu["used_cpu_user"]) + float(cpu["used_cpu_sys"])
    return seconds * 1000, int(stats["total_commands_processed"]), int(stats["total_net_output_bytes"])


def _difference(before: tuple[float, int, int], after: tuple[float, int, int]) -> tuple[float, float, float]:
    ms, commands, sent = (b - a for a, b in zip(before, after, strict=True))
    return ms, commands, sent


@contextmanager
def _beating(workers: Workers) -> Iterator[None]:
    """The workers' heartbeats go on meanwhile, as they do."""
    ends = threading.Event()

    def beat() -> None:
        while not ends.wait(BEAT_SECONDS):
            workers.beat()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()


@contextmanager
def _tabs(port: int, paths: list[str]) -> Iterator[Counter[int]]:
    """Tabs in a process of their own. What they were answered is there at the end: status → how often."""
    context = multiprocessing.get_context("spawn")
    ends, told = context.Event(), context.Queue()
    process = context.Process(target=_refresh, args=(port, paths, ends, told), daemon=True)
    process.start()
    seen: Counter[int] = Counter()
    time.sleep(2 * TAB_SECONDS)  # until all of them have begun
    try:
        yield seen
    finally:
        ends.set()
        seen.update(told.get())
        process.join()


def _refresh(port: int, paths: list[str], ends: threading.Event, told: Queue[Counter[int]]) -> None:
    seen: Counter[int] = Counter()
    tabs = [threading.Thread(target=_tab, args=(port, paths[n % len(paths)], n, ends, seen)) for n in range(TABS)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    told.put(seen)


def _tab(port: int, path: str, number: int, ends: threading.Event, seen: Counter[int]) -> None:
    """Asks for what has changed, as an open page does. 0: no answer."""
    tag = ""
    ends.wait(TAB_SECONDS * number / TABS)
    while not ends.is_set():
        connection = http.client.HTTPConnection(HOST, port, timeout=30)
        try:
            connection.request("GET", path, headers={"HX-Request-Type": "partial", "If-None-Match": tag})
            answer = connection.getresponse()
            answer.read()
            tag = answer.headers.get("ETag", "")
            seen[answer.status] += 1
        except (OSError, http.client.HTTPException):
            seen[0] += 1
        finally:
            connection.close()
        ends.wait(TAB_SECONDS)
