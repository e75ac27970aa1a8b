"""`taskyard queues`."""

from __future__ import annotations

import json

from queue_core import Taskyard
from queue_core.cli import queues
from queue_core.snapshot import Books, Counts, Pause, QueueSnapshot, ServerSnapshot, Snapshot
from tests.cli.harness import Run

NOW = 1_763_770_000_000
QUEUE = QueueSnapshot(
    name="email",
    counts=Counts(ready=1_238, running=3, dead=2),
    books=Books(tasks=1_243, enqueued=6_243, completed=5_000),
    oldest_ready_at=NOW - 58_000,
)
PAUSED = QueueSnapshot(name="exports", counts=Counts(), books=Books(), pause=Pause("bo", "maintenance", NOW))


def snapshot(*, queues: tuple[QueueSnapshot, ...] = ()) -> Snapshot:
    server = ServerSnapshot("Valkey", "9.1.2", None, None, None, None, None)
    return Snapshot(taken_at=NOW, server=server, queues=queues, workers=(), faults=())


def test_queues_as_a_table() -> None:
    assert queues.as_table(snapshot(queues=(QUEUE, PAUSED))).splitlines() == [
        "Queue     State    Ready   Oldest wait   Scheduled   Held   Running   Retrying   Dead   Completed",
        "email     open     1,238          58 s           0      0         3          0      2       5,000",
        "exports   paused       0             –           0      0         0          0      0           0",
    ]


def test_nothing_to_list_says_how_it_begins() -> None:
    assert "first task" in queues.as_table(snapshot())


def test_lists_read_the_server(run: Run, redis_url: str) -> None:
    yard = Taskyard(redis_url)

    @yard.task(queue="email")
    def greet() -> None: ...

    greet.enqueue()
    yard.close()
    code, output, _ = run("queues", "--json", "--redis-url", redis_url)
    (found,) = json.loads(output)
    assert code == 0
    assert (found["name"], found["counts"]["ready"], found["is_balanced"]) == ("email", 1, True)
    assert run("queues", "--redis-url", redis_url)[1].splitlines()[1].split()[:3] == ["email", "open", "1"]
    assert json.loads(run("workers", "--json", "--redis-url", redis_url)[1]) == []
