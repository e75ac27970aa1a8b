"""Processes as users start them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


class Console:
    """`taskyard console` as a process of its own."""

    def __init__(self, redis_url: str, namespace: str, *, port: int = 0, **environ: str) -> None:
        self._environ = {
            **os.environ,
            "TASKYARD_ENVIRONMENT": "test",
            "TASKYARD_SECRET_KEY": "of these tests",
            "TASKYARD_REDIS_URL": redis_url,
            "TASKYARD_NAMESPACE": namespace,
            **environ,
        }
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command(), cwd=ROOT, env=self._environ, start_new_session=True)
        wait_until(self._answers)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)

    def kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "queue_core.cli", "console", "--port", str(self.port)]

    def _answers(self) -> bool:
        assert self._process.poll() is None
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
