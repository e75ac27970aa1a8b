"""Each line of "what is wrong", made by its real cause on a real server; only time is passed in."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import pytest
from redis import Redis

from dashboard import ConsoleSettings, create_app
from queue_core import protocol
from queue_core.client import Client
from queue_core.inspector import Inspector
from queue_core.keys import QueueKeys
from queue_core.protocol import Session
from queue_core.snapshot import Figures
from tests.console import Tasks, Visitor, text_of
from tests.engine import Engine

SECOND, MINUTE = 1_000, 60_000


class Later:
    """A console that looks at the server some time from now."""

    def __init__(self, settings: ConsoleSettings) -> None:
        self._now = 0
        self._client = Client(settings.redis_url, settings.namespace, clock=lambda: self._now)
        self._settings = settings
        self._real = Inspector(settings.redis_url, settings.namespace)

    def problems(self, after_ms: int = 0, *, looks: int = 1) -> list[str]:
        """The lines of the overview, seen `looks` times, a minute apart."""
        page = self.page(after_ms, looks=looks).partition('id="queues"')[0]
        return [text_of(line) for line in page.split('<li id="problem-')[1:]]

    def page(self, after_ms: int = 0, *, looks: int = 1, path: str = "/") -> str:
        page = ""
        app = create_app(self._settings, inspector=Inspector(client=self._client))
        visitor = Visitor(app.test_client())
        for look in range(looks):
            self._now = self._real.server_ms() + after_ms + look * MINUTE
            visitor.client.set_cookie("taskyard_seen", str(self._now))
            page = visitor.text(path)
        return page

    def close(self) -> None:
        self._client.close()
        self._real.close()


@pytest.fixture
def later(settings: ConsoleSettings) -> Iterator[Later]:
    console = Later(settings)
    yield console
    console.close()


@pytest.fixture
def one_line(later: Later) -> Callable[..., str]:
    def find(after_ms: int = 0, *, looks: int = 1) -> str:
        (line,) = later.problems(after_ms, looks=looks)
        return line

    return find


def test_new_fault(tasks: Tasks, one_line: Callable[..., str], later: Later) -> None:
    tasks.die(count=3)
    line = one_line()
    assert "New fault ConnectionError: payments.internal refused the connection" in line
    assert "charge · billing · 3 failed attempts, 3 dead" in line
    assert later.problems(61 * MINUTE) == []


def test_new_failures_that_each_have_a_message_of_their_own(tasks: Tasks, later: Later) -> None:
    for name in ("ada", "bo", "cy"):
        tasks.die("imports", error=f"no customer {name}")
    (line,) = later.problems()
    assert "New fault ConnectionError: no customer cy and 2 other messages" in line
    assert "charge · imports · 3 failed attempts, 3 dead" in line
    listed = "/dead?queue=imports&amp;task=charge&amp;class=ConnectionError"
    assert f'href="{listed}"' in later.page()
    assert later.page(path=unescape(listed)).count('id="fault-') == 3


def test_the_line_leads_to_its_faults_whatever_their_class_is_called(tasks: Tasks, later: Later) -> None:
    long = type("X" * 300, (Exception,), {})
    for name in ("ada", "bo", "cy"):
        tasks.die(error=long(f"no customer {name}"))
    (href,) = set(re.findall(r'href="(/dead\?[^"]*class=[^"]*)"', later.page()))
    assert later.page(path=unescape(href)).count('id="fault-') == 3


def test_a_fault_whose_task_completes_no_more_says_since_when(tasks: Tasks, later: Later) -> None:
    tasks.die(count=3)
    tasks.die("images", count=3)  # the same cause
    queues, now = [tasks.yard.client.queue(name) for name in ("billing", "images")], tasks.inspector.server_ms()

    def tell(queue: QueueKeys, minutes_ago: int, *, failed: int) -> None:
        measured = {"charge": Figures(completed=1, failed=failed)}
        call = protocol.measure(queue, measured, {"charge": minutes_ago * MINUTE})
        tasks.yard.client.run(call, Session(f"worker {minutes_ago}"))

    tell(queues[0], 7, failed=3)
    assert "nothing completed" not in later.problems()[0]  # nobody knows of the other queue
    tell(queues[1], 5, failed=3)
    at = datetime.fromtimestamp((now - 5 * MINUTE) // 1000, UTC)
    (line,) = later.problems()
    assert f"6 dead · nothing completed since {at:%H:%M}" in line
    tell(queues[0], 0, failed=0)
    assert "nothing completed" not in later.problems()[0]


def test_rising_fault(tasks: Tasks, later: Later, redis_client: Redis, namespace: str) -> None:
    tasks.die(count=12)
    key = f"{namespace}:{{billing}}:faults"
    fault = tasks.fingerprint()
    minute = tasks.inspector.server_ms() // MINUTE
    about = json.loads(redis_client.hget(key, fault) or "{}")
    about["first"] -= 600 * MINUTE
    usual = " ".join(["5 2"] * 60)
    redis_client.hset(key, mapping={fault: json.dumps(about), f"{fault}:recent": f"{minute} 12 20 2 {usual}"})
    (line,) = later.problems()
    assert "Rising fault ConnectionError: payments.internal refused the connection" in line
    assert "charge · billing · 12 failed attempts in 10 min, usually 3 · 12 dead" in line
    redis_client.hset(key, f"{fault}:recent", f"{minute} 12")
    assert "12 failed attempts in 10 min, none in the 6 h before" in later.problems()[0]
    assert later.problems(11 * MINUTE) == []


def test_lasting_fault(tasks: Tasks, later: Later, redis_client: Redis, namespace: str) -> None:
    tasks.die(count=12)
    key, fault = f"{namespace}:{{billing}}:faults", tasks.fingerprint()
    now = tasks.inspector.server_ms()
    about = json.loads(redis_client.hget(key, fault) or "{}")
    about["first"] -= 600 * MINUTE
    usual = " ".join(["5 60"] * 60)
    redis_client.hset(key, mapping={fault: json.dumps(about), f"{fault}:recent": f"{now // MINUTE} 12 {usual}"})
    assert later.problems() == []
    queue, measured = tasks.yard.client.queue("billing"), {"charge": Figures(completed=1, failed=40)}
    tasks.yard.client.run(protocol.measure(queue, measured, {"charge": 30 * MINUTE}), Session("web-1"))
    at = datetime.fromtimestamp((now - 30 * MINUTE) // 1000, UTC)
    (line,) = later.problems()
    assert "Lasting fault ConnectionError: payments.internal refused the connection" in line
    assert f"nothing completed since {at:%H:%M}" in line
    assert re.search(f" since {at:%H:%M}:[0-9]{{2}} · 30 min", line)
    tasks.yard.client.run(protocol.measure(queue, measured, {"charge": 0}), Session("web-2"))
    assert later.problems() == []


def test_fault_over(tasks: Tasks, later: Later) -> None:
    tasks.die(count=3)
    queue, after = tasks.yard.client.queue("billing"), 6 * MINUTE
    assert later.problems(after)[0].startswith('1" class="problem" data-row data-tone="bad"> New fault')
    tasks.yard.client.run(protocol.measure(queue, {"charge": Figures(completed=1)}), Session("web-1"))
    (line,) = later.problems(after)
    assert 'data-tone="warn"> Fault over ConnectionError: payments.internal refused the connection' in line
    assert "3 failed attempts, 3 dead · it failed no more since, and charge completes again" in line
    assert re.search("since [0-9:]{8} · 6 min", line)


def test_no_worker(tasks: Tasks, one_line: Callable[..., str], later: Later) -> None:
    tasks.enqueue(count=2)
    assert later.problems(10 * SECOND) == []
    assert "No worker billing · 2 ready, nobody takes them" in one_line(20 * SECOND)


def test_paused(tasks: Tasks, one_line: Callable[..., str]) -> None:
    tasks.enqueue(count=2)
    tasks.control.pause("billing", by="bo", reason="partner maintenance", action_id="a")
    assert "Paused billing · by bo, “partner maintenance” · 2 ready" in one_line(MINUTE)


def test_a_paused_task_name(tasks: Tasks, one_line: Callable[..., str]) -> None:
    tasks.enqueue(count=2)
    tasks.control.close_lane("billing", "name:charge", by="bo", reason="bad release", action_id="a")
    with tasks.yard.queue("billing").claim(limit=2) as leases:
        assert not list(leases)
    assert "Paused charge · billing · by bo, “bad release” · 2 held" in one_line(MINUTE)


def test_an_unknown_task(tasks: Tasks, one_line: Callable[..., str]) -> None:
    tasks.enqueue(count=2)
    tasks.control.close_lane("billing", "unknown:charge", by="web-1", reason="", action_id="a")
    with tasks.yard.queue("billing").claim(limit=2) as leases:
        assert not list(leases)
    assert "Unknown task charge · billing · 2 held, no present worker knows it" in one_line(MINUTE)


def test_an_eviction_policy(tasks: Tasks, redis_client: Redis, one_line: Callable[..., str]) -> None:
    tasks.enqueue("email", name="send", delay=3_600)
    redis_client.config_set("maxmemory-policy", "allkeys-lru")
    assert "Redis unsafe maxmemory-policy is allkeys-lru" in one_line()


def test_more_dead_letters_than_somebody_wants(tasks: Tasks, one_line: Callable[..., str]) -> None:
    tasks.die(count=2)
    tasks.control.limit("billing", dead_warning=1, by="ada", action_id="a1")
    line = "Many dead letters billing · 2 dead letters, warned of beyond 1 · "
    assert f"{line}none goes before somebody acts" in one_line()
    tasks.control.limit("billing", dead_max_count=1_000, by="ada", action_id="a2")
    assert f"{line}the oldest go by retention" in one_line()


def test_books_that_are_off(
    tasks: Tasks, redis_client: Redis, namespace: str, one_line: Callable[..., str], later: Later
) -> None:
    tasks.enqueue(delay=3_600)
    redis_client.hincrby(f"{namespace}:{{billing}}:stats", "enqueued", 1)
    assert later.problems(looks=2) == []
    assert "Books off billing · counters and places differ" in one_line(looks=3)


class Worker:
    """A real one, that takes the queue `orders` and can hold one task."""

    def __init__(self, settings: ConsoleSettings, folder: Path) -> None:
        (folder / "stuck.py").write_text(STUCK)
        root = Path(__file__).parents[2]
        environ = {"TASKYARD_REDIS_URL": settings.redis_url, "TASKYARD_NAMESPACE": settings.namespace}
        command = [
            sys.executable,
            "-m",
            "queue_core.cli",
            "worker",
            "stuck:yard",
            "--concurrency",
            "1",
            "--name",
            "web",
        ]
        self.process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **environ, "PYTHONPATH": str(root)}, start_new_session=True
        )

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


STUCK = """
import asyncio
from queue_core import Taskyard

