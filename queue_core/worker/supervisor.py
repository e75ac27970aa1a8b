"""A worker's supervisor: keeps its processes at work and their leases alive, says how it is, and does as it is told.

It runs no handler, so nothing that a handler does can keep it from extending leases. When a process dies, it knows from
the lease table exactly what was held, and sees to it at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict

from queue_core import connection, keys, protocol
from queue_core.aio import AsyncClient
from queue_core.consumer import process_name
from queue_core.errors import AccessDenied, ConfigurationError, CorruptQueue, ServerRefused, TaskyardError
from queue_core.settings import mask_url
from queue_core.worker import leases, record
from queue_core.worker.aftermath import Aftermath
from queue_core.worker.burst import Burst
from queue_core.worker.child import Child, memory_bytes
from queue_core.worker.commands import BURST, SIGNALS, Commands
from queue_core.worker.complaints import Complaints
from queue_core.worker.hard_timeouts import LOOK_SECONDS, HardTimeouts
from queue_core.worker.heartbeat import Heartbeat
from queue_core.worker.janitor import Janitor
from queue_core.worker.keeper import GOODBYE_SECONDS, Keeper
from queue_core.worker.loading import load_yard
from queue_core.worker.loops import Loop
from queue_core.worker.orders import Introduction
from queue_core.worker.output import set_up_logging
from queue_core.worker.renewal import Renewal
from queue_core.worker.scheduler import LONGEST_WAIT_SECONDS, Scheduler
from queue_core.worker.server_clock import ServerClock
from queue_core.worker.settings import WorkerSettings
from queue_core.worker.systemd import Systemd
from queue_core.worker.tender import Tender
from queue_core.worker.watching import LOOK_SECONDS as WATCH_SECONDS
from queue_core.worker.watching import Watch
from queue_core.yard import Taskyard

log = logging.getLogger("taskyard.worker")

TRASH_TICK_SECONDS = 60.0
OPERATIONS_TICK_SECONDS = 1.0
ALONE_SECONDS = 6.0
"""When the server has been away for so long while all processes were answered, the supervisor alone has lost it. A
process that has nothing to do asks nothing for some seconds, and then learns it, too."""
ALONE_LOOK_SECONDS = 0.5
OUTSTAYED_BEATS = 3
"""What is over is not given out anyway: it is seen to less often than leases are."""


def run_worker(settings: WorkerSettings, log_level: str = "INFO") -> int:
    """Run a worker until it is told to stop. Shape: the exit code.

    Raises `ConfigurationError` when the application does not load, `UnsafeServer` on an eviction policy.
    """
    set_up_logging(log_level)
    sys.dont_write_bytecode |= settings.reload  # of two versions of a second the older one would be taken
    if settings.max_memory is not None and not memory_bytes(os.getpid()):
        raise ConfigurationError("--max-memory is of no use here: this system does not say how large a process is")
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
        self._clock = ServerClock()
        self._complaints = Complaints()
        self._introduction = Introduction(yard.version, tuple(sorted(yard.tasks)[: record.MAX_NAMES]))
        self._version_since = 0
        self._complaint = ""  # about the process that was started last
        self._has_trouble = False
        self._has_said_alone = False
        self._answered_since = 0.0  # the processes, on the event loop's clock, as far as the supervisor has looked
        self._systemd = Systemd()
        self._is_ready = False
        self._exit_code = 0
        aftermath = Aftermath(
            self._client, self._names, self.worker_id, settings.lease_ms, self._complaints, yard.version
        )
        self._keepers = [Keeper(self._start, aftermath, settings.grace_seconds) for _ in range(settings.processes)]
        self._renewal = Renewal(
            self._keepers,
            self._on_complaint,
            settings.max_tasks,
            settings.max_memory,
            self._on_restart,
            self._on_restarted,
        )
        self._commands = Commands(
            self._clock, self._children, lambda: self._heartbeat.tick_soon(), self._renewal.restart, self._end_at_once
        )
        heartbeat = Heartbeat(
            self._client,
            self.worker_id,
            self._names,
            settings.lease_ms,
            self._clock,
            self._complaints,
            self._children,
            lambda held, now_ms: record.describe(self._facts(), self._keepers, held, self._names, now_ms),
            self._commands.on_command,
        )
        self._heartbeat = Loop("heartbeat", settings.beat_seconds, heartbeat.beat)
        self._scheduler = Scheduler(self._client, settings.app, yard.timetable, self._complaints, yard.chain)
        self._scheduling = Loop("scheduler", LONGEST_WAIT_SECONDS, self._scheduler.tick)
        self._watch = Watch(lambda path: self._renewal.restart(f"{path} has changed"))

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._commands.on_signal, number)
        working = asyncio.create_task(self._work())
        stopped = asyncio.create_task(self._commands.is_stopping.wait())
        done, _ = await asyncio.wait([working, stopped], return_when=asyncio.FIRST_COMPLETED)
        if stopped in done:
            log.info("running tasks have %g s to finish", self._settings.grace_seconds)
            self._systemd.tell("STOPPING=1")
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        else:
            stopped.cancel()
            self._kill()
        await self._say_goodbye()
        if working in done:
            working.result()
        log.info("stopped")
        return self._exit_code

    # Working.

    async def _work(self) -> None:
        await self._check_server()
        scout = self._client.scout
        assert scout is not None
        once = AsyncClient(self._yard.url, self._yard.namespace, patience_seconds=0)
        janitor = Janitor(once, self._names, self._settings.lease_ms, self._complaints, scout)
        tender = Tender(self._yard.url, self._yard.namespace, self._names, self._complaints, scout)
        chores = [
            Loop("hard-timeouts", LOOK_SECONDS, HardTimeouts(self._keepers).tick),
            Loop("recover", self._settings.beat_seconds, janitor.recover),
            Loop("outstayed", OUTSTAYED_BEATS * self._settings.beat_seconds, janitor.end_outstayed),
            Loop("trash", TRASH_TICK_SECONDS, janitor.empty_trash),
            Loop("operations", OPERATIONS_TICK_SECONDS, tender.tick),
            self._scheduling,
        ]
        if self._settings.reload:
            chores.append(Loop("reload", WATCH_SECONDS, self._watch.tick))
        if self._systemd.watchdog_seconds:
            chores.append(Loop("watchdog", self._systemd.watchdog_seconds / 2, self._systemd.tell_alive))
        log.info("worker %s: %s, %s, on %s", self.worker_id, *self._what_it_does(), mask_url(self._yard.url))
        watching = [asyncio.create_task(keeper.run()) for keeper in self._keepers]
        watching += [asyncio.create_task(part) for part in (self._renewal.run(), self._listen())]
        if self._settings.burst:
            watching.append(asyncio.create_task(self._end_when_empty()))
        for loop in (self._heartbeat, *chores):
            loop.start()
        try:
            await asyncio.gather(*watching)
        finally:
            tender.close()
            for loop in chores:
                await loop.stop()
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
            if self._commands.is_stopping.is_set():
                await asyncio.gather(*(keeper.finish() for keeper in self._keepers))
            await self._heartbeat.stop()

    async def _check_server(self) -> None:
        """Wait for the server; refuse one that may throw tasks away, or that does not let this worker do its work."""
        own = self._client.queue(self._names[0])
        try:
            time_answer, memory = await self._client.execute(("TIME",), ("INFO", "memory"))
            if isinstance(time_answer, Exception):
                raise ConfigurationError(str(connection.translate(time_answer, self._yard.url)))
            await self._client.run(protocol.extend(own, [], self._settings.lease_ms))
        except AccessDenied as error:
            raise ConfigurationError(str(error)) from error
        except (CorruptQueue, ServerRefused):
            pass  # that may be mended while it works; the heartbeat says it
        self._clock.note(time_answer)
        self._commands.started_at = self._clock.now_ms()
        if not isinstance(memory, Exception) and not self._settings.allow_eviction:
            text = memory.decode() if isinstance(memory, bytes) else str(memory)
            facts = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
            connection.check_eviction_policy(facts.get("maxmemory_policy"), self._yard.url)

    def _start(self, on_news: Callable[[], None]) -> Child:
        """One process."""

        def told() -> None:
            on_news()
            self._on_news(child)

        child = Child(self._settings, self._queues, self.worker_id, self._log_level, told)
        self._commands.tell(child)
        return child

    def _on_news(self, child: Child) -> None:
        """A process has introduced itself, or has ended."""
        self._heartbeat.tick_soon()
        introduction = child.introduction
        if introduction and self._settings.reload:
            self._watch.add(introduction.folders)
        if introduction and introduction.complaint:
            self._complaint = introduction.complaint
        if child.has_ended or introduction is None or introduction.complaint:
            return
        former, self._introduction, self._complaint = self._introduction, introduction, ""
        if introduction.version != former.version:
            self._version_since = self._clock.now_ms()
        if self._scheduler.declare({schedule.name: schedule for schedule in introduction.schedules}):
            self._scheduling.tick_soon()
        if not self._is_ready and all(keeper.child and keeper.child.introduction for keeper in self._keepers):
            self._is_ready = True
            self._systemd.tell("READY=1")
        unserved = sorted(set(introduction.queues) - set(self._names))
        if unserved and not self._settings.queues and introduction.queues != former.queues:
            log.warning("%s is now declared, too: start the worker anew to work on it", ", ".join(unserved))

    def _on_complaint(self, complaint: str) -> None:
        self._complaint = complaint
        self._heartbeat.tick_soon()

    def _on_restart(self) -> None:
        if self._is_ready:
            self._systemd.tell_reloading()

    def _on_restarted(self, complaint: str) -> None:
        if self._is_ready:
            self._systemd.tell_reloaded(complaint)

    def _what_it_does(self) -> tuple[str, str]:
        queues = ", ".join(f"{name}={weight}" if weight > 1 else name for name, weight in self._queues.items())
        processes, concurrency = self._settings.processes, self._settings.concurrency
        return queues, f"{concurrency} at once" + (f" in each of {processes} processes" if processes > 1 else "")

    def _facts(self) -> dict[str, object]:
        """What the worker is, whatever its processes do."""
        facts: dict[str, object] = {
            "id": self.worker_id,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "queues": self._queues,
            "concurrency": self._settings.concurrency * self._settings.processes,
            "version": self._introduction.version,
            "version_since": self._version_since or self._commands.started_at,
            "started_at": self._commands.started_at,
            "task_names": self._introduction.task_names,
            "complaint": self._complaint,
            "command": asdict(self._commands.last) if self._commands.last else None,
        }
        return {**facts, "state": self._commands.state} if self._commands.state else facts

    # Being told.

    async def _listen(self) -> None:
        """Hear at once that there is a command; the heartbeat reads it."""
        async with self._client.listener.listen(keys.command(self._client.namespace, self.worker_id)) as is_called:
            while True:
                await is_called.wait()
                is_called.clear()
                self._heartbeat.tick_soon()

    async def _end_when_empty(self) -> None:
        burst = Burst(
            self._client,
            self._names,
            self._keepers,
            self._clock,
            lambda: self._introduction.task_names,
            lambda is_quiet: self._commands.set_quiet(is_quiet, BURST),
        )
        if not await burst.run():
            self._exit_code = 1
        self._commands.obey("stop", BURST)

    def _children(self) -> list[Child]:
        return [child for keeper in self._keepers for child in keeper.children]

    def _end_at_once(self) -> None:
        log.warning("ending at once")
        self._kill()

    def _kill(self) -> None:
        for keeper in self._keepers:
            keeper.kill()

    async def _say_goodbye(self) -> None:
        namespace = self._client.namespace
        if not self._commands.started_at or (self._client.scout and self._client.scout.is_away):
            return
        with contextlib.suppress(TimeoutError, TaskyardError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self._client.execute(
                    ("ZREM", keys.workers(namespace), self.worker_id),
                    ("DEL", keys.worker(namespace, self.worker_id)),
                )

    def _on_trouble(self, error: TaskyardError | None) -> None:
        """The processes say it where there are any, unless they do not notice."""
        is_news, self._has_trouble = self._has_trouble != (error is not None), error is not None
        if error is not None and is_news:
            if self._children():
                self._answered_since = asyncio.get_running_loop().time()
                self._look_if_alone(error)
            else:
                log.warning("%s. Trying again until that is over.", str(error).rstrip("."))
        elif error is None and self._has_said_alone:
            self._has_said_alone = False
            log.info("Redis answers the supervisor again")

    def _look_if_alone(self, error: TaskyardError) -> None:
        """Until it is answered: an outage that was everybody's may be over a little later here than there."""
        if not self._has_trouble or self._has_said_alone or not self._children():
            return
        loop = asyncio.get_running_loop()
        if any(child.table.read_header()[3] == leases.AWAY for child in self._children()):
            self._answered_since = loop.time()
        if loop.time() - self._answered_since >= ALONE_SECONDS:
            self._has_said_alone = True
            log.warning("the supervisor alone is not answered: %s. Trying again until that is over.", error)
        else:
            loop.call_later(ALONE_LOOK_SECONDS, self._look_if_alone, error)
