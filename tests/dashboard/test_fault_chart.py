"""The chart of a fault's attempts: what its marks are."""

from __future__ import annotations

from dataclasses import replace

from dashboard.fault_chart import MOST_MARKS, attempts_chart
from queue_core.snapshot import Fault, WorkerSnapshot

MINUTE_MS = 60_000
NOW = 1_700_000_050_000
FIRST = (NOW // MINUTE_MS - 59) * MINUTE_MS
"""When its first minute began."""
FAULT = Fault("billing", "abc", "charge", "KeyError", "total", "", 0, NOW, 5, 3, 0, versions=("1.9.0",))
WORKER = WorkerSnapshot("w", "web-1", 7, {"billing": 1}, 4, "running", "1.9.0", FIRST + 30 * MINUTE_MS, NOW)


def test_the_first_worker_of_each_version_that_takes_the_queue_is_a_mark() -> None:
    workers = [
        WORKER,
        replace(WORKER, started_at=NOW),
        replace(WORKER, version="1.8.4", started_at=FIRST - 1),
        replace(WORKER, version="2.0.0", queues={"images": 1}),
        replace(WORKER, version=""),
        replace(WORKER, version="1.9.1", started_at=FIRST - 1, version_since=FIRST + 45 * MINUTE_MS),
    ]
    found = attempts_chart(FAULT, (), NOW, workers).marks
    assert [(mark.x, mark.words, mark.version) for mark in found] == [
        (450.0, "workers of version 1.9.1", "1.9.1"),
        (300.0, "workers of version 1.9.0", "1.9.0"),
    ]


def test_of_many_versions_the_newest_are_marked() -> None:
    workers = [replace(WORKER, version=f"1.{number}", started_at=FIRST + number) for number in range(9)]
    found = attempts_chart(FAULT, (), NOW, workers).marks
    assert [mark.version for mark in found] == ["1.8", "1.7", "1.6"][:MOST_MARKS]
