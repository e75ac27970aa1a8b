"""The reference design that budgets are measured against: what one writes first on bare Redis.

A task is a JSON object in a list. A worker moves it to a processing list while it runs it (BLMOVE), sets a result with
an expiry and takes it out of the processing list (LREM). No priorities, delays, retries, leases or counts.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable
from typing import Any

import redis

QUEUE, PROCESSING = "reference:queue", "reference:processing"
RESULT_SECONDS = 3_600


def record(payload: dict[str, Any]) -> str:
    """A task as that design stores it."""
    return json.dumps(
        {"id": str(uuid.uuid4()), "task": "send_email", "payload": payload, "retries": 0, "created_at": time.time()}
    )


def push(client: redis.Redis, payload: dict[str, Any]) -> None:
    client.rpush(QUEUE, record(payload))


def push_many(client: redis.Redis, payloads: Iterable[dict[str, Any]], size: int = 256) -> None:
    """Pipelined pushes, `size` in a request."""
    pipeline = client.pipeline(transaction=False)
    for payload in payloads:
        pipeline.rpush(QUEUE, record(payload))
        if len(pipeline) == size:
            pipeline.execute()
    pipeline.execute()


def work(client: redis.Redis, count: int) -> None:
    """Take `count` tasks, one by one, and end each well."""
    for _ in range(count):
        taken: Any = client.blmove(QUEUE, PROCESSING, 1)
        task = json.loads(taken)
        pipeline = client.pipeline(transaction=False)
        pipeline.set(f"reference:result:{task['id']}", "null", ex=RESULT_SECONDS)
        pipeline.lrem(PROCESSING, 1, taken)
        pipeline.execute()
