"""`taskyard demo` as a user runs it: real processes, and nothing of them afterwards."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.console import field, text_of

START_SECONDS = 25.0
GONE_SECONDS = 5.0
STAGES = ("started", "server", "workers", "tasks", "console", "ready")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


class Demo:
    """A running demo, its temporary files in `folder`."""

    def __init__(self, folder: Path, *options: str, **environ: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "queue_core.cli", "demo", "--no-browser", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(folder), **environ},
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # ignored where tests run under nohup
        )
        self.events: list[dict[str, Any]] = []

    def until(self, event: str) -> dict[str, Any]:
        """Reads on to the next event of this name."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(json.loads(line))
            if self.events[-1]["event"] == event:
                return self.events[-1]
        _, complaint = self.process.communicate()
        raise AssertionError(f"it ended without {event!r}: {self.events[-3:]} {complaint}")

    def rest(self) -> dict[str, dict[str, Any]]:
        """Reads to the end. Shape: event → the last one of that name."""
        output, complaint = self.process.communicate(timeout=30)
        assert complaint == ""
        self.events += map(json.loads, output.splitlines())
        return {event["event"]: event for event in self.events}

    def processes(self) -> dict[int, str]:
        """Everything that the demo has started: its children have its folder in their environment or command line."""
        if not Path("/proc/self/environ").exists():
            listing = subprocess.run(["ps", "-axwwEo", "pid=,args="], capture_output=True, text=True, check=True).stdout
            found = [line.split(None, 1) for line in listing.splitlines()]
            return {int(pid): text for pid, text in found if str(self.folder) in text}
        processes = {}
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has ended meanwhile
                command = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if str(self.folder) in command or os.fsencode(self.folder) in (path / "environ").read_bytes():
                    processes[int(path.name)] = command
        return processes

    def __repr__(self) -> str:
        """What is left of it."""
        return f"Demo({self.processes()}, {[str(path) for path in self.folder.rglob('*')]})"

    def is_gone(self) -> bool:
        return not self.processes() and not any(self.folder.iterdir())

    def process_of(self, part: str) -> int:
        """The process id of the part with these words in its command line."""
        (found,) = (pid for pid, command in self.processes().items() if part in command)
        return found


