"""Schedules with real workers: each second once, whoever of several is alive."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis

from queue_core.inspector import Inspector
from tests.worker.harness import NAMESPACE, ROOT, Worker, wait_until


def seconds(redis: Redis) -> list[int]:
    lines: list[bytes] = redis.lrange("times", 0, -1)  # type: ignore[assignment]
    return [int(line.split()[0]) for line in lines]


def test_each_occurrence_runs_once_while_workers_come_and_are_killed(
    start_worker: Callable[..., Worker], redis: Redis, redis_url: str, check_books: Callable[[], None]
) -> None:
    app = "tests.worker.shop_with_schedules:yard"
    workers = [start_worker(name, app=app) for name in ("w1", "w2")]
    wait_until(lambda: len(seconds(redis)) >= 2, what="no task was made")
    workers[0].signal(signal.SIGKILL)
    third = start_worker("w3", app=app)
    wait_until(lambda: len(seconds(redis)) >= 5 and third.said())
    inspector = Inspector(redis_url, NAMESPACE)
    (shown,) = inspector.schedules()
    inspector.close()
    assert (shown.name, shown.app, shown.words) == ("each-second", app, "every 1 s")
    assert (shown.overdue_since, shown.has_scheduler, shown.undeclared_at) == (None, True, None)
    assert [worker.stop() for worker in (workers[1], third)] == [0, 0]
    times = sorted(seconds(redis))
    assert times == list(range(times[0], times[0] + len(times)))
    check_books()


def test_what_a_worker_enqueues_passes_through_the_middleware_of_its_code(
    start_worker: Callable[..., Worker], redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
    (tmp_path / "stamped_shop.py").write_text(
        "from queue_core import Context\nfrom tests.worker.shop import traces, yard\n"
        "class Stamps:\n    def before_enqueue(self, message):\n"
        "        return message.with_headers({'sent': 'on time'})\n"
        "yard.add_middleware(Stamps())\n"
        "@yard.schedule('each-second', every=1)\n@yard.task(queue='fast')\n"
        "def note_header(context: Context) -> None:\n    traces.rpush('headers', context.headers['sent'])\n"
    )
    start_worker(app="stamped_shop:yard")
    wait_until(lambda: redis.lrange("headers", 0, 0) == [b"on time"])


def test_rolling_restart_declares_what_the_new_code_says(
    start_worker: Callable[..., Worker],
    redis: Redis,
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
    code = tmp_path / "timed_shop.py"
    begin = (
        "from queue_core import Taskyard\nyard = Taskyard(namespace='test')\n@yard.task\ndef report() -> None: ...\n"
        "yard.schedule('stays', report, every=3_600)\n"
    )
    code.write_text(f"{begin}yard.schedule('goes', report, every=3_600)\n")
    worker = start_worker(app="timed_shop:yard")
    inspector = Inspector(redis_url, NAMESPACE)
    wait_until(lambda: [found.name for found in inspector.schedules()] == ["goes", "stays"])
    code.write_text(f"{begin}yard.schedule('comes', report, cron='@daily', time_zone='Europe/Vienna')\n")
    worker.signal(signal.SIGHUP)
    wait_until(lambda: any(found.undeclared_at for found in inspector.schedules()), what=worker.said)
    shown = {found.name: (found.words, bool(found.undeclared_at)) for found in inspector.schedules()}
    inspector.close()
    assert shown == {
        "comes": ("every day at 00:00, Europe/Vienna", False),
        "goes": ("every hour", True),
        "stays": ("every hour", False),
    }
    assert worker.stop() == 0
