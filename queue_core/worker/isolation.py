"""Runs isolated tasks: each in a child process, which can be killed without harm to any other.

The children are started before they are needed where that can be foreseen, load the application once, and run one task
after another.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

import msgspec

from queue_core.errors import Cancelled, LeaseLost, SoftTimeout, TaskyardError
from queue_core.worker import messages
from queue_core.worker.child import ISOLATED, count_oom_kills, how_it_ended
from queue_core.worker.outcome import hard_timeout
from queue_core.worker.run import Isolated, Run

log = logging.getLogger("taskyard.worker")

MAX_RUNS = 1_000
"""Tasks that a child runs before another one takes its place: what a library leaks is gone with it."""
LOADING_SECONDS = 60.0
LAST_WORDS_SECONDS = 0.5
"""How long a child is asked where its handler is before it is killed."""
STOP_SECONDS = 10.0
"""What a handler gets whose task was cancelled, before its child is killed."""


class ChildDied(Exception):
    def __init__(self, evidence: Mapping[str, object]) -> None:
        super().__init__(str(evidence["evidence"]))
        self.evidence = evidence


class ChildNotReady(Exception):
    """The application cannot be loaded any more, say: its files were changed."""


class IsolatedChild:
    """One of them, as the process has it. `run`: what runs there now."""

    def __init__(self, app: str, worker_id: str, log_level: str) -> None:
        ours, theirs = socket.socketpair()
        setup = messages.Setup(app, worker_id, theirs.fileno(), os.getpid(), log_level)
        self._oom_kills_before = count_oom_kills()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", ISOLATED, msgspec.json.encode(setup).decode()],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
            )
        ours.setblocking(False)
        self._socket = ours
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ended: asyncio.Future[messages.Ended] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._listening = asyncio.create_task(self._listen())
        self._death: ChildDied | None = None
        self._complaint = ""
        self.run: Run | None = None
        self.runs = 0

    @property
    def is_alive(self) -> bool:
        return self._death is None

    async def ready(self) -> None:
        """Raises `ChildNotReady`."""
        try:
            async with asyncio.timeout(LOADING_SECONDS):
                await asyncio.shield(self._ready)
        except ChildDied as died:
            raise ChildNotReady(self._complaint or f"the child did not start: {died}") from None
        except TimeoutError:
            self.kill()
            raise ChildNotReady(f"the child has not loaded the application within {LOADING_SECONDS:g} s") from None

    def begin(self, job: messages.Job, run: Run) -> asyncio.Future[messages.Ended]:
        """What comes of it. Raises `ChildDied`, in the future."""
        self.run, self.runs = run, self.runs + 1
        self._ended = asyncio.get_running_loop().create_future()
        if self._death is not None:
            self._ended.set_exception(self._death)
        self.say(job)
        return self._ended

    def say(self, message: messages.ToChild) -> None:
        if self._writer is not None and self._death is None:
            self._writer.write(messages.frame(message))

    def kill(self) -> None:
        if self._death is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)

    async def wait(self) -> None:
        await asyncio.gather(self._listening, return_exceptions=True)

    async def _listen(self) -> None:
        reader, self._writer = await asyncio.open_connection(sock=self._socket)
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                head = await reader.readexactly(messages.HEAD_BYTES)
                self._hear(messages.for_process.decode(await reader.readexactly(int.from_bytes(head, "big"))))
        _, status, usage = await asyncio.to_thread(os.wait4, self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        how = how_it_ended(self._process.returncode, count_oom_kills() - self._oom_kills_before)
        memory_bytes = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        self._death = ChildDied({"evidence": how, "memory_bytes": memory_bytes, "host": socket.gethostname()})
        self._writer.close()
        for waiting in (self._ready, self._ended):
            if waiting is not None and not waiting.done():
                waiting.set_exception(self._death)
                waiting.exception()  # it may be that nobody waits for it

    def _hear(self, message: messages.ToProcess) -> None:
        if isinstance(message, messages.Ready):
            self._complaint = message.complaint
            if self._complaint:
                log.error("a child for isolated tasks cannot load the application: %s", self._complaint)
            elif not self._ready.done():
                self._ready.set_result(None)
        elif self.run is not None and message.fence == self.run.context.fence:
            if isinstance(message, messages.Progress):
                signals = self.run.context.signals
                if signals.on_progress is not None:
                    signals.on_progress(message.said)
            elif self._ended is not None and not self._ended.done():
                self._ended.set_result(message)


class Isolation:
    """`on_end` is called with each run that has ended. There are as many children as there were runs at once."""

    def __init__(self, app: str, worker_id: str, log_level: str, on_end: Callable[[Run], None]) -> None:
        self._start_child: Callable[[], IsolatedChild] = lambda: IsolatedChild(app, worker_id, log_level)
        self._on_end = on_end
        self._idle: list[IsolatedChild] = []
        self._with: dict[Run, IsolatedChild] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def prepare(self) -> None:
        """Start one before it is needed."""
        self._idle.append(self._start_child())

    def start(self, run: Run) -> None:
        task = asyncio.create_task(self._run(run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def tell(self, run: Run, error: type[TaskyardError]) -> None:
        """The task was asked to stop; or its lease is lost, and then nothing of it is of use."""
        child = self._with.get(run)
        if child is not None and error is LeaseLost:
            child.kill()
        elif child is not None:
            child.say(messages.Stop(run.context.fence))
            asyncio.get_running_loop().call_later(STOP_SECONDS, self._kill_if_it_still_runs, run)

    def interrupt(self, run: Run) -> None:
        if child := self._with.get(run):
            child.say(messages.Interrupt(run.context.fence, is_timeout=run.interruption is SoftTimeout))

    def _kill_if_it_still_runs(self, run: Run) -> None:
        if child := self._with.get(run):
            child.kill()

    async def _run(self, run: Run) -> None:
        try:
            await self._attempt(run)
        except ChildDied as died:
            run.error = died
            run.isolated = Isolated(crash=died.evidence)
        except BaseException as error:
            run.error = error
        self._with.pop(run, None)
        run.seconds = time.monotonic() - run.began if run.began else 0.0
        self._on_end(run)

    async def _attempt(self, run: Run) -> None:
        child = await self._take()
        try:
            run.begin()
            self._with[run] = child
            context = run.context
            job = messages.Job(context.queue, context.task_id, context.fence, context.attempt - 1, run.stored)
            ended = child.begin(job, run)
            hard_seconds = run.definition.hard_seconds
            await asyncio.wait([ended], timeout=None if hard_seconds == math.inf else hard_seconds)
            if not ended.done():
                await self._end_overdue(child, ended, run)
                return
            self._read(run, ended.result())
        finally:
            child.run = None
            self._give_back(child)

    async def _end_overdue(self, child: IsolatedChild, ended: asyncio.Future[messages.Ended], run: Run) -> None:
        """Kill the child, when it has said where its handler is; or has not, for that keeps the interpreter."""
        child.say(messages.Overdue(run.context.fence))
        await asyncio.wait([ended], timeout=LAST_WORDS_SECONDS)
        child.kill()
        await child.wait()
        run.error = hard_timeout(run.definition)
        if ended.done() and ended.exception() is None:
            self._read(run, ended.result())

    def _read(self, run: Run, ended: messages.Ended) -> None:
        run.isolated = Isolated(ended.result, ended.failed)
        if ended.failed is not None and run.error is None:
            run.error = Cancelled() if ended.is_stopped else RuntimeError(ended.failed.failure.error)

    async def _take(self) -> IsolatedChild:
        """One that is ready. Raises `ChildNotReady`."""
        while self._idle:
            child = self._idle.pop()
            if child.is_alive:
                break
        else:
            child = self._start_child()
        await child.ready()
        return child

    def _give_back(self, child: IsolatedChild) -> None:
        if not child.is_alive or child.runs >= MAX_RUNS:
            child.kill()
            child = self._start_child()
        self._idle.append(child)