@pytest.fixture
def demo() -> Iterator[Callable[..., Demo]]:
    """Starts demos; afterwards nothing of them may be there, whatever became of them."""
    demos: list[Demo] = []

    def start(*options: str, **environ: str) -> Demo:
        folder = Path(tempfile.mkdtemp(prefix="ty-", dir="/tmp"))
        demos.append(Demo(folder, *options, **environ))
        return demos[-1]

    yield start
    for started in demos:
        with suppress(ProcessLookupError):
            os.killpg(started.process.pid, signal.SIGKILL)
        started.process.communicate()
        for pid in started.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(started.folder, ignore_errors=True)


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@contextmanager
def taken_port(port: int = 0) -> Iterator[int]:
    """Port in use: 8080 may be so already, by somebody else."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            listener.bind(("127.0.0.1", port))
            listener.listen()
        yield port or listener.getsockname()[1]


def wait_until(condition: Callable[[], bool], limit_seconds: float) -> None:
    deadline = time.monotonic() + limit_seconds
    while not condition():
        assert time.monotonic() < deadline, f"not in {limit_seconds} s: {condition}"
        time.sleep(0.02)


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def test_demo_shows_dead_letters_and_its_books_balance(demo: Callable[..., Demo]) -> None:
    running = demo("--json", "--port", free_port(), "--rate", "20")
    address = running.until("console")["url"]
    assert "<h1" in fetch(address)
    letter = running.until("dead")
    assert (letter["task"], letter["queue"]) == ("warehouse_sync", "orders")
    assert letter["error"] == "ConnectionError: warehouse refused the connection"
    assert letter["id"] in fetch(f"{address}/api/v1/failed")
    while sum(max(event["more"], 1) for event in running.events if event["event"] == "dead") < 8:
        running.until("dead")
    running.process.send_signal(signal.SIGTERM)
    last = running.rest()
    assert [event["event"] for event in running.events if event["event"] in STAGES] == list(STAGES)
    assert sum(last["tasks"]["load"].values()) == 119
    totals = last["summary"]["totals"]
    assert last["summary"]["is_balanced"]
    assert totals["enqueued"] == sum(number for part, number in totals.items() if part != "enqueued")
    assert totals["enqueued"] > 119
    assert totals["completed"] > 50
    assert totals["dead"] >= 8
    assert last["removed"]["left"] == []
    assert running.process.returncode == 0
    assert running.is_gone()


def test_demo_ends_by_itself_in_words_or_in_brief(demo: Callable[..., Demo]) -> None:
    ports = free_port(), free_port()
    in_words, in_brief = (
        demo("--seconds", "2", "--port", ports[0]),
        demo("--seconds", "2", "--quiet", "--port", ports[1]),
    )
    output, complaint = in_words.process.communicate(timeout=30)
    lines = output.splitlines()
    assert "\x1b" not in output
    assert lines[0].endswith("demo. Everything runs on this machine and is removed when it ends.")
    assert lines[2].startswith("  ok server     ")
    assert "  ok nothing left behind" in lines
    assert (in_words.process.returncode, complaint) == (0, "")
    brief, complaint = in_brief.process.communicate(timeout=30)
    assert (in_brief.process.returncode, complaint) == (0, "")
    for told, address in (
        (lines, f"http://127.0.0.1:{ports[0]}"),
        (brief.splitlines(), f"http://127.0.0.1:{ports[1]}"),
    ):
        assert any(address in line for line in told)
        (summary,) = (line for line in told if line.startswith("Ran "))
        assert re.fullmatch(r"Ran \d+ s\. Enqueued \d+ = completed \d+ .*\. The books balance\.", summary)
    assert len(brief.splitlines()) == 2
    assert in_words.is_gone()
    assert in_brief.is_gone()


@pytest.mark.parametrize(
    ("number", "stage"),
    [
        (signal.SIGKILL, "started"),
        (signal.SIGKILL, "server"),
        (signal.SIGTERM, "server"),
        (signal.SIGHUP, "workers"),
        (signal.SIGINT, "started"),
        (signal.SIGINT, "ready"),
    ],
)
def test_demo_leaves_nothing(number: signal.Signals, stage: str, demo: Callable[..., Demo]) -> None:
    running = demo("--json", "--port", free_port())
    running.until(stage)
    running.process.send_signal(number)
    wait_until(running.is_gone, GONE_SECONDS)
    if number == signal.SIGKILL:
        return
    last = running.rest()
    assert running.process.returncode == 0
    assert last["summary"]["is_balanced"]


def test_killed_demo_takes_a_frozen_worker_with_it(demo: Callable[..., Demo]) -> None:
    running = demo("--json", "--port", free_port())
    running.until("ready")
    if sys.platform == "linux":  # elsewhere a frozen process cannot be told
        os.kill(running.process_of("--name fast"), signal.SIGSTOP)
    running.process.kill()
    wait_until(running.is_gone, GONE_SECONDS)


def test_killed_at_any_moment_of_its_start_it_leaves_nothing(demo: Callable[..., Demo]) -> None:
    for milliseconds in (250, 350, 450, 700):
        running = demo("--json", "--port", free_port())
        time.sleep(milliseconds / 1000)  # the moment is the point here
        running.process.kill()
        wait_until(running.is_gone, GONE_SECONDS)


def test_second_signal_ends_it_at_once(demo: Callable[..., Demo]) -> None:
    running = demo("--json", "--port", free_port())
    running.until("ready")
    running.process.send_signal(signal.SIGINT)
    running.until("stopping")
    running.process.send_signal(signal.SIGINT)
    running.process.wait(1)
    assert running.process.returncode == 1
    wait_until(running.is_gone, 1.0)


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ("--name fast", "worker fast was killed by SIGKILL, unasked."),
        ("valkey-server unixsocket:", "the server ended, unasked."),
    ],
)
def test_part_that_dies_ends_the_demo(part: str, reason: str, demo: Callable[..., Demo]) -> None:
    running = demo("--json", "--port", free_port())
    running.until("ready")
    os.kill(running.process_of(part), signal.SIGKILL)
    failed = running.until("failed")
    assert failed["reason"].startswith(reason)
    assert 0 < len(failed["lines"]) <= 20
    running.rest()
    assert running.process.returncode == 1
    wait_until(running.is_gone, GONE_SECONDS)


def test_demo_ends_when_nobody_reads_it(demo: Callable[..., Demo]) -> None:
    running = demo("--json", "--port", free_port())
    running.until("workers")
    assert running.process.stdout is not None
    running.process.stdout.close()
    assert running.process.wait(START_SECONDS) == 0
    assert running.is_gone()


def test_taken_port_that_was_asked_for_is_refused(demo: Callable[..., Demo]) -> None:
    with taken_port() as port:
        running = demo("--port", str(port))
        output, complaint = running.process.communicate(timeout=20)
    start = f"taskyard demo: port {port} is in use. Choose another with --port, e.g. --port "
    assert complaint.startswith(start)
    assert complaint.removeprefix(start).rstrip(".\n").isdigit()
    assert (running.process.returncode, output) == (2, "")
    assert running.is_gone()


def test_taken_usual_port_gives_way_to_the_next(demo: Callable[..., Demo]) -> None:
    with taken_port(8080):
        running = demo("--json")
        moved = running.until("port_moved")
        assert moved["usual"] == 8080
        assert moved["port"] > 8080
        assert running.until("console")["url"] == f"http://127.0.0.1:{moved['port']}"


def test_demo_touches_no_server_of_the_user(demo: Callable[..., Demo]) -> None:
    running = demo(
        "--json",
        "--port",
        free_port(),
        TASKYARD_REDIS_URL="redis://127.0.0.1:1/0",
        TASKYARD_NAMESPACE="theirs",
        TASKYARD_HOSTS="example.com",
    )
    assert "demo" in fetch(running.until("console")["url"])


class Browser:
    """The demo's console without JavaScript."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())

    def page(self) -> str:
        with self._opener.open(self.url, timeout=10) as answer:
            return str(answer.read().decode())

    def text(self) -> str:
        return text_of(self.page())

    def press(self, path: str, **given: str) -> str:
        """The page that comes of it."""
        page = self.page()
        assert path in page
        fields = {name: field(page, name) for name in ("csrf_token", "action_id", "next")}
        with self._opener.open(f"{self.url}{path}", urlencode(fields | given).encode(), timeout=10) as answer:
            return text_of(answer.read().decode())


