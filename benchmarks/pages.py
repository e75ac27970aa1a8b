"""What the console's pages cost with 100,000 dead letters, beside 100: server time, bytes, commands."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import quantiles

from flask.testing import FlaskClient

from benchmarks.payloads import EMAIL
from benchmarks.servers import bundled_server
from dashboard import ConsoleSettings, create_app
from queue_core import codec, protocol
from queue_core.client import Client
from queue_core.fingerprint import make_failure
from queue_core.ids import new_id
from queue_core.inspector import Inspector
from queue_core.protocol import NewTask
from queue_core.settings import MAX_BATCH

FAULTS = 40
LOADS = 40
QUEUE = "email"


@dataclass(frozen=True)
class Cost:
    p95_ms: float
    kilobytes: float
    commands: float


def run() -> Iterator[str]:
    costs: list[dict[str, Cost]] = []
    for letters in (100, 100_000):
        with bundled_server() as server:
            client = Client(server.url)
            yield f"{letters:,} dead letters made in {make_dead_letters(client, letters):.1f} s"
            costs.append(dict(_visit(client, server.url)))
            client.close()
    few, many = costs
    for page, cost in many.items():
        yield (
            f"{page:42} p95 {cost.p95_ms:5.1f} ms, {cost.kilobytes:5.1f} kB, {cost.commands:.0f} commands"
            f"   (100 letters: {few[page].p95_ms:.1f} ms, {few[page].kilobytes:.1f} kB, {few[page].commands:.0f})"
        )


def make_dead_letters(client: Client, count: int) -> float:
    """Enqueue, claim and fail tasks in FAULTS kinds. Returns the seconds that it took."""
    began = time.perf_counter()
    queue = client.queue(QUEUE)
    client.register(QUEUE)
    envelope = codec.encode_envelope("send_email", codec.DEFAULT_OPTIONS, codec.encode_payload((), EMAIL))
    failures = [
        make_failure("send_email", f"Error{kind}", "the server refused", frame="shop/mail.py:12 in send", trace="…")
        for kind in range(FAULTS)
    ]
    for start in range(0, count, MAX_BATCH):
        size = min(MAX_BATCH, count - start)
        client.run(protocol.enqueue(queue, [NewTask(new_id(), envelope) for _ in range(size)]))
        claimed = client.run(protocol.claim(queue, "maker", size, 60_000))
        failed = [
            protocol.FailedTask(task.id, claimed.fence, protocol.DEAD, 0, failures[(start + i) % FAULTS])
            for i, task in enumerate(claimed.tasks)
        ]
        client.run(protocol.fail(queue, failed))
    return time.perf_counter() - began


def _visit(client: Client, url: str) -> Iterator[tuple[str, Cost]]:
    browser = create_app(ConsoleSettings(redis_url=url)).test_client()
    inspector = Inspector(client=client)
    fingerprint = inspector.faults(QUEUE)[0].fingerprint
    letter = inspector.letters(QUEUE, limit=1).rows[0].id
    pages = {
        "/": "overview",
        "/queues": "queues",
        f"/queues/{QUEUE}?state=dead": "queue, dead",
        "/dead": "failures, faults",
        "/dead/letters": "failures, letters",
        f"/queues/{QUEUE}/faults/{fingerprint}": "fault",
        f"/queues/{QUEUE}/tasks/{letter}": "task",
        "/workers": "workers",
        "/api/v1/failed": "api, failed",
    }
    for path, name in pages.items():
        yield name, _cost(client, browser, path)


def _cost(client: Client, browser: FlaskClient, path: str) -> Cost:
    times, size = [], 0
    before = _commands(client)
    for _ in range(LOADS):
        began = time.perf_counter()
        response = browser.get(path, headers={"Host": "127.0.0.1"})
        times.append((time.perf_counter() - began) * 1000)
        assert response.status_code == 200, f"{path}: {response.status_code}"
        size = len(response.data)
    commands = (_commands(client) - before - 1) / LOADS
    return Cost(quantiles(times, n=20)[-1], size / 1000, commands)


def _commands(client: Client) -> int:
    return int(client.redis.info("stats")["total_commands_processed"])
