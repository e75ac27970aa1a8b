"""`taskyard worker`: the module that cannot be imported. How it runs is tested in `tests/worker`."""

from __future__ import annotations

from pathlib import Path

from tests.cli.harness import Run


def test_broken_module_is_named_with_its_line(run: Run, tmp_path: Path) -> None:
    code, _, said = run("worker", "broken:yard")
    assert code == 2
    assert said == (
        "taskyard worker: module 'broken' cannot be imported: "
        f"ModuleNotFoundError: No module named 'no_such_module' ({tmp_path / 'broken.py'}:1)\n"
    )
