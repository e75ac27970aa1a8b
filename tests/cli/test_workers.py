"""`taskyard workers`."""

from __future__ import annotations

import json

from queue_core.cli import workers
from queue_core.snapshot import ServerSnapshot, Snapshot, WorkerSnapshot
from tests.cli.harness import Run

NOW = 1_763_770_000_000
WORKER = WorkerSnapshot(
    id="web-3:880", host="web-3", pid=880, queues={"email": 3, "images": 1}, concurrency=32, state="running",
    version="1.9", started_at=NOW - 60_000, heartbeat_at=NOW - 1_500, busy=19, completed=1_902, memory_bytes=212 << 20,
)  # fmt: skip


def snapshot(*, workers: tuple[WorkerSnapshot, ...] = ()) -> Snapshot:
    server = ServerSnapshot("Valkey", "9.1.2", None, None, None, None, None)
    return Snapshot(taken_at=NOW, server=server, queues=(), workers=workers, faults=())


def test_workers_as_a_table() -> None:
    assert workers.as_table(snapshot(workers=(WORKER,))).splitlines() == [
        "Worker      Queues            State     Heartbeat    Busy   Completed   Failed      Memory",
        "web-3:880   email=3, images   running   1.5 s ago   19/32       1,902        0   212.0 MiB",
    ]


def test_nothing_to_list_says_how_it_begins(here: Run) -> None:
    assert "taskyard worker" in here("workers")[1]
    assert json.loads(here("workers", "--json")[1]) == []
