"""Workers that end when nothing is left to do. Real workers."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis

from queue_core import Taskyard
from queue_core.control import Control
from tests.worker import shop
from tests.worker.harness import FAST, StartWorker, counted, traces


def test_burst_ends_when_all_has_run_also_what_its_tasks_enqueue_and_leaves_what_is_due_later(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    yard.enqueue_many(shop.note.message(str(i)) for i in range(1_000))
    shop.grow_chain.enqueue(5)
    shop.fail_for_long.enqueue()
    shop.note.options(delay=3_600).enqueue("in an hour")
    shop.wait.enqueue("a", seconds=0.2)
    Control(client=yard.client).pause("slow", by="ada", action_id="a1")
    worker = start_worker(processes=2, burst=True)
    assert worker.process.wait(30) == 0
    assert len([line for line in traces(redis) if line.isdecimal()]) == 1_000
    assert [line for line in traces(redis) if line.startswith("link")] == [f"link {i}" for i in (5, 4, 3, 2, 1)]
    assert "the queues are empty; left: 1 scheduled, 1 retrying, 1 in paused queues" in worker.said()
    assert (redis.zcard(FAST.leases), redis.llen(FAST.ready), counted(redis, "fast", "released")) == (1, 0, 0)
    check_books()


@pytest.mark.parametrize("count", [0, 1])
def test_burst_of_next_to_nothing_ends_soon(
    start_worker: StartWorker, redis: Redis, yard: Taskyard, count: int
) -> None:
    yard.enqueue_many(shop.note.message(str(i)) for i in range(count))
    assert start_worker(burst=True).process.wait(15) == 0
    assert len(traces(redis)) == count


@pytest.mark.parametrize(("loads", "exit_code"), [(1, 1), (2, 0)], ids=["no process comes", "one of two comes"])
def test_burst_whose_processes_cannot_be_started_gives_up_unless_another_one_does_the_work(
    start_worker: StartWorker,
    redis: Redis,
    yard: Taskyard,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    loads: int,
    exit_code: int,
) -> None:
    """The application can be loaded so often; the first one who does is the supervisor."""
    (tmp_path / "scarce_shop.py").write_text(
        "from pathlib import Path\n"
        "from tests.worker.shop import yard\n"
        f"licences = [Path(__file__).with_name(f'licence-{{number}}') for number in range({loads})]\n"
        "for licence in licences:\n"
        "    try:\n"
        "        licence.touch(exist_ok=False)\n"
        "        break\n"
        "    except FileExistsError:\n"
        "        pass\n"
        "else:\n"
        "    raise RuntimeError('no licence is left')\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    yard.enqueue_many(shop.note.message(str(i)) for i in range(10))
    worker = start_worker(app="scarce_shop:yard", burst=True, processes=2)
    assert worker.process.wait(40) == exit_code
    assert "no licence is left" in worker.said()
    assert ("no process could be started, 5 times in a row" in worker.said()) == (exit_code == 1)
    assert len(traces(redis)) == (0 if exit_code else 10)
