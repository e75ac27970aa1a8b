"""`taskyard demo`: server, workers, producer and console in one terminal, and nothing of them afterwards."""

from __future__ import annotations

import http.client
import importlib.util
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TextIO

from queue_core import Taskyard, __version__
from queue_core.client import Client
from queue_core.demo import facts
from queue_core.demo.acts import Acts
from queue_core.demo.browser import may_open, open_browser
from queue_core.demo.children import KEPT_LINES, Child, Lifeline
from queue_core.demo.crew import AT_FIRST, LEASE_SECONDS, Crew
from queue_core.demo.facts import Totals, imbalances
from queue_core.demo.panel import PANEL_SOCKET, Panel
from queue_core.demo.ports import HOST, USUAL_PORT, choose_port
from queue_core.demo.producer import E_MAILS, IMAGES, ORDERS, REPORTS, Producer
from queue_core.demo.reporter import Output, Reporter
from queue_core.demo.signals import Signals
from queue_core.demo.tasks import WAREHOUSE_SIGN
from queue_core.demo.warehouse import OPENS_BY_ITSELF_SECONDS, Warehouse
from queue_core.demo.watcher import Watcher
from queue_core.embedded import EmbeddedServer
from queue_core.errors import ConfigurationError, TaskyardError
from queue_core.inspector import Inspector
from queue_core.settings import DEFAULT_NAMESPACE
from queue_core.snapshot import Snapshot, State

QUEUES = ("email", "images", "orders")

START_SECONDS = 20.0
TICK_SECONDS = 0.05
LOOK_SECONDS = 0.25
GRACE_SECONDS = 2.0
STOP_WORKERS_SECONDS = 3.0
STOP_CONSOLE_SECONDS = 0.7
SIGNAL_SECONDS = 4.3
"""From a signal to the end, at most: what has not ended by then is killed."""
PATIENCE_SECONDS = 0.5
"""How long a server that does not answer is asked again."""


@dataclass(frozen=True)
class DemoSettings:
    """`port`: of the console; `None`: the usual one, or the next that is free. `rate`: tasks a second after the first
    load. `seconds`: after which it ends by itself; `None`: never."""

    port: int | None = None
    rate: float = 5.0
    seconds: float | None = None
    opens_browser: bool = True
    output: Output = Output.TEXT


def run_demo(settings: DemoSettings, stream: TextIO, environ: Mapping[str, str] = os.environ) -> int:
    """Run until it is asked to end. Shape: the exit code: 0, or 1 if the books do not balance or a part died unasked.

    Raises `ConfigurationError` for a port that cannot be used or packages that are missing; `ServerUnavailable` when
    there is no server to start.
    """
    for package in ("flask", "flask_wtf", "gunicorn"):
        if importlib.util.find_spec(package) is None:
            raise ConfigurationError(f"the console's packages are missing ({package}): pip install 'taskyard[demo]'")
    port = choose_port(settings.port)
    return Demo(settings, port, Reporter(settings.output, stream, environ), environ).run()


