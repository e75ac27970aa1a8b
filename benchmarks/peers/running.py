"""Runs an engine's adapter: fills its queue, starts its workers, watches what their handlers mark."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.adapters.marks import HEADER, PROBE
from benchmarks.peers.catalogue import ADAPTERS, Installed
from benchmarks.processes import cpu_seconds, memory_bytes, tree
from queue_core.client import Client
from queue_core.embedded import EmbeddedServer

LOOK_SECONDS = 0.01
PATIENCE_SECONDS = 90.0
SLOWEST = 2_000
"""Tasks a second: what takes longer, beyond PATIENCE_SECONDS, has got stuck."""


class DidNotWork(Exception):
    """An engine did not do its tasks; the message says how far it came, and what it said last."""


@dataclass(frozen=True)
class Seen:
    """What all workers had marked at one moment; the CPU that they and the server had taken, in s; their memory."""

    at_ns: int
    ended: int
    first_ns: int
    last_ns: int
    began: int
    """How many processes have begun to run tasks."""
    worker_cpu: float
    server_cpu: float
    worker_bytes: int


class Bench:
    """One server for all engines, and where the marks of the running one go."""

    def __init__(self, server: EmbeddedServer) -> None:
        self._url = server.url
        self._client = Client(server.url)
        self._place = Path(tempfile.mkdtemp(prefix="taskyard-bench-"))
        self._marks = self._place / "marks"

    def close(self) -> None:
        self._client.close()
        shutil.rmtree(self._place, ignore_errors=True)

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self._url.partition("://")[2].partition("/")[0].rpartition(":")
        return host, int(port)

    def clear(self) -> None:
        """Nothing is left of the engine before."""
        self._client.redis.flushall()
        shutil.rmtree(self._marks, ignore_errors=True)
        self._marks.mkdir()

    def enqueue(self, engine: Installed, kind: str, count: int) -> None:
        done = subprocess.run(
            [*engine.command, "enqueue", kind, str(count)],
            cwd=ADAPTERS,
            env=self._environment(engine, kind),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS + count / SLOWEST,
            check=False,
        )
        if done.returncode:
            raise DidNotWork(f"enqueue {kind}: {done.stderr.strip()[-300:]}")

    @contextlib.contextmanager
    def workers(self, engine: Installed, kind: str, number: int = 1) -> Iterator[Workers]:
        with (self._place / "log").open("w+") as log:
            processes = [
                subprocess.Popen(
                    [*engine.command, "worker", kind],
                    cwd=ADAPTERS,
                    env=self._environment(engine, kind),
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
                for _ in range(number)
            ]
            try:
                yield Workers(self._client, self._marks, processes, Path(log.name))
            finally:
                for process in processes:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    process.wait()

    def _environment(self, engine: Installed, kind: str) -> dict[str, str]:
        own = {"BENCH_REDIS_URL": self._url, "BENCH_REDIS_PORT": str(self.address[1]), "BENCH_KIND": kind}
        return {**os.environ, **engine.environment, **own, "BENCH_MARKS": str(self._marks)}


class Workers:
    def __init__(self, client: Client, marks: Path, processes: list[subprocess.Popen[bytes]], log: Path) -> None:
        self._client = client
        self._marks = marks
        self._processes = processes
        self._log = log

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes]

    @property
    def begun_ns(self) -> int:
        """When the adapter gave way to the worker that was started last."""
        return int(self._marks.with_name(self._marks.name + ".begun").read_text())

    def look(self) -> Seen:
        marked = [HEADER.unpack(found) for found in self._read(HEADER.size)]
        info: Any = self._client.redis.info("cpu")
        pids = [pid for process in self._processes for pid in tree(process.pid)]
        return Seen(
            time.monotonic_ns(),
            sum(ended for ended, *_ in marked),
            min((first for _, first, _, _ in marked if first), default=0),
            max((last for _, _, last, _ in marked), default=0),
            len(marked),
            sum(map(cpu_seconds, pids)),
            info["used_cpu_user"] + info["used_cpu_sys"],
            sum(map(memory_bytes, pids)),
        )

    def watch(self, count: int) -> list[Seen]:
        """Look until `count` tasks have ended: what was seen on the way, from the first that ended. Raises
        `DidNotWork`."""
        seen: list[Seen] = []
        deadline = time.monotonic() + PATIENCE_SECONDS + count / SLOWEST
        while not seen or seen[-1].ended < count:
            if time.monotonic() > deadline or any(process.poll() is not None for process in self._processes):
                ended = seen[-1].ended if seen else 0
                raise DidNotWork(f"{ended:,} of {count:,} tasks ended; its last words: {self._last_words()}")
            time.sleep(LOOK_SECONDS)
            now = self.look()
            if now.ended:
                seen.append(now)
        return seen

    def probes(self, count: int) -> list[float]:
        """How long each probe was under way, ms, when all of them have come."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            found = []
            for content in self._read():
                number = HEADER.unpack_from(content)[3]
                found += [PROBE.unpack_from(content, HEADER.size + i * PROBE.size)[0] / 1e6 for i in range(number)]
            if len(found) >= count:
                return found
            if time.monotonic() > deadline:
                raise DidNotWork(f"{len(found)} of {count} probes arrived; its last words: {self._last_words()}")
            time.sleep(LOOK_SECONDS)

    def _read(self, size: int = -1) -> list[bytes]:
        contents = []
        for path in self._marks.iterdir():
            with path.open("rb") as file:
                contents.append(file.read(size))
        return [content for content in contents if len(content) >= HEADER.size]

    def _last_words(self) -> str:
        return " ".join(self._log.read_text(errors="replace").strip().splitlines()[-3:])[-400:]
