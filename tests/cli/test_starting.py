"""What starts and stays: ports and servers that it refuses, waiting for a server, ending when told."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from queue_core.embedded import EmbeddedServer
from tests.cli.harness import NOBODY, Run


@pytest.mark.parametrize("command", ["demo", "console"])
def test_taken_port_is_refused(command: str, run: Run) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        code, output, said = run(command, "--port", str(port))
    start = f"taskyard {command}: port {port} is in use. Choose another with --port, e.g. --port "
    assert (code, output) == (2, "")
    assert said.startswith(start)
    assert said.removeprefix(start).rstrip(".\n").isdigit()


@pytest.mark.parametrize("arguments", [["worker", "good:yard"], ["console", "--port", "18399"]])
def test_server_that_throws_tasks_away_is_refused(arguments: list[str], run: Run) -> None:
    with EmbeddedServer(options={"maxmemory-policy": "allkeys-lru"}) as server:
        code, _, said = run(*arguments, TASKYARD_REDIS_URL=server.url)
    assert code == 2
    assert "maxmemory-policy allkeys-lru" in said
    assert said.rstrip().endswith("--allow-eviction")


@pytest.mark.parametrize(
    ("arguments", "sign_of_life"),
    [(["worker", "good:yard"], "does not answer"), (["console", "--port", "0"], "Console on")],
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_without_a_server_it_waits_and_ends_silently_when_told(
    arguments: list[str], sign_of_life: str, number: signal.Signals, tmp_path: Path, run: Run
) -> None:
    if arguments[0] == "console":
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            arguments = ["console", "--port", str(probe.getsockname()[1])]
    process = subprocess.Popen(
        [sys.executable, "-m", "queue_core.cli", *arguments],
        cwd=tmp_path,
        env={**os.environ, "TASKYARD_REDIS_URL": NOBODY},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    with process:
        try:
            said = process.stderr.readline()
            while sign_of_life not in said:
                line = process.stderr.readline()
                assert line, said
                said += line
            process.send_signal(number)
            began = time.monotonic()
            process.wait(10)
            assert time.monotonic() - began < 5
            said += process.stderr.read()
        finally:
            process.kill()
    assert process.returncode == 0
    assert "Traceback" not in said
    assert said.count("does not answer") <= 1
