"""`taskyard workers`."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from queue_core.cli import telling, workers
from queue_core.snapshot import ProcessSnapshot, WorkerCommand, WorkerSnapshot
from tests.cli.harness import Run

NOW = 1_763_770_000_000
WORKER = WorkerSnapshot(
    id="web-3:880", host="web-3", pid=880, queues={"email": 3, "images": 1}, concurrency=32, state="running",
    version="1.9", started_at=NOW - 60_000, heartbeat_at=NOW - 1_500, busy=19, completed=1_902, memory_bytes=212 << 20,
    processes=(
        ProcessSnapshot(881, "running", 10, 900, 0, 100 << 20, NOW - 60_000),
        ProcessSnapshot(882, "stopping", 9, 1_002, 0, 90 << 20, NOW - 30_000),
    ),
    complaint="SyntaxError", command=WorkerCommand("resume", "ada@here", "deployed", NOW - 30_000, NOW - 60_000, "a1"),
)  # fmt: skip


def test_workers_as_a_table() -> None:
    assert workers.as_table([WORKER], NOW).splitlines() == [
        "Worker      Queues            State     Heartbeat   Processes    Busy   Completed   Failed      Memory",
        "web-3:880   email=3, images   running   1.5 s ago           2   19/32       1,902        0   212.0 MiB",
    ]


def test_status_tells_of_each_process_and_of_what_the_worker_was_told() -> None:
    assert workers.as_text(WORKER, NOW).splitlines() == [
        "web-3:880 on web-3, version 1.9, up 1 min 00 s",
        "Running, last heard 1.5 s ago; email=3, images; 19 of 32 slots busy",
        "Last told to resume by ada@here, 30 s ago: deployed",
        "No new process comes to work: SyntaxError",
        "Process   State      Busy   Completed   Failed      Memory           Up",
        "881       running      10         900        0   100.0 MiB   1 min 00 s",
        "882       stopping      9       1,002        0    90.0 MiB         30 s",
    ]


def test_workers_that_are_not_there_are_told_and_nothing_is_asked(here: Run) -> None:
    code, output, complaints = here("workers", "stop", "w1:7", "--yes")
    assert (code, output) == (1, "")
    assert "1 left alone: no such worker (w1:7)" in complaints
    assert here("workers", "status", "w1:7")[0] == 1
    assert here("workers", "quiet", "--all", "--yes") == (1, "", "No worker is there.\n")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["stop"], "Say which workers to stop: IDs, or --all."),
        (["stop", "w1:7", "--all"], "Say which workers to stop"),
        (["list", "w1:7"], "list takes no ID"),
        (["status", "--all"], "--all and --wait are for"),
        (["dance"], "'dance' is not one of"),
    ],
)
def test_words_that_make_no_sense_are_refused(here: Run, words: list[str], complaint: str) -> None:
    code, _, complaints = here("workers", *words)
    assert code == 2
    assert complaint in complaints


@pytest.mark.parametrize(("state", "is_at_rest"), [("quiet", True), ("starting", False), ("running", False)])
def test_worker_is_at_rest_when_its_processes_have_heard_of_it_too(state: str, is_at_rest: bool) -> None:
    """Until then one of them may take another task."""
    processes = tuple(
        replace(process, state=one) for process, one in zip(WORKER.processes, ("quiet", state), strict=True)
    )
    told = replace(WORKER, state="quiet", busy=0, processes=processes)
    assert telling.is_at_rest(told) == is_at_rest
    assert not telling.is_at_rest(replace(told, busy=1))


def test_nothing_to_list_says_how_it_begins(here: Run) -> None:
    assert "taskyard worker" in here("workers")[1]
    assert json.loads(here("workers", "--json")[1]) == []