def test_panel_sends_a_burst_kills_a_worker_whose_tasks_come_back_and_opens_and_closes_the_warehouse(
    demo: Callable[..., Demo],
) -> None:
    running = demo("--json", "--port", free_port(), "--rate", "20")
    browser = Browser(running.until("console")["url"])
    running.until("ready")
    assert "200 tasks enqueued at once." in browser.press("/demo/burst")
    assert running.until("burst")["tasks"] == 200
    wait_until(lambda: bool(re.search(r" fast :\d+ email, images, orders \S+( s ago)? [1-8] /8 ", browser.text())), 20)
    said = browser.press("/demo/workers/kill", worker="fast")
    assert "Worker fast was killed with" in said, said
    killed = running.until("worker_killed")
    assert killed["worker"] == "fast"
    assert killed["running"] > 0
    wait_until(lambda: not any("--name fast" in command for command in running.processes().values()), 1)
    assert "Worker extra-1 starts." in browser.press("/demo/workers")
    assert "The warehouse is open" in browser.press("/demo/warehouse/open")
    running.until("warehouse_is_back")
    assert "The warehouse is closed" in browser.press("/demo/warehouse/close")
    back = running.until("tasks_back")
    assert back["tasks"] == killed["running"]
    assert back["seconds"] < 15
    assert f"All {back['tasks']} tasks of fast came back" in browser.text()
    running.process.send_signal(signal.SIGTERM)
    last = running.rest()
    assert last["summary"]["is_balanced"]
    assert last["summary"]["totals"]["enqueued"] > 319
    assert running.process.returncode == 0
    assert running.is_gone()
