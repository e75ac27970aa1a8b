"""A console with nobody to sign in, tasks for it to show, and a worker that runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.harness import ROOT, Console
from tests.console import Tasks


@pytest.fixture
def console(redis_url: str, namespace: str) -> Iterator[Console]:
    running = Console(redis_url, namespace)
    yield running
    running.stop()


@pytest.fixture
def tasks(redis_url: str, namespace: str) -> Iterator[Tasks]:
    made = Tasks(redis_url, namespace)
    yield made
    made.close()


@pytest.fixture
def start_worker(redis_url: str, namespace: str) -> Iterator[Callable[[], None]]:
    """A worker whose task `sync` fails while the file of the warehouse is missing."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        environ = {**os.environ, "TASKYARD_REDIS_URL": redis_url, "TASKYARD_NAMESPACE": namespace}
        command = [sys.executable, "-m", "queue_core.cli", "worker", "warehouse:yard", "--log-level", "warning"]
        started.append(subprocess.Popen(command, cwd=Path(__file__).parent, env=environ | {"PYTHONPATH": str(ROOT)}))

    yield start
    for worker in started:
        worker.terminate()
    for worker in started:
        worker.wait(20)
