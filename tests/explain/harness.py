"""A queue with workers, and times."""

from __future__ import annotations

import json
from typing import Any

from queue_core import keys, protocol
from tests.engine import Engine

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000


class Yard(Engine):
    """A queue with workers that describe themselves."""

    def put_worker(self, worker_id: str = "web-3:880", **described: Any) -> None:
        record = {
            "queues": {"email": 1}, "concurrency": 4, "state": "running", "version": "1.8.4", "task_names": ["send"],
            **described,
        }  # fmt: skip
        age = record.pop("silent_ms", 0)
        self.redis.zadd(keys.workers("test"), {worker_id: self.now - age})
        self.redis.set(keys.worker("test", worker_id), json.dumps(record))

    def pause(self) -> None:
        self.run(protocol.pause(self.queue, "bo", "partner maintenance"))

    def pause_name(self, lane: str = "name:send") -> None:
        self.run(protocol.close_lane(self.queue, lane, "bo", "bad release"))
