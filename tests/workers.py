"""Workers as they describe themselves, without any that runs."""

from __future__ import annotations

import json
from typing import Any

from queue_core import keys
from tests.engine import START_MS, Engine


def put_worker(engine: Engine, worker_id: str = "w1:7", heartbeat_at: int = START_MS, **facts: Any) -> None:
    """One of the queue `email`, last heard of at `heartbeat_at`."""
    record = {"host": "here", "pid": 7, "queues": {"email": 1}, "concurrency": 4, "state": "running", "started_at": 1}
    namespace = engine.client.namespace
    engine.redis.zadd(keys.workers(namespace), {worker_id: heartbeat_at})
    engine.redis.set(keys.worker(namespace, worker_id), json.dumps({**record, **facts}))
