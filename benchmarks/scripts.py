"""What claim and complete cost the server: microseconds a task by its own count, with 100 other tasks running."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any

from benchmarks.payloads import email_tasks, in_batches
from benchmarks.servers import each_server
from queue_core import protocol
from queue_core.client import Client
from queue_core.protocol import Held

ROUNDS = 5
RUNNING = 100


def run() -> Iterator[str]:
    for server in each_server():
        client = Client(server.url)
        queue = client.queue("email")
        for batch in in_batches(email_tasks(RUNNING)):
            client.run(protocol.enqueue(queue, batch))
        client.run(protocol.claim(queue, "others", RUNNING, 3_600_000))
        for size, tasks in ((1, 1_000), (10, 2_000), (100, 10_000)):
            costs = [_microseconds_a_task(client, size, tasks) for _ in range(ROUNDS)]
            enqueue, claim, complete = (median(column) for column in zip(*costs, strict=True))
            yield (
                f"{server.product}, batch {size}: enqueue {enqueue:.1f} µs, claim {claim:.1f} "
                f"+ complete {complete:.1f} = {claim + complete:.1f} µs a task; 2 round trips a batch"
            )
        client.close()


def _microseconds_a_task(client: Client, size: int, count: int) -> tuple[float, float, float]:
    queue = client.queue("email")
    spent = []
    client.redis.config_resetstat()
    for batch in in_batches(email_tasks(count), min(size, 256)):
        client.run(protocol.enqueue(queue, batch))
    spent.append(_script_microseconds(client))
    held = []
    for _ in range(0, count, size):
        claimed = client.run(protocol.claim(queue, "worker", size, 3_600_000, is_fair=True))
        held.append([Held(task.id, claimed.fence) for task in claimed.tasks])
    spent.append(_script_microseconds(client))
    for batch_held in held:
        client.run(protocol.complete(queue, batch_held))
    spent.append(_script_microseconds(client))
    return spent[0] / count, spent[1] / count, spent[2] / count


def _script_microseconds(client: Client) -> float:
    """Time that scripts took since the last look."""
    stats: dict[str, Any] = client.redis.info("commandstats")
    spent = sum(float(stats.get(f"cmdstat_{name}", {"usec": 0})["usec"]) for name in ("evalsha", "eval"))
    client.redis.config_resetstat()
    return spent
