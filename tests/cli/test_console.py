"""`taskyard console`: when it does not start."""

from __future__ import annotations

import sys

import pytest

from tests.cli.harness import Run


def test_console_open_to_others_says_in_two_lines_what_to_do(run: Run) -> None:
    code, _, said = run("console", "--host", "0.0.0.0")
    assert code == 2
    assert said.startswith("taskyard console: ")
    assert "--no-login" in said
    assert said.count("\n") == 2


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
