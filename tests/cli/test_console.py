"""`taskyard console`: when it does not start."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest

from queue_core.errors import ConfigurationError
from tests.cli.harness import Run
from tests.people import write_users


def test_console_open_to_others_says_in_two_lines_what_to_do(run: Run) -> None:
    code, _, said = run("console", "--host", "0.0.0.0")
    assert code == 2
    assert said.startswith("taskyard console: ")
    for way in ("add-user", "TASKYARD_PROXY_USER_HEADER", "--no-login"):
        assert way in said
    assert said.count("\n") == 2


def test_console_whose_file_has_no_users_says_how_to_add_one(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    assert run("console", "add-token", "ci", "--role", "viewer", TASKYARD_USERS_FILE=str(path))[0] == 0
    code, _, said = run("console")
    assert (code, said.count("\n")) == (2, 1)
    assert "has no users: taskyard console add-user NAME" in said


def test_console_whose_users_file_is_not_there_does_not_start(run: Run) -> None:
    code, _, said = run("console", "--users-file", "none.json")
    assert (code, said) == (2, "taskyard console: users file none.json: No such file or directory\n")


@pytest.mark.parametrize("key", ["", "short", "x" * 31])
def test_console_that_others_reach_needs_a_long_key(run: Run, tmp_path: Path, key: str) -> None:
    path = write_users(tmp_path / "users.json").path
    code, _, said = run("console", "--host", "0.0.0.0", "--users-file", str(path), TASKYARD_SECRET_KEY=key)
    assert code == 2
    assert said.startswith(f"taskyard console: TASKYARD_SECRET_KEY has {len(key)} characters")
    assert "openssl rand -hex 32" in said
    assert said.count("\n") == 1


def test_other_servers_start_only_with_users_or_when_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who knows where they listen?"""
    monkeypatch.delitem(sys.modules, "dashboard.wsgi", raising=False)
    with pytest.raises(ConfigurationError, match="without users"):
        import_module("dashboard.wsgi")
    monkeypatch.setenv("TASKYARD_NO_LOGIN", "1")
    assert import_module("dashboard.wsgi").app is not None
    monkeypatch.delitem(sys.modules, "dashboard.wsgi")


def test_console_without_its_packages_says_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("dashboard", "flask", "gunicorn")]:
        monkeypatch.delitem(sys.modules, name)

    class Missing:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name in ("flask", "gunicorn"):
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    code, _, said = run("console")
    assert code == 2
    assert said.startswith("taskyard console: the console's packages are missing (")
    assert said.endswith("): pip install 'taskyard[console]'\n")
