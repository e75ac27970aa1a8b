"""Several processes under one supervisor: each is watched and replaced for itself. Real workers."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import socket
import subprocess
import termios
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from queue_core import Taskyard
from tests.worker import shop
from tests.worker.harness import (
    FAST,
    SLOW,
    StartWorker,
    Worker,
    children_of,
    counted,
    history_of,
    is_alive,
    record_of,
    traces,
    wait_until,
    wait_until_completed,
)


def states(redis: Redis, worker: Worker) -> list[str]:
    return [process["state"] for process in record_of(redis, worker).get("processes", ())]


def when(redis: Redis, worker: Worker, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The worker's record when the condition holds of it at last."""

    def found() -> dict[str, Any]:
        record = record_of(redis, worker)
        return record if record and condition(record) else {}

    return wait_until(found)


def pids(redis: Redis, worker: Worker) -> set[int]:
    return {process["pid"] for process in record_of(redis, worker).get("processes", ())}


def test_of_two_processes_the_one_that_dies_is_replaced_and_the_other_one_never_notices(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    worker = start_worker(processes=2, concurrency=2, heartbeat_seconds=0.2, lease_seconds=300)
    wait_until(lambda: states(redis, worker) == ["running", "running"])
    for task in ("a", "b", "c", "d"):
        shop.tell_process.options(task_id=task).enqueue(task, seconds=1.5)
    wait_until(lambda: len(traces(redis)) == 4)
    record = when(redis, worker, lambda record: record["busy"] == 4)
    assert [process["busy"] for process in record["processes"]] == [2, 2]
    assert record["concurrency"] == 4
    runs_in = dict(line.split(" runs in ") for line in traces(redis))
    dying = int(runs_in["a"])
    os.kill(dying, signal.SIGKILL)
    wait_until_completed(redis, 4, "slow")
    for task, pid in runs_in.items():
        expected = ["0", "1", "0"] if int(pid) == dying else []
        assert (history_of(redis, "slow", task) or [""])[0].split()[:3] == expected
    after = when(redis, worker, lambda record: record["completed"] == 4)
    assert {process["pid"] for process in after["processes"]} & set(map(int, runs_in.values())) == (
        set(map(int, runs_in.values())) - {dying}
    )
    assert after["memory_bytes"] > sum(process["memory_bytes"] for process in after["processes"]) > 0
    assert worker.stop() == 0
    check_books()


def test_all_that_two_busy_processes_hold_comes_back_when_they_are_killed_in_turn(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    worker = start_worker(processes=2, concurrency=8, lease_seconds=300)
    yard.enqueue_many(shop.note_in_thread.message(str(i)) for i in range(8_000))
    for kills in range(1, 5):
        wait_until(lambda least=1_200 * kills: counted(redis, "fast", "completed") > least)  # type: ignore[misc]
        wait_until(lambda: len(children_of(worker.pid)) == 2)
        before = children_of(worker.pid)
        os.kill(before[kills % 2], signal.SIGKILL)
        wait_until(lambda before=before: set(children_of(worker.pid)) - set(before))  # type: ignore[misc]
    wait_until_completed(redis, 8_000, "fast", 30)
    check_books()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where an application lies that a test can change."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    return tmp_path


def write(folder: Path, version: str) -> None:
    code = folder / "changing_shop.py"
    code.write_text(
        "import os, time\n"
        "from redis import Redis\n"
        "from queue_core import Taskyard\n"
        f"yard = Taskyard(namespace='test', version={version!r})\n"
        "@yard.task(queue='slow')\n"
        "def work(what: str, seconds: float) -> None:\n"
        "    redis = Redis.from_url(yard.url)\n"
        f"    redis.rpush('traces', what + ' began in {version}')\n"
        "    time.sleep(seconds)\n"
        f"    redis.rpush('traces', what + ' ended in {version}')\n"
    )
    # Python knows changed code by its length and by the second in which it was written.
    os.utime(code, (0, int(version)))


def test_rolling_restart_loads_new_code_while_what_runs_finishes_and_code_that_does_not_load_changes_nothing(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, folder: Path, check_books: Callable[[], None]
) -> None:
    write(folder, "1")
    settings: dict[str, Any] = {"app": "changing_shop:yard", "processes": 2, "concurrency": 1}
    worker = start_worker(heartbeat_seconds=0.2, **settings)
    wait_until(lambda: states(redis, worker) == ["running", "running"])
    for what in ("a", "b"):
        yard.send("work", {"what": what, "seconds": 1.5}, queue="slow")
    wait_until(lambda: len(traces(redis)) == 2)
    first = pids(redis, worker)

    write(folder, "2")
    worker.signal(signal.SIGHUP)
    most = 0
    while "all processes are new ones" not in worker.said():
        most = max(most, len(children_of(worker.pid)))
    assert most == 3  # one after another
    assert sorted(traces(redis)[2:]) == ["a ended in 1", "b ended in 1"]
    assert not any(map(is_alive, first))
    assert when(redis, worker, lambda record: record["version"] == "2")["completed"] == 2

    (folder / "changing_shop.py").write_text("def work(:\n")
    second = set(children_of(worker.pid))
    worker.signal(signal.SIGHUP)
    complaint = when(redis, worker, lambda record: record["complaint"])["complaint"]
    assert "'changing_shop' cannot be imported: SyntaxError" in complaint
    wait_until(lambda: "THE NEW PROCESS CANNOT WORK" in worker.said())
    assert set(children_of(worker.pid)) == second
    yard.send("work", {"what": "c", "seconds": 0}, queue="slow")
    wait_until_completed(redis, 3, "slow")
    assert "c ended in 2" in traces(redis)

    write(folder, "3")
    worker.signal(signal.SIGHUP)
    when(redis, worker, lambda record: record["version"] == "3" and not record["complaint"])
    assert worker.stop() == 0
    assert counted(redis, "slow", "crashed") == 0
    check_books()


@pytest.mark.timeout(120)
def test_restarts_deaths_and_a_stop_in_the_midst_of_work_lose_nothing_and_count_nothing_but_the_deaths(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    """Long tasks fill all slots, short ones flow beside them; what a restart cuts off is released, not counted."""
    worker = start_worker(processes=2, concurrency=8, grace_seconds=0.3, lease_seconds=300)
    yard.enqueue_many(shop.note_in_thread.message(str(i)) for i in range(6_000))
    handles = yard.enqueue_many(shop.wait.message(f"long {i}", seconds=1) for i in range(20))
    started = "another process is started"
    for restart in range(3):
        wait_until(lambda least=500 * restart: counted(redis, "fast", "completed") > least, 40)  # type: ignore[misc]
        worker.signal(signal.SIGHUP)
        wait_until(lambda number=restart + 1: worker.said().count(started) >= number, 40)  # type: ignore[misc]
        if restart == 1:
            os.kill(children_of(worker.pid)[0], signal.SIGKILL)
    worker.signal(signal.SIGTERM)  # while a process is being replaced
    assert worker.process.wait(15) == 0
    assert redis.zcard(FAST.leases) == redis.zcard(SLOW.leases) == 1
    start_worker("w2", concurrency=30)
    wait_until_completed(redis, 6_020, seconds=30)
    attempts_and_crashes = [(history_of(redis, "slow", h.id) or ["0 0 0"])[0].split()[:2] for h in handles]
    assert {attempts for attempts, _ in attempts_and_crashes} == {"0"}
    assert sum(int(crashes) for _, crashes in attempts_and_crashes) <= 8
    assert counted(redis, "fast", "failed") + counted(redis, "slow", "failed") == 0
    check_books()


def test_reloading_worker_takes_each_change_at_once_and_a_mistake_keeps_what_there_was(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, folder: Path
) -> None:
    """Also one in a module that has never been loaded: nobody else knows of it."""
    write(folder, "1")
    worker = start_worker(app="changing_shop:yard", reload=True, grace_seconds=0)
    first = when(redis, worker, lambda record: record["version"] == "1" and record["state"] == "running")
    assert first["version_since"] == first["started_at"]

    def change(version: str, more: str = "") -> None:
        write(folder, version)
        with (folder / "changing_shop.py").open("a") as module:
            module.write(more)

    change("2")
    second = when(redis, worker, lambda record: record["version"] == "2" and not record["complaint"])
    assert first["heartbeat_at"] <= second["version_since"] <= second["heartbeat_at"]
    assert second["started_at"] == first["started_at"]
    (folder / "package").mkdir()
    (folder / "package" / "new_module.py").write_text("def f(:\n")
    change("3", "import package.new_module\n")
    assert "SyntaxError" in when(redis, worker, lambda record: record["complaint"])["complaint"]
    assert record_of(redis, worker)["version"] == "2"
    (folder / "package" / "new_module.py").write_text("x = 1\n")
    when(redis, worker, lambda record: record["version"] == "3" and not record["complaint"])
    done = "new_module.py has changed: all processes are new ones"
    wait_until(lambda: done in worker.said())
    (folder / "package" / "new_module.py").write_text("x = 2  # it is watched now\n")
    wait_until(lambda: worker.said().count(done) == 2)


def test_systemd_hears_when_the_worker_is_ready_alive_and_stopping(
    start_worker: StartWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis: Redis
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "200000")
        worker = start_worker(processes=2)
        said = [heard.recv(100).decode()]
        while said[-1] != "READY=1":
            said.append(heard.recv(100).decode())
        assert set(said[:-1]) <= {"WATCHDOG=1"}
        assert [heard.recv(100).decode() for _ in range(3)] == ["WATCHDOG=1"] * 3
        worker.signal(signal.SIGTERM)
        while said[-1] != "STOPPING=1":
            said.append(heard.recv(100).decode())
        assert worker.process.wait(10) == 0


def test_systemd_waits_for_the_rolling_restart_and_hears_why_code_does_not_load(
    start_worker: StartWorker, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis: Redis
) -> None:
    write(folder, "1")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        worker = start_worker(app="changing_shop:yard", processes=2)
        assert heard.recv(1_000) == b"READY=1"

        def reload() -> str:
            before = time.monotonic_ns() // 1_000
            worker.signal(signal.SIGHUP)
            said, at = heard.recv(1_000).decode().split("\nMONOTONIC_USEC=")
            assert said == "RELOADING=1"
            assert before <= int(at) <= time.monotonic_ns() // 1_000
            return heard.recv(1_000).decode()

        first = set(children_of(worker.pid))
        assert reload() == "READY=1\nSTATUS="
        assert not any(map(is_alive, first))
        (folder / "changing_shop.py").write_text("def work(:\n")
        ready, status = reload().split("\n")
        assert ready == "READY=1"
        assert "'changing_shop' cannot be imported: SyntaxError" in status
        write(folder, "2")
        assert reload() == "READY=1\nSTATUS="


def test_worker_whose_terminal_closes_stops_and_takes_it_for_no_restart(
    start_worker: StartWorker, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = pty.openpty()

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)

    monkeypatch.setattr("subprocess.Popen", partial(subprocess.Popen, preexec_fn=take_terminal))
    worker = start_worker(heartbeat_seconds=0.2)
    wait_until(lambda: states(redis, worker) == ["running"])
    worker.signal(signal.SIGHUP)
    wait_until(lambda: "all processes are new ones" in worker.said())
    os.close(theirs)
    os.close(ours)
    assert worker.process.wait(10) == 0
    assert worker.said().count("another process is started") == 1


def test_process_that_has_run_its_tasks_or_grown_too_large_is_replaced_and_nothing_is_counted(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    worker = start_worker(processes=2, concurrency=4, max_tasks=500, heartbeat_seconds=0.2)
    wait_until(lambda: states(redis, worker) == ["running", "running"])
    first = pids(redis, worker)
    yard.enqueue_many(shop.note.message(str(i)) for i in range(4_000))
    wait_until_completed(redis, 4_000, "fast")
    wait_until(lambda: not any(map(is_alive, first)))
    wait_until(lambda: len(children_of(worker.pid)) == 2)
    assert "tasks: another process is started" in worker.said()
    assert worker.stop() == 0
    worker = start_worker("w2", max_memory=200 << 20)
    shop.grow.enqueue(300 << 20)
    wait_until_completed(redis, 4_001)
    wait_until(lambda: "MiB: another process is started" in worker.said())
    assert worker.stop() == 0
    assert counted(redis, "slow", "crashed") == counted(redis, "fast", "crashed") == 0
    check_books()
