"""What users test with: the examples of its page as they stand there, and where it ends."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from queue_core import (
    Taskyard,
    testing,
)
from queue_core.embedded import EmbeddedServer

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/testing.md").read_text()
PROGRAMS = dict(re.findall(r"```python\n# (\S+\.py)\n(.+?)```", PAGE, re.DOTALL))
NOWHERE = "redis://127.0.0.1:1/0"


def test_page_runs_as_it_stands(tmp_path: Path, server: EmbeddedServer) -> None:
    for name, text in PROGRAMS.items():
        (tmp_path / name).write_text(text)
    assert {"shop.py", "conftest.py", "by_hand.py"} <= PROGRAMS.keys()
    tests = [name for name in PROGRAMS if name.startswith("test_")]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), *tests]
    environ = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=environ)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    count = sum(text.count("\ndef test_") for text in PROGRAMS.values())
    assert f"{count} passed" in ran.stdout
    shown = subprocess.run(
        [sys.executable, "by_hand.py"], cwd=tmp_path, capture_output=True, text=True, check=True, env=environ
    ).stdout
    assert re.match(r"\[<Run send_email \w{22} attempt 1, completed>\]\n", shown)


def test_engine_and_its_testing_need_no_pytest() -> None:
    program = "import sys; sys.modules['pytest'] = None; import queue_core; from queue_core import testing"
    subprocess.run([sys.executable, "-c", program], check=True)
    program = "import sys; import queue_core; assert not [name for name in sys.modules if 'testing' in name]"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_without_a_server_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKYARD_SERVER_BINARY", "/nowhere")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CI", raising=False)
    from queue_core.testing import fixtures  # after pytest has made it a plugin

    with pytest.raises(pytest.skip.Exception, match="which is not a program"):
        fixtures._binary()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no test may be skipped"):
        fixtures._binary()


def test_yard_is_on_that_server_and_then_where_it_was(yard: Taskyard, redis_url: str, clock: testing.Clock) -> None:
    @yard.task
    def fine() -> None: ...

    before = dict(vars(yard))
    with testing.connected(yard, redis_url, namespace="mine", clock=clock) as connected:
        assert connected is yard
        fine.enqueue()
        assert len(testing.drain(yard)) == 1
        with testing.connected(yard, redis_url, namespace="inner"):
            assert testing.drain(yard) == []
        fine.enqueue()
        assert len(testing.drain(yard)) == 1
    assert vars(yard) == before


pytest_plugins = ["queue_core.testing.fixtures"]


def test_fixtures_put_a_yard_onto_a_server_of_their_own(
    yard: Taskyard,
    taskyard_connect: Callable[[Taskyard], Taskyard],
    taskyard_clock: testing.Clock,
    taskyard_namespace: str,
    taskyard_url: str,
) -> None:
    connected = taskyard_connect(yard)
    assert (connected.url, connected.namespace, connected.clock) == (taskyard_url, taskyard_namespace, taskyard_clock)
    assert taskyard_connect(Taskyard(NOWHERE)).inspector.snapshot().queues == ()