yard = Taskyard()

@yard.task(queue="orders", timeout=600)
async def wait(order: int) -> None:
    await asyncio.sleep(600)
"""


@pytest.fixture
def worker(settings: ConsoleSettings, tasks: Tasks, tmp_path: Path) -> Iterator[Worker]:
    running = Worker(settings, tmp_path)
    wait_until(lambda: bool(tasks.inspector.workers()))
    yield running
    running.kill()


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end


def test_a_worker_that_is_silent_and_then_lost(worker: Worker, tasks: Tasks, later: Later) -> None:
    assert later.problems() == []
    worker.kill()
    (silent,) = later.problems(20 * SECOND)
    assert "Worker silent web:" in silent
    assert "Worker lost" in " ".join(later.problems(70 * SECOND))
    assert later.problems(61 * MINUTE) == []


def test_a_queue_that_waits_too_long(
    worker: Worker, tasks: Tasks, one_line: Callable[..., str], settings: ConsoleSettings
) -> None:
    tasks.enqueue("orders", name="wait")
    wait_until(lambda: tasks.inspector.queue("orders").counts.running == 1)
    with closing(Engine(settings.redis_url, settings.namespace, "orders")) as past:
        past.now = tasks.inspector.server_ms() - 10 * MINUTE
        past.enqueue()
    line = one_line()
    assert "Waits too long orders · 1 ready, the oldest for 10" in line
    worker.kill()
    assert "No worker orders" in one_line(20 * SECOND)  # it hides the long wait and the lost worker
