"""What a worker is told, by signals and by operators, and what became of it."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable

from queue_core import decoding
from queue_core.snapshot import WorkerCommand
from queue_core.worker.child import Child
from queue_core.worker.orders import QUIET, RESUME
from queue_core.worker.server_clock import ServerClock
from queue_core.worker.terminal import Terminal

log = logging.getLogger("taskyard.worker")

STOPS = (signal.SIGTERM, signal.SIGINT)
SIGNALS = (*STOPS, signal.SIGTSTP, signal.SIGCONT, signal.SIGHUP)
OPERATOR, BURST = "operator", "--burst"


class Commands:
    """`children`: the processes that are to hear of it. `on_change` is called when something was done, `on_restart`
    when new processes are wanted, `on_hurry` when nothing is to be waited for any more."""

    def __init__(
        self,
        clock: ServerClock,
        children: Callable[[], list[Child]],
        on_change: Callable[[], None],
        on_restart: Callable[[str], None],
        on_hurry: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._children = children
        self._on_change = on_change
        self._on_restart = on_restart
        self._on_hurry = on_hurry
        self._quieted_by = set[str]()  # an operator, a burst that is about to end
        self._last_action_id = ""  # of an operator's
        self._terminal = Terminal()
        self.started_at = 0
        """When the worker was started, by the server's clock."""
        self.last: WorkerCommand | None = None
        self.is_stopping = asyncio.Event()

    @property
    def state(self) -> str:
        """That the worker was told to take; "" where its processes are to decide."""
        return "stopping" if self.is_stopping.is_set() else "quiet" if OPERATOR in self._quieted_by else ""

    def on_signal(self, number: signal.Signals) -> None:
        """A second signal to stop does not wait for what runs."""
        if number in STOPS or (number == signal.SIGHUP and self._terminal.has_closed()):
            if self.is_stopping.is_set():
                self._on_hurry()
            else:
                self.obey("stop", number.name)
        elif number == signal.SIGHUP:
            self._on_restart("a restart was asked for")
        else:
            self.obey("quiet" if number == signal.SIGTSTP else "resume", number.name)

    def on_command(self, data: bytes) -> None:
        """What an operator has told is there for a while: it is done once, and only by the worker that was meant."""
        command = decoding.worker_command(data)
        if command and command.started_at == self.started_at and command.action_id != self._last_action_id:
            self._last_action_id = command.action_id
            self.obey(command.verb, command.by, command.reason, command.action_id)

    def obey(self, verb: str, by: str, reason: str = "", action_id: str = "") -> None:
        if self.is_stopping.is_set():
            return
        self.last = WorkerCommand(verb, by, reason, self._clock.now_ms(), self.started_at, action_id)
        what = {"stop": "stopping", "quiet": "quiet: no new tasks are claimed", "resume": "claiming tasks again"}[verb]
        log.info("%s (told by %s%s)", what, by, f": {reason}" if reason else "")
        if verb == "stop":
            self.is_stopping.set()
        else:
            self.set_quiet(verb == "quiet", OPERATOR)
        self._on_change()

    def set_quiet(self, is_quiet: bool, by: str) -> None:
        """Keep the processes from claiming, or let them where nobody else keeps them. `by`: OPERATOR or BURST."""
        self._quieted_by = self._quieted_by | {by} if is_quiet else self._quieted_by - {by}
        for child in self._children():
            child.order(QUIET if self._quieted_by else RESUME)

    def tell(self, child: Child) -> None:
        """A process that was started just now."""
        if self._quieted_by:
            child.order(QUIET)
