"""A command line in a folder of its own, and tasks for it to work on."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from queue_core.cli import main
from tests.cli.harness import MODULES, Run
from tests.console import Tasks


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # a worker sets up its own
    monkeypatch.setattr(logging.getLogger(), "level", logging.WARNING)
    for name in [name for name in os.environ if name.startswith("TASKYARD_")]:
        monkeypatch.delenv(name)

    def run(*arguments: str, **environ: str) -> tuple[int, str, str]:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as end:
            main(list(arguments))
        for name in MODULES:
            sys.modules.pop(name, None)
        assert isinstance(end.value.code, int)
        return end.value.code, *capfd.readouterr()

    return run


@pytest.fixture
def here(run: Run, redis_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A command line whose environment names the server of the test."""
    monkeypatch.setenv("TASKYARD_REDIS_URL", redis_url)
    monkeypatch.setenv("TASKYARD_NAMESPACE", namespace)
    return run


@pytest.fixture
def tasks(redis_url: str, namespace: str) -> Iterator[Tasks]:
    made = Tasks(redis_url, namespace)
    yield made
    made.close()
