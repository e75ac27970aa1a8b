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
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from queue_core.worker.leases import LeaseTable
from queue_core.worker.orders import CANCEL, DRAIN, STOP, Introduction, Orders, table_size
from queue_core.worker.settings import WorkerSettings

ISOLATED = "queue_core.worker.isolated"
"""The module that a child for isolated tasks runs."""
PROC = Path("/proc")
POLL_SECONDS = 0.05
"""Between two looks at a process where the system does not tell when it ends."""


class Child:
    """One process of the worker, with its lease table, the pipe that it takes orders from and the one on which it
    introduces itself. `on_news` is called when it has done so, and when it has ended."""

    def __init__(
        self,
        settings: WorkerSettings,
        queues: Mapping[str, int],
        worker_id: str,
        log_level: str,
        on_news: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_news = on_news
        self._introduction: asyncio.Future[Introduction] = self._loop.create_future()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._said = b""
        self._is_closed = False
        size = table_size(settings.concurrency, len(queues))
        self.table = LeaseTable.create(size, len(queues))
        self.session_id = secrets.token_urlsafe(9)
        taking, self._orders = os.pipe()
        os.set_blocking(self._orders, False)  # a process that does not read is not waited for
        self._saying, saying = os.pipe()
        orders = Orders(
            app=settings.app,
            worker_id=worker_id,
            queues=dict(queues),
            concurrency=settings.concurrency,
            lease_ms=settings.lease_ms,
            table_size=size,
            table_fd=self.table.fd,
            orders_fd=taking,
            introduction_fd=saying,
            session_id=self.session_id,
            parent_pid=os.getpid(),
            log_level=log_level,
            tells_folders=settings.reload,
        )
        try:
            self._process = subprocess.Popen(
                [sys.executable, *_flags(settings), "-m", "queue_core.worker", json.dumps(asdict(orders))],
                pass_fds=(self.table.fd, taking, saying),
                stdin=subprocess.DEVNULL,
            )
        except OSError:
            os.close(self._saying)
            self.close()
            raise
        finally:
            os.close(taking)
            os.close(saying)
        self._started = time.monotonic()
        self._ended_at = 0.0
        self._oom_kills_before = count_oom_kills()
        self.is_leaving = False
        """It was told to finish."""
        self.is_draining = False
        """It was told to finish what runs but for a handler that has outstayed its hard timeout."""
        self.was_killed = False
        """By its supervisor."""
        self.peak_memory_bytes = 0
        """The most that was resident; known when it has ended."""
        self._loop.add_reader(self._saying, self._hear)
        self._watch()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def age_seconds(self) -> float:
        return (self._ended_at or time.monotonic()) - self._started

    @property
    def has_ended(self) -> bool:
        return self._ended.done()

    @property
    def introduction(self) -> Introduction | None:
        """What it has said of itself; `None` while it starts."""
        return self._introduction.result() if self._introduction.done() else None

    @property
    def has_come(self) -> bool:
        """It has loaded the application, and works or has worked."""
        return self.introduction is not None and not self.introduction.complaint

    @property
    def state(self) -> int:
        """One of `leases.STARTING` and so on."""
        return self.table.read_header()[2]

    @property
    def memory_bytes(self) -> int:
        """With its isolated children; 0 where the system does not tell."""
        return sum(memory_bytes(pid) for pid in (self.pid, *_isolated_children(self.pid)))

    @property
    def is_suspended(self) -> bool:
        """By SIGSTOP, say; no where the system does not tell."""
        try:
            return (PROC / f"{self.pid}/stat").read_text().rpartition(")")[2].split()[0] in ("T", "t")
        except (OSError, IndexError):
            return False

    def how_it_ended(self) -> str:
        return how_it_ended(self._ended.result(), count_oom_kills() - self._oom_kills_before)

    # Orders.

    def order(self, order: bytes) -> None:
        with contextlib.suppress(OSError):
            os.write(self._orders, order)

    def dismiss(self) -> None:
        """Have it finish what runs and end."""
        self.is_leaving = True
        self.order(STOP)

    def kill(self) -> None:
        if not self.has_ended:
            self.was_killed = True
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def drain(self) -> None:
        """A handler has outstayed its hard timeout: have it finish the others, and end without that one."""
        self.is_leaving = self.is_draining = True
        self.order(DRAIN)

    def tell(self, cancelled: Mapping[str, int], lost: Mapping[str, int]) -> None:
        """Tell it which tasks (id → fence) were asked to stop, and of which the leases are lost."""
        if self._is_closed or not (cancelled or lost):
            return
        has_cancelled = bool(cancelled) and self.table.cancel(cancelled)
        has_lost = bool(lost) and self.table.lose(lost)
        if has_cancelled or has_lost:
            self.order(CANCEL)

    # What it tells.

    async def introduced(self) -> Introduction:
        """What it says of itself when it has loaded the application, or ends without a word."""
        return await asyncio.shield(self._introduction)

    async def wait(self) -> int:
        """The exit code; negative: the signal that ended it."""
        return await asyncio.shield(self._ended)

    def close(self) -> None:
        """It has ended, and what it held is seen to."""
        if not self._is_closed:
            self._is_closed = True
            os.close(self._orders)
            self.table.close()

    def _hear(self) -> None:
        data = os.read(self._saying, 1 << 16)
        self._said += data
        if data and not self._said.endswith(b"\n"):
            return
        self._loop.remove_reader(self._saying)
        os.close(self._saying)
        self._introduction.set_result(Introduction.read(self._said))
        self._on_news()

    def _watch(self) -> None:
        """Linux tells when a process ends; elsewhere it is looked at again and again."""
        try:
            watching = os.pidfd_open(self.pid)
        except (AttributeError, OSError):
            self._poll()
        else:
            self._loop.add_reader(watching, self._stop_watching, watching)

    def _stop_watching(self, watching: int) -> None:
        self._loop.remove_reader(watching)
        os.close(watching)
        self._reap()

    def _poll(self) -> None:
        if not self._reap():
            self._loop.call_later(POLL_SECONDS, self._poll)

    def _reap(self) -> bool:
        pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        if pid:
            self._process.returncode = os.waitstatus_to_exitcode(status)
            self.peak_memory_bytes = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
            self._ended_at = time.monotonic()
            self._ended.set_result(self._process.returncode)
            self._on_news()
        return bool(pid)


def _flags(settings: WorkerSettings) -> list[str]:
    """While files change, none is compiled for later: two versions of a second are taken for one."""
    return ["-B"] if settings.reload else []


def memory_bytes(pid: int) -> int:
    """Resident memory of a process; 0 where the system does not tell."""
    try:
        return int((PROC / f"{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def _isolated_children(pid: int) -> list[int]:
    """Those of a process that run isolated tasks: what a handler may have started is none of them."""
    try:
        children = (PROC / f"{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [int(child) for child in children if _is_isolated(child)]


def _is_isolated(pid: str) -> bool:
    try:
        return ISOLATED.encode() in (PROC / f"{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def count_oom_kills() -> int:
    """Since the system was started; 0 where it does not tell."""
    try:
        (line,) = (line for line in (PROC / "vmstat").read_text().splitlines() if line.startswith("oom_kill "))
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
