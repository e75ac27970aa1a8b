"""A child that runs isolated tasks, one at a time, in its main thread: `python -m queue_core.worker.isolated JSON`.

What its process says arrives on a thread of its own, also while a handler runs. When that socket closes the process is
gone, and so is this one.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Awaitable
from functools import partial
from types import CoroutineType
from typing import Any, cast

import msgspec

from queue_core import codec
from queue_core.context import Context, Signals
from queue_core.errors import Cancelled, ConfigurationError, SoftTimeout, TaskyardError
from queue_core.protocol import ClaimedTask, Counters, FailedTask
from queue_core.task import Definition
from queue_core.worker import messages
from queue_core.worker.interruption import Interruptible
from queue_core.worker.loading import load_yard
from queue_core.worker.outcome import STOPPED, failure_of, hard_timeout, result_of
from queue_core.worker.output import set_up_logging
from queue_core.worker.parentage import end_with_parent
from queue_core.worker.run import too_long
from queue_core.worker.stacks import stack_of_main_thread, stack_of_suspended
from queue_core.yard import Taskyard

IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGTSTP, signal.SIGHUP)
"""They are sent to whole groups of processes; it is for the supervisor to decide."""
BLOCKED_SECONDS = 0.5
"""A coroutine whose event loop has not taken its timeout by then keeps that loop: it is interrupted where it is."""


class Attempt:
    """The one that is being run."""

    def __init__(self, job: messages.Job, yard: Taskyard, on_progress: Any) -> None:
        self.job = job
        self.envelope = codec.decode_envelope(job.envelope)
        self.definition: Definition = yard.tasks[self.envelope.name]
        self.signals = Signals(on_progress)
        options = self.envelope.options
        self.context = Context(
            job.id,
            self.envelope.name,
            job.queue,
            job.attempts + 1,
            job.fence,
            self.signals,
            options.scheduled_for,
            options.headers,
        )
        self.began = time.monotonic()
        self.signals.deadline = self.began + self.definition.soft_seconds
        self.error: TaskyardError | None = None
        """What a signal is to raise in it."""
        self.is_in_main_thread = False
        """Its own code runs there, and not the event loop."""
        self.coroutine: Interruptible | None = None
        self.task: asyncio.Task[Any] | None = None
        self.is_blocked = False
        """The event loop has not taken the timeout in time."""
        self.is_told = False
        """Of its timeout, by the event loop or where it was."""

    @property
    def can_be_interrupted(self) -> bool:
        """Its own code runs in the main thread at this moment, and keeps the event loop where it has one."""
        is_blocking = self.is_blocked and not self.is_told and self.coroutine is not None
        return self.is_in_main_thread or (is_blocking and self.coroutine.coroutine.cr_running)  # type: ignore[union-attr]

    def describe(self, error: BaseException, worker_id: str) -> FailedTask:
        job = self.job
        claimed = ClaimedTask(job.id, job.envelope, Counters(job.attempts), bool(job.attempts), "")
        seconds = time.monotonic() - self.began
        return failure_of(claimed, job.fence, self.envelope, self.definition, error, worker_id, seconds)


class Isolated:
    def __init__(self, yard: Taskyard, talking: socket.socket, worker_id: str) -> None:
        self._yard = yard
        self._socket = talking
        self._worker_id = worker_id
        self._jobs: queue.SimpleQueue[messages.Job] = queue.SimpleQueue()
        self._attempt: Attempt | None = None
        self._runner: asyncio.Runner | None = None
        self._fresh = contextvars.copy_context()
        self._sending = threading.Lock()
        self._is_saying = False  # in the main thread: half a message must not be left behind

    def run(self) -> None:
        signal.signal(signal.SIGUSR1, self._raise)
        threading.Thread(target=self._listen, name="taskyard-orders", daemon=True).start()
        self._say(messages.Ready())
        while True:
            self._do(self._jobs.get())

    # In the main thread.

    def _do(self, job: messages.Job) -> None:
        attempt = Attempt(job, self._yard, lambda said: self._say_between(messages.Progress(job.fence, said)))
        ended = messages.Ended(job.fence, 0.0)
        self._attempt = attempt
        try:
            ended.result = result_of(attempt.envelope, self._fresh.copy().run(self._call, attempt))
        except BaseException as error:  # a handler that raises SystemExit has failed, and nothing else
            attempt.is_in_main_thread = False
            ended.failed = attempt.describe(error, self._worker_id)
            ended.is_stopped = isinstance(error, STOPPED)
        self._attempt = None
        ended.seconds = time.monotonic() - attempt.began
        self._say(ended)

    def _call(self, attempt: Attempt) -> Any:
        definition = attempt.definition
        arguments, named = definition.decode(attempt.envelope.payload)
        attempt.is_in_main_thread = True
        result = definition.call(arguments, named, attempt.context)
        attempt.is_in_main_thread = False
        return self._await(attempt, result) if inspect.isawaitable(result) else result

    def _await(self, attempt: Attempt, result: Awaitable[Any]) -> Any:
        async def run() -> Any:
            attempt.task = asyncio.current_task()
            if attempt.signals.is_cancelled:
                raise Cancelled
            try:
                return await result
            finally:
                attempt.task = None

        self._runner = self._runner or asyncio.Runner()
        attempt.coroutine = Interruptible(cast("CoroutineType[Any, Any, Any]", run()))
        return self._runner.run(attempt.coroutine, context=self._fresh.copy())  # type: ignore[arg-type]

    def _raise(self, *_: object) -> None:
        """The handler of the signal: runs in the main thread, between two steps of whatever runs there."""
        attempt = self._attempt
        if self._is_saying or attempt is None:
            return
        if attempt.error is not None and attempt.can_be_interrupted:
            error, attempt.error, attempt.is_told = attempt.error, None, True
            raise error

    def _say_between(self, message: messages.ToProcess) -> None:
        """While a handler runs, which may be interrupted before and after that; in the handler's thread."""
        if threading.current_thread() is not threading.main_thread():
            self._say(message)
            return
        self._is_saying = True
        try:
            self._say(message)
        finally:
            self._is_saying = False
        self._raise()

    # In the thread that listens.

    def _listen(self) -> None:
        with self._socket.makefile("rb") as stream:
            while head := stream.read(messages.HEAD_BYTES):
                message = messages.for_child.decode(stream.read(int.from_bytes(head, "big")))
                if isinstance(message, messages.Job):
                    self._jobs.put(message)
                elif (attempt := self._attempt) is not None and attempt.job.fence == message.fence:
                    self._obey(attempt, message)
        os._exit(1)

    def _obey(self, attempt: Attempt, message: messages.Stop | messages.Interrupt | messages.Overdue) -> None:
        if isinstance(message, messages.Stop):
            attempt.signals.is_cancelled = True
            self._cancel(attempt, None)
        elif isinstance(message, messages.Overdue):
            self._say(messages.Ended(message.fence, 0.0, failed=self._last_words(attempt)))
        else:
            error = SoftTimeout(too_long(attempt.definition)) if message.is_timeout else Cancelled()
            if message.is_timeout:
                self._cancel(attempt, error)
                if attempt.coroutine is not None:
                    threading.Timer(BLOCKED_SECONDS, self._interrupt_blocked, (attempt,)).start()
            attempt.error = error
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    def _cancel(self, attempt: Attempt, instead: TaskyardError | None) -> None:
        """Of what runs on the event loop."""
        coroutine, runner = attempt.coroutine, self._runner
        if coroutine is not None and runner is not None:
            runner.get_loop().call_soon_threadsafe(partial(_cancel_task, attempt, coroutine, instead))

    def _interrupt_blocked(self, attempt: Attempt) -> None:
        attempt.is_blocked = True
        if self._attempt is attempt and not attempt.is_told:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    def _last_words(self, attempt: Attempt) -> FailedTask:
        error = hard_timeout(attempt.definition)
        coroutine = attempt.coroutine
        is_suspended = coroutine is not None and not coroutine.coroutine.cr_running
        stack = stack_of_suspended(coroutine.coroutine) if coroutine and is_suspended else stack_of_main_thread()
        return attempt.describe(error.with_traceback(stack), self._worker_id)

    def _say(self, message: messages.ToProcess) -> None:
        with self._sending:
            self._socket.sendall(messages.frame(message))


def _cancel_task(attempt: Attempt, coroutine: Interruptible, instead: TaskyardError | None) -> None:
    if instead is not None:
        if attempt.is_told:
            return
        attempt.is_told = True
    if attempt.task is not None:
        coroutine.instead = instead
        attempt.task.cancel()


def main() -> None:
    setup = msgspec.json.decode(sys.argv[1], type=messages.Setup)
    end_with_parent(setup.parent_pid)
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    set_up_logging(setup.log_level)
    talking = socket.socket(fileno=setup.socket_fd)
    try:
        yard = load_yard(setup.app)
    except ConfigurationError as error:
        talking.sendall(messages.frame(messages.Ready(str(error))))
        os._exit(2)
    Isolated(yard, talking, setup.worker_id).run()


if __name__ == "__main__":
    main()
