"""`taskyard stats`: how statistics are printed. What is counted is tested in `tests/test_telemetry.py`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from queue_core import protocol
from queue_core.cli.stats import drains, outlook, percentiles, rate, sparkline
from queue_core.client import Client
from queue_core.histogram import Histogram
from queue_core.snapshot import Figures
from tests.cli.harness import Run
from tests.console import Tasks

CHARGED = Figures(completed=2, wait=Histogram((0, 0, 2)), run=Histogram((0, 0, 0, 0, 0, 0, 0, 0, 0, 2)))


@pytest.fixture
def busy(tasks: Tasks, redis_url: str, namespace: str) -> Tasks:
    tasks.enqueue(count=2)
    tasks.die(count=1)
    client = Client(redis_url, namespace)
    client.run(protocol.measure(client.queue("billing"), {"charge": CHARGED}))
    client.close()
    return tasks


def test_a_row_for_each_queue(here: Run, busy: Tasks) -> None:
    busy.enqueue("email", count=3)
    code, output, _ = here("stats")
    lines = output.splitlines()
    assert (code, lines[0], len(lines)) == (0, "last 24 hours", 4)
    assert lines[1].split("   ")[0].strip() == "Queue"
    assert [line.split()[0] for line in lines[2:]] == ["billing", "email"]
    assert "3.5 ms" not in output  # a duration is never told finer than it is known
    assert lines[2].split()[-6:] == ["750", "ms", "975", "ms", "995", "ms"]


def test_one_queue_with_its_hours(here: Run, busy: Tasks) -> None:
    output = here("stats", "billing", "--hours", "2", "--names")[1]
    lines = output.splitlines()
    assert lines[0] == "billing, last 2 hours"
    assert lines[1].startswith("  Rates      not known yet: counted for ")
    assert lines[2] == "  Ready      0"
    assert lines[3] == "  Wait       p50 3 ms, p95 4 ms, p99 4 ms (2 attempts)"
    assert lines[4] == "  Run        p50 750 ms, p95 975 ms, p99 995 ms (2 attempts)"
    assert any(line.startswith("  Enqueued   ") and line.endswith("█ 3") for line in lines)
    assert any(line.startswith("Hour (UTC)") for line in lines)
    (charge,) = (line for line in lines if line.startswith("charge "))
    assert charge.endswith(("now", " s ago"))  # its last success


def test_minutes_and_names_of_all_queues(here: Run, busy: Tasks) -> None:
    assert here("stats", "billing", "--minutes", "5")[1].startswith("billing, last 5 minutes\n")
    output = here("stats", "--minutes", "1", "--names")[1]
    assert output.startswith("last minute\n")
    assert "\ncharge " in output


def test_quiet_time_is_told(here: Run, redis_url: str, namespace: str) -> None:
    assert here("stats") == (0, "There are no queues yet: one begins with its first task.\n", "")
    client = Client(redis_url, namespace)
    client.run(protocol.pause(client.queue("billing"), "bo", ""))
    client.close()
    assert here("stats", "billing")[1].endswith("\nNothing was counted in this time.\n")


def test_json_is_plain_numbers(here: Run, busy: Tasks) -> None:
    found = json.loads(here("stats", "billing", "--hours", "2", "--names", "--json")[1], parse_constant=pytest.fail)
    assert (found["queue"], found["step_ms"], len(found["periods"])) == ("billing", 3_600_000, 2)
    assert found["total"]["enqueued"] == sum(period["enqueued"] for period in found["periods"]) == 3
    assert found["total"]["wait"] == {"count": 2, "p50_ms": 3.5, "p95_ms": 4.85, "p99_ms": 4.97, "buckets": [0, 0, 2]}
    assert found["names"]["charge"]["enqueued"] == 3
    assert found["bucket_bounds_ms"][:3] == [1, 2, 5]
    (minute,) = found["attempts"]["charge"]["minutes"]
    assert minute["at"] % 60_000 == 0
    assert (minute["completed"], found["attempts"]["charge"]["last_completed_at"] > minute["at"]) == (2, True)
    assert [one["queue"] for one in json.loads(here("stats", "--json")[1])] == ["billing"]


def test_a_queue_that_cannot_be_read_is_told_and_the_others_are_shown(
    here: Run, busy: Tasks, redis_url: str, namespace: str
) -> None:
    busy.enqueue("email")
    client = Client(redis_url, namespace)
    client.redis.delete(client.queue("email").telemetry)
    client.redis.set(client.queue("email").telemetry, "not a hash")
    client.close()
    code, output, complaint = here("stats")
    assert (code, "billing" in output, "email" in output) == (1, True, False)
    assert complaint.startswith("taskyard stats: queue email cannot be read: ")


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (("absent",), 1, "there is no queue 'absent'; there are: billing"),
        (("no/name",), 2, "queue name 'no/name' is not allowed"),
        (("billing", "--hours", "841"), 2, "841 is not in the range 1<=x<=840"),
        (("billing", "--minutes", "0"), 2, "0 is not in the range 1<=x<=1500"),
        (("billing", "--hours", "1", "--minutes", "1"), 2, "--hours and --minutes are not accepted together"),
    ],
)
def test_bad_input_is_refused(here: Run, tasks: Tasks, arguments: tuple[str, ...], code: int, complaint: str) -> None:
    tasks.enqueue()
    found = here("stats", *arguments)
    assert (found[0], complaint in found[2]) == (code, True), found


@pytest.mark.parametrize(
    ("numbers", "most", "line"),
    [
        ([], 60, ""),
        ([0, 0], 60, "▁▁"),
        ([0, 1, 2, 4, 8, 16], 60, "▁▂▂▃▅█"),
        ([1, 1_000_000], 60, "▂█"),  # what happened is seen, however little
        ([5, 5, 5], 60, "███"),
        ([1, 0, 0, 0, 4], 3, "▃▁█"),
        (list(range(120)), 60, None),
        ([0, -3], 60, "▁▁"),
    ],
)
def test_sparkline(numbers: Sequence[int], most: int, line: str | None) -> None:
    drawn = sparkline(numbers, most)
    assert len(drawn) <= most
    assert line is None or drawn == line


@pytest.mark.parametrize(
    ("per_second", "shown"),
    [(None, "–"), (0.0, "0"), (0.0333, "0.033"), (0.996, "1"), (4.26, "4.3"), (1_234.5, "1,234")],
)
def test_rate(per_second: float | None, shown: str) -> None:
    assert rate(per_second) == shown


def test_what_is_longer_than_all_buckets_is_told_as_longer() -> None:
    assert percentiles(Histogram((0,) * 27 + (1,))) == ("> 5 d 18 h",) * 3
    assert percentiles(Histogram()) == ("–",) * 3


@pytest.mark.parametrize(
    ("seconds", "shown", "sentence"),
    [
        (None, "?", ", oldest wait 5 s; when it is drained is not known yet"),
        (float("inf"), "never", ", oldest wait 5 s; at these rates it never drains"),
        (90.0, "1 min 30 s", ", oldest wait 5 s; at these rates drained in 1 min 30 s"),
    ],
)
def test_time_to_drain(busy: Tasks, seconds: float | None, shown: str, sentence: str) -> None:
    found = replace(busy.inspector.statistics("billing"), time_to_drain_seconds=seconds, ready=3, oldest_wait_ms=5_000)
    assert drains(found) == shown
    assert outlook(found).replace("5.0 s", "5 s") == sentence
