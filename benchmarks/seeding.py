"""A large installation, made as a real one comes to be: every task went through the protocol, every worker says what
its heartbeats say. By several processes at once: the server is the bottleneck."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from benchmarks.payloads import EMAIL, email_tasks
from queue_core import codec, protocol
from queue_core.client import Client
from queue_core.fingerprint import Failure, make_failure
from queue_core.ids import new_id
from queue_core.inspector import Inspector
from queue_core.operations import Operations
from queue_core.protocol import NewTask
from queue_core.schedules import Schedules
from queue_core.settings import MAX_BATCH
from queue_core.worker.heartbeat import RECORD_SECONDS

MAKERS = 2
"""Processes."""
FAULTS = 40
RETRIED, SCHEDULES = 20, 120
DEAD, DISTINCT, READY = "billing", "imports", "email"
GROUPS = ("shop", "mail", "media", "reports", "search", "sync", "billing-eu", "billing-us", "audit", "export")
FRAME = "shop/billing.py:88 in charge"
TRACE = "\n".join(
    f'  File "/srv/shop/billing.py", line {line}, in {name}\n    {name}(order)'
    for line, name in enumerate(("run", "handle", "charge", "post", "send"), 80)
)
LETTERS = "ghijklmnopqrstuvwxyz"
"""Not those of hexadecimal numbers, which a fault's message leaves out."""


@dataclass(frozen=True)
class Sizes:
    """How much of everything. `queues`: all in all."""

    dead: int = 1_000_000
    distinct: int = 100_000
    ready: int = 1_000_000
    queues: int = 300
    workers: int = 200

    def scaled(self, by: float) -> Sizes:
        """Tasks only: that there are many queues and workers is what pages of them are about."""
        return Sizes(
            max(FAULTS, round(self.dead * by)), max(1, round(self.distinct * by)), max(1, round(self.ready * by))
        )


