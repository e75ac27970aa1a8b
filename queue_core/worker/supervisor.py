"""A worker's supervisor: starts its process and replaces it, keeps the leases alive, says how the worker is.

It runs no handler, so nothing that a handler does can keep it from extending leases. When the process dies, it knows
from the lease table exactly what was held, and sees to it at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any

from queue_core import connection, keys, protocol
from queue_core.aio import AsyncClient
from queue_core.consumer import process_name
from queue_core.errors import ConfigurationError, TaskyardError
from queue_core.protocol import Held
from queue_core.settings import mask_url
from queue_core.worker import leases
from queue_core.worker.aftermath import Aftermath, batches
from queue_core.worker.child import Child, how_it_ended, memory_bytes
from queue_core.worker.complaints import Complaints
from queue_core.worker.janitor import Janitor
from queue_core.worker.leases import HeldTask
from queue_core.worker.loading import load_yard
from queue_core.worker.loops import Loop
from queue_core.worker.orders import CANCEL, QUIET, RESUME, STOP
from queue_core.worker.output import set_up_logging
from queue_core.worker.settings import WorkerSettings
from queue_core.worker.tender import Tender
from queue_core.yard import Taskyard

log = logging.getLogger("taskyard.worker")

RECORD_SECONDS = 3_700
"""How long the record of a worker stays that does not say goodbye: lost ones are shown for an hour."""
TRASH_TICK_SECONDS = 60.0
OPERATIONS_TICK_SECONDS = 1.0
QUICK_DEATH_SECONDS = 5.0
MAX_RESTART_SECONDS = 30.0
GOODBYE_SECONDS = 5.0
_STATES = {
    leases.STARTING: "running",
    leases.RUNNING: "running",
    leases.QUIET: "quiet",
    leases.STOPPING: "stopping",
}
_TROUBLES = {leases.AWAY: "reconnecting", leases.REFUSED: "refused"}


def run_worker(settings: WorkerSettings, log_level: str = "INFO") -> int:
    """Run a worker until it is told to stop. Shape: the exit code.

    Raises `ConfigurationError` when the application does not load, `UnsafeServer` on an eviction policy.
    """
    set_up_logging(log_level)
    yard = load_yard(settings.app)
    queues = dict(settings.queues) or {definition.queue: 1 for definition in yard.tasks.values()}
    if not queues:
        raise ConfigurationError(f"{settings.app} declares no tasks: say which queues to work on with --queues")
    return asyncio.run(Supervisor(yard, settings, queues, log_level).run())


class Supervisor:
    def __init__(
        self, yard: Taskyard, settings: WorkerSettings, queues: Mapping[str, int], log_level: str = "INFO"
    ) -> None:
        self._yard = yard
        self._settings = settings
        self._queues = dict(queues)
        self._log_level = log_level
        self._names = list(queues)
        self.worker_id = keys.check_name(
            "worker", f"{settings.name}:{os.getpid()}" if settings.name else process_name()
        )
        self._client = AsyncClient(yard.url, yard.namespace, patience_seconds=math.inf, on_trouble=self._on_trouble)
        self._child: Child | None = None
        self._started_at = 0
        self._clock_offset_ms = 0
        self._is_stopping = False
        self._is_quiet = False
        self._has_trouble = False
        self._signals = asyncio.Queue[int]()
        self._before = (0, 0)  # completed and failed by processes that are gone
        self._deaths = 0
        self._complaints = Complaints()
        self._aftermath = Aftermath(self._client, self._names, self.worker_id, settings.lease_ms, self._complaints)
        self._heartbeat = Loop("heartbeat", settings.beat_seconds, self._beat)

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTSTP, signal.SIGCONT):
            loop.add_signal_handler(number, self._signals.put_nowait, number)
        working = asyncio.create_task(self._work())
        signalled = asyncio.create_task(self._obey_signals())
        done, _ = await asyncio.wait([working, signalled], return_when=asyncio.FIRST_COMPLETED)
        self._is_stopping = True
        if signalled in done:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        else:
            signalled.cancel()
            if self._child:
                self._child.kill()
        await self._say_goodbye()
        if working in done:
            working.result()
        return 0

    # Working.

    async def _work(self) -> None:
        await self._check_server()
        janitor = Janitor(self._client, self._names, self._settings.lease_ms, self._complaints)
        tender = Tender(self._yard.url, self._yard.namespace, self._names, self._complaints)
        chores = [
            Loop("recover", self._settings.beat_seconds, janitor.recover),
            Loop("outstayed", self._settings.beat_seconds, janitor.end_outstayed),
            Loop("trash", TRASH_TICK_SECONDS, janitor.empty_trash),
            Loop("operations", OPERATIONS_TICK_SECONDS, tender.tick),
        ]
        self._start_child()
        log.info(
            "worker %s: %s, %d at once, on %s",
            self.worker_id,
            ", ".join(f"{name}={weight}" if weight > 1 else name for name, weight in self._queues.items()),
            self._settings.concurrency,
            mask_url(self._yard.url),
        )
        for loop in (self._heartbeat, *chores):
            loop.start()
        try:
            while True:
                await self._watch_child()
        finally:
            tender.close()
            for loop in chores:
                await loop.stop()
            if self._is_stopping and self._child:
                await self._finish(self._child)
            await self._heartbeat.stop()

    async def _check_server(self) -> None:
        """Wait for the server, and refuse one that may throw tasks away."""
        time_answer, memory = await self._client.execute(("TIME",), ("INFO", "memory"))
        if isinstance(time_answer, Exception):
            raise ConfigurationError(f"Redis at {mask_url(self._yard.url)} refused: {time_answer}")
        self._note_time(time_answer)
        self._started_at = self._now_ms()
        if not isinstance(memory, Exception) and not self._settings.allow_eviction:
            text = memory.decode() if isinstance(memory, bytes) else str(memory)
            facts = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
            connection.check_eviction_policy(facts.get("maxmemory_policy"), self._yard.url)

    def _start_child(self) -> None:
        self._child = Child(self._yard, self._settings, self._queues, self.worker_id, self._log_level)
        if self._is_quiet:
            self._child.order(QUIET)

    async def _watch_child(self) -> None:
        """Wait for the process to die, see to what it held, start another."""
        child = self._child
        assert child is not None
        code = await child.wait()
        how = how_it_ended(code, child.oom_kills)
        log.error("the worker's process %d has died: %s", child.pid, how)
        held = list(child.table.read())
        self._count_past(child)
        evidence = {"evidence": how, "memory_bytes": child.peak_memory_bytes, "host": socket.gethostname()}
        await self._aftermath.recover(held, evidence)
        await self._aftermath.give_back_claimed(child, held)
        child.close()
        self._child = None
        self._deaths = self._deaths + 1 if child.age_seconds < QUICK_DEATH_SECONDS else 0
        if self._deaths > 1:
            wait = min(0.25 * 2.0 ** min(self._deaths, 10), MAX_RESTART_SECONDS)
            log.warning("it had lived for %.1f s; the next one is started in %.1f s", child.age_seconds, wait)
            await asyncio.sleep(wait)
        self._start_child()

    # Stopping.

    async def _obey_signals(self) -> None:
        """Returns when the worker is to stop; a second such signal does not wait for what runs."""
        while True:
            number = await self._signals.get()
            if number in (signal.SIGTERM, signal.SIGINT):
                log.info("stopping: running tasks have %g s to finish", self._settings.grace_seconds)
                asyncio.create_task(self._end_at_once_on_next())  # noqa: RUF006 (lives as long as the process)
                return
            self._is_quiet = number == signal.SIGTSTP
            log.info("quiet: no new tasks are claimed" if self._is_quiet else "claiming tasks again")
            if self._child:
                self._child.order(QUIET if self._is_quiet else RESUME)
                self._heartbeat.tick_soon()

    async def _end_at_once_on_next(self) -> None:
        while True:
            number = await self._signals.get()
            if number in (signal.SIGTERM, signal.SIGINT) and self._child:
                log.warning("ending at once")
                self._child.kill()

    async def _finish(self, child: Child) -> None:
        """Let the process finish what runs; what is left when it has ended is released."""
        child.order(STOP)
        try:
            await asyncio.wait_for(child.wait(), self._settings.grace_seconds)
        except TimeoutError:
            child.kill()
            await child.wait()
        held = list(child.table.read())
        self._count_past(child)
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self._aftermath.release(held)
        except TimeoutError:
            log.error("Redis does not answer: what the process held comes back when its leases have run out")
        child.close()
        self._child = None

    async def _say_goodbye(self) -> None:
        namespace = self._client.namespace
        if not self._started_at:  # it has never met its server
            return
        with contextlib.suppress(TimeoutError, TaskyardError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self._client.execute(
                    ("ZREM", keys.workers(namespace), self.worker_id),
                    ("DEL", keys.worker(namespace, self.worker_id)),
                )

    # Heartbeat.

    async def _beat(self) -> None:
        """Extend the leases of what the process holds, and say how the worker is."""
        held = list(self._child.table.read()) if self._child else []
        queues = self._aftermath.by_queue(held)
        cancelled: dict[str, int] = {}
        for queue in self._names:
            tasks = [Held(task.id, task.fence) for task in queues.get(queue, ())]
            try:
                for batch in batches(tasks) or [[]]:  # without any: a sign of life
                    # A lease that is lost by now is told when its task is settled.
                    extended = await self._client.run(
                        protocol.extend(self._client.queue(queue), batch, self._settings.lease_ms)
                    )
                    fences = {task.id: task.fence for task in batch}
                    cancelled.update((task_id, fences[task_id]) for task_id in extended.cancelled)
            except TaskyardError as error:
                self._complaints.say(queue, "heartbeat", error)
            else:
                self._complaints.withdraw(queue, "heartbeat")
        if cancelled and self._child and self._child.table.cancel(cancelled):
            self._child.order(CANCEL)
        namespace, now_ms = self._client.namespace, self._now_ms()
        description, forget_ms = self._describe(held, now_ms), now_ms - RECORD_SECONDS * 1000
        answers = await self._client.execute(
            ("TIME",),
            ("ZADD", keys.workers(namespace), now_ms, self.worker_id),
            ("SET", keys.worker(namespace, self.worker_id), description, "EX", RECORD_SECONDS),
            ("ZREMRANGEBYSCORE", keys.workers(namespace), "-inf", forget_ms),
        )
        if any(connection.is_full(answer) for answer in answers):
            own = self._client.queue(self._names[0])
            await self._client.run_all(
                [
                    protocol.note_worker(own, self.worker_id, now_ms, forget_ms),
                    protocol.describe_worker(own, self.worker_id, description, RECORD_SECONDS),
                ]
            )
        if not isinstance(answers[0], Exception):
            self._note_time(answers[0])
        for queue in self._names:
            await self._client.register(queue)

    def _describe(self, held: Sequence[HeldTask], now_ms: int) -> str:
        child = self._child
        completed, failed, state, trouble = child.table.read_header() if child else (0, 0, 0, leases.NO_TROUBLE)
        if self._is_stopping:
            state = leases.STOPPING
        elif self._is_quiet:
            state = leases.QUIET
        host_now_ms = time.time_ns() // 1_000_000
        running = [
            {
                "queue": self._names[task.queue_index],
                "task_id": task.id,
                "task_name": task.name,
                "started_at": now_ms - max(host_now_ms - task.since_ms, 0),
            }
            for task in held
            if task.is_started and task.queue_index < len(self._names)
        ]
        return json.dumps(
            {
                "id": self.worker_id,
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "queues": self._queues,
                "concurrency": self._settings.concurrency,
                "state": _TROUBLES.get(trouble) or _STATES.get(state, "running"),
                "version": self._yard.version,
                "started_at": self._started_at,
                "heartbeat_at": now_ms,
                "busy": len(running),
                "completed": self._before[0] + completed,
                "failed": self._before[1] + failed,
                "memory_bytes": memory_bytes(os.getpid()) + (child.memory_bytes if child else 0),
                "task_names": sorted(self._yard.tasks)[:200],
                "running": running[:100],
            }
        )

    def _count_past(self, child: Child) -> None:
        completed, failed, _, _ = child.table.read_header()
        self._before = (self._before[0] + completed, self._before[1] + failed)

    # Time and trouble.

    def _note_time(self, answer: Sequence[Any]) -> None:
        self._clock_offset_ms = int(answer[0]) * 1000 + int(answer[1]) // 1000 - time.monotonic_ns() // 1_000_000

    def _now_ms(self) -> int:
        """The server's time, as last heard."""
        return time.monotonic_ns() // 1_000_000 + self._clock_offset_ms

    def _on_trouble(self, error: TaskyardError | None) -> None:
        if error is not None and not self._has_trouble and not self._child:
            log.warning("%s. Trying again until that is over.", str(error).rstrip("."))
        self._has_trouble = error is not None
