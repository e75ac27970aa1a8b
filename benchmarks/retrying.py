"""A retry of all dead letters of a queue, run by the console to its end, and how much of their throughput workers keep
meanwhile: first one whose tasks do nothing, then one whose tasks rest for 10 ms, 100 at once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from benchmarks.figures import Figure
from benchmarks.noop_tasks import noop_async, rest, yard
from benchmarks.seeding import DEAD
from benchmarks.site import Site
from queue_core.client import Client
from queue_core.inspector import Inspector
from queue_core.operations import Operations
from queue_core.snapshot import Operation

SLOTS = 100
LOOK_SECONDS = 0.25
LEAST_SECONDS, MOST_SECONDS = 1.5, 5.0
"""For which a throughput is measured."""
START_SECONDS = 30.0
LONGEST_SECONDS = 420.0
NOOPS, RESTS = 60_000, 10_000
"""So many tasks are done in a second, at most."""
BY = "benchmark"


def run(url: str, site: Site, scale: float, say: Callable[[str], None]) -> Iterator[Figure]:
    client = Client(url)
    retry = Retry(client, site, say)
    seconds = min(MOST_SECONDS, max(LEAST_SECONDS, MOST_SECONDS * scale))
    yard.url, rests = url, (0.0, 0.0)
    try:
        with _worker(client, noop_async, "noop", int(NOOPS * (2 * seconds + 3))) as rate:
            alone = rate(seconds, lambda: False)
            retry.start()
            noops = alone, rate(seconds, retry.has_ended)
        if not retry.has_ended():
            retry.pause()
            with _worker(client, rest, "work", int(RESTS * (2 * seconds + 3 + 50 * scale))) as rate:
                alone = rate(seconds, lambda: False)
                retry.resume()
                rests = alone, rate(LONGEST_SECONDS, retry.has_ended)
        retry.wait()
    finally:
        yard.close()
        client.close()
    yield from retry.figures()
    for what, (alone, beside) in (("tasks that do nothing", noops), ("tasks of 10 ms, 100 at once", rests)):
        if alone:
            note = f"{beside:,.0f} of {alone:,.0f} tasks/s, one worker process"
            yield Figure(f"{what}: throughput kept during the retry", beside / alone * 100, "%", note=note)


class Retry:
    """Of all dead letters. `has_ended` looks at its progress and at its page, as somebody does who waits for it."""

    def __init__(self, client: Client, site: Site, say: Callable[[str], None]) -> None:
        self._site, self._say = site, say
        self._operations, self._inspector = Operations(client=client), Inspector(client=client)
        self._bound = self._operations.preview(DEAD, "requeue").bound
        self._operation: Any = None
        self._running_since, self._seconds = 0.0, 0.0
        self._looked_at: list[int] = []
        self._page_ms: list[float] = []
        self._said = time.monotonic()

    def start(self) -> None:
        self._operation = self._operations.start(self._bound, by=BY, action_id=f"{BY}-retry", reason="benchmark")
        self._goes_on(0)

    def pause(self) -> None:
        self._operations.pause(self._operation.id, DEAD, by=BY, action_id=f"{BY}-pause")
        self._seconds += time.monotonic() - self._running_since

    def resume(self) -> None:
        before = self._look().looked_at
        self._operations.resume(self._operation.id, DEAD, by=BY, action_id=f"{BY}-resume")
        self._goes_on(before)

    def has_ended(self) -> bool:
        if not self._operation.has_ended:
            found = self._look()
            page = f"/activity/{found.id}?queue={DEAD}"
            self._page_ms += self._site.times(page, 1)
            if time.monotonic() - self._said >= 2:
                self._said = time.monotonic()
                self._say(f"retried {found.done:,} of {found.bound.count:,}")
            if found.has_ended:
                self._seconds += time.monotonic() - self._running_since
        return bool(self._operation.has_ended)

    def wait(self) -> None:
        ends = time.monotonic() + LONGEST_SECONDS
        while not self.has_ended():
            assert time.monotonic() < ends, "the retry does not come to its end"
            time.sleep(LOOK_SECONDS)

    def figures(self) -> Iterator[Figure]:
        found, count = self._operation, self._bound.count
        back = sum(later < earlier for earlier, later in zip(self._looked_at, self._looked_at[1:], strict=False))
        yield Figure("retried of those that were previewed", found.done / count, "", 1, True, f"{found.done:,}")
        note = f"{count / self._seconds:,.0f} letters/s, beside a worker"
        yield Figure(f"a retry of {count:,} letters, by the console", self._seconds, "s", note=note)
        note = f"{len(self._looked_at)} looks; its page {median(self._page_ms):.0f} ms" if self._page_ms else ""
        yield Figure("its progress went back", back, "times", 0, note=note)

    def _goes_on(self, before: int) -> None:
        """The time runs from when it does: whoever runs it looks every two seconds for what was begun elsewhere."""
        ends = time.monotonic() + START_SECONDS
        while self._look().looked_at == before:
            assert time.monotonic() < ends, "nobody runs the retry"
            time.sleep(0.01)
        self._running_since = time.monotonic()

    def _look(self) -> Operation:
        found = self._operation = self._inspector.operation(self._operation.id, DEAD)
        self._looked_at.append(found.looked_at)
        return found


Rate = Callable[[float, Callable[[], bool]], float]


@contextmanager
def _worker(client: Client, task: Any, queue: str, count: int) -> Iterator[Rate]:
    """With so many tasks before it. Gives what measures its tasks a second: for so many seconds, or until something has
    ended, or there are no more tasks."""
    yard.enqueue_many(task.message(number) for number in range(count))
    inspector = Inspector(client=client)
    arguments = ["benchmarks.noop_tasks:yard", "--queues", queue, "--concurrency", str(SLOTS)]
    environment = os.environ | {"TASKYARD_REDIS_URL": client.url}
    worker = subprocess.Popen([sys.executable, "-m", "queue_core.cli", "worker", *arguments], env=environment)

    def completed() -> tuple[int, int]:
        found = inspector.queue(queue)
        return found.books.completed, found.counts.ready

    def rate(seconds: float, has_ended: Callable[[], bool]) -> float:
        began, (before, _) = time.monotonic(), completed()
        while True:
            time.sleep(LOOK_SECONDS)
            is_over = time.monotonic() - began >= seconds or has_ended()
            now, left = completed()
            if is_over or not left:
                return (now - before) / (time.monotonic() - began)

    try:
        ends = time.monotonic() + START_SECONDS
        while completed()[0] < SLOTS:
            assert worker.poll() is None, "the worker has ended"
            assert time.monotonic() < ends, "the worker did not start"
            time.sleep(0.05)
        yield rate
    finally:
        worker.terminate()
        worker.wait()
