"""Workers, as they described themselves."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest

from queue_core import keys
from queue_core.inspector import Inspector
from tests.engine import START_MS, Engine

RECORD: dict[str, Any] = {
    "id": "web-1:77",
    "host": "web-1",
    "pid": 77,
    "queues": {"email": 3, "images": 1},
    "concurrency": 8,
    "state": "running",
    "version": "1.2.0",
    "started_at": START_MS - 60_000,
    "heartbeat_at": START_MS,
    "busy": 1,
    "completed": 41,
    "failed": 2,
    "memory_bytes": 51_200_000,
    "task_names": ["send", "resize"],
    "running": [{"queue": "email", "task_id": "abc", "task_name": "send", "started_at": START_MS - 10}],
    "something_newer": [1, 2],
}


def put_worker(engine: Engine, worker_id: str, record: bytes | None, heartbeat_at: float) -> None:
    engine.redis.zadd(keys.workers("test"), {worker_id: heartbeat_at})
    if record is not None:
        engine.redis.set(keys.worker("test", worker_id), record)


def test_worker_is_shown_as_it_described_itself(engine: Engine, inspector: Inspector) -> None:
    put_worker(engine, "web-1:77", json.dumps(RECORD).encode(), START_MS)
    (worker,) = inspector.workers()
    shown = {field.name: getattr(worker, field.name) for field in fields(worker)}
    assert {name: shown[name] for name in ("id", "host", "pid", "queues", "concurrency", "state", "version")} == {
        name: RECORD[name] for name in ("id", "host", "pid", "queues", "concurrency", "state", "version")
    }
    assert (worker.busy, worker.completed, worker.failed, worker.memory_bytes) == (1, 41, 2, 51_200_000)
    assert (worker.started_at, worker.heartbeat_at) == (START_MS - 60_000, START_MS)
    assert worker.task_names == ("send", "resize")
    assert [(task.queue, task.task_id, task.started_at) for task in worker.running] == [("email", "abc", START_MS - 10)]
    assert inspector.snapshot().workers == (worker,)


@pytest.mark.parametrize(
    "record",
    [
        None,
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"pid": "many"}',
        b'{"queues": ["email"]}',
        b"{" * 100_000,
        b'{"running": [{"queue": 1}]}',
        b'{"host": "\xff"}',
    ],
)
def test_worker_that_cannot_be_read_is_shown_as_such(
    engine: Engine, inspector: Inspector, record: bytes | None
) -> None:
    put_worker(engine, "odd:1", record, START_MS)
    put_worker(engine, "web-1:77", json.dumps(RECORD).encode(), START_MS - 1)
    odd, fine = inspector.workers()
    assert (odd.id, odd.state, odd.heartbeat_at) == ("odd:1", "unreadable", START_MS)
    assert fine.state == "running"


def test_worker_record_of_a_wrong_type_is_shown_as_unreadable(engine: Engine, inspector: Inspector) -> None:
    put_worker(engine, "odd:1", None, START_MS)
    engine.redis.lpush(keys.worker("test", "odd:1"), "x")
    assert [worker.state for worker in inspector.snapshot().workers] == ["unreadable"]


def test_workers_without_a_heartbeat_for_an_hour_are_left_out(engine: Engine, inspector: Inspector) -> None:
    put_worker(engine, "late:1", json.dumps(RECORD).encode(), START_MS - 3_599_000)
    put_worker(engine, "gone:1", json.dumps(RECORD).encode(), START_MS - 3_600_000)
    put_worker(engine, "odd:1", None, float("inf"))
    assert [worker.id for worker in inspector.workers()] == ["late:1"]
