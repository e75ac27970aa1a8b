"""The console as it is served, one who reads it, and many tabs that refresh themselves."""

from __future__ import annotations

import http.client
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event, Semaphore

from benchmarks.processes import cpu_seconds, tree
from queue_core.demo.ports import HOST, next_free_port

TABS = 50
TAB_SECONDS = 2.0
START_SECONDS = 30.0
FIRST_PORT = 18_080
STOP_SECONDS = 10.0


class Site:
    """The console in processes of its own, and one who reads it over a connection that stays."""

    def __init__(self, url: str) -> None:
        port = next_free_port(FIRST_PORT)
        assert port is not None
        self.port = port
        arguments = ["console", "--port", str(port), "--redis-url", url]
        began = time.monotonic()
        # Modules and templates that were compiled once stay so, as they do where it is installed.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self._process = subprocess.Popen([sys.executable, "-m", "queue_core.cli", *arguments], env=environment)
        self._connection = http.client.HTTPConnection(HOST, port, timeout=60)
        try:
            while not self._answers():
                assert time.monotonic() - began < START_SECONDS, "the console did not start"
                time.sleep(0.005)
        except BaseException:
            self.close()
            raise
        self.start_seconds = time.monotonic() - began

    def load(self, path: str) -> bytes:
        try:
            answer = self._ask(path)
        except http.client.RemoteDisconnected:  # nothing was asked for a while
            self._connection.close()
            answer = self._ask(path)
        body = answer.read()
        assert answer.status == 200, f"{path}: {answer.status}"
        return body

    def times(self, path: str, loads: int) -> list[float]:
        """Milliseconds from sending each request to the last byte of its answer."""
        times = []
        for _ in range(loads):
            began = time.perf_counter()
            self.load(path)
            times.append((time.perf_counter() - began) * 1000)
        return times

    def cpu_seconds(self) -> float:
        return sum(map(cpu_seconds, tree(self._process.pid)))

    def close(self) -> None:
        self._connection.close()
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, path: str) -> http.client.HTTPResponse:
        self._connection.request("GET", path)
        return self._connection.getresponse()

    def _answers(self) -> bool:
        assert self._process.poll() is None, "the console has ended"
        try:
            self.load("/")
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return False
        return True


@contextmanager
def tabs(port: int, paths: Sequence[str]) -> Iterator[Counter[int]]:
    """They are in a process of their own, and each has been answered once when this begins. What all were answered is
    there at the end: status → how often; 0: not at all."""
    context = multiprocessing.get_context("spawn")
    begun, ends, told = context.Semaphore(0), context.Event(), context.Queue()
    process = context.Process(target=_refresh, args=(port, paths, begun, ends, told), daemon=True)
    process.start()
    seen: Counter[int] = Counter()
    try:
        for _ in range(TABS):
            assert begun.acquire(timeout=START_SECONDS), "a tab was not answered"
        yield seen
    finally:
        ends.set()
        seen.update(told.get(timeout=2 * START_SECONDS))
        process.join()


def _refresh(port: int, paths: Sequence[str], begun: Semaphore, ends: Event, told: Queue[Counter[int]]) -> None:
    seen: Counter[int] = Counter()
    threads = [
        threading.Thread(target=_tab, args=(port, paths[number % len(paths)], number, begun, ends, seen))
        for number in range(TABS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told.put(seen)


def _tab(port: int, path: str, number: int, begun: Semaphore, ends: Event, seen: Counter[int]) -> None:
    """Asks for what has changed, as an open page does."""
    tag, is_first = "", True
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
        if is_first:
            begun.release()
        is_first = False
        ends.wait(TAB_SECONDS)