def seed(url: str, sizes: Sizes) -> Iterator[str]:
    """Tells what was made, and how long it took."""
    with ProcessPoolExecutor(MAKERS, mp_context=get_context("spawn")) as makers:

        def make(what: str, maker: Callable[[str, int, int], None], count: int) -> str:
            began = time.perf_counter()
            shares = [count * (part + 1) // MAKERS - count * part // MAKERS for part in range(MAKERS)]
            list(makers.map(maker, [url] * MAKERS, shares, range(MAKERS)))
            seconds = time.perf_counter() - began
            return f"{count:,} {what} made in {seconds:.1f} s ({count / seconds:,.0f} /s)"

        yield make(f"dead letters of {FAULTS} faults", make_dead, sizes.dead)
        yield make("dead letters, each with a message of its own,", make_distinct, sizes.distinct)
        yield make("ready tasks", make_ready, sizes.ready)
        yield make("more queues", make_queues, sizes.queues - 3)
    yield make_history(url)
    yield f"{sizes.workers} workers say that they are there"


def make_dead(url: str, count: int, part: int) -> None:
    kinds = [_failure(f"Error{kind}", "payments.internal refused the connection") for kind in range(FAULTS)]
    _make_letters(url, DEAD, count, lambda number: kinds[number % FAULTS])


def make_distinct(url: str, count: int, part: int) -> None:
    first = part * 10_000_000
    _make_letters(
        url, DISTINCT, count, lambda number: _failure("ValueError", f"no such customer: {_word(first + number)}")
    )


def make_ready(url: str, count: int, part: int) -> None:
    client = Client(url)
    queue = client.queue(READY)
    client.register(READY)
    for start in range(0, count, MAX_BATCH):
        client.run(protocol.enqueue(queue, email_tasks(min(MAX_BATCH, count - start))))
    client.close()


def make_queues(url: str, count: int, part: int) -> None:
    """Small ones, in groups: ten ready tasks in each, and in every fifth some that have died."""
    client = Client(url)
    for number in range(count):
        name = f"{GROUPS[number % len(GROUPS)]}.{_word(number)}-{part}"
        client.register(name)
        client.run(protocol.enqueue(client.queue(name), email_tasks(10)))
        if number % 5 == 0:
            _fail_some(client, name, [_failure("TimeoutError", "no answer within 30 s")] * 3)
    client.close()


def make_history(url: str) -> str:
    """What operators have done, and what comes again and again."""
    client = Client(url)
    operations, schedules, inspector = Operations(client=client), Schedules(client=client), Inspector(client=client)
    names = [name for name in inspector.queue_names() if name not in (DEAD, DISTINCT, READY)]
    retried = 0
    for name in names:
        bound = operations.preview(name, "requeue").bound
        if bound.count and retried < RETRIED:
            begun = operations.start(bound, by="ada", action_id=f"seed-{name}", reason="the provider is back")
            operations.wait(begun.id, name)
            retried += 1
    for number in range(SCHEDULES):
        schedules.add(
            f"report-{number}",
            "send_report",
            cron=f"{number % 60} {number % 24} * * {('*', 'MON-FRI', 'SUN')[number % 3]}",
            time_zone=("UTC", "Europe/Vienna", "America/New_York")[number % 3],
            queue=names[number % len(names)],
            by="ada",
            action_id=f"seed-{number}",
        )
    client.close()
    return f"{retried} retries that have ended, {SCHEDULES} schedules"


class Life:
    """A little of what goes on in the large queues: tasks come, one dies in each of those that have dead letters."""

    def __init__(self, url: str) -> None:
        self._client = Client(url)
        self._failure = _failure("Error1", "payments.internal refused the connection")

    def goes_on(self) -> None:
        self._client.run(protocol.enqueue(self._client.queue(READY), email_tasks(5)))
        for name in (DEAD, DISTINCT):
            self._client.run(protocol.enqueue(self._client.queue(name), email_tasks(1)))
            _fail_some(self._client, name, [self._failure])

    def close(self) -> None:
        self._client.close()


class Workers:
    """`count` workers of all large queues, which are alive as long as somebody lets them `beat`."""

    def __init__(self, url: str, count: int) -> None:
        self._client = Client(url)
        self._queue = self._client.queue(READY)
        self._ids = [f"web-{number % 40}-{number}:{1000 + number}" for number in range(count)]
        self._started_ms = self._now()

    def beat(self) -> None:
        now = self._now()
        for number, worker_id in enumerate(self._ids):
            record = json.dumps(self._record(number, worker_id, now))
            self._client.run(protocol.describe_worker(self._queue, worker_id, record, RECORD_SECONDS))
            self._client.run(protocol.note_worker(self._queue, worker_id, now, now - RECORD_SECONDS * 1000))

    def close(self) -> None:
        self._client.close()

    def _now(self) -> int:
        seconds, microseconds = self._client.redis.time()
        return int(seconds) * 1000 + int(microseconds) // 1000

    def _record(self, number: int, worker_id: str, now: int) -> dict[str, object]:
        """As `queue_core.worker.record` describes a worker of two processes in which four tasks run."""
        process = {"state": "running", "busy": 2, "completed": 512, "failed": 3, "memory_bytes": 61_000_000}
        return {
            "state": "running",
            "heartbeat_at": now,
            "busy": 4,
            "completed": 1024,
            "failed": 6,
            "memory_bytes": 150_000_000,
            "processes": [process | {"pid": 2000 + number * 2 + i, "started_at": self._started_ms} for i in (0, 1)],
            "running": [
                {"queue": READY, "task_id": new_id(), "task_name": "send_email", "started_at": now - 800}
                for _ in range(4)
            ],
            "host": f"web-{number % 40}.internal",
            "pid": 1000 + number,
            "queues": {READY: 3, DEAD: 1, DISTINCT: 1},
            "concurrency": 32,
            "version": "1.9.0",
            "started_at": self._started_ms,
            "task_names": ["send_email", "charge_card", "import_customer"],
        }


def _make_letters(url: str, name: str, count: int, failure_of: Callable[[int], Failure]) -> None:
    client = Client(url)
    client.register(name)
    for start in range(0, count, MAX_BATCH):
        numbers = range(start, min(start + MAX_BATCH, count))
        queue = client.queue(name)
        envelope = codec.encode_envelope("charge_card", codec.DEFAULT_OPTIONS, codec.encode_payload((), EMAIL))
        client.run(protocol.enqueue(queue, [NewTask(new_id(), envelope) for _ in numbers]))
        _fail_some(client, name, [failure_of(number) for number in numbers])
    client.close()


def _fail_some(client: Client, name: str, failures: list[Failure]) -> None:
    """As many tasks as there are failures begin, and die of them."""
    queue = client.queue(name)
    claimed = client.run(protocol.claim(queue, f"maker:{os.getpid()}", len(failures), 60_000))
    failed = [
        protocol.FailedTask(task.id, claimed.fence, protocol.DEAD, 0, failure, {"worker": "web-3:17", "seconds": 0.21})
        for task, failure in zip(claimed.tasks, failures, strict=True)
    ]
    client.run(protocol.fail(queue, failed, "1.9.0"))


def _failure(error_class: str, message: str) -> Failure:
    return make_failure("charge_card", error_class, message, frame=FRAME, trace=TRACE)


def _word(number: int) -> str:
    word = ""
    while number:
        number, letter = divmod(number, len(LETTERS))
        word += LETTERS[letter]
    return word or LETTERS[0]
