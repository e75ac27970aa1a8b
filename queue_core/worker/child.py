"""A process of a worker, as its supervisor has it: started, given orders, waited for, and what can be told of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from queue_core.worker.leases import LeaseTable
from queue_core.worker.orders import Orders, table_size
from queue_core.worker.settings import WorkerSettings
from queue_core.yard import Taskyard


class Child:
    """One process of the worker, with its lease table and the pipe that it takes orders from."""

    def __init__(
        self, yard: Taskyard, settings: WorkerSettings, queues: Mapping[str, int], worker_id: str, log_level: str
    ) -> None:
        size = table_size(settings.concurrency, len(queues))
        self.table = LeaseTable.create(size, len(queues))
        self.session_id = secrets.token_urlsafe(9)
        reading, self._writing = os.pipe()
        orders = Orders(
            app=settings.app,
            worker_id=worker_id,
            queues=dict(queues),
            concurrency=settings.concurrency,
            lease_ms=settings.lease_ms,
            table_size=size,
            table_fd=self.table.fd,
            orders_fd=reading,
            session_id=self.session_id,
            parent_pid=os.getpid(),
            log_level=log_level,
        )
        self._process = subprocess.Popen(
            [sys.executable, "-m", "queue_core.worker", json.dumps(asdict(orders))],
            pass_fds=(self.table.fd, reading),
            stdin=subprocess.DEVNULL,
        )
        os.close(reading)
        self._started = time.monotonic()
        self._died: float | None = None
        self._oom_kills_before = count_oom_kills()
        self.peak_memory_bytes = 0
        """The most that was resident; known when it has ended."""

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def age_seconds(self) -> float:
        return (self._died or time.monotonic()) - self._started

    @property
    def memory_bytes(self) -> int:
        return memory_bytes(self.pid)

    @property
    def oom_kills(self) -> int:
        """Processes that the kernel has killed for want of memory since this one was started."""
        return count_oom_kills() - self._oom_kills_before

    def order(self, order: bytes) -> None:
        with contextlib.suppress(OSError):
            os.write(self._writing, order)

    def kill(self) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    async def wait(self) -> int:
        """The exit code; negative: the signal that ended it."""
        while self._process.returncode is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self._process.returncode = os.waitstatus_to_exitcode(status)
                self.peak_memory_bytes = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
                self._died = time.monotonic()
            else:
                await asyncio.sleep(0.02)
        return self._process.returncode

    def close(self) -> None:
        os.close(self._writing)
        self.table.close()


def memory_bytes(pid: int) -> int:
    """Resident memory of a process; 0 where the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def count_oom_kills() -> int:
    """Since the system was started; 0 where it does not tell."""
    try:
        (line,) = (line for line in Path("/proc/vmstat").read_text().splitlines() if line.startswith("oom_kill "))
        return int(line.split()[1])
    except (OSError, ValueError):
        return 0


def how_it_ended(code: int, oom_kills: int = 0) -> str:
    """`oom_kills`: what the kernel has killed for want of memory while the process ran."""
    if code == -signal.SIGKILL and oom_kills > 0:
        return "killed by SIGKILL: memory ran out meanwhile, and the kernel killed for it"
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
        return f"killed by signal {-code}"
    return f"it exited with code {code}"
