"""What claim and complete cost the server: microseconds a task by its own count, with 100 other tasks running."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from benchmarks.figures import Figure
from benchmarks.payloads import email_tasks, in_batches
from benchmarks.servers import each_server, script_microseconds
from queue_core import protocol
from queue_core.client import Client
from queue_core.protocol import Held

ROUNDS = 5
RUNNING = 100


def run() -> Iterator[Figure]:
    for server in each_server():
        client = Client(server.url)
        queue = client.queue("email")
        for batch in in_batches(email_tasks(RUNNING)):
            client.run(protocol.enqueue(queue, batch))
        client.run(protocol.claim(queue, "others", RUNNING, 3_600_000))
        for size, tasks in ((1, 1_000), (10, 2_000), (100, 10_000)):
            costs = [_microseconds_a_task(client, size, tasks) for _ in range(ROUNDS)]
            enqueue, claim, complete = (median(column) for column in zip(*costs, strict=True))
            yield Figure(
                f"{server.product}: claim + complete, batch {size}",
                claim + complete,
                "µs a task",
                {1: 350, 100: 20}.get(size),
                note=f"claim {claim:.1f}, complete {complete:.1f}; enqueue {enqueue:.1f}; 2 round trips a batch",
            )
        client.close()


def _microseconds_a_task(client: Client, size: int, count: int) -> tuple[float, float, float]:
    queue = client.queue("email")
    spent = []
    client.redis.config_resetstat()
    for batch in in_batches(email_tasks(count), min(size, 256)):
        client.run(protocol.enqueue(queue, batch))
    spent.append(script_microseconds(client))
    held = []
    for _ in range(0, count, size):
        claimed = client.run(protocol.claim(queue, "worker", size, 3_600_000, is_fair=True))
        held.append([Held(task.id, claimed.fence) for task in claimed.tasks])
    spent.append(script_microseconds(client))
    for batch_held in held:
        client.run(protocol.complete(queue, batch_held))
    spent.append(script_microseconds(client))
    return spent[0] / count, spent[1] / count, spent[2] / count
