"""What a worker is told, and what it says to nonsense."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from queue_core import ConfigurationError, InvalidName
from queue_core.worker import child
from queue_core.worker.loading import load_yard
from queue_core.worker.settings import WorkerSettings, parse_memory, parse_queues
from queue_core.worker.supervisor import run_worker


@pytest.mark.parametrize(
    ("text", "queues"),
    [
        ("email", {"email": 1}),
        ("email=3,images", {"email": 3, "images": 1}),
        (" email=3 , images ,", {"email": 3, "images": 1}),
        ("a.b:c-d_e=1000", {"a.b:c-d_e": 1_000}),
        ("a=0", {"a": 0}),  # WorkerSettings refuses it
    ],
)
def test_queues_are_read_with_their_weights(text: str, queues: dict[str, int]) -> None:
    assert parse_queues(text) == queues


@pytest.mark.parametrize(
    ("text", "error", "complaint"),
    [
        ("", ConfigurationError, "name no queue: say, for example, email=3,images"),
        (" , ", ConfigurationError, "name no queue"),
        ("a,b,a", ConfigurationError, "queue a is named twice in 'a,b,a'"),
        ("a=x", ConfigurationError, "weight 'x' of queue a is not accepted"),
        ("a=", ConfigurationError, "weight '' of queue a"),
        ("a=-1", ConfigurationError, "weight '-1'"),
        ("a=1.5", ConfigurationError, "weight '1.5'"),
        ("a=²", ConfigurationError, "weight '²'"),
        ("=3", InvalidName, "queue name ''"),
        ("a b", InvalidName, "queue name 'a b'"),
        ("a{b}", InvalidName, "a{b}"),
    ],
)
def test_queues_that_make_no_sense_are_refused(text: str, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error) as refused:
        parse_queues(text)
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"processes": 0}, "number of processes 0 is not accepted: 1 to 256"),
        ({"max_tasks": 0}, "largest number of tasks 0"),
        ({"max_memory": 500}, "largest memory 500 is not accepted"),
        ({"concurrency": 0}, "concurrency 0 is not accepted: 1 to 4096"),
        ({"concurrency": 4_097}, "concurrency 4097"),
        ({"concurrency": 2.5}, "concurrency 2.5"),
        ({"concurrency": "4"}, "concurrency '4'"),
        ({"concurrency": True}, "concurrency True"),
        ({"lease_seconds": 0.4}, "lease 0.4"),
        ({"lease_seconds": math.nan}, "lease nan"),
        ({"lease_seconds": math.inf}, "lease inf"),
        ({"heartbeat_seconds": 0}, "heartbeat 0"),
        ({"grace_seconds": -1}, "grace time -1 is not accepted"),
        ({"queues": {"a": 0}}, "weight of queue a 0"),
        ({"queues": {"a": 1_001}}, "weight of queue a 1001"),
        ({"queues": {"a": 1.5}}, "weight of queue a 1.5"),
        ({"queues": {"a b": 1}}, "queue name 'a b'"),
        ({"queues": {f"q{i}": 1 for i in range(201)}}, "201 queues are too many"),
        ({"name": "a b"}, "worker name 'a b'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises((ConfigurationError, InvalidName)) as refused:
        WorkerSettings("shop:yard", **given)
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    ("text", "size"),
    [("500M", 500 << 20), ("2g", 2 << 30), ("64 ", 64), ("1KiB", 1_024), ("1.5G", 0), ("", 0), ("M", 0), ("-1M", 0)],
)
def test_memory_is_read_with_its_unit(text: str, size: int) -> None:
    if size:
        assert parse_memory(text) == size
        return
    with pytest.raises(ConfigurationError, match="is not accepted: say, for example, 500M or 2G"):
        parse_memory(text)


@pytest.mark.parametrize(("lease", "heartbeat", "beat"), [(30, 5, 4), (30, 60, 7.5), (2, 5, 0.5), (0.5, 5, 0.125)])
def test_beat_is_well_below_a_third_of_the_lease(lease: float, heartbeat: float, beat: float) -> None:
    settings = WorkerSettings("shop:yard", lease_seconds=lease, heartbeat_seconds=heartbeat)
    assert settings.beat_seconds == beat
    assert settings.lease_ms == lease * 1000


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good_shop.py").write_text("from queue_core import Taskyard\nyard = Taskyard()\n")
    (tmp_path / "broken_shop.py").write_text("import json\n\njson.loads('{')\n")
    (tmp_path / "crooked_shop.py").write_text("def f(:\n")
    (tmp_path / "leaving_shop.py").write_text("raise SystemExit(3)\n")
    return tmp_path


def test_yard_is_found_in_a_module_of_the_working_directory(modules: Path) -> None:
    assert load_yard("good_shop:yard").tasks == {}


@pytest.mark.parametrize(
    ("reference", "complaint"),
    [
        ("good_shop", "'good_shop' names no yard: say module:yard, for example shop.tasks:yard"),
        ("good_shop:", "names no yard"),
        (":yard", "names no yard"),
        ("good_shop:a-b", "names no yard"),
        ("", "names no yard"),
        ("good_shop:shop", "'good_shop:shop' is not a Taskyard; it has good_shop:yard"),
        ("good_shop:Taskyard", "is not a Taskyard"),
        ("no_such_shop:yard", "module 'no_such_shop' cannot be imported: ModuleNotFoundError"),
        ("good_shop.inner:yard", "cannot be imported"),
        ("broken_shop:yard", "broken_shop"),
        ("crooked_shop:yard", "cannot be imported: SyntaxError"),
        ("leaving_shop:yard", "leaving_shop"),
        ("../good_shop:yard", "../good_shop"),
        ("..:yard", "names no yard"),
    ],
)
def test_yard_that_cannot_be_had_is_one_clear_error(modules: Path, reference: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_yard(reference)
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


def test_limit_of_memory_is_refused_where_the_system_does_not_tell_how_much_a_process_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As on macOS, which has no /proc."""
    monkeypatch.setattr(child, "PROC", tmp_path)
    with pytest.raises(ConfigurationError, match="--max-memory is of no use here"):
        run_worker(WorkerSettings("tests.worker.shop:yard", max_memory=1 << 30))
