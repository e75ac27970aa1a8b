"""Bytes that a queued e-mail task takes: difference of used_memory over 10,000 tasks."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.figures import Figure
from benchmarks.payloads import EMAIL, email_tasks, in_batches
from benchmarks.servers import each_server
from queue_core import codec, protocol
from queue_core.client import Client

TASKS = 10_000


def run() -> Iterator[Figure]:
    payload = len(codec.encode_payload((), EMAIL))
    for server in each_server():
        client = Client(server.url)
        queue = client.queue("email")
        client.run(protocol.enqueue(queue, email_tasks(1)))
        before = int(client.redis.info("memory")["used_memory"])
        for batch in in_batches(email_tasks(TASKS)):
            client.run(protocol.enqueue(queue, batch))
        used = int(client.redis.info("memory")["used_memory"]) - before
        budget = 200 if server.product.startswith("Valkey") else 225
        yield Figure(f"{server.product}: a queued e-mail", used / TASKS, "bytes", budget, note=f"payload {payload}")
        client.close()