class CannotGoOn(Exception):
    """A part of the demo is gone or does not start."""

    def __init__(self, reason: str, lines: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.fact = facts.Failed(reason, lines)


class Demo:
    def __init__(self, settings: DemoSettings, port: int, reporter: Reporter, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._port = port
        self._url = f"http://{HOST}:{port}"
        self._reporter = reporter
        self._environ = environ
        self._signals = Signals(self._end_at_once, SIGNAL_SECONDS)
        self._server = EmbeddedServer()
        self._lifeline = Lifeline()
        self._crew = Crew(self._worker, QUEUES)
        self._console: Child | None = None
        self._panel: Panel | None = None
        self._producer = Producer(settings.rate)
        self._exit_code = 0

    def run(self) -> int:
        with self._signals:
            try:
                self._server_runs()
                try:
                    if self._everything_starts():
                        self._goes_on()
                except CannotGoOn as failure:
                    self._fail(failure.fact)
                except TaskyardError as error:
                    self._fail(self._server_is_gone().fact if not self._server.pid else facts.Failed(str(error)))
                self._ends()
            finally:
                for child in self._children:
                    child.end()
                if self._panel:
                    self._panel.close()
                self._server.stop()
                self._lifeline.close()
        return self._exit_code

    @property
    def _children(self) -> list[Child]:
        return [*self._crew.workers, *([self._console] if self._console else [])]

    # Starting.

    def _server_runs(self) -> None:
        self._reporter.tell(facts.DemoStarted(__version__))
        if self._settings.port is None and self._port != USUAL_PORT:
            self._reporter.tell(facts.PortMoved(USUAL_PORT, self._port))
        began = time.monotonic()
        self._server.start()
        self._reporter.tell(facts.ServerReady(self._server.product, time.monotonic() - began))
        client = Client(self._server.url, DEFAULT_NAMESPACE, patience_seconds=PATIENCE_SECONDS)
        self._yard = Taskyard(self._server.url, namespace=DEFAULT_NAMESPACE)
        self._inspector = Inspector(client=client)
        self._watcher = Watcher(self._inspector)

    def _everything_starts(self) -> bool:
        """Side by side; told in the order of a reader. False: it was asked to end meanwhile."""
        began = time.monotonic()
        folder = self._server.data_folder
        self._warehouse = Warehouse(folder / "warehouse-is-closed")
        told = self._reporter, f"{self._url}/dead"
        seen = self._inspector, self._watcher
        self._acts = Acts(self._yard, *seen, self._producer, self._crew, self._warehouse, *told)
        self._panel = Panel(folder / "panel.sock", self._acts.act, self._acts.state)
        self._console = self._child(
            "console", ["console", "--port", str(self._port)], {PANEL_SOCKET: str(self._panel.path)}
        )
        self._crew.begin()
        self._yard.enqueue_many(self._producer.first_load())
        self._steady_since = self._reporter.elapsed

        if not self._becomes_true(self._workers_answer, "the workers"):
            return False
        self._reporter.tell(facts.WorkersReady(AT_FIRST, QUEUES, time.monotonic() - began))
        load = {"e-mails": E_MAILS, "images": IMAGES, "orders": ORDERS, "reports": REPORTS}
        self._reporter.tell(facts.LoadEnqueued(load, self._settings.rate))
        if not self._becomes_true(self._console_answers, "the console"):
            return False
        self._reporter.tell(facts.ConsoleReady(self._url, time.monotonic() - began))
        self._reporter.tell(facts.Ready(OPENS_BY_ITSELF_SECONDS))
        if self._settings.opens_browser and self._reporter.is_terminal and may_open(self._environ):
            open_browser(self._url)
        return True

    def _worker(self, name: str, slots: int) -> Child:
        arguments = ["worker", "queue_core.demo.tasks:yard", "--name", name, "--concurrency", str(slots)]
        arguments += ["--queues", ",".join(QUEUES), "--grace-seconds", f"{GRACE_SECONDS:g}"]
        arguments += ["--lease-seconds", f"{LEASE_SECONDS:g}"]
        return self._child(name, arguments, {WAREHOUSE_SIGN: str(self._warehouse.sign)})

    def _child(self, name: str, arguments: list[str], own: Mapping[str, str]) -> Child:
        """Nothing of the user's own Taskyard: the demo has its own server, and its own folder for temporary files.
        `own`: what of the environment only this child gets."""
        environment = {
            **{name: value for name, value in self._environ.items() if not name.startswith("TASKYARD_")},
            "TASKYARD_REDIS_URL": self._server.url,
            "TASKYARD_NAMESPACE": DEFAULT_NAMESPACE,
            "TASKYARD_ENVIRONMENT": "demo",
            "TASKYARD_VERSION": __version__,
            "TMPDIR": str(self._server.data_folder),
            **own,
        }
        return Child(name, arguments, self._lifeline, environment, self._server.data_folder)

    def _becomes_true(self, condition: Callable[[], bool], what: str) -> bool:
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            if self._is_asked_to_end():
                return False
            self._all_are_alive()
            if time.monotonic() > deadline:
                lines = [line for child in self._children for line in child.last_lines()]
                raise CannotGoOn(f"{what} did not start within {START_SECONDS:g} s.", tuple(lines[-KEPT_LINES:]))
        return True

    def _workers_answer(self) -> bool:
        return {worker.pid for worker in self._inspector.workers()} >= {worker.pid for worker in self._crew.workers}

    def _console_answers(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=2)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    # Going on.

    def _goes_on(self) -> None:
        looked_at = float("-inf")
        while not self._is_asked_to_end():
            now = self._reporter.elapsed
            if self._settings.seconds is not None and now >= self._settings.seconds:
                return
            self._all_are_alive()
            self._yard.enqueue_many(self._producer.due(now - self._steady_since))
            if now - looked_at < LOOK_SECONDS:
                continue
            looked_at = now
            self._acts.tick(now)
            self._reporter.count(Totals.of(self._inspector.snapshot().queues))

    def _is_asked_to_end(self) -> bool:
        """Looks after a moment; meanwhile answers the console."""
        others = [self._panel] if self._panel else []
        is_ending = self._signals.wait(TICK_SECONDS, *others) or self._reporter.is_broken
        if self._panel and not is_ending:
            self._panel.answer()
        return is_ending

    def _all_are_alive(self) -> None:
        if not self._server.pid:
            raise self._server_is_gone()
        for child in self._children:
            if child.has_ended():
                child.end()
                lines = child.last_lines()
                told = (
                    f"Its last {len(lines)} lines:" if len(lines) > 1 else "It said:" if lines else "It said nothing."
                )
                what = child.name if child is self._console else f"worker {child.name}"
                raise CannotGoOn(f"{what} {child.how_it_ended()}, unasked. {told}", lines)

    def _server_is_gone(self) -> CannotGoOn:
        try:
            lines = self._server.log.read_text(errors="replace").splitlines()[-KEPT_LINES:]
        except OSError:
            lines = []
        return CannotGoOn("the server ended, unasked. The end of its log:", tuple(lines))

    def _fail(self, fact: facts.Failed) -> None:
        self._exit_code = 1
        self._reporter.keep_status()
        self._reporter.tell(fact)

    # Ending.

    def _ends(self) -> None:
        """Producer, workers, books, console, server: so the books are read when nothing moves any more."""
        seconds = self._reporter.elapsed
        self._reporter.keep_status()
        self._reporter.tell(facts.Stopping(by_signal=bool(self._signals.received)))
        snapshot = None
        try:
            if self._server.pid:
                self._workers_end()
                self._watcher.look(seconds)
                snapshot = self._inspector.snapshot()
        except TaskyardError as error:
            self._fail(facts.Failed(f"the books cannot be read: {error}"))
        if self._console:
            self._console.terminate()
            self._console.wait(time.monotonic() + STOP_CONSOLE_SECONDS)
        self._everything_goes()
        if snapshot is not None:
            self._sum_up(snapshot, seconds)

    def _workers_end(self) -> None:
        began = time.monotonic()
        running = {
            queue.name: [row.id for row in self._inspector.tasks(queue.name, State.RUNNING, limit=200).rows]
            for queue in self._inspector.snapshot().queues
        }
        for worker in self._crew.workers:
            worker.terminate()
        for worker in self._crew.workers:
            worker.wait(began + STOP_WORKERS_SECONDS)
            worker.end()
        count = sum(map(len, running.values()))
        handed_back = sum(
            summary.state in (State.READY, State.RUNNING)
            for queue, ids in running.items()
            for summary in self._inspector.summaries(queue, ids)
        )
        self._reporter.tell(
            facts.WorkersStopped(count, count - handed_back, handed_back, seconds=time.monotonic() - began)
        )

    def _everything_goes(self) -> None:
        for child in self._children:
            child.end()
        folder = self._server.data_folder
        self._server.stop()
        left = (str(folder),) if folder.name and folder.exists() else ()
        self._exit_code = 1 if left else self._exit_code
        self._reporter.tell(facts.Removed(left))

    def _sum_up(self, snapshot: Snapshot, seconds: float) -> None:
        imbalance = imbalances(snapshot.queues, snapshot.unreadable, self._producer.made)
        self._exit_code = 1 if imbalance else self._exit_code
        watcher = self._watcher
        totals = Totals.of(snapshot.queues)
        self._reporter.tell(facts.Summary(seconds, totals, watcher.retried, watcher.retried_completed, imbalance))

    def _end_at_once(self, number: int) -> None:
        """In a signal handler. The server's guard sees this process end, and removes server and folder."""
        for child in self._children:
            child.end()
        if number == signal.SIGALRM:
            os.write(2, b"taskyard demo: stopping took too long, so everything was killed.\n")
        os._exit(1)
